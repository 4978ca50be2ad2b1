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

const maxText = 500 // characters, as the Directory allows

// conflict reports whether another file has already said something else of the
// field; the first then counts. Values of one record are joined before.
func conflict(set map[string]string, field string, values []value, l *log, entry string) bool {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.text)
	}
	said := strings.Join(texts, "\n")
	before, seen := set[field]
	if seen && before != said {
		l.add(Conflict, values[0].place, entry, field, quote(said)+" differs from what was read before", "the first counts; mend one of the two")
		return true
	}
	set[field] = said
	return seen
}

// fillParty takes over what a record says of its Party.
func (a *assembler) fillParty(p *partyDraft, r *record) {
	for _, field := range slices.Sorted(maps.Keys(r.fields)) {
		values := r.fields[field]
		if !ofParty(field) || field == fieldParty || conflict(p.set, field, values, a.log, p.Code) {
			continue
		}
		v := values[0]
		if lang, ok := strings.CutPrefix(field, fieldNames); ok {
			if p.Names == nil {
				p.Names = map[string]string{}
			}
			if name, ok := a.text(p.Code, field, v, false); ok {
				p.Names[lang] = name
			}
			continue
		}
		switch field {
		case fieldConvention:
			a.date(p.Code, field, v, &p.Convention.From)
		case fieldConventionEnd:
			a.date(p.Code, field, v, &p.Convention.Until)
		case fieldSecond:
			a.date(p.Code, field, v, &p.SecondProtocol.From)
		case fieldSecondEnd:
			a.date(p.Code, field, v, &p.SecondProtocol.Until)
		case fieldReservations:
			p.Reservations = a.reservations(p.Code, values)
		case fieldMaxDays:
			a.number(p.Code, field, v, &p.PreservationMaxDays)
		case fieldRenewals:
			a.number(p.Code, field, v, &p.PreservationRenewals)
		case fieldFormal:
			switch folded := fold(v.text); {
			case a.v.yes[folded] != "":
				p.FormalConfirmation = true
			case a.v.no[folded] != "":
				p.FormalConfirmation = false
			default:
				a.log.add(UnknownYesNo, v.place, p.Code, field, quote(v.text)+" is neither yes nor no", "write yes or no")
			}
		case fieldPartySource:
			p.Provenance = a.provenances(p.Code, field, values)
		}
	}
}

// fillPoint takes over what a record says of its contact point.
func (a *assembler) fillPoint(cp *pointDraft, r *record) {
	cp.files[a.file] = true
	if vs := r.fields[fieldLanguages]; vs != nil {
		for _, f := range []string{fieldLanguagesIn, fieldLanguagesOut} {
			if r.fields[f] == nil {
				r.fields[f] = vs
			}
		}
	}
	a.fillPhones(cp, r)
	for _, field := range slices.Sorted(maps.Keys(r.fields)) {
		values := r.fields[field]
		if ofParty(field) || field == fieldID || field == fieldLanguages || field == fieldPhones || strings.HasPrefix(field, fieldPhoneUsePrefix) ||
			conflict(cp.set, field, values, a.log, cp.ID) {
			continue
		}
		a.fillField(cp, field, values)
	}
	if cp.Role == "" {
		a.guessRole(cp, r.place)
	}
}

