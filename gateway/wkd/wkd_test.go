package wkd_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/wkd"
	"relais.example/routing/directory"
	"relais.example/test/desk"
)

func key(t *testing.T, name, address string, validFor time.Duration) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey(name, address, pgp.Curve25519, time.Now().Add(-48*time.Hour), validFor)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// serve returns a Web Key Directory of the desks XA-1 and XC-1; XB-1 is listed,
// but remote.
func serve(t *testing.T, change func(map[string]*directory.ContactPoint)) http.Handler {
	t.Helper()
	d := desk.Open(t)
	doc := d.Directory.Document()
	points := map[string]*directory.ContactPoint{}
	for i := range doc.Parties {
		cp := &doc.Parties[i].ContactPoints[0]
		points[cp.ID] = cp
	}
	change(points)
	text, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := directory.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	current, err := directory.New(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return wkd.Handler(wkd.Options{Directory: func() *directory.Directory { return current }, Desks: []string{"XA-1", "XC-1"}, Policy: pgp.DefaultPolicy()})
}

func unchanged(map[string]*directory.ContactPoint) {}

func ask(h http.Handler, method, host, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	h.ServeHTTP(w, r)
	return w
}

// The example of the draft, section 3.1.
func TestHashOfTheDraft(t *testing.T) {
	for _, local := range []string{"Joe.Doe", "joe.doe"} {
		if got := wkd.Hash(local); got != "iy9q119eutrkn8s1mk4r39qejnbu3n5q" {
			t.Errorf("%s: %s", local, got)
		}
	}
	if wkd.Hash("É") == wkd.Hash("é") {
		t.Error("letters outside ASCII are not to be mapped")
	}
}

// GnuPG computes the same name for every address.
func TestHashIsThatOfGnuPG(t *testing.T) {
	gpg := gnupg(t)
	for _, local := range []string{"cp247", "Duty.Officer", "a", "24-7+urgent", "o'brien", strings.Repeat("x", 64)} {
		file := filepath.Join(t.TempDir(), "key.asc")
		if err := os.WriteFile(file, key(t, "Somebody", local+"@alphaland.example", 0).Certificate().Armor(), 0o600); err != nil {
			t.Fatal(err)
		}
		gpg("--import", file)
		listed := gpg("--with-wkd-hash", "--list-keys", "<"+local+"@alphaland.example>")
		if want := wkd.Hash(local) + "@alphaland.example"; !strings.Contains(listed, want) {
			t.Errorf("%s: not %s but\n%s", local, want, listed)
		}
	}
}

// gnupg returns a function that runs GnuPG with a keyring of its own.
func gnupg(t *testing.T) func(args ...string) string {
	t.Helper()
	home := t.TempDir()
	return func(args ...string) string {
		out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--no-autostart"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
}

func TestBothMethodsServeTheDesksKey(t *testing.T) {
	h := serve(t, unchanged)
	hash := wkd.Hash("cp247")
	var bodies [][]byte
	for _, tt := range []struct{ host, path string }{
		{"openpgpkey.alphaland.example", "/.well-known/openpgpkey/alphaland.example/hu/" + hash + "?l=cp247"},
		{"openpgpkey.alphaland.example:8443", "/.well-known/openpgpkey/AlphaLand.example/hu/" + hash + "?l=CP247"},
		{"alphaland.example", "/.well-known/openpgpkey/hu/" + hash + "?l=cp247"},
		{"ALPHALAND.example:443", "/.well-known/openpgpkey/hu/" + hash},
	} {
		w := ask(h, "GET", tt.host, tt.path)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/octet-stream" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s%s: %d %v", tt.host, tt.path, w.Code, w.Header())
			continue
		}
		bodies = append(bodies, w.Body.Bytes())
		head := ask(h, "HEAD", tt.host, tt.path)
		if head.Code != 200 || head.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
			t.Errorf("HEAD %s: %d %v", tt.path, head.Code, head.Header())
		}
	}
	for _, b := range bodies {
		certs, err := pgp.ParseCertificates(b)
		if err != nil || len(certs) != 1 || b[0]&0x80 == 0 || !bytes.Equal(b, bodies[0]) {
			t.Errorf("body: %v, %d certificates", err, len(certs))
		}
	}
}

