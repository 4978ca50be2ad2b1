package interchange

import (
	"encoding/base64"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"relais.example/routing/directory"
)

// writeVCards writes a card (vCard 4, RFC 6350) for each contact point, and one
// for each Party without any. What vCard has no property for stands in
// properties of ours.
func writeVCards(w io.Writer, doc *directory.Document) error {
	return eachCard(doc, func(card string) error {
		_, err := io.WriteString(w, card)
		return err
	})
}

func eachCard(doc *directory.Document, f func(string) error) error {
	for i := range doc.Parties {
		p := &doc.Parties[i]
		if len(p.ContactPoints) == 0 {
			c := newCard(p.Names["en"])
			c.own(partyTexts(p), true)
			if err := f(c.end()); err != nil {
				return err
			}
		}
		for j := range p.ContactPoints {
			if err := f(Card(p, &p.ContactPoints[j])); err != nil {
				return err
			}
		}
	}
	return nil
}

// Card returns the vCard of one contact point.
func Card(p *directory.Party, cp *directory.ContactPoint) string {
	c := newCard(cp.Institution)
	c.line("UID", cp.ID)
	c.line("ORG", cardText(cp.Institution)+";"+cardText(cp.Unit))
	for i, a := range cp.Addresses {
		name := "EMAIL"
		if i == 0 {
			name = "EMAIL;PREF=1"
		}
		c.line(name, cardText(a))
	}
	for _, phone := range cp.Phones {
		name := map[string]string{"mobile": "TEL;TYPE=work,cell", "fax": "TEL;TYPE=work,fax"}[phone.Use]
		if name == "" {
			name = "TEL;TYPE=work,voice"
		}
		c.line(name, cardText(phone.Number))
	}
	if cp.Postal != "" {
		c.line("ADR", ";;"+cardText(cp.Postal)+";;;;"+cardText(p.Names["en"]))
	}
	for _, l := range cp.LanguagesIn {
		c.line("LANG", l)
	}
	if cp.Zone != "" {
		c.line("TZ", cardText(cp.Zone))
	}
	for _, cert := range cp.CertificatesArmored {
		c.line("KEY", "data:application/pgp-keys;base64,"+base64.StdEncoding.EncodeToString([]byte(cert)))
	}
	c.own(partyTexts(p), true)
	c.own(pointTexts(cp), false)
	return c.end()
}

type card struct{ b strings.Builder }

func newCard(name string) *card {
	c := &card{}
	c.b.WriteString("BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:org\r\n")
	c.line("FN", cardText(name))
	return c
}

func (c *card) end() string { return c.b.String() + "END:VCARD\r\n" }

// own writes the fields that have no property, or none that keeps them whole.
func (c *card) own(t texts, party bool) {
	for _, f := range slices.Sorted(maps.Keys(t)) {
		switch {
		case t[f] == "", party && !ofParty(f):
		case f == fieldID || f == fieldInstitution || f == fieldUnit || f == fieldAddresses || f == fieldZone || f == fieldCertificates:
		default:
			c.line(ownProperty+strings.ToUpper(strings.ReplaceAll(f, "_", "-")), cardText(t[f]))
		}
	}
}

// line writes one property, folded at 75 bytes (RFC 6350 section 3.2).
func (c *card) line(name, value string) {
	s := name + ":" + value
	for most := 75; len(s) > most; most = 74 {
		n := most
		for !utf8.RuneStart(s[n]) {
			n--
		}
		c.b.WriteString(s[:n] + "\r\n ")
		s = s[n:]
	}
	c.b.WriteString(s + "\r\n")
}

func cardText(s string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`).Replace(s)
}
