package interchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/request"
)

// text cleans one text; a too long one is left out.
func (a *assembler) text(entry, field string, v value, many bool) (string, bool) {
	clean, removed := oneLine(v.text)
	if many {
		clean, removed = lines(v.text)
	}
	if removed {
		a.log.add(DoubtfulText, v.place, entry, field, "invisible characters were taken out of "+quote(clean), "check it")
	}
	if n := len([]rune(clean)); n > maxText {
		a.log.add(DoubtfulText, v.place, entry, field, fmt.Sprintf("the text has %d characters, at most %d are allowed: it was left out", n, maxText), "shorten it")
		return "", false
	}
	return clean, clean != ""
}

func (a *assembler) date(entry, field string, v value, into *directory.Date) {
	day, guessed, ok := a.v.date(v.text)
	switch {
	case !ok:
		a.log.add(DoubtfulDate, v.place, entry, field, quote(v.text)+" is no date that is understood", "write it as 2004-07-01")
		return
	case guessed:
		a.log.add(GuessedDate, v.place, entry, field, quote(v.text)+" was read with the day first: "+day.String(), "check it; write it as 2004-07-01")
	}
	*into = day
}

func (a *assembler) number(entry, field string, v value, into *int) {
	n, ok := whole(v.text)
	if !ok {
		a.log.add(DoubtfulNumber, v.place, entry, field, quote(v.text)+" is not one whole number", "write the figure alone")
		return
	}
	*into = n
}

func (a *assembler) reservations(entry string, values []value) []string {
	var list []string
	for _, v := range values {
		for _, item := range items(v.text) {
			if !reservationForm.MatchString(item) {
				a.log.add(UnknownReservation, v.place, entry, fieldReservations, quote(item)+" names no article", "write it as CONV 29.4 or SAP 7.9.a")
				continue
			}
			list = append(list, item)
		}
	}
	return list
}

func (a *assembler) role(cp *pointDraft, v value) {
	folded := fold(v.text)
	if r := a.v.roles[folded]; r != "" {
		cp.Role = directory.Role(r)
		return
	}
	if r := a.v.roles.inside(folded); r != "" {
		cp.Role = directory.Role(r)
		a.log.add(GuessedRole, v.place, cp.ID, fieldRole, quote(v.text)+" was taken for "+r, "check it")
		return
	}
	a.log.add(UnknownRole, v.place, cp.ID, fieldRole, quote(v.text)+" is no role", "write police, prosecutor, ministry or mixed")
}

// guessRole takes the role from the words of the institution's name, when they
// speak of one role only.
func (a *assembler) guessRole(cp *pointDraft, at Place) {
	found := ""
	folded := " " + fold(cp.Institution) + " "
	for _, role := range slices.Sorted(maps.Keys(a.v.roleWords)) {
		for _, w := range a.v.roleWords[role] {
			if !strings.Contains(folded, " "+fold(w)+" ") {
				continue
			}
			if found != "" && found != role {
				return
			}
			found = role
		}
	}
	if found != "" {
		cp.Role = directory.Role(found)
		a.log.add(GuessedRole, at, cp.ID, fieldRole, "no role is given; by the institution's name it is "+found, "check it")
	}
}

func addressItems(text string) []string {
	var list []string
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\u00a0,;<>()\"", r) }) {
		s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "mailto:"), "MAILTO:"), ".")
		if s != "" {
			list = append(list, s)
		}
	}
	return list
}

func (a *assembler) addresses(entry string, values []value) []string {
	var list []string
	for _, v := range values {
		for _, item := range addressItems(v.text) {
			fault := directory.AddressFault(item)
			switch {
			case fault != "" && !strings.Contains(item, "@"):
				// A word beside the addresses, such as "office:".
				a.log.add(DoubtfulAddress, v.place, entry, fieldAddresses, quote(item)+" is no address: it was left out", "nothing to do, or write the address")
			case fault != "":
				a.log.add(DoubtfulAddress, v.place, entry, fieldAddresses, quote(item)+" "+fault+": it was left out", "write a plain address such as cyber@police.example")
			default:
				list = append(list, item)
			}
		}
	}
	return list
}

