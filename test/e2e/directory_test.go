package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relais.example/test/gateway"
)

// An officer looks a contact point up with curl, and the journal says so
// without saying what was looked for.
func TestDirectoryIsSearchedOverHTTPSByClientCurl(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	curl := func(user, path string, more ...string) string {
		t.Helper()
		out, err := client(t, "curl", append([]string{"--silent", "--show-error", "--cacert", g.CA(), "--user", user, "https://" + strings.Replace(g.Listen["https"], "127.0.0.1", "localhost", 1) + path}, more...)...)
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, out)
		}
		return out
	}
	olga := gateway.Olga + ":" + g.Written.Passwords[gateway.Olga]
	var found struct {
		Total   int
		Entries []struct{ ID, Institution string }
	}
	out := curl(olga, "/api/directory/search?q=prosecutor+betaland")
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Total != 1 || found.Entries[0].ID != "XB-2" {
		t.Fatalf("%v: %s", err, out)
	}
	if out := curl(olga, "/carddav/staff/books/directory/XB-2.vcf"); !strings.Contains(out, "BEGIN:VCARD") || !strings.Contains(out, gateway.ProsecutorAddress) {
		t.Errorf("card: %s", out)
	}
	signed, err := os.ReadFile(filepath.Join(g.Dir, "directory", "directory.json"))
	if err != nil {
		t.Fatal(err)
	}
	if out := curl(olga, "/api/directory/directory.json"); out != string(signed) {
		t.Errorf("the signed file differs: %.200s", out)
	}
	if out := curl("olga:wrong", "/api/directory/search?q=xb", "--write-out", "%{http_code}"); strings.Contains(out, "XB") || !strings.HasSuffix(out, "401") {
		t.Errorf("a wrong password: %s", out)
	}
	looks := 0
	for _, e := range g.Journal() {
		if e.Look == nil {
			continue
		}
		looks++
		if e.By != gateway.Olga || e.Desk != "XA-1" || strings.Contains(e.Look.Query, "prosecutor") {
			t.Errorf("journal: %+v, by %s", *e.Look, e.By)
		}
	}
	if looks != 3 {
		t.Errorf("%d looks in the journal, want 3", looks)
	}
	resp, err := http.Get("http://" + g.Listen["http"] + "/api/directory/search?q=xb")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the port in clear answers %d", resp.StatusCode)
	}
}
