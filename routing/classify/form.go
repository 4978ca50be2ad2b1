package classify

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"relais.example/routing/request"
)

// Bounds of the machine form block.
const (
	maxFormLines = 400
	maxFormKeys  = 100
	maxFormValue = 8 << 10 // bytes per field
	maxKey       = 40      // bytes
)

// findForm returns the lines between "=== 24/7 REQUEST v1 ===" and "=== END ===",
// marks included, and whether the block stands in quoted text. to is 0 if there
// is none. Without an end mark the block goes on to the end of the text.
func findForm(lines []line) (from, to int, quotedForm bool) {
	for i := range lines {
		if !formMark(lines[i].folded, "24/7 request v1") {
			continue
		}
		for j := i + 1; j < len(lines) && j-i <= maxFormLines; j++ {
			if formMark(lines[j].folded, "end") {
				return i, j + 1, quoted(bytes.TrimSpace(lines[i].folded))
			}
		}
		return i, min(len(lines), i+maxFormLines), quoted(bytes.TrimSpace(lines[i].folded))
	}
	return 0, 0, false
}

// formMark reports whether a line holds nothing but name between equals signs,
// behind quote marks or not.
func formMark(folded []byte, name string) bool {
	if len(folded) > 200 || bytes.IndexByte(folded, '=') < 0 {
		return false
	}
	t := bytes.TrimSpace(bytes.TrimLeft(folded, "> \t"))
	inner := bytes.TrimSpace(bytes.Trim(t, "="))
	return len(t) >= len(inner)+4 && string(bytes.Join(bytes.Fields(inner), []byte{' '})) == name
}

// parseForm reads "key: value" lines. Keys are folded, with _ for spaces and
// hyphens; unknown keys are kept. A line without key goes on with the value
// above; a known key in the middle of a line, as left by re-wrapping, begins a
// field of its own.
func (c *Classifier) parseForm(lines []line) map[string]string {
	values := map[string]*strings.Builder{}
	var current *strings.Builder
	for _, l := range lines {
		text := plainSpaces(strings.TrimLeft(strings.TrimSpace(l.text), "> \t"))
		for text != "" {
			if key, rest, ok := cutKey(text); ok && (values[key] != nil || len(values) < maxFormKeys) {
				if text = rest; values[key] == nil {
					values[key] = &strings.Builder{}
				}
				current = values[key]
			}
			value, rest := text, ""
			if i := c.knownKeyInside(text); i >= 0 {
				value, rest = strings.TrimSpace(text[:i]), text[i:]
			}
			if current != nil && value != "" && current.Len()+len(value) < maxFormValue {
				if current.Len() > 0 {
					current.WriteByte(' ')
				}
				current.WriteString(value)
			}
			text = rest
		}
	}
	form := make(map[string]string, len(values))
	for key, value := range values {
		form[key] = value.String()
	}
	return form
}

// plainSpaces undoes what mail programs do to spaces and quotes.
func plainSpaces(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return formReplacer.Replace(s)
		}
	}
	return s
}

var formReplacer = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "\u2007", " ", "\u200b", "", "\ufeff", "",
	"“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "‘", "'", "’", "'", "：", ":")

// cutKey splits "Request status: new" at the colon; a key is at most 40
// letters, digits, spaces, hyphens and underscores, and no part of a URL.
func cutKey(s string) (key, rest string, ok bool) {
	i := strings.IndexByte(s, ':')
	if i <= 0 || i > maxKey || strings.HasPrefix(s[i:], "://") {
		return "", s, false
	}
	if i+1 < len(s) && s[i+1] != ' ' && s[i+1] != '\t' {
		return "", s, false // 02:11, 2001:db8::1
	}
	key = strings.TrimSpace(string(appendFolded(nil, s[:i], 80)))
	for _, b := range []byte(key) {
		if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == ' ' || b == '-' || b == '_' || b == '.') {
			return "", s, false
		}
	}
	if key == "" || strings.Count(key, " ") > 4 {
		return "", s, false
	}
	return strings.NewReplacer(" ", "_", "-", "_").Replace(key), strings.TrimSpace(s[i+1:]), true
}

// knownKeyInside returns where a known key with its colon begins in s, after
// the first word; -1 if nowhere.
func (c *Classifier) knownKeyInside(s string) int {
	for i := 1; i < len(s); i++ {
		colon := strings.IndexByte(s[i:], ':')
		if colon < 0 {
			return -1
		}
		end := i + colon
		back := max(0, end-maxKey) // keys are short; look no further back
		start := back + strings.LastIndexByte(s[back:end], ' ') + 1
		if start > back && c.formKeys[strings.ToLower(s[start:end])] {
			return start
		}
		i = end
	}
	return -1
}

// formKinds returns the kinds that the block names: in "kind", and in the tick
// fields of the Council of Europe template.
func formKinds(form map[string]string) []request.Kind {
	var kinds []request.Kind
	add := func(k request.Kind) {
		for _, have := range kinds {
			if have == k {
				return
			}
		}
		kinds = append(kinds, k)
	}
	for _, name := range strings.FieldsFunc(form["kind"], func(r rune) bool { return r == ',' || r == ';' || r == '+' || r == '/' }) {
		name = strings.ToUpper(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(name)))
		if k, err := request.ParseKind(name); err == nil && len(kinds) < 2 {
			add(k)
		}
	}
	status := strings.ToLower(form["request_status"])
	if len(kinds) == 1 && kinds[0] == request.Preservation && strings.HasPrefix(status, "extension") {
		kinds[0] = request.Extension
	}
	if len(kinds) == 1 && (kinds[0] == request.Preservation || kinds[0] == request.Extension) && yes(form["expedited_disclosure"]) {
		add(request.PartialDisclosure)
	}
	return kinds
}

func yes(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, y := range []string{"yes", "true", "oui", "x", "[x]", "1"} {
		if s == y || strings.HasPrefix(s, y+" ") || strings.HasPrefix(s, y+",") {
			return true
		}
	}
	return false
}
