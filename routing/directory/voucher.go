package directory

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Voucher records why a certificate is trusted for its contact point. The
// release of a version writes it when a certificate comes into the Directory.
type Voucher struct {
	Fingerprint     string    `json:"fingerprint"`               // of a certificate of the same contact point, capital hex digits
	How             Vouching  `json:"how"`                       // how it was made sure that the key is theirs
	By              string    `json:"by"`                        // who made sure, at the Directory authority
	At              time.Time `json:"at"`                        // when
	EmergenciesFrom time.Time `json:"emergencies_from,omitzero"` // before this moment the key counts for no emergency
}

// Vouching says how a new key was confirmed.
type Vouching string

// The closed set of ways to confirm a key.
const (
	OldKey   Vouching = "old-key"   // the contact point's old key signed a transition to the new one
	CallBack Vouching = "call-back" // somebody called the contact point on a number of the version before
)

var fingerprintForm = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`)

// UsableForEmergencies reports whether the certificate with that fingerprint
// may be relied on for an emergency at that moment: it is listed, and the
// cool-down that its [Voucher] gives has passed. A stolen mailbox and a talked
// round official thus gain nothing at once. A certificate without voucher was
// listed before vouchers were kept and is usable.
func (d *Directory) UsableForEmergencies(fingerprint string, at time.Time) bool {
	cp, ok := d.BySigner(fingerprint)
	if !ok {
		return false
	}
	v, ok := cp.Voucher(fingerprint)
	return !ok || !at.Before(v.EmergenciesFrom)
}

// Voucher returns the record for the certificate with that fingerprint.
func (cp *ContactPoint) Voucher(fingerprint string) (Voucher, bool) {
	for _, v := range cp.Vouchers {
		if strings.EqualFold(v.Fingerprint, fingerprint) {
			return v, true
		}
	}
	return Voucher{}, false
}

func (c *checker) vouchers(entry string, cp *ContactPoint) {
	c.atMost(maxItems, entry, "vouchers", len(cp.Vouchers))
	listed, seen := map[string]bool{}, map[string]bool{}
	for _, cert := range cp.certificates {
		listed[cert.Fingerprint()] = true
	}
	for i, v := range cp.Vouchers {
		field := fmt.Sprintf("vouchers[%d]", i)
		switch {
		case !fingerprintForm.MatchString(v.Fingerprint):
			c.add(CodeValue, entry, field+".fingerprint", fmt.Sprintf("%q is not a fingerprint", cut(v.Fingerprint)), "write 40 or 64 capital hexadecimal digits")
		case !listed[v.Fingerprint]:
			c.add(CodeValue, entry, field+".fingerprint", "fingerprint "+v.Fingerprint+" is not among the certificates", "remove the voucher together with its certificate")
		case seen[v.Fingerprint]:
			c.add(CodeDuplicate, entry, field+".fingerprint", "fingerprint "+v.Fingerprint+" has two vouchers", "keep the newer one")
		}
		seen[v.Fingerprint] = true
		if v.How != OldKey && v.How != CallBack {
			c.add(CodeUnknown, entry, field+".how", fmt.Sprintf("unknown way %q", cut(string(v.How))), "write old-key or call-back")
		}
		if v.By == "" {
			c.add(CodeMissing, entry, field+".by", "nobody vouches", "name who made sure of the key")
		}
		c.text(entry, field+".by", v.By, false)
		if y := v.At.UTC().Year(); v.At.IsZero() || y < 2000 || y > 9999 {
			c.add(CodeMissing, entry, field+".at", "the time is missing or impossible", "write it as 2026-02-01T09:00:00Z")
		}
		if v.EmergenciesFrom.UTC().Year() > 9999 || !v.EmergenciesFrom.IsZero() && v.EmergenciesFrom.Before(v.At) {
			c.add(CodeValue, entry, field+".emergencies_from", "it lies before the voucher itself, or is impossible", "write a later time")
		}
	}
}

func voucherText(list []Voucher) string {
	var out []string
	for _, v := range list {
		s := v.Fingerprint + " " + string(v.How) + " by " + v.By + " at " + v.At.UTC().Format(time.RFC3339)
		if !v.EmergenciesFrom.IsZero() {
			s += ", emergencies from " + v.EmergenciesFrom.UTC().Format(time.RFC3339)
		}
		out = append(out, s)
	}
	return set(out)
}
