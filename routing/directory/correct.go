package directory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"relais.example/crypto/pgp"
)

// The codes of findings about what a contact point asks to change in its own
// entry, beside those of a document.
const (
	CodeNotOwn = "not-own-entry" // it is about the entry of another contact point
	CodeFixed  = "fixed-field"   // only the Directory authority changes it
)

// FieldChange is one field of an entry that would change.
type FieldChange struct {
	Path  string `json:"path"`            // its name in JSON, such as "phones"
	Old   string `json:"old,omitempty"`   // for people; "" if it is empty now
	New   string `json:"new,omitempty"`   // for people; "" if it would be empty
	Value string `json:"value,omitempty"` // the new value as JSON; of certificates, the fingerprints that would go
}

// Asked is what a contact point gives for the fields of its entry: the value as
// JSON by the field's name. A field that is not there stays as it is.
type Asked map[string]json.RawMessage

// Correction is what became of the fields that a contact point gave.
type Correction struct {
	Changes      []FieldChange      // what would change; in the order of the format
	Certificates []*pgp.Certificate // not listed for it, or not so
	Same         []string           // fields given as they are now
	Refused      []Problem
}

// corrigible are the fields that a contact point may ask to change, in the
// order of the format. Certificates are treated apart.
var corrigible = []string{"role", "institution", "unit", "postal", "phones", "addresses", "languages_in", "languages_out", "hours", "zone", "competences", "backup"}

// shownOnly are fields that stand in an entry as others show it: they follow
// from something else, or are the authority's own notes.
var shownOnly = []string{"party_names", "available", "keys", "provenance", "vouchers"}

// Correct looks at the fields that the contact point gave: what differs from
// its entry, and passes the checks of a document, is a change. Nothing of the
// Directory changes by that.
func (d *Directory) Correct(from *ContactPoint, asked Asked) Correction {
	c := correction{d: d, from: from, accepted: Asked{}}
	if !c.own(asked) {
		return c.Correction
	}
	for _, field := range corrigible {
		if value, given := asked[field]; given {
			c.take(field, value)
		}
	}
	c.settle()
	if value, given := asked["certificates"]; given {
		c.certificates(value)
	}
	for _, field := range slices.Sorted(maps.Keys(asked)) {
		if !slices.Contains(corrigible, field) && !slices.Contains(shownOnly, field) && !slices.Contains([]string{"id", "party", "certificates"}, field) {
			c.refuse(CodeUnknownField, field, "unknown field", "write one of "+strings.Join(corrigible, ", "))
		}
	}
	return c.Correction
}

// correction is a Correction in the making.
type correction struct {
	Correction
	d        *Directory
	from     *ContactPoint
	accepted Asked
}

func (c *correction) refuse(code, field, fault, remedy string) {
	if len(c.Refused) < maxProblems {
		c.Refused = append(c.Refused, Problem{Code: code, Entry: c.from.ID, Field: field, Fault: fault, Remedy: remedy})
	}
}

// own reports whether the fields are of the sender's entry.
func (c *correction) own(asked Asked) bool {
	if value, given := asked["id"]; given {
		var id string
		if json.Unmarshal(value, &id) != nil || !strings.EqualFold(id, c.from.ID) {
			c.refuse(CodeNotOwn, "id", fmt.Sprintf("the entry is not that of %s, which signed", c.from.ID), "each contact point asks for changes of its own entry; whoever else must ask writes to the Directory authority")
			return false
		}
	}
	if value, given := asked["party"]; given {
		var party string
		if json.Unmarshal(value, &party) != nil || party != c.from.Party {
			c.refuse(CodeFixed, "party", "a contact point does not change its Party", "ask the Directory authority for a new entry")
		}
	}
	return true
}

// take accepts a value of the right shape that differs from the entry's.
func (c *correction) take(field string, value json.RawMessage) {
	var f findings
	t, _ := fieldType(entryType, field)
	if !checkShape(&f, value, t, field) {
		for _, p := range f.list {
			c.refuse(p.Code, field, p.Fault, p.Remedy)
		}
		return
	}
	candidate := c.from.clone()
	if err := candidate.Set(field, string(value)); err != nil {
		c.refuse(CodeValue, field, "it cannot be read", seeFormat)
		return
	}
	if candidate.text(field) == c.from.text(field) {
		c.Same = append(c.Same, field)
		return
	}
	c.accepted[field] = value
}

