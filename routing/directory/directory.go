package directory

import (
	"strings"
	"sync"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/request"
)

// Directory is a checked document with indexes over it. It never changes and
// is safe for concurrent use.
type Directory struct {
	doc       *Document
	parties   map[string]*Party
	byID      map[string]*ContactPoint
	byAddress map[string]*ContactPoint // key: foldAddress
	bySigner  map[string]*ContactPoint // key: fingerprint
	ring      *pgp.Ring
	index     func() *index // built at the first search
	// lookalikes is built at the first question, too. Key: skeleton.
	lookalikes func() map[string][]*ContactPoint
}

// New checks doc as [Parse] does and builds the indexes. It takes doc over:
// the caller must not change it afterwards.
func New(doc *Document) (*Directory, error) {
	if problems := doc.prepare(); len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	return build(doc), nil
}

// build indexes a document that prepare found without fault.
func build(doc *Document) *Directory {
	d := &Directory{
		doc:       doc,
		parties:   map[string]*Party{},
		byID:      map[string]*ContactPoint{},
		byAddress: map[string]*ContactPoint{},
		bySigner:  map[string]*ContactPoint{},
	}
	var all []*pgp.Certificate
	for i := range doc.Parties {
		p := &doc.Parties[i]
		d.parties[p.Code] = p
		for j := range p.ContactPoints {
			cp := &p.ContactPoints[j]
			d.byID[cp.ID] = cp
			for _, a := range cp.Addresses {
				d.byAddress[foldAddress(a)] = cp
			}
			for _, c := range cp.certificates {
				d.bySigner[c.Fingerprint()] = cp
			}
			all = append(all, cp.certificates...)
		}
	}
	d.ring = pgp.NewRing(all...)
	d.index = sync.OnceValue(func() *index { return newIndex(doc) })
	d.lookalikes = sync.OnceValue(d.indexLookalikes)
	return d
}

// Version returns the version number of the document.
func (d *Directory) Version() uint64 { return d.doc.Version }

// Issued returns when the authority released this version.
func (d *Directory) Issued() time.Time { return d.doc.Issued }

// Document returns the document. It must not be changed.
func (d *Directory) Document() *Document { return d.doc }

// Party returns the Party with that code.
func (d *Directory) Party(code string) (*Party, bool) {
	p, ok := d.parties[code]
	return p, ok
}

// ContactPoint returns the contact point with that ID.
func (d *Directory) ContactPoint(id string) (*ContactPoint, bool) {
	cp, ok := d.byID[id]
	return cp, ok
}

// ByAddress returns the contact point that lists the e-mail address. Case does
// not matter, neither in the domain nor before the @.
func (d *Directory) ByAddress(addr string) (*ContactPoint, bool) {
	cp, ok := d.byAddress[foldAddress(addr)]
	return cp, ok
}

// BySigner returns the contact point to which the certificate with that
// fingerprint belongs. A certificate belongs to exactly one.
func (d *Directory) BySigner(fingerprint string) (*ContactPoint, bool) {
	cp, ok := d.bySigner[strings.ToUpper(fingerprint)]
	return cp, ok
}

// Ring returns all certificates of the Directory, expired ones included.
func (d *Directory) Ring() *pgp.Ring { return d.ring }

// Handles reports whether the contact point is competent for kind k. A contact
// point without a list of competences handles everything.
func (cp *ContactPoint) Handles(k request.Kind) bool {
	if len(cp.Competences) == 0 {
		return true
	}
	for _, c := range cp.Competences {
		if c == k {
			return true
		}
	}
	return false
}
