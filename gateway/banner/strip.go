package banner

import (
	"bytes"
	"errors"
	"html"

	"relais.example/gateway/mimeindex"
)

// ErrTouched is returned for a letter that quotes a part of a note, or a note
// that somebody wrote in: what of it is the gateway's cannot be told.
var ErrTouched = errors.New("a part of the gateway's note stands in the letter")

// maxWrapped is how often a mail may be encoded in a mail that is encoded.
const maxWrapped = 4

// Strip takes out of a letter that staff wrote what the gateway had put around
// the message that it answers: notes, however they are quoted, and header
// fields of attached mails. What is not the gateway's stays as it is.
func Strip(raw []byte, marks Marks) ([]byte, error) { return strip(raw, marks, 0) }

func strip(raw []byte, marks Marks, depth int) ([]byte, error) {
	x := mimeindex.Outline(raw)
	var edits []mimeindex.Edit
	if depth > 0 {
		edits = ownFields(raw, x.Root.HeaderStart, x.Root.BodyStart)
	}
	for _, m := range embedded(x.Root, nil) {
		edits = append(edits, ownFields(raw, m.HeaderStart, m.BodyStart)...)
	}
	var failed error
	x.Leaves(func(p *mimeindex.Part) bool {
		mail := p.OpensAsMail()
		if p.Type != "text" && !mail {
			return true
		}
		content, ok := p.Content(raw)
		if !ok {
			return true
		}
		var stripped []byte
		switch {
		case mail && depth < maxWrapped:
			stripped, failed = strip(content, marks, depth+1)
		case p.Subtype == "html":
			stripped, failed = stripHTML(content, marks)
		default:
			stripped, failed = stripText(content, marks)
		}
		if failed == nil && !same(stripped, content) {
			edits = append(edits, mimeindex.Edit{From: p.BodyStart, To: p.End, With: p.Encode(stripped)})
		}
		return failed == nil
	})
	if failed != nil {
		return raw, failed
	}
	return mimeindex.Rewrite(raw, edits), nil
}

// same reports whether a is b, and not only equal to it.
func same(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// embedded lists the mails within a part.
func embedded(p *mimeindex.Part, out []*mimeindex.Part) []*mimeindex.Part {
	for _, child := range p.Parts {
		if p.IsMessage() {
			out = append(out, child)
		}
		out = embedded(child, out)
	}
	return out
}

// ownFields finds the gateway's header fields in raw[from:to].
func ownFields(raw []byte, from, to int) (out []mimeindex.Edit) {
	for from < to {
		end := fieldEnd(raw[:to], from)
		if hasPrefixFold(raw[from:end], Prefix) {
			out = append(out, mimeindex.Edit{From: from, To: end})
		}
		from = end
	}
	return out
}

// fieldEnd returns where the field that begins at from ends, with the lines
// that continue it.
func fieldEnd(header []byte, from int) int {
	for {
		i := bytes.IndexByte(header[from:], '\n')
		if i < 0 {
			return len(header)
		}
		if from += i + 1; from == len(header) || header[from] != ' ' && header[from] != '\t' {
			return from
		}
	}
}

// stripText takes notes out of plain text, the quote marks before them
// included.
func stripText(text []byte, marks Marks) ([]byte, error) {
	var edits []mimeindex.Edit
	err := notes(text, marks, plainly, func(a, b token) {
		from, to := a.from, b.to
		for from > 0 && bytes.IndexByte([]byte("> |\t"), text[from-1]) >= 0 {
			from--
		}
		for to < len(text) && bytes.IndexByte([]byte(" \t\r"), text[to]) >= 0 {
			to++
		}
		if (from == 0 || text[from-1] == '\n') && to < len(text) && text[to] == '\n' {
			to++
		}
		edits = append(edits, mimeindex.Edit{From: from, To: to})
	})
	if err != nil {
		return text, err
	}
	return mimeindex.Rewrite(text, edits), nil
}

// stripHTML takes the words of notes out of HTML and leaves the tags between
// them, of which mail programs make what they like.
func stripHTML(text []byte, marks Marks) ([]byte, error) {
	if !bytes.Contains(text, []byte("RELAIS")) {
		return text, nil
	}
	seen, at := visible(text)
	var edits []mimeindex.Edit
	err := notes(seen, marks, html.UnescapeString, func(a, b token) {
		for i := a.from; i < b.to; i++ {
			edits = append(edits, mimeindex.Edit{From: int(at[i]), To: int(at[i]) + 1})
		}
		edits = append(edits, lineBreaks(text, int(at[a.from]), int(at[b.to-1]))...)
	})
	if err != nil {
		return text, err
	}
	return mimeindex.Rewrite(text, edits), nil
}

// visible returns the text between the tags, and where each byte of it stands.
func visible(text []byte) (seen []byte, at []int32) {
	for i := 0; i < len(text); {
		if text[i] == '<' {
			i = tagEnd(text, i)
			continue
		}
		seen, at = append(seen, text[i]), append(at, int32(i))
		i++
	}
	return seen, at
}

// tagEnd returns what follows the tag or comment that begins at i.
func tagEnd(text []byte, i int) int {
	end := ">"
	if bytes.HasPrefix(text[i:], []byte("<!--")) {
		end = "-->"
	}
	if n := bytes.Index(text[i:], []byte(end)); n >= 0 {
		return i + n + len(end)
	}
	return len(text)
}

// lineBreaks finds the <br> in text[from:to].
func lineBreaks(text []byte, from, to int) (out []mimeindex.Edit) {
	for i := from; i < to; i++ {
		if text[i] != '<' {
			continue
		}
		end := tagEnd(text, i)
		if end > i+3 && hasPrefixFold(text[i:end], "<br") && bytes.IndexByte([]byte(" />\t\r\n"), text[i+3]) >= 0 {
			out = append(out, mimeindex.Edit{From: i, To: end})
		}
		i = end - 1
	}
	return out
}

func plainly(text string) string { return text }

// notes calls f for each whole note of the gateway in text. decode undoes how
// the text is written.
func notes(text []byte, marks Marks, decode func(string) string, f func(begins, ends token)) error {
	for at := 0; ; {
		a, ok := nextToken(text, at)
		if !ok {
			return nil
		}
		at = a.to
		if !marks.ours(a.mark) {
			continue // somebody else's words
		}
		b, ok := nextToken(text, a.to)
		if a.ends || !ok || !b.ends || b.mark != a.mark || !marks.fits(a.mark, decode(string(text[a.to:b.from]))) {
			return ErrTouched
		}
		f(a, b)
		at = b.to
	}
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}
