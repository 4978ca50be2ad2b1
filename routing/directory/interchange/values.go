package interchange

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"relais.example/routing/directory"
)

var (
	idForm          = regexp.MustCompile(`^[A-Z]{2}-[1-9][0-9]{0,3}$`)
	codeForm        = regexp.MustCompile(`^[A-Z]{2}$`)
	reservationForm = regexp.MustCompile(`^(CONV|SAP) [0-9]{1,2}(\.[0-9a-z]{1,2}){0,3}$`)
	numericDate     = regexp.MustCompile(`^([0-9]{1,2})([./-])([0-9]{1,2})([./-])([0-9]{4})$`)
	wordDate        = regexp.MustCompile(`^([0-9]{1,2})(?:st|nd|rd|th|er)?\.?\s+(\p{L}+)\.?,?\s+([0-9]{4})$`)
	number          = regexp.MustCompile(`[0-9]+`)
	armoredKey      = regexp.MustCompile(`(?s)-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----`)
	hexFingerprint  = regexp.MustCompile(`(?i)^(0x)?[0-9a-f]{40}([0-9a-f]{24})?$`)
)

// date reads a day; guessed, when day and month could be the other way round.
func (v *Vocabulary) date(text string) (day directory.Date, guessed, ok bool) {
	text = strings.TrimSpace(text)
	if d, err := directory.ParseDate(text); err == nil {
		return d, false, true
	}
	d, m, y := "", "", ""
	if f := numericDate.FindStringSubmatch(text); f != nil && f[2] == f[4] {
		d, m, y = f[1], f[3], f[5]
		// With slashes some write the month first.
		first, _ := strconv.Atoi(d)
		second, _ := strconv.Atoi(m)
		guessed = f[2] == "/" && first <= 12 && second <= 12 && first != second
	} else if f := wordDate.FindStringSubmatch(strings.ToLower(text)); f != nil {
		d, m, y = f[1], v.months[fold(f[2])], f[3]
	}
	if len(d) == 1 {
		d = "0" + d
	}
	if len(m) == 1 {
		m = "0" + m
	}
	day, err := directory.ParseDate(y + "-" + m + "-" + d)
	return day, guessed, err == nil
}

// whole reads the one number of a text such as "90 days".
func whole(text string) (int, bool) {
	all := number.FindAllString(text, -1)
	if len(all) != 1 {
		return 0, false
	}
	n, err := strconv.Atoi(all[0])
	return n, err == nil && !strings.Contains(text, "-"+all[0])
}

// items cuts a list at commas, semicolons and line ends.
func items(text string) []string {
	var list []string
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// words of a language list that join two languages.
var languageJoin = regexp.MustCompile(`\s+(?:and|et|or|ou|&)\s+|\s*[/+|]\s*`)

func languageItems(text string) []string {
	var list []string
	for _, item := range items(text) {
		for _, s := range languageJoin.Split(item, -1) {
			if s = strings.Trim(s, " .()"); s != "" {
				list = append(list, s)
			}
		}
	}
	return list
}

// oneLine joins the lines of a text that the Directory keeps on one, and takes
// invisible characters out; removed tells that there were any.
func oneLine(text string) (line string, removed bool) {
	line, removed = lines(text)
	return strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == '\n' }), " "), removed
}

// lines takes invisible characters out of a text that may have several lines.
func lines(text string) (clean string, removed bool) {
	clean = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Noncharacter_Code_Point) || r == '\u2028' || r == '\u2029':
			removed = true
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(clean), removed
}

// parts joined by " | ", the form of records inside one cell.
func joinParts(list ...string) string {
	for i, s := range list {
		list[i] = strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(s)
	}
	return strings.Join(list, " | ")
}

func splitParts(s string) []string {
	var list []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '|':
			list = append(list, strings.TrimSpace(b.String()))
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(list, strings.TrimSpace(b.String()))
}

func writeVoucher(v directory.Voucher) string {
	from := ""
	if !v.EmergenciesFrom.IsZero() {
		from = v.EmergenciesFrom.Format(time.RFC3339Nano)
	}
	return joinParts(v.Fingerprint, string(v.How), v.At.Format(time.RFC3339Nano), from, v.By)
}

func readVoucher(s string) (v directory.Voucher, err error) {
	p := splitParts(s)
	if len(p) != 5 {
		return v, fmt.Errorf("%d parts, 5 are needed", len(p))
	}
	v.Fingerprint, v.How, v.By = p[0], directory.Vouching(p[1]), p[4]
	if v.At, err = time.Parse(time.RFC3339, p[2]); err != nil {
		return v, fmt.Errorf("%q is not a time", p[2])
	}
	if p[3] != "" {
		if v.EmergenciesFrom, err = time.Parse(time.RFC3339, p[3]); err != nil {
			return v, fmt.Errorf("%q is not a time", p[3])
		}
	}
	return v, nil
}

func writeProvenance(field string, p directory.Provenance) string {
	return joinParts(field, p.Source, p.Verified.String(), p.VerifiedBy)
}

func readProvenance(s string) (field string, p directory.Provenance, err error) {
	parts := splitParts(s)
	if len(parts) != 4 {
		return "", p, fmt.Errorf("%d parts, 4 are needed", len(parts))
	}
	p.Source, p.VerifiedBy = parts[1], parts[3]
	if parts[2] != "" {
		p.Verified, err = directory.ParseDate(parts[2])
	}
	return parts[0], p, err
}
