// Package directory holds the Directory of the 24/7 Network: the Parties to
// the Convention on Cybercrime (ETS 185), their contact points (CONV 35), and
// the OpenPGP certificates by which a contact point is recognised.
//
// The Directory is one JSON document with a version number, signed by the
// Directory authority. A gateway pins the authority's certificate, accepts no
// document without its signature, and never goes back to a lower version.
// The file format is described in docs/directory.md.
//
// Entries are confidential: nothing in this package logs them.
package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/request"
)

// Format is the only format of the document that this program reads.
const Format = 1

// MaxDocumentBytes bounds the JSON document. A Party with two contact points
// takes about 6 KB, so the whole Network stays far below.
const MaxDocumentBytes = 64 << 20

// Document is the Directory as it stands in the JSON file.
type Document struct {
	Format   int       `json:"format"`             // always [Format]
	Version  uint64    `json:"version"`            // grows with every release, starting at 1
	Issued   time.Time `json:"issued"`             // when the authority released this version
	Previous string    `json:"previous,omitempty"` // SHA-256 of the release before, in hex digits; "" for the first
	Parties  []Party   `json:"parties,omitempty"`
}

// Party is a State of the Convention.
type Party struct {
	Code                 string            `json:"code"`                            // ISO 3166-1 alpha-2
	Names                map[string]string `json:"names,omitempty"`                 // by language; "en" is required
	Convention           Treaty            `json:"convention,omitzero"`             // ETS 185
	SecondProtocol       Treaty            `json:"second_protocol,omitzero"`        // CETS 224
	Reservations         []string          `json:"reservations,omitempty"`          // articles, such as "CONV 29.4" or "SAP 7.9.a"
	PreservationMaxDays  int               `json:"preservation_max_days,omitempty"` // what domestic law allows; 0: not known
	PreservationRenewals int               `json:"preservation_renewals,omitempty"` // how often it may be renewed (CONV 16.2)
	FormalConfirmation   bool              `json:"formal_confirmation,omitempty"`   // wants formal confirmation after an e-mail (CONV 25.3)
	ContactPoints        []ContactPoint    `json:"contact_points,omitempty"`

	Provenance map[string]Provenance `json:"provenance,omitempty"` // by field; see [ProvenanceFields]
}

// ContactPoint is an institution of a Party that is reachable day and night
// (CONV 35).
type ContactPoint struct {
	ID                  string         `json:"id"` // Party code, hyphen, number: "XA-1"
	Role                Role           `json:"role"`
	Institution         string         `json:"institution"`
	Unit                string         `json:"unit,omitempty"`
	Postal              string         `json:"postal,omitempty"` // may hold line breaks
	Phones              []Phone        `json:"phones,omitempty"`
	Addresses           []string       `json:"addresses,omitempty"` // e-mail; mail is sent to the first, accepted from all
	LanguagesIn         []string       `json:"languages_in,omitempty"`
	LanguagesOut        []string       `json:"languages_out,omitempty"`
	Hours               string         `json:"hours,omitempty"`       // office hours, "24/7" or "Mo-Fr 08:00-18:00; Sa 09:00-12:00"
	Zone                string         `json:"zone,omitempty"`        // IANA time zone of Hours
	Competences         []request.Kind `json:"competences,omitempty"` // empty: every kind
	Backup              string         `json:"backup,omitempty"`      // contact point to turn to when this one is silent
	CertificatesArmored []string       `json:"certificates,omitempty"`
	Vouchers            []Voucher      `json:"vouchers,omitempty"` // why the certificates are trusted

	Provenance map[string]Provenance `json:"provenance,omitempty"` // by field; see [ProvenanceFields]

	Party string `json:"-"` // code of the Party, filled on load

	certificates []*pgp.Certificate
}

// Role says what kind of institution a contact point is.
type Role string

// The closed set of roles.
const (
	Police     Role = "police"
	Prosecutor Role = "prosecutor"
	Ministry   Role = "ministry"
	Mixed      Role = "mixed"
)

// Phone is a telephone line of a contact point.
type Phone struct {
	Number  string `json:"number"`            // international form, "+999 1 555 0100"
	Use     string `json:"use"`               // office, out-of-hours, mobile or fax
	Written string `json:"written,omitempty"` // as the contact point wrote it, when that is another form
}

// E164 returns the number as a machine dials it, "+99915550100", without an
// extension (ITU-T E.164); "" when it is not known in the international form.
func (p Phone) E164() string {
	if !phoneForm.MatchString(p.Number) {
		return ""
	}
	number, _, _ := strings.Cut(p.Number, " ext ")
	return strings.NewReplacer(" ", "", ".", "", "-", "").Replace(number)
}

// Parse reads the JSON document and checks all of it. Unknown, repeated and
// misspelt fields are errors, as is everything docs/directory.md forbids. The
// error is an [*InvalidError] that lists every fault at once.
func Parse(doc []byte) (*Document, error) {
	d, err := decode(doc)
	if err != nil {
		return nil, err
	}
	if problems := d.prepare(); len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	return d, nil
}

// ReadDraft reads a JSON document that may still have faults of content: they
// come back as findings. Only what has not the shape of a Directory at all is
// an error, an [*InvalidError].
func ReadDraft(doc []byte) (*Document, []Problem, error) {
	d, err := decode(doc)
	if err != nil {
		return nil, nil, err
	}
	return d, d.prepare(), nil
}

// Check returns every fault of the document, as [Parse] does. Whether keys are
// still valid depends on the time: see [Directory.Warnings].
func (d *Document) Check() []Problem { return d.prepare() }

// Encode returns the document as indented JSON: the bytes that get signed.
// The same document always gives the same bytes.
func (d *Document) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("encoding directory: %w", err)
	}
	return b.Bytes(), nil
}