func (a *assembler) fillField(cp *pointDraft, field string, values []value) {
	v := values[0]
	switch field {
	case fieldRole:
		a.role(cp, v)
	case fieldInstitution:
		if s, ok := a.text(cp.ID, field, v, false); ok {
			cp.Institution = s
		}
	case fieldUnit:
		if s, ok := a.text(cp.ID, field, v, false); ok {
			cp.Unit = s
		}
	case fieldPostal:
		for _, more := range values[1:] {
			v.text += "\n" + more.text
		}
		if s, ok := a.text(cp.ID, field, v, true); ok {
			cp.Postal = s
		}
	case fieldAddresses:
		cp.Addresses = a.addresses(cp.ID, values)
	case fieldLanguagesIn:
		cp.LanguagesIn = a.languages(cp.ID, field, values)
	case fieldLanguagesOut:
		cp.LanguagesOut = a.languages(cp.ID, field, values)
	case fieldHours:
		if h, ok := a.v.hours(v.text); ok {
			cp.Hours = h
		} else {
			a.log.add(UnknownHours, v.place, cp.ID, field, quote(v.text)+" are no office hours that are understood", `write "24/7" or "Mo-Fr 08:00-18:00; Sa 09:00-12:00"`)
		}
	case fieldZone:
		name, guessed, ok := zone(v.text)
		switch {
		case !ok:
			a.log.add(UnknownZone, v.place, cp.ID, field, quote(v.text)+" is no time zone that is understood", "write an IANA name such as Europe/Paris")
		case guessed:
			a.log.add(GuessedZone, v.place, cp.ID, field, quote(v.text)+" was read as "+name+", which knows no summer time", "write an IANA name such as Europe/Paris")
			fallthrough
		default:
			cp.Zone = name
		}
	case fieldCompetences:
		cp.Competences = a.competences(cp.ID, values)
	case fieldBackup:
		if idForm.MatchString(v.text) {
			cp.Backup = v.text
		} else {
			a.log.add(DoubtfulID, v.place, cp.ID, field, quote(v.text)+" is no identifier", "write the identifier of the backup, such as XA-2")
		}
	case fieldCertificates:
		cp.CertificatesArmored = a.certificates(cp.ID, values)
	case fieldVouchers:
		cp.Vouchers = nil
		for _, line := range allLines(values) {
			voucher, err := readVoucher(line.text)
			if err != nil {
				a.log.add(DoubtfulRecord, line.place, cp.ID, field, "the voucher is not understood: "+err.Error(), "write it as relais directory export does")
				continue
			}
			cp.Vouchers = append(cp.Vouchers, voucher)
		}
	case fieldSource:
		cp.Provenance = a.provenances(cp.ID, field, values)
	}
}

// fillPhones joins the columns that give telephones, in the order of the file.
func (a *assembler) fillPhones(cp *pointDraft, r *record) {
	var all []value
	use := map[Place]string{}
	for field, values := range r.fields {
		if field != fieldPhones && !strings.HasPrefix(field, fieldPhoneUsePrefix) {
			continue
		}
		for _, v := range values {
			use[v.place] = strings.TrimPrefix(strings.TrimPrefix(field, fieldPhones), ".")
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(x, y value) int { return comparePlaces(x.place, y.place) })
	if conflict(cp.set, fieldPhones, all, a.log, cp.ID) {
		return
	}
	cp.Phones = nil
	for _, v := range all {
		found, rest := a.v.phones(v.text, use[v.place])
		for _, p := range found {
			field := fmt.Sprintf("phones[%d]", len(cp.Phones))
			cp.Phones = append(cp.Phones, p.Phone)
			switch {
			case p.Number == "":
				a.log.add(DoubtfulPhone, v.place, cp.ID, field, quote(p.Written)+" has no country code: it was kept as written, without an international number", "write the number as +999 1 555 0100")
			case p.guessedNumber:
				a.log.add(GuessedPhone, v.place, cp.ID, field, quote(p.Written)+" was read as "+p.Number, "check it")
			}
			if p.guessedUse {
				a.log.add(GuessedUse, v.place, cp.ID, field, "nothing says what the number is for: office", "write (office), (out-of-hours), (mobile) or (fax) behind it")
			}
		}
		for _, s := range rest {
			a.log.add(DoubtfulPhone, v.place, cp.ID, fieldPhones, quote(s)+" is no telephone number: it was left out", "write the number as +999 1 555 0100")
		}
	}
}

func comparePlaces(a, b Place) int {
	if a.Row != b.Row {
		return a.Row - b.Row
	}
	return a.Column - b.Column
}

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
