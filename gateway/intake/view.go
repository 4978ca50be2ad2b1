package intake

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/banner"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// render makes what staff see: the headers that count, the gateway's findings,
// and the content of the sender, byte for byte but for what [neutral] renames.
// With a note, or the original attached, the content is a part of its own.
func (a *arrival) render(v verdict.Verdict, p plan, ref request.Reference) []byte {
	n := neutral{hostname: a.in.o.Hostname}
	entity := n.content(a.message.Entity, a.outline, 0)
	findings := a.findings(v, p, ref, a.warnings(n.renamed, n.unread))
	note, mark := "", ""
	if a.desk.Banner != banner.Off {
		note, mark = findings.Note(a.desk.Banner, a.in.o.Vault.Name)
	}
	var b bytes.Buffer
	b.Grow(len(entity) + len(note) + 6144) // so that the content is copied once
	a.header(&b, ref)
	for _, f := range findings.Fields(mark) {
		writeField(&b, f[0], f[1])
	}
	for _, note := range a.proposed {
		writeField(&b, HeaderPrefix+"Proposed-Key", note)
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	if note == "" && !a.desk.AttachOriginal {
		bare(&b, entity)
		return b.Bytes()
	}
	a.parted(&b, note, entity, ref)
	return b.Bytes()
}

// header writes the fields that every mail has.
func (a *arrival) header(b *bytes.Buffer, ref request.Reference) {
	subject := a.subject()
	// An answer goes by the first reference in the subject: ours must be it.
	if first := request.FindReferences(subject, 1); ref != "" && (len(first) == 0 || first[0] != ref) {
		subject = "[" + string(ref) + "] " + subject
	}
	writeField(b, "Received", fmt.Sprintf("from %s by %s; %s", a.inbound.Remote, a.in.o.Hostname, a.at.Format(time.RFC1123Z)))
	for _, name := range []string{"From", "To", "Cc", "Date", "Message-Id", "In-Reply-To", "References"} {
		values, _ := a.message.Field(name)
		if len(values) > 0 {
			writeField(b, name, values[0])
		}
	}
	writeField(b, "Subject", encodeSubject(subject))
	if a.peer != nil && len(a.peer.Addresses) > 0 {
		// An answer goes where the Directory says, whatever the message asks.
		writeField(b, "Reply-To", (&mail.Address{Name: a.peer.ID, Address: a.peer.Addresses[0]}).String())
	}
}

func writeField(b *bytes.Buffer, name, value string) {
	if value = clean(value); value != "" {
		b.WriteString(name)
		b.WriteString(": ")
		b.WriteString(fold(value))
		b.WriteString("\r\n")
	}
}

// parted writes note, content and original as parts of one message. The
// content cannot leave its part: nobody knows the boundary when writing it.
func (a *arrival) parted(b *bytes.Buffer, note string, entity []byte, ref request.Reference) {
	boundary := "=_" + rand.Text()
	b.WriteString("Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n")
	if note != "" {
		b.WriteString("\r\n--" + boundary + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline\r\n" +
			"Content-Description: " + banner.Description + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		b.WriteString(note)
	}
	b.WriteString("\r\n--" + boundary + "\r\n")
	b.Write(entity)
	if !bytes.HasPrefix(entity, []byte("\r\n")) && !bytes.Contains(entity, []byte("\r\n\r\n")) {
		b.WriteString("\r\n\r\n") // a header without end must not take in what follows
	}
	if a.desk.AttachOriginal {
		b.WriteString("\r\n--" + boundary + "\r\n" + originalHeader(ref))
	}
	b.WriteString("\r\n--" + boundary + "--\r\n")
}

// bare writes the content without anything around it.
func bare(b *bytes.Buffer, entity []byte) {
	head, body := splitEntity(entity)
	for _, f := range head {
		switch name := strings.ToLower(f.Name); {
		case name == "content-type":
			fmt.Fprintf(b, "%s: %s\r\n", f.Name, withoutProtection(f.Value))
		case strings.HasPrefix(name, "content-"):
			fmt.Fprintf(b, "%s: %s\r\n", f.Name, f.Value)
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
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
