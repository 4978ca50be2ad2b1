package interchange

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Properties of ours: what vCard has no property for (RFC 6350 section 6.10).
// The rest of the name is a field, in capitals: X-RELAIS-ROLE.
const ownProperty = "X-RELAIS-"

// property is one line of a card.
type property struct {
	name   string
	params map[string][]string
	value  string
	line   int
}

// readVCards reads cards of version 3 (RFC 2426) and 4 (RFC 6350).
func readVCards(file string, data []byte, l *log) ([]record, error) {
	at := Place{File: file}
	if !utf8.Valid(data) {
		return nil, refuse(RefusedDamaged, at, "it is not UTF-8", "export it as vCard 3 or 4")
	}
	var records []record
	var card []property
	inside, begun := false, 0
	for _, p := range unfold(string(data)) {
		p, err := parseProperty(p)
		if err != nil {
			return nil, refuse(RefusedDamaged, Place{File: file, Row: p.line}, err.Error(), "export the card again")
		}
		switch {
		case p.name == "BEGIN" && !inside && strings.EqualFold(p.value, "VCARD"):
			inside, begun, card = true, p.line, nil
		case p.name == "BEGIN" || !inside:
			return nil, refuse(RefusedDamaged, Place{File: file, Row: p.line}, "something stands outside a card", "export the card again")
		case p.name == "END":
			inside = false
			if len(records) >= maxRows {
				return nil, refuse(RefusedTooLarge, Place{File: file, Row: p.line}, fmt.Sprintf("it has more than %d cards", maxRows), "split it")
			}
			records = append(records, cardRecord(Place{File: file, Row: begun}, card, l))
		case p.name == "VERSION" && p.value == "2.1":
			return nil, refuse(RefusedFormat, Place{File: file, Row: p.line}, "vCard 2.1 is not read", "export it as vCard 3 or 4")
		default:
			card = append(card, p)
		}
	}
	if inside {
		return nil, refuse(RefusedDamaged, at, "the last card has no end", "fetch it again")
	}
	return records, nil
}

// unfold joins continued lines; each gets the number of its first line.
func unfold(text string) []property {
	var list []property
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if n := len(list); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			if len(list[n-1].value) < maxCellBytes {
				list[n-1].value += line[1:]
			}
			continue
		}
		if line != "" {
			list = append(list, property{value: line, line: i + 1})
		}
	}
	return list
}

func parseProperty(p property) (property, error) {
	head, value := "", ""
	quoted := false
	for i, r := range p.value {
		if r == '"' {
			quoted = !quoted
		}
		if r == ':' && !quoted {
			head, value = p.value[:i], p.value[i+1:]
			break
		}
	}
	if head == "" {
		return p, fmt.Errorf("line %d is no property: it has no colon", p.line)
	}
	parts := splitQuoted(head, ';')
	if len(parts) == 0 {
		return p, fmt.Errorf("line %d is no property: it has no name", p.line)
	}
	name := strings.ToUpper(parts[0])
	if _, after, grouped := strings.Cut(name, "."); grouped {
		name = after
	}
	out := property{name: name, value: value, line: p.line, params: map[string][]string{}}
	for _, param := range parts[1:] {
		key, v, ok := strings.Cut(param, "=")
		if !ok {
			key, v = "TYPE", param
		}
		key = strings.ToUpper(key)
		for _, one := range splitQuoted(v, ',') {
			out.params[key] = append(out.params[key], strings.Trim(one, `"`))
		}
	}
	return out, nil
}

func splitQuoted(s string, sep rune) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == sep && !quoted
	})
}

func (p property) has(param, value string) bool {
	for _, v := range p.params[param] {
		if strings.EqualFold(v, value) {
			return true
		}
	}
	return false
}