// settle checks the entry as it would be and takes out what has faults, until
// it has none.
func (c *correction) settle() {
	for len(c.accepted) > 0 {
		candidate := c.from.clone()
		for field, value := range c.accepted {
			if err := candidate.Set(field, string(value)); err != nil {
				panic(err) // take did the same
			}
		}
		problems := c.d.checkEntry(candidate)
		if len(problems) == 0 {
			for _, field := range corrigible {
				if _, ok := c.accepted[field]; ok {
					c.Changes = append(c.Changes, FieldChange{field, c.from.text(field), candidate.text(field), candidate.value(field)})
				}
			}
			return
		}
		c.takeOut(problems)
	}
}

// takeOut refuses the fields that the problems name. What follows from a change
// shows in another field at times: hours need a zone.
func (c *correction) takeOut(problems []Problem) {
	blamed := map[string]bool{}
	for _, p := range problems {
		field := top(p.Field)
		if _, ok := c.accepted[field]; !ok && field == "zone" {
			field = "hours"
		}
		if _, ok := c.accepted[field]; ok {
			blamed[field] = true
			c.refuse(p.Code, p.Field, p.Fault, p.Remedy)
		}
	}
	if len(blamed) == 0 { // together they do not fit into the Directory, and it does not say why
		for _, p := range problems {
			c.refuse(p.Code, p.Field, p.Fault, p.Remedy)
		}
		clear(c.accepted)
	}
	for field := range blamed {
		delete(c.accepted, field)
	}
}

// top returns the field of an entry that a place such as "phones[0].number" is
// in.
func top(place string) string {
	if i := strings.IndexAny(place, ".["); i >= 0 {
		return place[:i]
	}
	return place
}

// certificates compares the list that the contact point gave with its entry's.
func (c *correction) certificates(value json.RawMessage) {
	const paste = "paste one armored public key, as gpg --armor --export FINGERPRINT writes it"
	var list []string
	if json.Unmarshal(value, &list) != nil || len(list) > maxItems {
		c.refuse(CodeType, "certificates", fmt.Sprintf("it is no list of at most %d texts", maxItems), paste)
		return
	}
	given := map[string]bool{}
	faults := len(c.Refused)
	for i, armored := range list {
		field := fmt.Sprintf("certificates[%d]", i)
		certs, err := pgp.ParseCertificates([]byte(armored))
		if err != nil || len(certs) != 1 {
			c.refuse(CodeCertificate, field, "it cannot be read as one certificate", paste)
			continue
		}
		fingerprint := certs[0].Fingerprint()
		owner, listed := c.d.BySigner(fingerprint)
		switch {
		case given[fingerprint]:
			c.refuse(CodeDuplicate, field, "fingerprint "+fingerprint+": the certificate is given twice", "keep the newer copy")
		case listed && owner.ID != c.from.ID:
			c.refuse(CodeSharedKey, field, "fingerprint "+fingerprint+": the certificate already belongs to another contact point", "make a key of your own")
		case len(c.d.News(c.from, certs[0])) > 0:
			c.Certificates = append(c.Certificates, certs[0])
		}
		given[fingerprint] = true
	}
	if len(list) == 0 {
		c.refuse(CodeMissing, "certificates", "without a certificate nobody can write to the contact point", "leave the field out to keep what is listed, or list the new certificate")
	}
	if len(c.Refused) > faults {
		return // which of them should go is not certain then
	}
	c.removed(given)
}

// removed is the change of the certificates that are listed and were not given.
func (c *correction) removed(given map[string]bool) {
	var gone, texts []string
	for _, cert := range c.from.certificates {
		if !given[cert.Fingerprint()] {
			gone, texts = append(gone, cert.Fingerprint()), append(texts, KeyText(cert))
		}
	}
	switch {
	case len(gone) > 0:
		value, _ := json.Marshal(gone) // texts
		c.Changes = append(c.Changes, FieldChange{"certificates", strings.Join(texts, ", "), "", string(value)})
	case len(c.Certificates) == 0:
		c.Same = append(c.Same, "certificates")
	}
}

// checkEntry returns what is wrong with an entry as it would stand in the
// Directory beside all the others.
func (d *Directory) checkEntry(cp *ContactPoint) []Problem {
	c := &checker{parties: map[string]bool{}, ids: map[string]bool{}, address: map[string]string{}, signer: map[string]string{}}
	for address, owner := range d.byAddress {
		if owner.ID != cp.ID {
			c.address[address] = owner.ID
		}
	}
	c.contactPoint(cp, cp.ID)
	for id := range d.byID {
		c.ids[id] = true
	}
	c.backup(cp)
	return c.list
}
