package interchange

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/unicode/norm"

	"relais.example/configs"
	"relais.example/routing/directory"
	"relais.example/routing/request"
)

// Vocabulary knows what people write in lists of contact points: names of
// columns, roles, kinds, countries, languages. It never changes.
type Vocabulary struct {
	columns   words // synonym: field
	leftOut   words
	roles     words
	roleWords map[string][]string
	uses      words
	kinds     words
	everyKind words
	blanks    map[string]bool // lower case, not folded: "-" would fold to nothing
	yes, no   words
	clock     words // around the clock
	days      words
	months    words
	countries words
	languages words
	names     map[string][]string // code of a country: its English and its French name
}

// words maps a folded synonym to what it means.
type words map[string]string

// columnsFile is the shape of columns.yaml.
type columnsFile struct {
	Columns        map[string][]string `yaml:"columns"`
	LeftOut        []string            `yaml:"left_out"`
	Roles          map[string][]string `yaml:"roles"`
	RoleWords      map[string][]string `yaml:"role_words"`
	Uses           map[string][]string `yaml:"uses"`
	Kinds          map[string][]string `yaml:"kinds"`
	EveryKind      []string            `yaml:"every_kind"`
	Blanks         []string            `yaml:"blanks"`
	Yes            []string            `yaml:"yes"`
	No             []string            `yaml:"no"`
	AroundTheClock []string            `yaml:"around_the_clock"`
	Days           map[string][]string `yaml:"days"`
	Months         map[string][]string `yaml:"months"`
	Countries      map[string][]string `yaml:"countries"`
	Languages      map[string][]string `yaml:"languages"`
}

// DefaultVocabulary returns the vocabulary that ships with the program.
func DefaultVocabulary() (*Vocabulary, error) {
	sub, err := fs.Sub(configs.Directory, "directory")
	if err != nil {
		return nil, fmt.Errorf("reading the words of directory lists: %w", err)
	}
	return LoadVocabulary(sub)
}

// LoadVocabulary reads columns.yaml, countries.yaml and languages.yaml of a
// folder. A word that means two things is an error.
func LoadVocabulary(folder fs.FS) (*Vocabulary, error) {
	var f columnsFile
	var countries, languages map[string][]string
	for name, into := range map[string]any{"columns.yaml": &f, "countries.yaml": &countries, "languages.yaml": &languages} {
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("reading the words of directory lists: %w", err)
		}
		if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("reading %s: %s", name, strings.TrimSpace(yaml.FormatError(err, false, false)))
		}
	}
	v := &Vocabulary{roleWords: f.RoleWords, blanks: map[string]bool{}}
	for _, b := range f.Blanks {
		v.blanks[strings.ToLower(b)] = true
	}
	var faults []error
	index := func(place string, sets ...map[string][]string) words {
		w := words{}
		for _, set := range sets {
			for _, meaning := range slices.Sorted(maps.Keys(set)) {
				for _, s := range append([]string{meaning}, set[meaning]...) {
					folded := fold(s)
					if other, taken := w[folded]; taken && other != meaning {
						faults = append(faults, fmt.Errorf("%s: %q means both %s and %s; keep one", place, s, other, meaning))
					}
					w[folded] = meaning
				}
			}
		}
		return w
	}
	one := func(list []string) map[string][]string { return map[string][]string{"yes": list} }
	v.columns, v.leftOut = index("columns", f.Columns), index("left_out", one(f.LeftOut))
	v.roles, v.uses, v.kinds = index("roles", f.Roles), index("uses", f.Uses), index("kinds", f.Kinds)
	v.everyKind, v.yes, v.no = index("every_kind", one(f.EveryKind)), index("yes", one(f.Yes)), index("no", map[string][]string{"no": f.No})
	v.clock, v.days, v.months = index("around_the_clock", one(f.AroundTheClock)), index("days", f.Days), index("months", f.Months)
	v.names = countries
	v.countries, v.languages = index("countries", countries, f.Countries), index("languages", languages, f.Languages)
	for code := range countries { // "is" and "to" are words before they are countries
		delete(v.countries, fold(code))
	}
	faults = append(faults, v.check(&f)...)
	if len(faults) > 0 {
		return nil, fmt.Errorf("reading the words of directory lists:\n%w", errors.Join(faults...))
	}
	return v, nil
}

