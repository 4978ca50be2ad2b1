package directory

import "slices"

// WithoutReach returns the Directory as those see it who may know which contact
// points there are, but not how to reach people: without telephones, postal
// and mail addresses, and without certificates, whose user ids are addresses.
// It is for searching and showing, not for judging messages.
func (d *Directory) WithoutReach() *Directory {
	doc := *d.doc
	doc.Parties = slices.Clone(doc.Parties)
	for i := range doc.Parties {
		points := slices.Clone(doc.Parties[i].ContactPoints)
		for j := range points {
			cp := &points[j]
			cp.Phones, cp.Postal, cp.Addresses, cp.CertificatesArmored, cp.certificates = nil, "", nil, nil, nil
			cp.Vouchers, cp.Provenance = nil, nil
		}
		doc.Parties[i].ContactPoints = points
	}
	return build(&doc)
}
