package intake

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// HeaderPrefix marks the header fields that the gateway alone writes. What
// comes in with such a name is dropped.
const HeaderPrefix = "X-Relais-"

// render makes what staff see: the headers that count, the gateway's findings,
// and the decrypted content as it was signed.
func (a *arrival) render(v verdict.Verdict, p plan, ref request.Reference) []byte {
	head, body := splitEntity(a.message.Entity)
	var b bytes.Buffer
	b.Grow(len(a.message.Entity) + 4096) // so that the body is copied once
	field := func(name, value string) {
		if value = clean(value); value != "" {
			b.WriteString(name)
			b.WriteString(": ")
			b.WriteString(fold(value))
			b.WriteString("\r\n")
		}
	}
	subject := a.subject()
	// An answer goes by the first reference in the subject: ours must be it.
	if first := request.FindReferences(subject, 1); ref != "" && (len(first) == 0 || first[0] != ref) {
		subject = "[" + string(ref) + "] " + subject
	}
	field("Received", fmt.Sprintf("from %s by %s; %s", a.inbound.Remote, a.in.o.Hostname, a.at.Format(time.RFC1123Z)))
	for _, name := range []string{"From", "To", "Cc", "Date", "Message-Id", "In-Reply-To", "References"} {
		values, _ := a.message.Field(name)
		if len(values) > 0 {
			field(name, values[0])
		}
	}
	field("Subject", encodeSubject(subject))
	if a.peer != nil && len(a.peer.Addresses) > 0 {
		// An answer goes where the Directory says, whatever the message asks.
		field("Reply-To", (&mail.Address{Name: a.peer.ID, Address: a.peer.Addresses[0]}).String())
	}
	a.findings(v, p, ref, field)
	field("MIME-Version", "1.0")
	for _, f := range head {
		switch name := strings.ToLower(f.Name); {
		case name == "content-type":
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, withoutProtection(f.Value))
		case strings.HasPrefix(name, "content-"):
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// withoutProtection takes the parameters of header protection off a content
// type: what staff see is no longer the protected part itself.
func withoutProtection(value string) string {
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		return value
	}
	_, hp := params["hp"]
	_, v1 := params["protected-headers"]
	if !hp && !v1 {
		return value
	}
	delete(params, "hp")
	delete(params, "protected-headers")
	if formatted := mime.FormatMediaType(kind, params); formatted != "" {
		return formatted
	}
	return value
}

// findings writes what the gateway found out, in fields that a mail client can
// show and filter on.
func (a *arrival) findings(v verdict.Verdict, p plan, ref request.Reference, field func(name, value string)) {
	field(HeaderPrefix+"Reference", string(ref))
	field(HeaderPrefix+"Verdict", fmt.Sprintf("%s; %s; %s", v.Action, v.Reason, verdict.Of(v.Reason).Meaning))
	field(HeaderPrefix+"Signer", a.describeSigner())
	field(HeaderPrefix+"Signed-At", a.describeTime())
	encryption := "no"
	if a.message.Encrypted {
		encryption = "yes; " + a.message.Cipher
	}
	field(HeaderPrefix+"Encrypted", encryption)
	kinds, deadlines, parent := a.class.Kinds, []request.Deadline(nil), request.Reference("")
	switch {
	case p.attach != nil:
		kinds = []request.Kind{p.attach.command.Kind}
	default:
		for _, o := range p.open {
			if o.command.Ref == ref {
				kinds, deadlines, parent = []request.Kind{o.command.Kind}, o.command.Deadlines, o.command.Parent
			}
		}
	}
	field(HeaderPrefix+"Kind", joinKinds(kinds))
	field(HeaderPrefix+"Evidence", a.evidence())
	if len(a.class.Articles) > 0 {
		field(HeaderPrefix+"Articles", strings.Join(a.class.Articles, ", "))
	}
	switch {
	case a.class.Emergency:
		field(HeaderPrefix+"Emergency", "claimed; a person must confirm")
	case a.class.ClaimsEmergency:
		field(HeaderPrefix+"Emergency", "the word is used, no risk to life or safety was recognised; a person must look")
	}
	for _, d := range deadlines {
		field(HeaderPrefix+"Deadline", fmt.Sprintf("%s; %s; %s", d.Clock, d.At.UTC().Format(time.RFC3339), d.Article))
	}
	field(HeaderPrefix+"Related", string(parent))
	field(HeaderPrefix+"Their-Reference", mime.QEncoding.Encode("utf-8", printable(cut(a.class.TheirReference, 100))))
	if outer, inner := a.message.Outer.Get("From"), a.message.Protected.Get("From"); inner != "" && outer != inner {
		field(HeaderPrefix+"Differs", "From: the unprotected header says something else than the signed one")
	}
}

func (a *arrival) describeSigner() string {
	if a.signer == nil {
		return "nobody: the message is not signed"
	}
	return fmt.Sprintf("%s; %s; %s", a.signer.ID, mime.QEncoding.Encode("utf-8", cut(a.signer.Institution, 100)), a.fingerprint())
}

func (a *arrival) describeTime() string {
	if a.signer == nil {
		return ""
	}
	s := a.message.Signature
	return fmt.Sprintf("%s; %s; %s", s.Created.UTC().Format(time.RFC3339), s.Algorithm, s.Hash)
}

// evidence lists what led to the kind, strongest first.
func (a *arrival) evidence() string {
	var out []string
	for _, c := range a.class.Candidates {
		if !slices.Contains(a.class.Kinds, c.Kind) && a.class.Kinds[0] != request.Unclassified {
			continue
		}
		for _, e := range c.Evidence {
			if len(out) < 8 {
				out = append(out, fmt.Sprintf("%s (%s)", cut(e.Text, 80), c.Kind))
			}
		}
	}
	for _, e := range a.class.Evidence {
		if len(out) < 10 {
			out = append(out, cut(e.Text, 80))
		}
	}
	return mime.QEncoding.Encode("utf-8", printable(strings.Join(out, "; ")))
}

func joinKinds(kinds []request.Kind) string {
	var out []string
	for _, k := range kinds {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// splitEntity cuts a MIME entity into its header and its body. The values keep
// their line folds: what is inside quotes must stay as it was signed.
func splitEntity(entity []byte) (head pgpmime.Header, body []byte) {
	if rest, empty := bytes.CutPrefix(entity, []byte("\r\n")); empty {
		return nil, rest // no header at all
	}
	raw, body, _ := bytes.Cut(entity, []byte("\r\n\r\n"))
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if line == "" {
			continue
		}
		if n := len(head); n > 0 && (line[0] == ' ' || line[0] == '\t') {
			head[n-1].Value += "\r\n" + line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		head = append(head, pgpmime.Field{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return head, body
}

// clean takes away whatever could start another header field.
func clean(value string) string {
	if !strings.ContainsAny(value, "\r\n\x00") {
		return value
	}
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return -1
		}
		return r
	}, unfold(value))
}

// fold breaks a long value at spaces (RFC 5322, section 2.2.3).
func fold(value string) string {
	if len(value) < 200 {
		return value
	}
	var b strings.Builder
	width := 0
	for i, word := range strings.Fields(value) {
		if i > 0 {
			if width > 70 {
				b.WriteString("\r\n ")
				width = 0
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteString(word)
		width += len(word) + 1
	}
	return b.String()
}

func unfold(value string) string {
	return strings.ReplaceAll(strings.ReplaceAll(value, "\r\n ", " "), "\r\n\t", " ")
}

// encodeSubject writes a decoded subject anew. What only looks encoded after
// that must not be decoded once more by the mail program.
func encodeSubject(s string) string {
	return mime.QEncoding.Encode("utf-8", strings.ReplaceAll(cut(s, 500), "=?", "= ?"))
}

// printable replaces control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// cut shortens s to n bytes at a character boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
