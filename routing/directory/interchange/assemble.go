package interchange

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"relais.example/routing/directory"
)

// assembler lays records over the current version.
type assembler struct {
	o       Options
	v       *Vocabulary
	log     *log
	parties []*partyDraft
	byCode  map[string]*partyDraft
	file    string // being read
}

type partyDraft struct {
	directory.Party
	points []*pointDraft
	old    *directory.Party  // in the current version, nil when new
	set    map[string]string // field: what the files said of it so far
	named  bool              // by a file
}

type pointDraft struct {
	directory.ContactPoint
	old   *directory.ContactPoint // in the current version, nil when new
	files map[string]bool         // that named it
	names [2]string               // institution and unit, folded
	set   map[string]string       // field: what the files said of it so far
}

func newAssembler(o Options, v *Vocabulary, l *log) (*assembler, error) {
	a := &assembler{o: o, v: v, log: l, byCode: map[string]*partyDraft{}}
	if o.Current == nil {
		return a, nil
	}
	raw, err := o.Current.Encode() // a copy of its own
	if err != nil {
		return nil, err
	}
	current, _, err := directory.ReadDraft(raw)
	if err != nil {
		return nil, fmt.Errorf("copying the current version: %w", err)
	}
	for i := range current.Parties {
		a.addParty(current.Parties[i], &o.Current.Parties[i])
	}
	return a, nil
}

func (a *assembler) addParty(p directory.Party, old *directory.Party) *partyDraft {
	d := &partyDraft{Party: p, old: old, set: map[string]string{}}
	for i := range p.ContactPoints {
		point := &pointDraft{ContactPoint: p.ContactPoints[i], files: map[string]bool{}, set: map[string]string{}}
		if old != nil {
			point.old = &old.ContactPoints[i]
		}
		point.fold()
		d.points = append(d.points, point)
	}
	d.ContactPoints = nil
	a.parties = append(a.parties, d)
	a.byCode[p.Code] = d
	return d
}

// record puts one record into the draft.
func (a *assembler) record(r record) {
	p := a.party(&r)
	if p == nil {
		return
	}
	p.named = true
	a.fillParty(p, &r)
	if !r.hasPoint() {
		return
	}
	if cp := a.point(p, &r); cp != nil {
		a.fillPoint(cp, &r)
	}
}

// party finds or makes the Party of a record.
func (a *assembler) party(r *record) *partyDraft {
	named, hasName := r.first(fieldParty)
	code := ""
	switch {
	case !hasName:
	case codeForm.MatchString(named.text):
		code = named.text
	default:
		code, _ = a.countryOf(named.text)
	}
	if id, ok := r.first(fieldID); ok && idForm.MatchString(id.text) && (!hasName || code == "") {
		code = id.text[:2]
	}
	if code == "" {
		what := "no Party is named"
		if hasName {
			what = quote(named.text) + " is no Party that is known"
		}
		a.log.add(UnknownParty, r.place, "", fieldParty, what+": the entry was left out", "name the Party with its code, or map the name to one")
		return nil
	}
	if p := a.byCode[code]; p != nil {
		return p
	}
	p := a.addParty(directory.Party{Code: code}, nil)
	if _, own := r.first(fieldNames + "en"); !own {
		a.nameParty(p, named, r.place)
	} else if a.v.names[code] == nil {
		a.log.add(GuessedCode, r.place, code, fieldParty, "ISO 3166-1 does not list the code "+code, "check it")
	}
	return p
}

// countryOf reads the name of a country, also one given in two languages.
func (a *assembler) countryOf(text string) (string, bool) {
	if code, ok := a.v.country(text); ok {
		return code, true
	}
	found := ""
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("/\n|()–", r) || r == ',' }) {
		code, ok := a.v.country(part)
		if !ok {
			if code = strings.TrimSpace(part); !codeForm.MatchString(code) {
				continue
			}
		}
		if found != "" && found != code {
			return "", false
		}
		found = code
	}
	return found, found != ""
}

