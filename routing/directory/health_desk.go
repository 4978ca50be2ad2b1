package directory

import (
	"fmt"
	"maps"
	"slices"

	"relais.example/crypto/pgp"
)

// desk compares the keys that a gateway holds for a desk with what the
// Directory tells the Network about it.
func (h *checkup) desk(held []*pgp.Certificate) {
	for i, key := range held {
		listed := find(h.cp.certificates, key.Fingerprint())
		switch {
		case listed == nil && i == 0:
			h.add(Finding{Code: CodeDeskKeyNotListed, Severity: Error, Fingerprint: key.Fingerprint(), field: "certificates",
				Fault:  "the key that signs here, " + key.Fingerprint() + ", is not listed: nobody can verify what the desk sends",
				Remedy: "send its certificate to the authority, and sign with the listed key until a new Directory is out"})
		case listed != nil && !sameKeys(listed, key):
			h.add(Finding{Code: CodeDeskKeyDiffers, Severity: Warning, Fingerprint: key.Fingerprint(), field: "certificates",
				Fault:  "fingerprint " + key.Fingerprint() + ": subkeys or dates here differ from those in the Directory",
				Remedy: "send the certificate of the key here to the authority"})
		}
	}
	for _, c := range h.cp.certificates {
		if find(held, c.Fingerprint()) == nil {
			h.add(Finding{Code: CodeDeskKeyMissing, Severity: Error, Fingerprint: c.Fingerprint(), field: "certificates",
				Fault:  "fingerprint " + c.Fingerprint() + ": the Network encrypts to it, but its private key is not here: such mail cannot be opened",
				Remedy: "add the key to key_files of the desk, or have the authority take the certificate out"})
		}
	}
}

// missingDesks reports desks that the Directory does not know at all.
func (d *Directory) missingDesks(o HealthOptions) []Finding {
	var list []Finding
	for _, id := range slices.Sorted(maps.Keys(o.Desks)) {
		if _, ok := d.ContactPoint(id); !ok {
			list = append(list, Finding{Code: CodeDeskNotListed, Severity: Error, ContactPoint: id,
				Fault:  fmt.Sprintf("version %d of the Directory has no such contact point", d.Version()),
				Remedy: "have the authority add it, or take the desk out of the configuration"})
		}
	}
	return list
}

func find(list []*pgp.Certificate, fingerprint string) *pgp.Certificate {
	i := slices.IndexFunc(list, func(c *pgp.Certificate) bool { return c.Fingerprint() == fingerprint })
	if i < 0 {
		return nil
	}
	return list[i]
}

func sameKeys(a, b *pgp.Certificate) bool {
	return slices.EqualFunc(a.Keys(), b.Keys(), func(x, y pgp.KeyInfo) bool {
		return x.Fingerprint == y.Fingerprint && x.Expires.Equal(y.Expires) && x.Revoked == y.Revoked
	})
}
