package directory

import (
	"errors"
	"fmt"
	"time"

	"relais.example/crypto/pgp"
)

// SignatureSuffix is appended to the name of the JSON file: the detached,
// armored OpenPGP signature lies beside it.
const SignatureSuffix = ".asc"

// ErrSignature is wrapped by the errors of [Verify] that concern the
// authority's signature.
var ErrSignature = errors.New("the authority's signature does not hold")

// Sign checks the document and signs its bytes with the authority's key. A
// document with faults is not signed, neither is one with certificates that
// are unusable at that moment; allowExpired lets expired ones pass. What is
// left to think about, such as a contact point without certificate, comes back
// as warnings.
func Sign(doc []byte, authority *pgp.Key, at time.Time, allowExpired bool) (signature []byte, warnings []Problem, err error) {
	if warnings, err = Signable(doc, at, allowExpired); err != nil {
		return nil, warnings, err
	}
	signature, err = authority.SignDetached(doc, at)
	if err != nil {
		return nil, warnings, fmt.Errorf("signing directory: %w", err)
	}
	if err := checkSignature(doc, signature, authority.Certificate(), at); err != nil {
		return nil, warnings, fmt.Errorf("checking the new signature: %w", err)
	}
	return signature, warnings, nil
}

// Signable checks whether [Sign] would sign the document, for a signature that
// is made elsewhere.
func Signable(doc []byte, at time.Time, allowExpired bool) (warnings []Problem, err error) {
	parsed, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	d := build(parsed)
	var faults []Problem
	if d.Issued().After(at.Add(24 * time.Hour)) {
		faults = append(faults, Problem{CodeValue, "", "issued", "the time of release lies in the future", "write the present time"})
	}
	for _, f := range d.Health(HealthOptions{At: at, Policy: pgp.DefaultPolicy()}) {
		if refusedToSign(f.Code) && !(f.Code == CodeKeyExpired && allowExpired) {
			faults = append(faults, f.Problem())
			continue
		}
		warnings = append(warnings, f.Problem())
	}
	if len(faults) > 0 {
		return warnings, &InvalidError{faults}
	}
	return warnings, nil
}

// refusedToSign reports whether a certificate with that finding must not be
// released. What a contact point lacks is no reason to keep back the others.
func refusedToSign(code string) bool {
	switch code {
	case CodeKeyExpired, CodeKeyRevoked, CodeKeyNotYetValid, CodeKeyWeak, CodeKeyUnusable:
		return true
	}
	return false
}

// Verify checks the authority's detached signature over the bytes of doc, then
// reads and checks the document. Nothing of it is parsed before the signature
// holds.
func Verify(doc, signature []byte, authority *pgp.Certificate, at time.Time) (*Directory, error) {
	if err := checkSignature(doc, signature, authority, at); err != nil {
		return nil, err
	}
	parsed, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	return build(parsed), nil
}

// verifyInstalled is Verify for a version that was installed before: when the
// authority's key has expired since it signed, the version stays in force, for
// a gateway must not fall silent over that.
func verifyInstalled(doc, signature []byte, authority *pgp.Certificate, at time.Time) (*Directory, error) {
	s := verifyDetached(doc, signature, authority, at)
	if s.State == pgp.SignatureExpiredKey && s.Created.Before(at) {
		at = s.Created
	}
	return Verify(doc, signature, authority, at)
}

func checkSignature(doc, signature []byte, authority *pgp.Certificate, at time.Time) error {
	if len(doc) > MaxDocumentBytes {
		return fmt.Errorf("directory: the document has %d bytes, at most %d are read; check that this is the Directory", len(doc), MaxDocumentBytes)
	}
	s := verifyDetached(doc, signature, authority, at)
	advice := ""
	switch s.State {
	case pgp.SignatureGood:
		return nil
	case pgp.SignatureNone:
		advice = "no OpenPGP signature found; fetch the .asc file again"
	case pgp.SignatureBad:
		advice = "document and signature do not belong together or were altered; fetch both again"
	case pgp.SignatureUnknownKey:
		advice = fmt.Sprintf("signed by key %s, pinned is %s; do not use the file, ask the authority by telephone", s.KeyID, authority.Fingerprint())
	case pgp.SignatureExpiredKey:
		advice = "the authority's key has expired; ask the authority for its renewed certificate and pin that"
	case pgp.SignatureNotYetValidKey:
		advice = "it was made before the authority's key existed; check this machine's clock, then ask the authority"
	default:
		advice = fmt.Sprintf("the signature is %s; ask the authority for one made with a sound key", s.State)
	}
	return fmt.Errorf("directory: %w: %s", ErrSignature, advice)
}

func verifyDetached(doc, signature []byte, authority *pgp.Certificate, at time.Time) pgp.Signature {
	return pgp.VerifyDetached(doc, signature, pgp.NewRing(authority), pgp.DefaultPolicy(), at)
}
