package directory

import (
	"fmt"
	"testing"

	"relais.example/crypto/pgp"
)

// BenchmarkLoad reads, checks and indexes a document, as the gateway does when
// it installs one; without certificates, and with one for each contact point.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []struct{ entries, keys int }{{100, 0}, {10_000, 0}, {100_000, 0}, {100, 1}, {10_000, 1}} {
		doc := crowd(size.entries)
		for i := range doc.Parties {
			for j := range doc.Parties[i].ContactPoints {
				if size.keys == 0 {
					continue
				}
				cp := &doc.Parties[i].ContactPoints[j]
				k, err := pgp.GenerateKey(cp.ID, cp.Addresses[0], pgp.Curve25519, now.AddDate(-1, 0, 0), 0)
				if err != nil {
					b.Fatal(err)
				}
				cp.CertificatesArmored = []string{armor(k)}
			}
		}
		raw := encode(b, doc)
		b.Run(fmt.Sprintf("entries=%d/keys=%d", size.entries, size.keys), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				doc, err := Parse(raw)
				if err != nil {
					b.Fatal(err)
				}
				build(doc)
			}
		})
	}
}
