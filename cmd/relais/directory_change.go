package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
)

// applyChange makes a confirmed change in a document that is taken into work.
// The checks of a draft, and the rules for its keys, come after it.
func applyChange(doc *directory.Document, file string) error {
	raw, err := readKeyMaterial(file)
	if err != nil {
		return fmt.Errorf("reading a change: %w; name the right file with --change", err)
	}
	var c pending.Change
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("%s is no change; make it with: relais directory pending export", file)
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("%s: change %s: %w", file, c.ID, err)
	}
	if s := c.Status(); s != pending.Confirmed {
		return fmt.Errorf("%s: change %s is %s; only what two people confirmed goes into a draft", file, c.ID, s)
	}
	cp := entryOf(doc, c.Proposal.ContactPoint)
	if cp == nil {
		return fmt.Errorf("%s: %s is not in the document", file, c.Proposal.ContactPoint)
	}
	if c.Proposal.Kind == pending.Certificate {
		addCertificate(cp, c.Proposal)
		return nil
	}
	for _, f := range c.Proposal.Fields {
		if err := cp.Apply(f); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// addCertificate lists the certificate, in place of an older copy of it.
func addCertificate(cp *directory.ContactPoint, p pending.Proposal) {
	i := slices.IndexFunc(cp.CertificatesArmored, func(armored string) bool {
		certs, err := pgp.ParseCertificates([]byte(armored))
		return err == nil && len(certs) == 1 && certs[0].Fingerprint() == p.Fingerprint
	})
	if i < 0 {
		cp.CertificatesArmored = append(cp.CertificatesArmored, p.New)
		return
	}
	cp.CertificatesArmored[i] = p.New
}

func entryOf(doc *directory.Document, id string) *directory.ContactPoint {
	for i := range doc.Parties {
		for j := range doc.Parties[i].ContactPoints {
			if cp := &doc.Parties[i].ContactPoints[j]; cp.ID == id {
				return cp
			}
		}
	}
	return nil
}
