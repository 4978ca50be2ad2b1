package config

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Waiver lets one certificate hold together by SHA-1 for a while longer.
type Waiver struct {
	ContactPoint string `yaml:"contact_point" is:"desk" required:"true" example:"XB-1" doc:"Identifier of the contact point in the Directory."`
	Fingerprint  string `yaml:"fingerprint" is:"fingerprint" required:"true" example:"0123456789ABCDEF0123456789ABCDEF01234567" doc:"Fingerprint of the certificate, with or without blanks."`
	Until        string `yaml:"until" is:"date" required:"true" example:"2027-12-31" doc:"First day on which the certificate is refused."`
	Reason       string `yaml:"reason" required:"true" example:"new key announced for October" doc:"Why, and who decided it."`
}

// SHA1 returns when certificates that use SHA-1 are refused, and the waivers:
// fingerprint in upper-case hex to the time at which it ends. The zero time
// means never. Dates begin at midnight UTC.
func (p Policy) SHA1() (until time.Time, waivers map[string]time.Time) {
	waivers = map[string]time.Time{}
	for _, w := range p.SHA1Waivers {
		waivers[foldFingerprint(w.Fingerprint)] = day(w.Until)
	}
	return day(p.SHA1CertificatesUntil), waivers
}

// waiverNotice is how long before its end a waiver is warned about.
const waiverNotice = 30 * 24 * time.Hour

// WaiverWarnings lists what is allowed and should be looked at before long: waivers
// that have ended or soon will.
func (c *Config) WaiverWarnings(now time.Time) []string {
	var out []string
	for i, w := range c.Policy.SHA1Waivers {
		key, end := fmt.Sprintf("policy.sha1_waivers[%d] of %s", i, w.ContactPoint), day(w.Until)
		switch {
		case !now.Before(end):
			out = append(out, fmt.Sprintf("%s ended on %s: certificate %s is judged like any other; remove the waiver, and ask the contact point for a new key",
				key, w.Until, foldFingerprint(w.Fingerprint)))
		case now.Add(waiverNotice).After(end):
			out = append(out, fmt.Sprintf("%s ends on %s: mail signed with %s is refused from then on; ask the contact point for a new key",
				key, w.Until, foldFingerprint(w.Fingerprint)))
		}
	}
	return out
}

func (c *Config) checkWaivers(d *decoder) {
	seen := map[string]int{}
	for i, w := range c.Policy.SHA1Waivers {
		key := fmt.Sprintf("policy.sha1_waivers[%d]", i)
		fingerprint := foldFingerprint(w.Fingerprint)
		if first, ok := seen[fingerprint]; ok && fingerprint != "" {
			d.at(key+".fingerprint", "has policy.sha1_waivers[%d] already; one waiver for each certificate", first)
		}
		seen[fingerprint] = i
	}
	if c.Policy.SHA1CertificatesUntil == "" && len(c.Policy.SHA1Waivers) > 0 && !d.bad["policy.sha1_certificates_until"] {
		d.at("policy.sha1_waivers", "have no effect without policy.sha1_certificates_until; set a day or remove them")
	}
}

// checkDate wants a day as ISO 8601 writes it.
func checkDate(s string) error {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return fmt.Errorf("%q is not a day; use e.g. \"2027-12-31\"", clip(s))
	}
	return nil
}

// checkFingerprint wants that of a v4 or v6 certificate (RFC 9580 5.5.4).
func checkFingerprint(s string) error {
	if b, err := hex.DecodeString(foldFingerprint(s)); err != nil || len(b) != 20 && len(b) != 32 {
		return fmt.Errorf("%q is not a fingerprint (40 or 64 hex digits); 'relais directory show' lists them", clip(s))
	}
	return nil
}

func foldFingerprint(s string) string {
	return strings.ToUpper(strings.Join(strings.Fields(s), ""))
}

// day is midnight UTC of a checked date; the zero time for "".
func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
