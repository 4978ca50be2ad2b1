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

func lacksCapability(err error) bool { return problemOf(err) == pgp.KeyNoCapability }

// problemOf returns what is wrong with a key, "" if err says something else.
func problemOf(err error) pgp.KeyProblem {
	var k *pgp.KeyError
	if errors.As(err, &k) {
		return k.Problem
	}
	return ""
}

// keyFault words a key problem the way people say it.
func keyFault(c *pgp.Certificate, err error) string {
	fault := err.Error()
	switch problemOf(err) {
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
	return "fingerprint " + c.Fingerprint() + ": " + fault
}

// Expiry tells when a contact point must have renewed a certificate.
type Expiry struct {
	ContactPoint string
	Fingerprint  string
	Use          string // Signing or Encryption
	Ends         time.Time
}

// Expiries returns for each contact point and use the certificate that ends
// soonest after at; when all that ever end have done so, the one that did last.
// What never ends is left out. The order is that of the document.
func (d *Directory) Expiries(at time.Time) []Expiry {
	var list []Expiry
	for _, p := range d.doc.Parties {
		for _, cp := range p.ContactPoints {
			for _, use := range []string{Signing, Encryption} {
				if e, ok := cp.soonestExpiry(use, at); ok {
					list = append(list, e)
				}
			}
		}
	}
	return list
}

func (cp *ContactPoint) soonestExpiry(use string, at time.Time) (Expiry, bool) {
	var next, last Expiry
	for _, c := range cp.certificates {
		end, able := useEnds(c, use)
		e := Expiry{cp.ID, c.Fingerprint(), use, end}
		switch {
		case !able || end.IsZero():
		case end.After(at):
			if next.Ends.IsZero() || end.Before(next.Ends) {
				next = e
			}
		case end.After(last.Ends):
			last = e
		}
	}
	if !next.Ends.IsZero() {
		return next, true
	}
	return last, !last.Ends.IsZero()
}

// Counts says how large the Directory is.
type Counts struct{ Parties, ContactPoints, Certificates int }

// Counts returns the numbers of Parties, contact points and certificates.
func (d *Directory) Counts() Counts {
	return Counts{len(d.parties), len(d.byID), len(d.bySigner)}
}
