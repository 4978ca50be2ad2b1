package directory

import (
	"os"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

const sampleDir = "../../configs/directory/"

// The sample in configs/directory is what its description promises: signed by
// its authority, without fault, with keys that never expire.
func TestSample(t *testing.T) {
	doc, sig, err := ReadFiles(sampleDir + "sample.json")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := os.ReadFile(sampleDir + "authority.asc")
	if err != nil {
		t.Fatal(err)
	}
	authority, err := pgp.ParseCertificates(pinned)
	if err != nil || len(authority) != 1 {
		t.Fatalf("authority.asc: %d certificates, %v", len(authority), err)
	}
	d, err := Verify(doc, sig, authority[0], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if w := d.Health(HealthOptions{At: time.Now(), Policy: pgp.DefaultPolicy()}); len(w) > 0 {
		t.Errorf("findings: %v", w)
	}
	if e := d.Expiries(time.Now()); len(e) > 0 {
		t.Errorf("keys of the sample must not expire: %v", e)
	}
	for id, role := range map[string]Role{"XA-1": Police, "XA-2": Prosecutor, "XB-1": Prosecutor, "XC-1": Mixed} {
		cp, ok := d.ContactPoint(id)
		if !ok || cp.Role != role {
			t.Errorf("%s is missing or not %s", id, role)
		}
	}
	if hits := d.Search("cybercrime prosecutor Betaland", 0); len(hits) == 0 || hits[0].ContactPoint.ID != "XB-1" {
		t.Errorf("search found %v", ids(hits))
	}
	again, err := d.Document().Encode()
	if err != nil || string(again) != string(doc) {
		t.Errorf("the sample is not in the form that Encode writes: %v", err)
	}
	gpg := newGnuPG(t, pinned)
	if out, err := gpg("--verify", sampleDir+"sample.json.asc", sampleDir+"sample.json"); err != nil {
		t.Errorf("gpg --verify: %v\n%s", err, out)
	}
}