func TestOnlyTheDesksAreServed(t *testing.T) {
	h := serve(t, unchanged)
	hash := wkd.Hash("cp247")
	for _, tt := range []struct{ method, host, path string }{
		{"GET", "openpgpkey.betaland.example", "/.well-known/openpgpkey/betaland.example/hu/" + hash}, // listed, remote
		{"GET", "betaland.example", "/.well-known/openpgpkey/hu/" + hash},
		{"GET", "192.0.2.1", "/.well-known/openpgpkey/hu/" + hash},
		{"GET", "alphaland.example", "/.well-known/openpgpkey/hu/" + wkd.Hash("nobody")},
		{"GET", "alphaland.example", "/.well-known/openpgpkey/hu/" + hash + "?l=nobody"},
		{"GET", "alphaland.example", "/.well-known/openpgpkey/hu/"},
		{"GET", "alphaland.example", "/.well-known/openpgpkey/"},
		{"GET", "alphaland.example", "/.well-known/openpgpkey/hu/../policy/x"},
		{"GET", "alphaland.example", "/metrics"},
		{"GET", "alphaland.example", "/"},
		{"GET", "betaland.example", "/.well-known/openpgpkey/policy"},
		{"GET", "x", "/.well-known/openpgpkey/betaland.example/policy"},
		{"GET", "x", "/.well-known/openpgpkey/alphaland.example/submission-address"},
		{"POST", "alphaland.example", "/.well-known/openpgpkey/hu/" + hash},
	} {
		if w := ask(h, tt.method, tt.host, tt.path); w.Code == 200 || w.Header().Get("Content-Type") == "application/octet-stream" {
			t.Errorf("%s %s%s: %d", tt.method, tt.host, tt.path, w.Code)
		}
	}
}

func TestPolicyIsThere(t *testing.T) {
	h := serve(t, unchanged)
	for _, tt := range [][2]string{{"x", "/.well-known/openpgpkey/gammaland.example/policy"}, {"alphaland.example", "/.well-known/openpgpkey/policy"}} {
		for _, method := range []string{"GET", "HEAD"} {
			if w := ask(h, method, tt[0], tt[1]); w.Code != 200 || w.Body.Len() != 0 {
				t.Errorf("%s %s: %d %q", method, tt[1], w.Code, w.Body)
			}
		}
	}
}

func TestExpiredAndForeignKeysAreNotServed(t *testing.T) {
	expired, current, elsewhere := key(t, "Old", desk.Alpha, time.Hour), key(t, "New", desk.Alpha, 0), key(t, "X", desk.Nobody, 0)
	h := serve(t, func(points map[string]*directory.ContactPoint) {
		points["XA-1"].CertificatesArmored = []string{string(expired.Certificate().Armor()), string(current.Certificate().Armor())}
		points["XA-1"].Addresses = append(points["XA-1"].Addresses, "other@alphaland.example")
		points["XC-1"].CertificatesArmored = []string{string(elsewhere.Certificate().Armor())}
	})
	certs, err := pgp.ParseCertificates(ask(h, "GET", "alphaland.example", "/.well-known/openpgpkey/hu/"+wkd.Hash("cp247")).Body.Bytes())
	if err != nil || len(certs) != 1 || certs[0].Fingerprint() != current.Certificate().Fingerprint() {
		t.Errorf("served %v, %v", certs, err)
	}
	for _, path := range []string{"alphaland.example/hu/" + wkd.Hash("other"), "gammaland.example/hu/" + wkd.Hash("cp247")} {
		if w := ask(h, "GET", "x", "/.well-known/openpgpkey/"+path); w.Code != 404 {
			t.Errorf("%s: %d, though no user id names the address", path, w.Code)
		}
	}
}

// GnuPG takes what is served, and finds the address in it alone.
func TestGnuPGReadsWhatIsServed(t *testing.T) {
	gpg := gnupg(t)
	w := ask(serve(t, unchanged), "GET", "alphaland.example", "/.well-known/openpgpkey/hu/"+wkd.Hash("cp247"))
	file := filepath.Join(t.TempDir(), "served")
	if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	// The filter that GnuPG itself uses on what it fetches.
	gpg("--import-options", "import-minimal", "--import-filter", "keep-uid=mbox = "+desk.Alpha, "--import", file)
	listed := gpg("--with-colons", "--with-wkd-hash", "--list-keys")
	uids := regexp.MustCompile(`(?m)^uid:.*$`).FindAllString(listed, -1)
	if len(uids) != 1 || !strings.Contains(uids[0], desk.Alpha) {
		t.Errorf("user ids %q", uids)
	}
}
