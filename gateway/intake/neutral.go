package intake

import (
	"bytes"

	"relais.example/gateway/banner"
	"relais.example/gateway/mimeindex"
)

// SenderPrefix is what a header field of a sender begins with that came under
// a name of the gateway. It is as long as [HeaderPrefix].
const SenderPrefix = "X-Sender-"

// The field in which a mail server says what it checked (RFC 8601), and what
// becomes of one that came in our name. Both are of one length.
const (
	resultsField       = "Authentication-Results"
	senderResultsField = "X-Sender-Authn-Results"
)

// maxWrapped is how often a mail may be encoded in a mail that is encoded, to
// be looked at.
const maxWrapped = 4

// neutral returns content of a sender in which no line begins like a header
// field of the gateway: X-Relais-... becomes X-Sender-..., and so does an
// Authentication-Results in our name. All lines count, not only those that a
// parser takes for headers, since parsers disagree; attached mails that are
// encoded are looked into. Everything else stays byte for byte. The original is
// in the vault as it came.
type neutral struct {
	hostname string
	renamed  int // lines, without those that other gateways write
	unread   int // attached mails that were encoded too often
}

func (n *neutral) content(raw []byte, parts *mimeindex.Index, depth int) []byte {
	out := n.lines(raw, depth > 0)
	var edits []mimeindex.Edit
	parts.Leaves(func(p *mimeindex.Part) bool {
		if !p.IsEncoded() || !p.OpensAsMail() {
			return true
		}
		if depth == maxWrapped {
			n.unread++
			return true
		}
		content, ok := p.Content(raw)
		if !ok {
			return true // nobody can open it
		}
		if changed := n.content(content, mimeindex.Outline(content), depth+1); !bytes.Equal(changed, content) {
			edits = append(edits, mimeindex.Edit{From: p.BodyStart, To: p.End, With: p.Encode(changed)})
		}
		return true
	})
	return mimeindex.Rewrite(out, edits) // renaming moved nothing
}

// lines renames at the beginnings of lines. What was decoded may have line ends
// that a message has not.
func (n *neutral) lines(raw []byte, decoded bool) []byte {
	out := raw
	rename := func(at int, to string) {
		if &out[0] == &raw[0] {
			out = bytes.Clone(raw)
		}
		copy(out[at:], to)
	}
	for at := 0; at < len(raw); at = nextLine(raw, at, decoded) {
		line := raw[at:]
		start := at
		if line[0] == ' ' || line[0] == '\t' {
			if !beginsHeader(raw[:at]) {
				continue // it goes on with the line before
			}
			line = bytes.TrimLeft(line, " \t")
			start = len(raw) - len(line)
		}
		switch {
		case hasPrefixFold(line, HeaderPrefix):
			if !hasPrefixFold(line, ReplyHeader) {
				n.renamed++
			}
			rename(start, SenderPrefix)
		case hasPrefixFold(line, resultsField) && n.ours(line[len(resultsField):]):
			n.renamed++
			rename(start, senderResultsField)
		}
	}
	return out
}

// nextLine returns where the line after the one at at begins. With bareCR, a CR
// alone ends a line, too.
func nextLine(raw []byte, at int, bareCR bool) int {
	if !bareCR {
		if i := bytes.IndexByte(raw[at:], '\n'); i >= 0 {
			return at + i + 1
		}
		return len(raw)
	}
	for at < len(raw) && raw[at] != '\n' && raw[at] != '\r' {
		at++
	}
	return at + 1
}

// beginsHeader reports whether a header may begin behind before: at the start,
// behind a blank line or a boundary.
func beginsHeader(before []byte) bool {
	line := bytes.TrimRight(before, "\r\n")
	if len(before)-len(line) != 1 && len(before)-len(line) != 2 {
		return true // nothing, or a blank line
	}
	return bytes.HasPrefix(line[bytes.LastIndexByte(line, '\n')+1:], []byte("--"))
}

// ours reports whether what follows the name of an Authentication-Results
// field says that this gateway wrote it.
func (n *neutral) ours(rest []byte) bool {
	rest = rest[:min(len(rest), 1000)]
	name, value, ok := bytes.Cut(rest, []byte(":"))
	if !ok || len(bytes.Trim(name, " \t")) > 0 {
		return false
	}
	id, _, _ := bytes.Cut(value, []byte(";"))
	return bytes.Contains(bytes.ToLower(id), bytes.ToLower([]byte(n.hostname)))
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && b[0]|0x20 == prefix[0]|0x20 && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}

// HeaderPrefix marks the header fields that the gateway alone writes. What
// comes in with such a name is renamed.
const HeaderPrefix = banner.Prefix
