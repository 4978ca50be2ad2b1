package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relais.example/gateway/accounts"
	"relais.example/routing/directory"
	"relais.example/test/gateway"
)

// A gateway fetches the Directory from a second one, whose account of role
// peer it has: a new version comes into force, an unchanged one costs nothing.
func TestTheDirectoryIsPulledFromAnotherGateway(t *testing.T) {
	t.Parallel()
	source := gateway.New(t, gateway.Options{})
	hash, err := accounts.Hash("a password for gateways")
	if err != nil {
		t.Fatal(err)
	}
	peer := accounts.Account{User: "gateway-xa", Desk: "XA-1", Role: accounts.Peer, Name: "Gateway", PasswordHash: hash}
	if err := accounts.Add(filepath.Join(source.Dir, "staff.yaml"), peer); err != nil {
		t.Fatal(err)
	}
	g := gateway.New(t, gateway.Options{Settings: map[string]any{
		"log": map[string]any{"level": "debug"},
		"directory": map[string]any{"pull": map[string]any{
			"url":  "https://localhost:" + port(source.Listen["https"]) + "/api/directory/directory.json",
			"user": "gateway-xa", "password_file": "pull.txt", "ca_file": source.CA(), "every": "1s",
		}},
	}})
	g.Write("pull.txt", "not the password\n")
	for _, file := range []string{"directory/directory.json", "directory/directory.json.asc", "directory/authority.asc", "keys/XA-1.asc", "keys/XB-1.asc"} {
		g.Write(file, string(source.Read(file)))
	}
	source.Publish(func(d *directory.Document) { d.Parties[2].ContactPoints[0].Unit = "Unit 4711" })
	source.Start()
	g.Start()
	atLeast := func(result string, n float64) {
		t.Helper()
		gateway.WaitFor(t, "attempts that end with "+result, func() error {
			if got, err := g.Metric(`relais_directory_pulls_total{result="` + result + `"}`); err != nil || got < n {
				return fmt.Errorf("%v, %v", got, err)
			}
			return nil
		})
	}
	atLeast("failed", 2)
	if n := strings.Count(g.Log(), "the Directory cannot be pulled"); n != 1 || !strings.Contains(g.Log(), "role peer") {
		t.Errorf("the trouble was logged %d times", n)
	}
	if code, body := g.Ready(); code != http.StatusOK {
		t.Errorf("not ready while it cannot pull: %d %s", code, body)
	}
	g.Write("pull.txt", "a password for gateways\n")
	g.WaitMetric("relais_directory_version", 2)
	if at, err := g.Metric("relais_directory_pull_success_timestamp_seconds"); err != nil || at == 0 {
		t.Errorf("success at %v, %v", at, err)
	}
	atLeast("unchanged", 2)
	looks := 0
	for _, e := range source.Journal() {
		if e.Look != nil && e.Look.What == "export" && e.By == "gateway-xa" {
			looks++
		}
	}
	if looks != 2 { // document and signature, once
		t.Errorf("%d looks in the audit log there, want 2", looks)
	}
	source.Publish(func(d *directory.Document) { d.Parties[2].ContactPoints[0].Unit = "Unit 4712" })
	source.Reload()
	g.WaitMetric("relais_directory_version", 3)
	if !strings.Contains(g.Log(), "version=3 from=pull") {
		t.Error("the log does not say where version 3 comes from")
	}
	noEntryIn(t, g)
}

// What looks at the Directory on the command line is in the journal when the
// gateway runs, in a file when not, and nowhere for a loose file; no entry is in
// a log line, whatever is done with the Directory.
func TestLooksOnTheCommandLineAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	g := gateway.New(t, gateway.Options{Settings: map[string]any{"log": map[string]any{"level": "debug"}}})
	setFirstDesk(t, g, "directory_service: true")
	g.Start()
	run := func(args ...string) string {
		t.Helper()
		out, err := g.Command(append([]string{"directory"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := run("search", "gammaland"); !strings.Contains(out, "XC-1") {
		t.Errorf("search: %s", out)
	}
	run("show", "XB-2")
	run("export", "--format", "csv")
	run("show", "XB-2", "--file", filepath.Join(g.Dir, "directory", directory.FileName), "--authority", filepath.Join(g.Dir, "directory", "authority.asc"))
	var looks []string
	for _, e := range g.Journal() {
		if e.Look != nil {
			looks = append(looks, fmt.Sprintf("%s %s %d %t", e.By, e.Look.What, e.Look.Results, e.Look.Query != ""))
		}
	}
	uid := fmt.Sprint("local:", os.Getuid())
	if got, want := strings.Join(looks, ", "), uid+" search 1 true, "+uid+" show 1 true, "+uid+" export 4 false"; got != want {
		t.Errorf("the journal has %s, want %s", got, want)
	}
	// The gateway itself does with entries what it does.
	deliver := func(text string) {
		t.Helper()
		if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "Directory", text)); r.Code != 250 {
			t.Fatal(r)
		}
	}
	deliver("find gammaland ministry\nkey XC-1\n")
	waitOpened(t, g, "the answer", subject("Answer from the Directory"))
	deliver("=== 24/7 REQUEST v1 ===\nkind: DIRECTORY_CHANGE\nphones: +999 2 555 0177 (mobile)\ninstitution: Office Elsewhere\nzone: Nowhere\n=== END ===\n")
	waitOpened(t, g, "the receipt", subject(receiptSubject))
	g.Publish(func(d *directory.Document) { d.Parties[2].ContactPoints[0].Postal = "Quai 4711" })
	g.Reload()
	g.WaitMetric("relais_directory_version", 2)
	g.Stop()

	log := filepath.Join(g.Dir, "data", "directory-access.log")
	if _, err := os.Stat(log); err == nil {
		t.Error("the file was written while the gateway ran")
	}
	run("search", "gammaland")
	run("search", "gammaland")
	lines := strings.Split(strings.TrimSpace(string(g.Read("data/directory-access.log"))), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], `"by":"`+uid+`","what":"search","results":1,"gateway":"not running"`) || strings.Contains(lines[1], "gammaland") {
		t.Errorf("the file has %q", lines)
	}
	noEntryIn(t, g, "+999 2 555 0177", "Office Elsewhere", "Quai 4711", "gammaland")
}

// noEntryIn looks for the entries of the Directory in the log.
func noEntryIn(t *testing.T, g *gateway.Gateway, more ...string) {
	t.Helper()
	doc, err := directory.Parse(g.Read("directory/" + directory.FileName))
	if err != nil {
		t.Fatal(err)
	}
	words := more
	for _, p := range doc.Parties {
		for _, cp := range p.ContactPoints {
			words = append(append(words, cp.Institution, cp.Unit, cp.Postal), cp.Addresses...)
			for _, phone := range cp.Phones {
				words = append(words, phone.Number)
			}
		}
	}
	log := g.Log()
	if !strings.Contains(log, "level=INFO") {
		t.Fatal("the log is empty")
	}
	for _, w := range words {
		if w != "" && strings.Contains(log, w) {
			t.Errorf("the log holds %q of an entry", w)
		}
	}
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