// nameParty gives a new Party its names: those of ISO 3166, or the one written.
func (a *assembler) nameParty(p *partyDraft, named value, at Place) {
	p.Names = map[string]string{}
	if names := a.v.names[p.Code]; len(names) > 0 {
		p.Names["en"] = names[0]
		if len(names) > 1 {
			p.Names["fr"] = names[1]
		} else {
			p.Names["fr"] = names[0]
		}
		a.log.add(GuessedNames, at, p.Code, "names", "the names were taken from ISO 3166: "+p.Names["en"]+", "+p.Names["fr"], "check them")
		return
	}
	if mapped := a.mappedName(p.Code); mapped != "" {
		p.Names["en"] = mapped
		a.log.add(GuessedNames, at, p.Code, "names", "the English name was taken from the map of Parties: "+quote(mapped), "check it and add the French one")
		return
	}
	if named.text != "" && !codeForm.MatchString(named.text) {
		p.Names["en"], _ = oneLine(named.text)
		a.log.add(GuessedNames, at, p.Code, "names", "the English name was taken from "+quote(named.text), "check it and add the French one")
	}
}

// mappedName returns the shortest name that the map of Parties gives a code.
func (a *assembler) mappedName(code string) string {
	best := ""
	for _, name := range slices.Sorted(maps.Keys(a.o.Parties)) {
		if a.o.Parties[name] == code && (best == "" || len(name) < len(best)) {
			best = name
		}
	}
	return best
}

// point finds or makes the contact point of a record.
func (a *assembler) point(p *partyDraft, r *record) *pointDraft {
	id, hasID := r.first(fieldID)
	switch {
	case hasID && !idForm.MatchString(id.text):
		a.log.add(DoubtfulID, id.place, p.Code, fieldID, quote(id.text)+" is no identifier", "write Party code, hyphen, number, such as XA-1")
	case hasID && id.text[:2] != p.Code:
		a.log.add(DoubtfulID, id.place, p.Code, fieldID, quote(id.text)+" belongs to another Party: the entry was left out", "move it to its Party")
		return nil
	case hasID:
		for _, cp := range p.points {
			if cp.ID != id.text {
				continue
			}
			if cp.files[a.file] {
				a.log.add(TwoEntries, r.place, cp.ID, "", "the contact point stands twice in this file: this one was left out", "join both")
				return nil
			}
			return cp
		}
		return a.newPoint(p, id.text)
	}
	if cp := a.match(p, r); cp != nil {
		return cp
	}
	if len(p.points) >= maxPoints {
		a.log.add(DoubtfulID, r.place, p.Code, fieldID, fmt.Sprintf("the Party has %d contact points already: the entry was left out", maxPoints), "check the list")
		return nil
	}
	next := 1
	for _, cp := range p.points {
		_, number, _ := strings.Cut(cp.ID, "-")
		if n, err := strconv.Atoi(number); err == nil {
			next = max(next, n+1)
		}
	}
	cp := a.newPoint(p, fmt.Sprintf("%s-%d", p.Code, next))
	a.log.add(GuessedNumber, r.place, cp.ID, fieldID, "a contact point that is not listed yet got the identifier "+cp.ID, "check that it is new")
	return cp
}

func (a *assembler) newPoint(p *partyDraft, id string) *pointDraft {
	cp := &pointDraft{ContactPoint: directory.ContactPoint{ID: id}, files: map[string]bool{}, set: map[string]string{}}
	p.points = append(p.points, cp)
	return cp
}

// maxPoints is how many contact points a Party may have.
const maxPoints = 999

func (d *pointDraft) fold() { d.names = [2]string{fold(d.Institution), fold(d.Unit)} }

// match finds the listed contact point that a record without identifier speaks
// of: the one with its address, else the only one with its institution. One
// that this file named before is another entry.
func (a *assembler) match(p *partyDraft, r *record) *pointDraft {
	for _, v := range r.fields[fieldAddresses] {
		for _, addr := range addressItems(v.text) {
			for _, cp := range p.points {
				if !cp.files[a.file] && slices.ContainsFunc(cp.Addresses, func(own string) bool { return strings.EqualFold(own, addr) }) {
					return cp
				}
			}
		}
	}
	institution, ok := r.first(fieldInstitution)
	if !ok {
		return nil
	}
	named, _ := r.first(fieldUnit)
	name, unit := fold(institution.text), fold(named.text)
	var found *pointDraft
	for _, cp := range p.points {
		if cp.files[a.file] || cp.names[0] != name {
			continue
		}
		if unit != "" && cp.names[1] != "" && cp.names[1] != unit {
			continue
		}
		if found != nil {
			return nil
		}
		found = cp
	}
	if found != nil {
		a.log.add(GuessedEntry, r.place, found.ID, "", "no address of it is listed; by its institution it was taken for "+found.ID, "check it")
	}
	return found
}

