package directory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"relais.example/crypto/pgp"
)

// Change is one difference between two Directories.
type Change struct {
	Entry string `json:"entry"`           // contact point or Party
	Field string `json:"field,omitempty"` // "" when the whole entry came or went
	Old   string `json:"old,omitempty"`   // "" when it came
	New   string `json:"new,omitempty"`   // "" when it went
	Key   bool   `json:"key,omitempty"`   // it changes which key is trusted for whom: confirm it by a call
}

// String returns the change as one line, key changes marked with !!.
func (c Change) String() string {
	mark := "  "
	if c.Key {
		mark = "!!"
	}
	what := c.Entry
	if c.Field != "" {
		what += ": " + c.Field
	}
	switch {
	case c.Old == "":
		return fmt.Sprintf("%s + %s: %s", mark, what, c.New)
	case c.New == "":
		return fmt.Sprintf("%s - %s: %s", mark, what, c.Old)
	}
	return fmt.Sprintf("%s ~ %s: %s -> %s", mark, what, c.Old, c.New)
}

// Diff lists what changed from old to new, ordered by entry. Parties and
// contact points are matched by code and ID; order within a list of
// certificates, languages or competences does not count, that of addresses
// does: mail goes to the first.
func Diff(old, new *Directory) []Change {
	var all []Change
	for _, code := range keys(old.parties, new.parties) {
		a, b := old.parties[code], new.parties[code]
		all = append(all, compare(code, partyFields(a), partyFields(b), describeParty(a), describeParty(b))...)
	}
	for _, id := range keys(old.byID, new.byID) {
		a, b := old.byID[id], new.byID[id]
		all = append(all, compare(id, fields(a), fields(b), describe(a), describe(b))...)
		all = append(all, diffKeys(id, a, b)...)
	}
	slices.SortStableFunc(all, func(a, b Change) int { return compareEntries(a.Entry, b.Entry) })
	return all
}

// DiffDocuments is [Diff] for drafts: documents that may still have faults. A
// nil old document is an empty one. Both are checked on the way, which fills
// what is derived.
func DiffDocuments(old, new *Document) []Change {
	if old == nil {
		old = &Document{}
	}
	old.prepare()
	new.prepare()
	return Diff(build(old), build(new))
}

// compare reports the fields that differ, or that the whole entry came or went
// (its fields are then nil).
func compare(entry string, old, new [][2]string, oldName, newName string) []Change {
	if old == nil || new == nil {
		return []Change{{Entry: entry, Old: oldName, New: newName}}
	}
	var list []Change
	for i, f := range old {
		if f[1] != new[i][1] {
			list = append(list, Change{Entry: entry, Field: f[0], Old: f[1], New: new[i][1]})
		}
	}
	return list
}

func partyFields(p *Party) [][2]string {
	if p == nil {
		return nil
	}
	return [][2]string{
		{"names", names(p.Names)},
		{"convention", treatyText(p.Convention)},
		{"second_protocol", treatyText(p.SecondProtocol)},
		{"reservations", set(p.Reservations)},
		{"preservation_max_days", number(p.PreservationMaxDays)},
		{"preservation_renewals", number(p.PreservationRenewals)},
		{"formal_confirmation", yesNo(p.FormalConfirmation)},
		{"provenance", provenanceText(p.Provenance)},
	}
}

func fields(cp *ContactPoint) [][2]string {
	if cp == nil {
		return nil
	}
	var phones, kinds []string
	for _, p := range cp.Phones {
		text := p.Number + " (" + p.Use + ")"
		if p.Written != "" {
			text = strings.TrimSpace(p.Number + " (" + p.Use + ", written " + p.Written + ")")
		}
		phones = append(phones, text)
	}
	for _, k := range cp.Competences {
		kinds = append(kinds, string(k))
	}
	return [][2]string{
		{"role", string(cp.Role)},
		{"institution", cp.Institution},
		{"unit", cp.Unit},
		{"postal", strings.ReplaceAll(cp.Postal, "\n", ", ")},
		{"phones", strings.Join(phones, ", ")},
		{"addresses", strings.Join(cp.Addresses, ", ")},
		{"languages_in", set(cp.LanguagesIn)},
		{"languages_out", set(cp.LanguagesOut)},
		{"hours", cp.Hours},
		{"zone", cp.Zone},
		{"competences", set(kinds)},
		{"backup", cp.Backup},
		{"vouchers", voucherText(cp.Vouchers)},
		{"provenance", provenanceText(cp.Provenance)},
	}
}

// diffKeys reports certificates that came, went, or were renewed under the
// same fingerprint.
func diffKeys(id string, old, new *ContactPoint) []Change {
	a, b := byFingerprint(old), byFingerprint(new)
	var list []Change
	for _, fpr := range keys(a, b) {
		c := Change{Entry: id, Field: "certificates", Key: true}
		switch was, is := a[fpr], b[fpr]; {
		case was == nil:
			c.New = KeyText(is)
		case is == nil:
			c.Old = KeyText(was)
		case string(was.Armor()) == string(is.Armor()):
			continue
		default:
			c.Old, c.New = KeyText(was), KeyText(is)
			if c.Old == c.New { // new subkeys, user ids or a revocation
				c.New += ", other content"
			}
		}
		list = append(list, c)
	}
	return list
}

func byFingerprint(cp *ContactPoint) map[string]*pgp.Certificate {
	m := map[string]*pgp.Certificate{}
	if cp != nil {
		for _, c := range cp.certificates {
			m[c.Fingerprint()] = c
		}
	}
	return m
}

// KeyText describes a certificate in one line: fingerprint, algorithm, expiry.
func KeyText(c *pgp.Certificate) string {
	expires := "never expires"
	if !c.Expires().IsZero() {
		expires = "expires " + c.Expires().UTC().Format(time.DateOnly)
	}
	return c.Fingerprint() + " (" + c.Algorithm() + ", " + expires + ")"
}

func describeParty(p *Party) string {
	if p == nil {
		return ""
	}
	return "Party " + p.Names["en"]
}

func describe(cp *ContactPoint) string {
	if cp == nil {
		return ""
	}
	return "contact point " + cp.Institution
}

// keys returns the keys of both maps, each once, sorted.
func keys[V any](a, b map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{a, b} {
			for k := range m {
				if !yield(k) {
					return
				}
			}
		}
	}))
}

// compareEntries orders XA before XA-1 before XA-2 before XA-10.
func compareEntries(a, b string) int {
	codeA, numberA, _ := strings.Cut(a, "-")
	codeB, numberB, _ := strings.Cut(b, "-")
	x, _ := strconv.Atoi(numberA)
	y, _ := strconv.Atoi(numberB)
	return cmp.Or(cmp.Compare(codeA, codeB), cmp.Compare(x, y))
}

func set(list []string) string {
	return strings.Join(slices.Sorted(slices.Values(list)), ", ")
}

func names(m map[string]string) string {
	var list []string
	for _, lang := range slices.Sorted(maps.Keys(m)) {
		list = append(list, lang+" "+m[lang])
	}
	return strings.Join(list, ", ")
}

func treatyText(t Treaty) string {
	switch {
	case t.From.IsZero():
		return ""
	case t.Until.IsZero():
		return "from " + t.From.String()
	}
	return "from " + t.From.String() + " until " + t.Until.String()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