// components splits a value at semicolons that are not escaped, and takes the
// escapes away (RFC 6350 section 3.4).
func (p property) components() []string {
	var list []string
	var b strings.Builder
	for i := 0; i < len(p.value); i++ {
		switch c := p.value[i]; {
		case c == '\\' && i+1 < len(p.value):
			i++
			if p.value[i] == 'n' || p.value[i] == 'N' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(p.value[i])
			}
		case c == ';':
			list = append(list, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(list, b.String())
}

func (p property) text() string { return strings.Join(p.components(), ";") }

// cardRecord takes what a card says of a contact point.
func cardRecord(begin Place, card []property, l *log) record {
	r := record{place: begin}
	own := map[string]bool{}
	for _, p := range card {
		if f, ok := strings.CutPrefix(p.name, ownProperty); ok {
			own[fieldOfProperty(f)] = true
		}
	}
	for _, p := range card {
		at := Place{File: begin.File, Row: p.line}
		add := func(field, text string) {
			said := own[field] || own[fieldPhones] && strings.HasPrefix(field, fieldPhoneUsePrefix) || own[fieldLanguagesIn] && field == fieldLanguages || own[fieldLanguagesOut] && field == fieldLanguages
			if !said && strings.TrimSpace(text) != "" {
				r.add(field, value{text: strings.TrimSpace(text), literal: true, place: at})
			}
		}
		if f, ok := strings.CutPrefix(p.name, ownProperty); ok {
			if field := fieldOfProperty(f); field != "" {
				r.add(field, value{text: p.text(), literal: true, place: at})
			}
			continue
		}
		switch p.name {
		case "ORG":
			c := p.components()
			add(fieldInstitution, c[0])
			add(fieldUnit, strings.Join(c[1:], ", "))
		case "EMAIL":
			add(fieldAddresses, p.text())
		case "TEL":
			use := "office"
			for _, t := range []struct{ vcard, use string }{{"cell", "mobile"}, {"fax", "fax"}, {"pager", "out-of-hours"}} {
				if p.has("TYPE", t.vcard) {
					use = t.use
				}
			}
			add(fieldPhoneUsePrefix+use, strings.ReplaceAll(strings.TrimPrefix(p.text(), "tel:"), ";ext=", " ext "))
		case "LANG":
			add(fieldLanguages, p.text())
		case "TZ":
			add(fieldZone, p.text())
		case "ADR":
			cardAddress(p, add)
		case "KEY":
			cardKey(p, at, add, l)
		case "ROLE":
			add(fieldRole, p.text())
		case "UID":
			if idForm.MatchString(p.value) {
				add(fieldID, p.value)
			}
		case "VERSION", "FN", "N", "KIND", "REV", "PRODID", "PROFILE":
		default:
			l.add(IgnoredProperty, at, "", "", "the property "+quote(p.name)+" has no field", "nothing to do")
		}
	}
	return r
}

// cardAddress takes a postal address: its lines, and the country.
func cardAddress(p property, add func(field, text string)) {
	c := p.components()
	for len(c) < 7 {
		c = append(c, "")
	}
	add(fieldParty, c[6])
	if label := p.params["LABEL"]; len(label) > 0 {
		add(fieldPostal, strings.NewReplacer(`\n`, "\n", `\N`, "\n", "^n", "\n", "^'", `"`, "^^", "^").Replace(label[0]))
		return
	}
	var lines []string
	for _, s := range []string{c[0], c[1], c[2], strings.TrimSpace(c[5] + " " + c[3]), c[4], c[6]} {
		if s = strings.TrimSpace(s); s != "" {
			lines = append(lines, s)
		}
	}
	add(fieldPostal, strings.Join(lines, "\n"))
}

// cardKey takes a certificate: armored text, base64, or a data URI. One that
// lies elsewhere is not fetched.
func cardKey(p property, at Place, add func(field, text string), l *log) {
	v := p.text()
	if _, after, ok := strings.Cut(v, "base64,"); ok && strings.HasPrefix(strings.ToLower(v), "data:") {
		v = after
	} else if !p.has("ENCODING", "b") && !p.has("ENCODING", "base64") {
		if strings.Contains(v, "://") {
			l.add(ExternalReference, at, "", fieldCertificates, "the key lies elsewhere: nothing was fetched", "add the certificate itself")
			return
		}
		add(fieldCertificates, v)
		return
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v), ""))
	if err != nil {
		l.add(UnreadableKey, at, "", fieldCertificates, "the key is no base64: it was left out", "export the card again")
		return
	}
	if text := string(raw); strings.Contains(text, "-----BEGIN PGP") {
		add(fieldCertificates, text)
		return
	}
	armored, err := armorKey(raw)
	if err != nil {
		l.add(UnreadableKey, at, "", fieldCertificates, "the key is no OpenPGP certificate: it was left out", "ask for an OpenPGP certificate")
		return
	}
	add(fieldCertificates, armored)
}

// fieldOfProperty reads the rest of an own property's name.
func fieldOfProperty(rest string) string {
	f := strings.ReplaceAll(strings.ToLower(rest), "-", "_")
	if lang, ok := strings.CutPrefix(f, fieldNames); ok {
		if base, region, ok := strings.Cut(lang, "_"); ok {
			return fieldNames + base + "-" + strings.ToUpper(region)
		}
		return f
	}
	for _, known := range fields {
		if f == known {
			return f
		}
	}
	return ""
}
