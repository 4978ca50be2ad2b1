package directory

import (
	"fmt"
	"syscall"
	"testing"
	"time"

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
			began := cpuTime(b)
			for b.Loop() {
				doc, err := Parse(raw)
				if err != nil {
					b.Fatal(err)
				}
				build(doc).Search("warm up", 1) // with the index
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}

// cpuTime is what the process has used: it says more than the clock on a
// machine that does other things too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
