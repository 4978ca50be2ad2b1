package mimeindex

import (
	"html"
	"strings"
)

// stripTags turns HTML into text that is good enough to classify; it is never
// shown to anybody. It goes through s once: whatever stands in it, the time is
// linear.
func stripTags(s string) string {
	var out strings.Builder
	ends := hiddenEnd{s: s}
	comments := true // one may still end
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		out.WriteString(s[:i])
		s = s[i:]
		if comments && strings.HasPrefix(s, "<!--") {
			if n := strings.Index(s[4:], "-->"); n >= 0 {
				out.WriteByte(' ')
				s = s[4+n+3:]
				continue
			}
			comments = false
		}
		if hides(s[1:]) {
			if end := ends.after(len(ends.s) - len(s)); end > 0 {
				out.WriteByte(' ')
				s = ends.s[end:]
				continue
			}
		}
		n := strings.IndexByte(s, '>')
		if n < 0 {
			break
		}
		if breaksLine(s[1:n]) {
			out.WriteByte('\n')
		} else {
			out.WriteByte(' ')
		}
		s = s[n+1:]
	}
	out.WriteString(s)
	return html.UnescapeString(out.String())
}

var hiddenNames = [...]string{"script", "style", "head", "title"}

// hides reports whether a tag begins what is not shown.
func hides(tag string) bool {
	for _, name := range hiddenNames {
		if rest, ok := cutName(tag, name); ok && !isWord(rest) {
			return true
		}
	}
	return false
}

// hiddenEnd finds the ends of what is not shown, looking at each byte once.
type hiddenEnd struct {
	s        string
	from, to int // the last one found; 0: none yet, -1: there is no other
}

// after returns the end behind the first closing tag from offset at on, or -1.
// at must not go down.
func (h *hiddenEnd) after(at int) int {
	if h.to < 0 || h.to > 0 && at <= h.from {
		return h.to
	}
	for {
		n := strings.Index(h.s[at:], "</")
		if n < 0 {
			h.to = -1
			return -1
		}
		at += n
		for _, name := range hiddenNames {
			rest, ok := cutName(h.s[at+2:], name)
			if rest = strings.TrimLeft(rest[:min(len(rest), 100)], " \t\r\n\f"); ok && strings.HasPrefix(rest, ">") {
				h.from = at
				h.to = at + 2 + strings.IndexByte(h.s[at+2:], '>') + 1
				return h.to
			}
		}
		at += 2
	}
}

// breaksLine reports whether a new line begins at the tag.
func breaksLine(tag string) bool {
	for _, name := range [...]string{"br", "/p", "/div", "/tr", "/li", "/h1", "/h2", "/h3", "/h4", "/h5", "/h6"} {
		if rest, ok := cutName(tag, name); ok && !isWord(rest) {
			return true
		}
	}
	return false
}

// cutName cuts name, in whatever case, off the beginning of s.
func cutName(s, name string) (rest string, ok bool) {
	if len(s) < len(name) || !strings.EqualFold(s[:len(name)], name) {
		return "", false
	}
	return s[len(name):], true
}

// isWord reports whether s goes on with a letter or digit.
func isWord(s string) bool {
	if s == "" {
		return false
	}
	c := s[0]
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