// document lays the entries of a Directory in JSON over the draft, whole.
func (a *assembler) document(doc *directory.Document) {
	for _, in := range doc.Parties {
		p := a.byCode[in.Code]
		if p == nil {
			p = a.addParty(directory.Party{Code: in.Code}, nil)
		}
		points := in.ContactPoints
		in.ContactPoints = nil
		p.Party, p.named = in, true
		for _, cp := range points {
			at := slices.IndexFunc(p.points, func(d *pointDraft) bool { return d.ID == cp.ID && !d.files[a.file] })
			if at < 0 {
				a.newPoint(p, cp.ID)
				at = len(p.points) - 1
			}
			p.points[at].ContactPoint = cp
			p.points[at].files[a.file] = true
		}
	}
}

// finish returns the draft.
func (a *assembler) finish() *directory.Document {
	doc := &directory.Document{Format: directory.Format, Version: 1, Issued: a.o.Issued}
	if a.o.Current != nil {
		doc.Version = a.o.Current.Version + 1
	}
	for _, p := range a.parties {
		for _, cp := range p.points {
			if len(cp.files) == 0 {
				at := Place{File: "current version"}
				if a.o.Replace {
					a.log.add(NotNamed, at, cp.ID, "", "no file names the contact point: it was taken out of the draft", "check that it is meant to go")
					continue
				}
				a.log.add(NotNamed, at, cp.ID, "", "no file names the contact point: it stays in the draft as it is", "nothing to do, or take it out")
			}
			p.named = true
			a.provenance(cp)
			p.ContactPoints = append(p.ContactPoints, cp.ContactPoint)
		}
		if a.o.Replace && !p.named && p.old != nil {
			continue
		}
		a.partyProvenance(p)
		doc.Parties = append(doc.Parties, p.Party)
	}
	return doc
}

// provenance keeps what is known of unchanged values, drops it from changed
// ones, and names the source of these if there is one.
func (a *assembler) provenance(cp *pointDraft) {
	changed := changedFields(asMap(cp.old), asMap(&cp.ContactPoint))
	cp.Provenance = a.mergeProvenance(cp.Provenance, cp.set[fieldSource] != "", cp.old == nil, changed)
	if cp.old == nil {
		return
	}
	cp.Vouchers = slices.DeleteFunc(cp.Vouchers, func(v directory.Voucher) bool {
		gone := changed[fieldCertificates] && !slices.ContainsFunc(cp.CertificatesArmored, func(c string) bool { return fingerprintOf(c) == v.Fingerprint })
		return gone
	})
	if len(cp.Vouchers) == 0 {
		cp.Vouchers = nil
	}
}

func (a *assembler) partyProvenance(p *partyDraft) {
	p.Provenance = a.mergeProvenance(p.Provenance, p.set[fieldPartySource] != "", p.old == nil, changedFields(partyMap(p.old), partyMap(&p.Party)))
}

func (a *assembler) mergeProvenance(m map[string]directory.Provenance, given, fresh bool, changed map[string]bool) map[string]directory.Provenance {
	if given {
		return m
	}
	if m == nil {
		m = map[string]directory.Provenance{}
	}
	for field := range changed {
		if !fresh {
			delete(m, field)
		}
		if a.o.Source != "" {
			m[field] = directory.Provenance{Source: a.o.Source}
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// changedFields lists the fields with another value.
func changedFields(old, new map[string]string) map[string]bool {
	changed := map[string]bool{}
	for _, field := range slices.Sorted(maps.Keys(new)) {
		if old[field] != new[field] {
			changed[field] = true
		}
	}
	return changed
}
