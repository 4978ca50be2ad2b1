package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
)

// Certificates returns the contact point's certificates in the order of the
// document, expired ones included. It is empty on a ContactPoint that was not
// read from a checked document.
func (cp *ContactPoint) Certificates() []*pgp.Certificate {
	return slices.Clone(cp.certificates)
}

// EncryptionCertificates returns the certificates that mail to the contact
// point may be encrypted to at that moment. When there is none the error says
// for each certificate why.
func (cp *ContactPoint) EncryptionCertificates(at time.Time, p pgp.Policy) ([]*pgp.Certificate, error) {
	var usable []*pgp.Certificate
	var reasons []string
	for _, c := range cp.certificates {
		if err := c.CheckEncryption(at, p); err != nil {
			reasons = append(reasons, keyFault(c, err))
			continue
		}
		usable = append(usable, c)
	}
	if len(usable) > 0 {
		return usable, nil
	}
	if len(reasons) == 0 {
		reasons = []string{"no certificate is listed"}
	}
	return nil, fmt.Errorf("no usable encryption certificate for %s: %s; ask the contact point for a new key and the authority for a new Directory",
		cp.ID, strings.Join(reasons, ", "))
}

// Warnings lists what is wrong with the certificates at that moment: expired,
// revoked or weak ones, and contact points that cannot be written to. The
// entries stay in the Directory nevertheless.
func (d *Directory) Warnings(at time.Time, p pgp.Policy) []Problem {
	var f findings
	for i := range d.doc.Parties {
		for j := range d.doc.Parties[i].ContactPoints {
			d.doc.Parties[i].ContactPoints[j].checkKeys(&f, at, p)
		}
	}
	return f.list
}

func (cp *ContactPoint) checkKeys(f *findings, at time.Time, p pgp.Policy) {
	if len(cp.certificates) == 0 {
		f.add(CodeNoKey, cp.ID, "certificates", "no certificate is listed, so nobody can write to this contact point",
			"ask the contact point for its OpenPGP certificate")
	}
	for i, c := range cp.certificates {
		field := fmt.Sprintf("certificates[%d]", i)
		err := keyTrouble(c.CheckSigning(at, p), c.CheckEncryption(at, p))
		if err == nil {
			continue
		}
		code := CodeKeyUnusable
		if isExpired(err) {
			code = CodeKeyExpired
		}
		f.add(code, cp.ID, field, keyFault(c, err), "ask the contact point for a new key")
	}
}

// keyTrouble joins both checks of one certificate. A contact point may keep one
// certificate for signing and another for encryption, so that one of the two
// capabilities is missing is no trouble yet.
func keyTrouble(signing, encryption error) error {
	switch {
	case signing == nil && lacksCapability(encryption), encryption == nil && lacksCapability(signing):
		return nil
	case signing != nil && !lacksCapability(signing):
		return signing
	case encryption != nil:
		return encryption
	}
	return signing
}

func lacksCapability(err error) bool {
	var k *pgp.KeyError
	return errors.As(err, &k) && k.Problem == pgp.KeyNoCapability
}

func isExpired(err error) bool {
	var k *pgp.KeyError
	return errors.As(err, &k) && k.Problem == pgp.KeyExpired
}

// keyFault words a key problem the way people say it.
func keyFault(c *pgp.Certificate, err error) string {
	fault := err.Error()
	var k *pgp.KeyError
	if errors.As(err, &k) {
		switch k.Problem {
		case pgp.KeyExpired:
			fault = "key expired"
			if !c.Expires().IsZero() {
				fault += " on " + c.Expires().UTC().Format(time.DateOnly)
			}
		case pgp.KeyRevoked:
			fault = "key was revoked"
		case pgp.KeyNotYetValid:
			fault = "key becomes valid only on " + c.Created().UTC().Format(time.DateOnly)
		case pgp.KeyWeak:
			fault = "key is too weak (" + c.Algorithm() + ")"
		case pgp.KeyNoCapability:
			fault = "key can neither sign nor encrypt"
		}
	}
	return "fingerprint " + c.Fingerprint() + ": " + fault
}

// CertificateExpiry tells when a contact point must have renewed its key.
type CertificateExpiry struct {
	ContactPoint string
	Fingerprint  string
	Expires      time.Time
}

// CertificateExpiries returns for each contact point the certificate that
// expires soonest after at; when all that ever expire have done so, the one
// that did last. Contact points whose certificates never expire are left out.
// The order is that of the document.
func (d *Directory) CertificateExpiries(at time.Time) []CertificateExpiry {
	var list []CertificateExpiry
	for _, p := range d.doc.Parties {
		for _, cp := range p.ContactPoints {
			if e, ok := cp.soonestExpiry(at); ok {
				list = append(list, e)
			}
		}
	}
	return list
}

func (cp *ContactPoint) soonestExpiry(at time.Time) (CertificateExpiry, bool) {
	var next, last CertificateExpiry
	for _, c := range cp.certificates {
		e := CertificateExpiry{cp.ID, c.Fingerprint(), c.Expires()}
		switch {
		case e.Expires.IsZero():
		case e.Expires.After(at):
			if next.Expires.IsZero() || e.Expires.Before(next.Expires) {
				next = e
			}
		case e.Expires.After(last.Expires):
			last = e
		}
	}
	if !next.Expires.IsZero() {
		return next, true
	}
	return last, !last.Expires.IsZero()
}

// Counts says how large the Directory is.
type Counts struct{ Parties, ContactPoints, Certificates int }

// Counts returns the numbers of Parties, contact points and certificates.
func (d *Directory) Counts() Counts {
	return Counts{len(d.parties), len(d.byID), len(d.bySigner)}
}