func (a *assembler) languages(entry, field string, values []value) []string {
	var list []string
	for _, v := range values {
		for _, item := range languageItems(v.text) {
			code, ok := a.v.language(item)
			switch {
			case !ok && languageForm.MatchString(item):
				a.log.add(GuessedCode, v.place, entry, field, quote(item)+" is a code that ISO 639-1 does not list", "check it")
				code = item
			case !ok:
				a.log.add(UnknownLanguage, v.place, entry, field, quote(item)+" is no language that is known", "write a code such as en or fr")
				continue
			}
			if !slices.Contains(list, code) {
				list = append(list, code)
			}
		}
	}
	return list
}

func (a *assembler) competences(entry string, values []value) []request.Kind {
	var list []request.Kind
	for _, v := range values {
		if a.v.everyKind[fold(v.text)] != "" {
			return nil
		}
		for _, item := range items(v.text) {
			kind, err := request.ParseKind(item)
			if err != nil {
				folded := fold(item)
				if k := a.v.kinds[folded]; k != "" {
					kind = request.Kind(k)
				} else if k := a.v.kinds.inside(folded); k != "" {
					kind = request.Kind(k)
					a.log.add(GuessedKind, v.place, entry, fieldCompetences, quote(item)+" was taken for "+k, "check it")
				} else {
					a.log.add(UnknownKind, v.place, entry, fieldCompetences, quote(item)+" is no kind of request", "write a kind such as PRESERVATION")
					continue
				}
			}
			if !slices.Contains(list, kind) {
				list = append(list, kind)
			}
		}
	}
	return list
}

func (a *assembler) certificates(entry string, values []value) []string {
	var list []string
	text, at := "", values[0].place
	for _, v := range values { // one certificate may go on in the next column
		text += v.text + "\n"
	}
	for _, block := range armoredKey.FindAllString(text, -1) {
		block += "\n"
		if _, err := pgp.ParseCertificates([]byte(block)); err != nil {
			a.log.add(UnreadableKey, at, entry, fieldCertificates, "the certificate cannot be read: it was left out", "paste what gpg --armor --export FINGERPRINT writes")
			continue
		}
		list = append(list, block)
	}
	for line := range strings.SplitSeq(armoredKey.ReplaceAllString(text, ""), "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case hexFingerprint.MatchString(strings.NewReplacer(" ", "", ":", "").Replace(line)):
			a.log.add(FingerprintOnly, at, entry, fieldCertificates, "a fingerprint alone makes no certificate: it was left out", "ask for the certificate, and compare the fingerprint")
		default:
			a.log.add(UnreadableKey, at, entry, fieldCertificates, quote(line)+" is no certificate: it was left out", "paste what gpg --armor --export FINGERPRINT writes")
		}
	}
	return list
}

func fingerprintOf(armored string) string {
	certs, err := pgp.ParseCertificates([]byte(armored))
	if err != nil || len(certs) != 1 {
		return ""
	}
	return certs[0].Fingerprint()
}

func (a *assembler) provenances(entry, field string, values []value) map[string]directory.Provenance {
	m := map[string]directory.Provenance{}
	for _, line := range allLines(values) {
		of, p, err := readProvenance(line.text)
		if err != nil {
			a.log.add(DoubtfulRecord, line.place, entry, field, "the provenance is not understood: "+err.Error(), "write it as relais directory export does")
			continue
		}
		m[of] = p
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// allLines cuts values at line ends.
func allLines(values []value) []value {
	var list []value
	for _, v := range values {
		for s := range strings.SplitSeq(v.text, "\n") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, value{text: s, place: v.place})
			}
		}
	}
	return list
}

// asMap gives the fields of an entry as text, to compare them.
func asMap(cp *directory.ContactPoint) map[string]string {
	_, names := directory.ProvenanceFields()
	if cp == nil {
		return map[string]string{}
	}
	return jsonFields(cp, names)
}

func partyMap(p *directory.Party) map[string]string {
	names, _ := directory.ProvenanceFields()
	if p == nil {
		return map[string]string{}
	}
	bare := *p
	bare.ContactPoints = nil
	return jsonFields(&bare, names)
}

func jsonFields(entry any, names []string) map[string]string {
	m := map[string]string{}
	raw, err := json.Marshal(entry)
	var all map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &all) != nil {
		return m
	}
	for _, name := range names {
		m[name] = string(all[name])
	}
	return m
}
