package mimeindex

import (
	"html"
	"regexp"
	"strings"
)

// Reading returns the decoded text that a person reads first, at most limit
// bytes of it: the text/plain parts that are no attachments, and HTML turned
// into text only where there is no plain text. raw must be the bytes that the
// index was built from.
func (x *Index) Reading(raw []byte, limit int) string {
	if len(raw) != x.size {
		return ""
	}
	var plain, rich strings.Builder
	x.Root.reading(raw, limit, &plain, &rich)
	text := plain.String()
	if strings.TrimSpace(text) == "" {
		text = rich.String()
	}
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

func (p *Part) reading(raw []byte, limit int, plain, rich *strings.Builder) {
	if p.IsMultipart() {
		for _, child := range p.Parts {
			child.reading(raw, limit, plain, rich)
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
	if into.Len() > limit {
		return
	}
	p.texts(raw, func(text string) bool {
		if p.Subtype == "html" {
			text = stripTags(text)
		}
		into.WriteString(text)
		into.WriteString("\n")
		return true
	})
}

var (
	hidden = regexp.MustCompile(`(?is)<(script|style|head|title)\b.*?</(script|style|head|title)\s*>|<!--.*?-->`)
	breaks = regexp.MustCompile(`(?i)<(br|/p|/div|/tr|/li|/h[1-6])\b[^>]*>`)
	tags   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// stripTags turns HTML into text that is good enough to classify; it is never
// shown to anybody.
func stripTags(s string) string {
	s = hidden.ReplaceAllString(s, " ")
	s = breaks.ReplaceAllString(s, "\n")
	return html.UnescapeString(tags.ReplaceAllString(s, " "))
}
