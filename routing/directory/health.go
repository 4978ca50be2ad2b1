package directory

import (
	"fmt"
	"time"

	"relais.example/crypto/pgp"
)

// Severity says how much a finding matters.
type Severity string

// The two severities.
const (
	Error   Severity = "error"   // mail is refused or cannot be sent now, or within days
	Warning Severity = "warning" // it will be, or trust rests on something weak
)

// Uses of a certificate.
const (
	Signing    = "signing"
	Encryption = "encryption"
	bothUses   = Signing + " and " + Encryption
)

// ExpiryWarning is how far ahead the end of a certificate is a finding, unless
// somebody asks for more; urgent is when it becomes an error.
const (
	ExpiryWarning = 60 * 24 * time.Hour
	urgent        = 3 * 24 * time.Hour
)

// Finding is one thing to do about the certificates of a contact point.
type Finding struct {
	Code         string    `json:"code"` // stable, such as "key-expires-soon"
	Severity     Severity  `json:"severity"`
	ContactPoint string    `json:"contact_point"`
	Fingerprint  string    `json:"fingerprint,omitempty"` // of the certificate; "" if it concerns none
	Key          string    `json:"key,omitempty"`         // fingerprint of the subkey, if it concerns one
	Use          string    `json:"use,omitempty"`         // what ends: signing, encryption, or both
	Date         time.Time `json:"date,omitzero"`         // when it ended or will
	Fault        string    `json:"fault"`
	Remedy       string    `json:"remedy"`

	field string // of the entry
}

// Problem is the finding in the form of those about documents.
func (f Finding) Problem() Problem {
	return Problem{f.Code, f.ContactPoint, f.field, f.Fault, f.Remedy}
}

// String returns the finding as one line; see [Problem.String].
func (f Finding) String() string { return f.Problem().String() }

// HealthOptions say what [Directory.Health] measures with. All but At may be
// left out.
type HealthOptions struct {
	At     time.Time
	Policy pgp.Policy
	Within time.Duration // how far ahead the end of a certificate is a finding; 0: [ExpiryWarning]
	// Desks are the certificates of the keys that a gateway holds, by desk; the
	// first one of a desk signs. They are compared with what the Directory lists.
	Desks map[string][]*pgp.Certificate
}

// Health looks at every certificate and key of the Directory and lists what is
// wrong or soon will be, in the order of the document. The cost is that of a
// few comparisons for each key: signatures were verified when it was loaded.
func (d *Directory) Health(o HealthOptions) []Finding {
	if o.Within == 0 {
		o.Within = ExpiryWarning
	}
	var list []Finding
	for i := range d.doc.Parties {
		for j := range d.doc.Parties[i].ContactPoints {
			h := &checkup{HealthOptions: o, cp: &d.doc.Parties[i].ContactPoints[j]}
			h.run()
			list = append(list, h.list...)
		}
	}
	return append(list, d.missingDesks(o)...)
}

// checkup is the examination of one contact point.
type checkup struct {
	HealthOptions
	cp   *ContactPoint
	list []Finding
}

func (h *checkup) add(f Finding) {
	f.ContactPoint = h.cp.ID
	h.list = append(h.list, f)
}

func (h *checkup) run() {
	if len(h.cp.certificates) == 0 {
		h.add(Finding{Code: CodeNoKey, Severity: Error, field: "certificates",
			Fault:  "no certificate is listed, so nobody can write to this contact point",
			Remedy: "ask the contact point for its OpenPGP certificate"})
	}
	for i, c := range h.cp.certificates {
		h.certificate(fmt.Sprintf("certificates[%d]", i), c)
	}
	if len(h.cp.certificates) > 0 {
		h.contactPoint()
	}
	if held, served := h.Desks[h.cp.ID]; served {
		h.desk(held)
	}
}

// certificate looks at one certificate: what is wrong now, else what soon will
// be, and what is weak about it.
func (h *checkup) certificate(field string, c *pgp.Certificate) {
	start := len(h.list)
	if err := keyTrouble(c.CheckSigning(h.At, h.Policy), c.CheckEncryption(h.At, h.Policy)); err != nil {
		h.unusable(c, err)
	} else {
		h.ending(c)
	}
	h.missingUse(c)
	if len(h.list) == start || h.list[start].Code != CodeKeyWeak && h.list[start].Code != CodeSHA1 {
		h.weakParts(c)
	}
	for i := start; i < len(h.list); i++ {
		h.list[i].field, h.list[i].Fingerprint = field, c.Fingerprint()
	}
}

// unusable reports a certificate that may not be used now. Where another one
// does the work, it is only to be taken out.
func (h *checkup) unusable(c *pgp.Certificate, err error) {
	f := Finding{Code: CodeKeyUnusable, Severity: Error, Fault: keyFault(c, err), Remedy: "ask the contact point for a new key"}
	switch problemOf(err) {
	case pgp.KeyExpired:
		f.Code, f.Date = CodeKeyExpired, c.Expires()
	case pgp.KeyRevoked:
		f.Code = CodeKeyRevoked
	case pgp.KeyNotYetValid:
		f.Code, f.Date = CodeKeyNotYetValid, c.Created()
	case pgp.KeyWeak:
		f.Code = CodeKeyWeak
		if h.onlySHA1(c) {
			f.Code, f.Fault = CodeSHA1, "fingerprint "+c.Fingerprint()+": only self-signatures with SHA-1 hold it together, which the policy refuses"
		}
	}
	if h.usable(Signing, nil) && h.usable(Encryption, nil) {
		f.Severity, f.Remedy = Warning, "another certificate of the contact point is in use; have the authority take this one out"
	}
	h.add(f)
}

