package directory

import (
	"fmt"
	"strings"
	"time"

	"relais.example/crypto/pgp"
)

// News says what a certificate that came by mail from a contact point would
// change about those that are listed for it: nothing if it is listed so, is
// older, or belongs to another contact point. It decides nothing: keys come
// from the Directory only.
func (d *Directory) News(from *ContactPoint, c *pgp.Certificate) []string {
	owner, listed := d.BySigner(c.Fingerprint())
	if !listed {
		return []string{"a certificate that is not listed (" + c.Algorithm() + ")"}
	}
	if owner.ID != from.ID {
		return nil
	}
	known := map[string]pgp.KeyInfo{}
	for _, k := range find(owner.certificates, c.Fingerprint()).Keys() {
		known[k.Fingerprint] = k
	}
	var news []string
	for _, k := range c.Keys() {
		old, there := known[k.Fingerprint]
		what := "subkey " + k.Fingerprint
		if k.Primary {
			what = "the certificate"
		}
		switch {
		case k.Revoked && !old.Revoked:
			news = append(news, what+" is revoked")
		case k.Revoked:
		case !there:
			news = append(news, fmt.Sprintf("%s (%s) is new", what, k.Algorithm))
		case !old.Expires.IsZero() && (k.Expires.IsZero() || k.Expires.After(old.Expires)):
			until := "for ever"
			if !k.Expires.IsZero() {
				until = "until " + k.Expires.Format(time.DateOnly)
			}
			news = append(news, fmt.Sprintf("%s is valid %s instead of until %s", what, until, old.Expires.Format(time.DateOnly)))
		}
	}
	return news
}

// Spaced writes a fingerprint in groups of four, as people read it aloud.
func Spaced(fingerprint string) string {
	var groups []string
	for ; len(fingerprint) > 4; fingerprint = fingerprint[4:] {
		groups = append(groups, fingerprint[:4])
	}
	return strings.Join(append(groups, fingerprint), " ")
}