// check refuses meanings that the Directory does not know.
func (v *Vocabulary) check(f *columnsFile) (faults []error) {
	known := func(place string, set map[string][]string, ok func(string) bool) {
		for _, k := range slices.Sorted(maps.Keys(set)) {
			if !ok(k) {
				faults = append(faults, fmt.Errorf("%s: %q is not known", place, k))
			}
		}
	}
	role := func(s string) bool {
		return slices.Contains([]directory.Role{directory.Police, directory.Prosecutor, directory.Ministry, directory.Mixed}, directory.Role(s))
	}
	known("columns", f.Columns, func(s string) bool {
		return slices.Contains(fields, s) || s == fieldLanguages || strings.HasPrefix(s, fieldNames)
	})
	known("roles", f.Roles, role)
	known("role_words", f.RoleWords, role)
	known("uses", f.Uses, func(s string) bool { return slices.Contains(phoneUses, s) })
	known("kinds", f.Kinds, func(s string) bool { _, err := request.ParseKind(s); return err == nil })
	return faults
}

var nameColumn = regexp.MustCompile(`^name[ _]\(?([a-z]{2,3}(?:-[A-Z]{2})?)\)?$`)
var columnNumber = regexp.MustCompile(`[ _(]+[0-9]{1,2}\)?$`)

// column says which field a heading names; guessed, when only a part of the
// heading is known. A known heading without a field is left out on purpose.
func (v *Vocabulary) column(heading string) (field string, guessed, leftOut bool) {
	heading = strings.TrimSpace(heading)
	if slices.Contains(fields, heading) {
		return heading, false, false
	}
	if m := nameColumn.FindStringSubmatch(strings.ReplaceAll(heading, "Name", "name")); m != nil {
		return fieldNames + m[1], false, false
	}
	for _, h := range []string{heading, columnNumber.ReplaceAllString(heading, "")} {
		if slices.Contains(fields, h) {
			return h, false, false
		}
		folded := fold(h)
		if f := v.columns[folded]; f != "" {
			return f, false, false
		}
		if v.leftOut[folded] != "" {
			return "", false, true
		}
	}
	if f := v.bilingual(heading); f != "" {
		return f, false, false
	}
	if f := v.columns.inside(fold(heading)); f != "" {
		return f, true, false
	}
	return "", false, false
}

// bilingual reads a heading in two languages, such as "Country / Pays": all
// parts must mean the same.
func (v *Vocabulary) bilingual(heading string) string {
	found := ""
	for _, part := range strings.FieldsFunc(heading, func(r rune) bool { return strings.ContainsRune("/|\n()", r) }) {
		f := v.columns[fold(part)]
		if f == "" || found != "" && f != found {
			return ""
		}
		found = f
	}
	return found
}

// inside returns the meaning of the longest synonym that stands in a text of at
// most ten words, as whole words; "" when there is none, or when two of the
// same length disagree.
func (w words) inside(folded string) string {
	parts := strings.Fields(folded)
	if len(parts) > 10 {
		return ""
	}
	for n := len(parts); n > 0; n-- {
		found := ""
		for i := 0; i+n <= len(parts); i++ {
			m := w[strings.Join(parts[i:i+n], " ")]
			if m != "" && found != "" && m != found {
				return ""
			}
			if m != "" {
				found = m
			}
		}
		if found != "" {
			return found
		}
	}
	return ""
}

// language returns the code of a language given by code or name.
func (v *Vocabulary) language(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if languageForm.MatchString(s) && (len(s) > 3 || v.languages[s] == s || len(s) == 3) {
		return s, true
	}
	code, ok := v.languages[fold(s)]
	return code, ok
}

var languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

// country returns the code of a country given by name; code tells whether the
// two letters are one of ISO 3166-1.
func (v *Vocabulary) country(s string) (string, bool) {
	code, ok := v.countries[fold(s)]
	return code, ok
}

func (v *Vocabulary) isBlank(s string) bool { return s == "" || v.blanks[strings.ToLower(s)] }

// fold returns s in lower case, without diacritics, every run of what is no
// letter or digit as one space: the form in which names are compared. "+" and
// "/" inside figures fall too: "24/7" is "24 7".
func fold(s string) string {
	var b strings.Builder
	space := false
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(unicode.ToLower(r))
		default:
			space = true
		}
	}
	return b.String()
}
