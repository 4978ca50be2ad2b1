package mimeindex

import (
	"bytes"
	"strings"
)

// eachField calls f for every header field in order. whole is the field as
// stored, folded lines and line endings included; name is empty for lines
// that are no field; value is what follows the colon, still folded.
func eachField(header []byte, f func(name, value, whole []byte) bool) {
	for len(header) > 0 {
		n := lineLen(header)
		if isBlank(header[:n]) {
			return
		}
		for n < len(header) && (header[n] == ' ' || header[n] == '\t') {
			n += lineLen(header[n:])
		}
		whole := header[:n]
		header = header[n:]
		name, value, ok := bytes.Cut(whole, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\r\n") {
			name, value = nil, nil
		}
		if !f(name, value, whole) {
			return
		}
	}
}

func lineLen(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// unfold removes the line endings of a folded value (RFC 5322, section 2.2.3).
func unfold(value []byte) string {
	if bytes.IndexAny(value, "\r\n") < 0 {
		return string(bytes.TrimSpace(value))
	}
	out := make([]byte, 0, len(value))
	for _, c := range value {
		if c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return string(bytes.TrimSpace(out))
}

// parseHeader fills p from its header. The first field of each name counts.
func (p *Part) parseHeader(header []byte, root bool) {
	seen := map[string]bool{}
	env := envelopeBuilder{}
	eachField(header, func(name, value, _ []byte) bool {
		key := strings.ToLower(string(name))
		if seen[key] {
			return true
		}
		value = value[:min(len(value), maxValue)]
		if !p.contentField(key, value) && !(root && env.field(key, value)) {
			return true
		}
		seen[key] = true
		return true
	})
	if root {
		p.Envelope = env.envelope()
	}
}

// contentField takes over one MIME field and reports whether it is one.
func (p *Part) contentField(key string, value []byte) bool {
	switch key {
	case "content-type":
		p.setType(unfold(value))
	case "content-transfer-encoding":
		encoding, _ := parseParams(unfold(value))
		p.Encoding = encoding
	case "content-id":
		p.ID = unfold(value)
	case "content-description":
		p.Description = unfold(value)
	case "content-disposition":
		p.Disposition, p.DispParams = parseParams(unfold(value))
	case "content-language":
		for l := range strings.SplitSeq(unfold(value), ",") {
			if l = strings.TrimSpace(l); l != "" && len(p.Languages) < maxParams {
				p.Languages = append(p.Languages, l)
			}
		}
	case "content-location":
		p.Location = unfold(value)
	default:
		return false
	}
	return true
}

// setType keeps the default type when value is not type "/" subtype (RFC
// 2045, section 5.2).
func (p *Part) setType(value string) {
	mediaType, params := parseParams(value)
	major, minor, ok := strings.Cut(mediaType, "/")
	major, minor = strings.TrimSpace(major), strings.TrimSpace(minor)
	if !ok || !isToken(major) || !isToken(minor) {
		p.Type, p.Subtype = "text", "plain"
		return
	}
	p.Type, p.Subtype, p.Params = major, minor, params
}

// parseParams splits `value; name=value; name="quoted"`, tolerating nearly
// anything. The leading value comes back in lower case, parameter values as
// written without quotes and not decoded (RFC 2231 is the client's business).
func parseParams(s string) (string, map[string]string) {
	head, rest, _ := cutOutsideQuotes(s)
	value := strings.ToLower(strings.TrimSpace(stripComments(head)))
	var params map[string]string
	for rest != "" && len(params) < maxParams {
		var item string
		item, rest, _ = cutOutsideQuotes(rest)
		name, v, ok := strings.Cut(item, "=")
		name = strings.ToLower(strings.TrimSpace(stripComments(name)))
		if !ok || !isToken(name) {
			continue
		}
		if params == nil {
			params = map[string]string{}
		}
		if _, dup := params[name]; !dup {
			params[name] = unquote(strings.TrimSpace(v))
		}
	}
	return value, params
}

// cutOutsideQuotes cuts s at the first semicolon outside a quoted string.
func cutOutsideQuotes(s string) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// stripComments removes RFC 5322 comments from a value without quotes.
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var out strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '(':
			depth++
		case s[i] == ')' && depth > 0:
			depth--
		case depth == 0:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// unquote takes a quoted string apart; anything else is a token up to a space
// or comment.
func unquote(s string) string {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexAny(s, " \t("); i >= 0 {
			s = s[:i]
		}
		return s
	}
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == '"' {
			break
		}
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// isToken reports whether s is a non-empty RFC 2045 token.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
