package mimeindex

import "strings"

// Reading returns the decoded text of a message that a person reads first, at
// most limit bytes of it: the text/plain parts that are no attachments, and
// HTML turned into text only where there is no plain text.
func Reading(raw []byte, limit int) string {
	return Outline(raw).Reading(raw, limit)
}

// Reading is the function of that name for a message with an index. raw must
// be the bytes that the index was built from.
func (x *Index) Reading(raw []byte, limit int) string {
	if len(raw) != x.size {
		return ""
	}
	return x.Root.reading(raw, limit)
}

func (p *Part) reading(raw []byte, limit int) string {
	var plain, rich found
	p.collect(raw, limit, &plain, &rich)
	text := strings.Join(plain.list, "\n")
	if strings.TrimSpace(text) == "" {
		text = strings.Join(rich.list, "\n")
	}
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

// found holds the texts of parts, and their length in bytes.
type found struct {
	list []string
	size int
}

func (p *Part) collect(raw []byte, limit int, plain, rich *found) {
	if p.IsMultipart() {
		for _, child := range p.Parts {
			child.collect(raw, limit, plain, rich)
		}
		return
	}
	if p.Type != "text" || p.Disposition == "attachment" {
		return
	}
	into := plain
	if p.Subtype == "html" {
		into = rich
	}
	if into.size > limit {
		return
	}
	p.texts(raw, func(text string) bool {
		if p.Subtype == "html" {
			text = stripTags(text)
		}
		into.list = append(into.list, text)
		into.size += len(text)
		return true
	})
}
