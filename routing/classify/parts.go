package classify

import (
	"bytes"
	"strings"
)

// partOf says what a line of the message belongs to. Only new text is judged.
type partOf uint8

const (
	partNew        partOf = iota
	partQuoted            // history below or between, and what was forwarded
	partSignature         // below "-- "
	partDisclaimer        // standing confidentiality paragraphs
	partForm              // machine form block
)

// line is one line of the body, as written and folded.
type line struct {
	text   string // without line feed
	folded []byte // the same in the folded text
	from   int    // where it stands there
	part   partOf
}

const maxLines = 64 << 10 // longer bodies end in one last long line

// splitLines pairs the lines of body with those of folded, its folded form,
// which begins at offset base of the folded text.
func splitLines(lines []line, body string, folded []byte, base int) []line {
	for more := true; more; {
		var l line
		if len(lines) == maxLines-1 {
			l.text, l.folded, more = body, folded, false
		} else {
			l.text, body, more = strings.Cut(body, "\n")
			l.folded, folded, _ = bytes.Cut(folded, []byte{'\n'})
		}
		l.from = base
		base += len(l.folded) + 1
		lines = append(lines, l)
	}
	return lines
}

// markers are the beginnings of lines, folded, that open parts which are not
// new text. They are part of the vocabulary.
type markers struct {
	Original    prefixes // "-----Original Message-----"
	Wrote       []string // ends of "On ... wrote:"
	WroteOpens  prefixes // beginnings of the same: "On ", "Le "
	HeaderFrom  prefixes // "From:", first line of pasted headers
	HeaderOther prefixes // "Sent:", "To:", ... one of them follows
	Signature   prefixes // "Sent from my"
	Disclaimer  prefixes // "This e-mail is confidential"
}

// prefixes are beginnings of lines by their first byte, which most lines do
// not share with any of them.
type prefixes [256][]string

func (p *prefixes) add(s string) { p[s[0]] = append(p[s[0]], s) }

// open reports whether a line begins with one of them.
func (p *prefixes) open(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	for _, s := range p[line[0]] {
		if len(line) >= len(s) && string(line[:len(s)]) == s {
			return true
		}
	}
	return false
}

// markParts decides for each line what it belongs to, reading it at most three
// times.
func (m *markers) markParts(lines []line) {
	part := partNew
	for i := range lines {
		l := &lines[i]
		if l.part == partForm {
			continue
		}
		trimmed := bytes.TrimSpace(l.folded)
		if quoted(trimmed) {
			l.part = partQuoted
			continue
		}
		// A quotation from another program may follow a signature.
		if part != partQuoted {
			switch {
			case m.Original.open(trimmed) || m.pastedHeaders(lines, i, trimmed):
				part = partQuoted
			case m.attribution(lines, i, trimmed):
				if part = partQuoted; m.quotedBelow(lines, i) {
					// Marked line by line with ">": what stands below is new.
					part, l.part = partNew, partQuoted
					continue
				}
			case part == partNew && signatureLine(trimmed) || m.Signature.open(trimmed):
				part = partSignature
			case part == partNew && m.Disclaimer.open(trimmed):
				part = partDisclaimer
			case part == partDisclaimer && len(trimmed) == 0:
				part = partNew
			}
		}
		l.part = part
	}
}

func quoted(trimmed []byte) bool {
	return len(trimmed) > 0 && (trimmed[0] == '>' || trimmed[0] == '|' && !bytes.HasSuffix(trimmed, []byte{'|'}))
}

// signatureLine is "-- " of RFC 3676 section 4.3, also where the space was
// lost on the way.
func signatureLine(trimmed []byte) bool {
	return string(trimmed) == "--"
}

func endsWith(trimmed []byte, suffixes []string) bool {
	for _, s := range suffixes {
		if len(trimmed) >= len(s) && string(trimmed[len(trimmed)-len(s):]) == s {
			return true
		}
	}
	return false
}

// attribution recognises "On 3 May 2026 ... wrote:", on one line or wrapped on
// two.
func (m *markers) attribution(lines []line, i int, trimmed []byte) bool {
	if !m.WroteOpens.open(trimmed) {
		return false
	}
	if endsWith(trimmed, m.Wrote) {
		return true
	}
	return i+1 < len(lines) && len(trimmed) < 200 && endsWith(bytes.TrimSpace(lines[i+1].folded), m.Wrote)
}

// quotedBelow reports whether one of the next lines begins with ">".
func (m *markers) quotedBelow(lines []line, i int) bool {
	for j := i + 1; j < len(lines) && j <= i+3; j++ {
		if quoted(bytes.TrimSpace(lines[j].folded)) {
			return true
		}
	}
	return false
}

// pastedHeaders recognises the header block that mail clients put above a
// message which they quote without marks.
func (m *markers) pastedHeaders(lines []line, i int, trimmed []byte) bool {
	if i == 0 || !m.HeaderFrom.open(trimmed) {
		return false
	}
	others := 0
	for j := i + 1; j < len(lines) && j <= i+4; j++ {
		if m.HeaderOther.open(bytes.TrimSpace(lines[j].folded)) {
			others++
		}
	}
	return others >= 2
}