// ending reports when the certificate ceases to sign or to receive, unless
// another one of the contact point goes on.
func (h *checkup) ending(c *pgp.Certificate) {
	var ends [2]time.Time
	for i, use := range []string{Signing, Encryption} {
		end, ok := useEnds(c, use)
		if ok && !end.IsZero() && !end.After(h.At.Add(h.Within)) && !h.outlived(c, use) {
			ends[i] = end
		}
	}
	report := func(use string, end time.Time) {
		if end.IsZero() {
			return
		}
		f := Finding{Code: CodeKeyExpiresSoon, Severity: Warning, Use: use, Date: end,
			Fault:  fmt.Sprintf("fingerprint %s: %s ends on %s, in %s", c.Fingerprint(), use, end.UTC().Format(time.DateOnly), days(end.Sub(h.At))),
			Remedy: "the contact point must prolong it or make a new key, and send it to the authority in time for a new Directory"}
		if !end.After(h.At.Add(urgent)) {
			f.Severity = Error
		}
		h.add(f)
	}
	if ends[0].Equal(ends[1]) {
		report(bothUses, ends[0])
		return
	}
	report(Signing, ends[0])
	report(Encryption, ends[1])
}

// missingUse reports a certificate that never can be used in one of the two
// ways, when no other one of the contact point can either.
func (h *checkup) missingUse(c *pgp.Certificate) {
	for _, use := range []string{Signing, Encryption} {
		able := false
		for _, other := range h.cp.certificates {
			_, ok := useEnds(other, use)
			able = able || ok
		}
		code := CodeMissingSigning
		if use == Encryption {
			code = CodeMissingEncryption
		}
		if !able {
			h.add(Finding{Code: code, Severity: Warning, Use: use,
				Fault:  "fingerprint " + c.Fingerprint() + ": it has no valid key for " + use,
				Remedy: "ask the contact point to add a subkey for " + use + " and to send the certificate again"})
		}
	}
}

// weakParts reports what holds today but should be replaced; of a certificate
// that is unusable for its weakness all has been said.
func (h *checkup) weakParts(c *pgp.Certificate) {
	if h.onlySHA1(c) {
		h.add(Finding{Code: CodeSHA1, Severity: Warning,
			Fault:  "fingerprint " + c.Fingerprint() + ": a self-signature uses SHA-1, which can be forged",
			Remedy: "ask the contact point to set the expiry of key and subkeys anew with a current program, which signs with SHA-256, and to send the certificate again"})
	}
	for _, k := range c.Keys() {
		over := !k.Expires.IsZero() && !k.Expires.After(h.At)
		if k.Revoked || over || c.KeyAllowed(k.Fingerprint, h.Policy) == nil {
			continue
		}
		h.add(Finding{Code: CodeWeakSubkey, Severity: Warning, Key: k.Fingerprint,
			Fault:  fmt.Sprintf("fingerprint %s: its subkey %s is too weak (%s) and is not used", c.Fingerprint(), k.Fingerprint, k.Algorithm),
			Remedy: "ask the contact point to revoke it and to send the certificate again"})
	}
}

func (h *checkup) onlySHA1(c *pgp.Certificate) bool {
	for _, k := range c.Keys() {
		over := !k.Expires.IsZero() && !k.Expires.After(h.At)
		if k.SHA1 && !k.Revoked && !over {
			return true
		}
	}
	return false
}

// contactPoint reports what no certificate can do now.
func (h *checkup) contactPoint() {
	if !h.usable(Encryption, nil) {
		h.add(Finding{Code: CodeCannotReceive, Severity: Error, Use: Encryption, field: "certificates",
			Fault:  "none of its certificates can be encrypted to: answers to it wait or fail",
			Remedy: "call the contact point by telephone; it must send a new certificate to the authority"})
	}
	if !h.usable(Signing, nil) {
		h.add(Finding{Code: CodeCannotSign, Severity: Error, Use: Signing, field: "certificates",
			Fault:  "none of its certificates can sign: its messages are refused or held",
			Remedy: "call the contact point by telephone; it must send a new certificate to the authority"})
	}
}

// usable reports whether a certificate other than except can be used so now.
func (h *checkup) usable(use string, except *pgp.Certificate) bool {
	for _, c := range h.cp.certificates {
		if c != except && checkUse(c, use, h.At, h.Policy) == nil {
			return true
		}
	}
	return false
}

// outlived reports whether another certificate, usable today, goes on beyond
// the window.
func (h *checkup) outlived(c *pgp.Certificate, use string) bool {
	for _, other := range h.cp.certificates {
		if other == c || checkUse(other, use, h.At, h.Policy) != nil {
			continue
		}
		if end, ok := useEnds(other, use); ok && (end.IsZero() || end.After(h.At.Add(h.Within))) {
			return true
		}
	}
	return false
}

func checkUse(c *pgp.Certificate, use string, at time.Time, p pgp.Policy) error {
	if use == Signing {
		return c.CheckSigning(at, p)
	}
	return c.CheckEncryption(at, p)
}

func useEnds(c *pgp.Certificate, use string) (time.Time, bool) {
	if use == Signing {
		return c.SigningEnds()
	}
	return c.EncryptionEnds()
}

// days words a time that is left.
func days(left time.Duration) string {
	switch n := int(left / (24 * time.Hour)); {
	case left < 24*time.Hour:
		return "less than a day"
	case n == 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}
