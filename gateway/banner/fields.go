package banner

import (
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// Prefix marks the header fields that the gateway alone writes.
const Prefix = "X-Relais-"

// Fields returns the header fields that tell the findings: stable words first,
// then words for people. mark is that of the note, "" if there is none.
func (f Findings) Fields(mark string) [][2]string {
	var out [][2]string
	w := english()
	field := func(name string, values ...string) {
		if values[0] != "" {
			out = append(out, [2]string{Prefix + name, strings.Join(values, "; ")})
		}
	}
	field("Reference", string(f.Reference))
	says := []string{string(f.Verdict.Action), string(f.Verdict.Reason), verdict.Of(f.Verdict.Reason).Meaning}
	if mark != "" {
		says = append(says, "mark "+mark)
	}
	field("Verdict", says...)
	f.signature(w, field)
	if f.Encrypted {
		field("Encrypted", "yes", f.Cipher)
	} else {
		field("Encrypted", "no", "it was sent in clear")
	}
	field("Kind", joinKinds(f.Kinds))
	field("Evidence", f.Evidence)
	field("Articles", f.Articles)
	if f.Emergency != "" {
		field("Emergency", string(f.Emergency), emergencyWords(w, f.Emergency))
	}
	for _, d := range f.Deadlines {
		field("Deadline", d.Clock, d.At.UTC().Format(time.RFC3339), d.Article)
	}
	field("Related", string(f.Related))
	field("Their-Reference", f.TheirReference)
	for _, one := range f.Warnings {
		field("Warning", string(one.Code), warningWords(w, one))
	}
	kept := "stored"
	if f.Attached {
		kept = "attached"
	}
	field("Original", kept, "sha256 "+f.Digest)
	return out
}

// signature tells who signed what, when, and with which key.
func (f Findings) signature(w words, field func(name string, values ...string)) {
	if f.Signer == nil {
		field("Signer", "none", "nobody signed the message")
		field("Covered", string(CoveredNone))
		return
	}
	field("Signer", f.Signer.ID, f.Fingerprint, encoded(f.Signer.Institution), encoded(f.Party))
	covered := []string{string(f.Covered)}
	if len(f.Protected) > 0 {
		covered = append(covered, "signed header: "+strings.Join(f.Protected, " "))
	} else {
		covered = append(covered, "no header is signed")
	}
	field("Covered", covered...)
	field("Addressed", string(f.Addressed), addressedWords(w, f.Addressed))
	field("Signed-At", f.SignedAt.UTC().Format(time.RFC3339), string(f.Freshness), ageWords(w, f.Age))
	var health []string
	for _, h := range f.Health {
		health = append(health, string(h))
	}
	expires := "never expires"
	if !f.Expires.IsZero() {
		expires = "expires " + f.Expires.UTC().Format(time.DateOnly)
	}
	field("Key", strings.Join(health, " "), f.Algorithm+" with "+f.Hash, expires)
}

func encoded(s string) string { return mime.QEncoding.Encode("utf-8", cut(s, 100)) }

func joinKinds(kinds []request.Kind) string {
	var out []string
	for _, k := range kinds {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// ageWords says how long before its arrival a message was signed.
func ageWords(w words, age time.Duration) string {
	before := w.before
	if age < 0 {
		age, before = -age, w.after
	}
	n, unit := int(age/time.Minute), w.minutes
	switch {
	case n == 0:
		return fmt.Sprintf(before, w.moment)
	case age >= 48*time.Hour:
		n, unit = int(age/(24*time.Hour)), w.days
	case age >= 2*time.Hour:
		n, unit = int(age/time.Hour), w.hours
	}
	return fmt.Sprintf(before, strconv.Itoa(n)+" "+unit)
}

// cut shortens s to n bytes at a character boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
