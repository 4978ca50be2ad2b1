package directory

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// formNames are other names under which people fill in a field.
var formNames = map[string]string{
	"contact_point": "id", "entry": "id", "phone": "phones", "telephone": "phones", "telephones": "phones",
	"address": "addresses", "e_mail": "addresses", "email": "addresses", "mail": "addresses",
	"office_hours": "hours", "time_zone": "zone", "timezone": "zone", "kinds": "competences",
	"postal_address": "postal", "competence": "competences",
}

// formOnly are fields of the form block that say nothing of the entry.
var formOnly = []string{"kind", "reference", "our_reference", "your_reference", "from", "to", "date", "subject"}

// inside finds a field that re-wrapping has moved behind the value of the one
// before.
var inside = regexp.MustCompile(`(?i)\s(institution|unit|postal|phones|addresses|languages[ _-](?:in|out)|hours|zone|competences|backup|role):\s`)

// ReadForm reads the fields of a form block whose kind is DIRECTORY_CHANGE:
// values as people write them, by the folded name of their line. What is left
// empty stays as it is; a hyphen alone empties a field.
//
//	phones: +999 2 555 0111 (office); +999 2 555 0112 (out-of-hours)
//	languages_in: en, fr
func ReadForm(form map[string]string) Asked {
	asked := Asked{}
	put := func(name, text string) {
		if text = strings.TrimSpace(text); text == "" || slices.Contains(formOnly, name) {
			return
		}
		if other, ok := formNames[name]; ok {
			name = other
		}
		asked[name] = written(name, text)
	}
	for name, text := range form {
		for {
			at := inside.FindStringSubmatchIndex(" " + text + " ")
			if at == nil {
				break
			}
			padded := " " + text + " "
			rest := padded[at[1]:]
			next := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(padded[at[2]:at[3]]))
			put(name, padded[:at[0]])
			name, text = next, strings.TrimSpace(rest)
		}
		put(name, text)
	}
	return asked
}

var phoneWritten = regexp.MustCompile(`(?i)^(.*?)[ \t]*\(?(office|out[ -]of[ -]hours|mobile|fax)\)?$`)

// written turns a value as people write it into the JSON of the field.
func written(field, text string) json.RawMessage {
	if text == "-" {
		text = ""
	}
	var value any = text
	switch field {
	case "id", "backup", "party":
		value = strings.ToUpper(text)
	case "role":
		value = strings.ToLower(text)
	case "postal":
		lines := strings.Split(text, "|")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		value = strings.Join(lines, "\n")
	case "phones":
		list := []Phone{}
		for _, one := range items(text, ",;") {
			p := Phone{Number: one}
			if m := phoneWritten.FindStringSubmatch(one); m != nil {
				p = Phone{Number: m[1], Use: strings.ReplaceAll(strings.ToLower(m[2]), " ", "-")}
			}
			list = append(list, p)
		}
		value = list
	case "addresses", "languages_in", "languages_out":
		value = items(text, ",; \t")
	case "competences":
		list := items(text, ",;")
		for i := range list {
			list[i] = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToUpper(list[i]))
		}
		value = list
	}
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts and lists of texts
	}
	return b
}

// items splits a list at any of the signs.
func items(text, signs string) []string {
	list := []string{}
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(signs, r) }) {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}
