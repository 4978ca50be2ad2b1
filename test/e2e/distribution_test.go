package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/test/gateway"
)

// secretariat is a gateway whose desk XA-1 keeps the Directory.
func secretariat(t *testing.T) *gateway.Gateway {
	t.Helper()
	g := gateway.New(t, gateway.Options{Acknowledge: true, Settings: map[string]any{"directory": map[string]any{"distribute": true}}})
	setFirstDesk(t, g, "directory_service: true")
	g.Start()
	return g
}

// setFirstDesk adds a setting of the desk XA-1.
func setFirstDesk(t *testing.T, g *gateway.Gateway, setting string) {
	t.Helper()
	config, err := os.ReadFile(g.Written.Config)
	if err != nil {
		t.Fatal(err)
	}
	const first = "id: XA-1\n"
	if !strings.Contains(string(config), first) {
		t.Fatalf("no first desk in\n%s", config)
	}
	g.Write(filepath.Base(g.Written.Config), strings.Replace(string(config), first, first+"  "+setting+"\n", 1))
}

// opened returns what XB-2 reads of the mails that the sink got so far.
func opened(t *testing.T, g *gateway.Gateway) []*pgpmime.Message {
	t.Helper()
	var out []*pgpmime.Message
	for _, raw := range g.Sink.Mails() {
		if m, err := g.OpenAs("XB-2", raw); err == nil {
			out = append(out, m)
		}
	}
	return out
}

func waitOpened(t *testing.T, g *gateway.Gateway, what string, fits func(*pgpmime.Message) bool) *pgpmime.Message {
	t.Helper()
	var found *pgpmime.Message
	gateway.WaitFor(t, what, func() error {
		var seen []string
		for _, m := range opened(t, g) {
			if fits(m) {
				found = m
				return nil
			}
			seen = append(seen, m.Protected.Get("Subject"))
		}
		return fmt.Errorf("got %q", seen)
	})
	return found
}

func fileIn(t *testing.T, m *pgpmime.Message, name string) []byte {
	t.Helper()
	index := mimeindex.Build(m.Entity)
	for i, p := range index.Root.Parts {
		if p.DispParams["filename"] == name {
			content, err := index.Binary(m.Entity, []int{i + 1})
			if err != nil {
				t.Fatal(err)
			}
			return content
		}
	}
	t.Fatalf("no %s among %d parts", name, len(index.Root.Parts))
	return nil
}

// A new version goes to every contact point by itself; a gateway installs what
// it gets so, and says it with a signed receipt.
func TestNewDirectoryGoesRoundAndIsInstalled(t *testing.T) {
	t.Parallel()
	g := secretariat(t)
	isVersion := func(n int) func(*pgpmime.Message) bool {
		return func(m *pgpmime.Message) bool {
			return m.Protected.Get("Subject") == fmt.Sprintf("Directory of the 24/7 Network, version %d", n)
		}
	}
	first := waitOpened(t, g, "version 1 to arrive at XB-2", isVersion(1))
	doc, signature := fileIn(t, first, directory.FileName), fileIn(t, first, directory.FileName+directory.SignatureSuffix)
	if _, err := directory.Verify(doc, signature, g.Written.Authority.Certificate(), time.Now()); err != nil {
		t.Errorf("what was sent: %v", err)
	}
	for name, want := range map[string]string{
		"directory.html": "Gammaland Ministry of Justice", "directory.csv": "Gammaland Ministry of Justice", "directory.vcf": gateway.GammaAddress, "directory.docx": "PK",
	} {
		if form := fileIn(t, first, name); !strings.Contains(string(form), want) {
			t.Errorf("%s lacks %q: %.300s", name, want, form)
		}
	}
	if status := g.Status("XB-2"); !strings.Contains(status, "delivered, no receipt yet") {
		t.Errorf("status: %s", status)
	}

	// The other side installs it and says so.
	sum := sha256.Sum256(doc)
	receipt := func(version int, digest string) {
		t.Helper()
		reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.SealedFor("XA-1", gateway.AlphaAddress, "XB-2", pgpmime.Draft{
			From: gateway.ProsecutorAddress, Subject: "Directory installed", Body: []byte("Installed.\r\n"),
			Extra:   [][2]string{{"X-Relais-Directory", fmt.Sprintf("installed %d %s", version, digest)}},
			Outside: [][2]string{{"Auto-Submitted", "auto-replied"}},
		}))
		if reply.Code != 250 {
			t.Fatal(reply)
		}
	}
	receipt(1, hex.EncodeToString(sum[:]))
	if status := g.Status("XB-2"); !strings.Contains(status, "up to date") {
		t.Errorf("status: %s", status)
	}

	// The next version comes to this gateway by mail, from another one.
	g.Prepare("next", func(d *directory.Document) { d.Parties[1].ContactPoints[1].Unit = "Unit 4711" })
	release := func(doc, sig []byte) gateway.Reply {
		t.Helper()
		return g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.SealedFor("XA-1", gateway.AlphaAddress, "XB-2", gateway.WithFiles(gateway.ProsecutorAddress, "The Directory",
			map[string][]byte{directory.FileName: doc, directory.FileName + directory.SignatureSuffix: sig})))
	}
	next, sig := g.Read("next/directory.json"), g.Read("next/directory.json.asc")
	forged := []byte(strings.Replace(string(next), "Unit 4711", "Unit 4712", 1))
	if reply := release(forged, sig); reply.Code != 250 {
		t.Fatal(reply)
	}
	if status := g.Status("XB-2"); !strings.Contains(status, "version 1,") {
		t.Errorf("a forged Directory came into force: %s", status)
	}
	if reply := release(next, sig); reply.Code != 250 {
		t.Fatal(reply)
	}
	m := waitOpened(t, g, "the receipt for version 2", func(m *pgpmime.Message) bool { return m.Protected.Get("X-Relais-Directory") != "" })
	sum = sha256.Sum256(next)
	if want := "installed 2 " + hex.EncodeToString(sum[:]); m.Protected.Get("X-Relais-Directory") != want {
		t.Errorf("receipt %q, want %q", m.Protected.Get("X-Relais-Directory"), want)
	}
	waitOpened(t, g, "version 2 to go round", isVersion(2))
	if status := g.Status("XB-2"); !strings.Contains(status, "version 2,") {
		t.Errorf("status: %s", status)
	}
	// An older one changes nothing and is answered with what is in force.
	if reply := release(doc, signature); reply.Code != 250 {
		t.Fatal(reply)
	}
	gateway.WaitFor(t, "a second receipt", func() error {
		n := 0
		for _, m := range opened(t, g) {
			if strings.HasPrefix(m.Protected.Get("X-Relais-Directory"), "installed 2 ") {
				n++
			}
		}
		if n < 2 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	// Started again, it sends nothing twice.
	gateway.WaitFor(t, "all mail to be recorded as delivered", func() error {
		open := 0
		for _, e := range g.Journal() {
			for _, out := range e.Out {
				switch out.Op {
				case queue.OutQueue:
					open++
				case queue.OutDone:
					open--
				}
			}
		}
		if open != 0 {
			return fmt.Errorf("%d are on their way", open)
		}
		return nil
	})
	before := len(g.Sink.Mails())
	g.Stop()
	g.Start()
	gateway.WaitFor(t, "the gateway to look whom to send to", func() error {
		if n := strings.Count(g.Log(), `msg="the Directory was sent" version=2`); n < 2 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	if n := len(g.Sink.Mails()); n != before {
		t.Errorf("%d mails after the restart, %d before", n, before)
	}
}

// A listed contact point asks by signed mail; staff are not disturbed.
func TestQuestionsToTheDirectoryAreAnsweredByMail(t *testing.T) {
	t.Parallel()
	g := secretariat(t)
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "Question",
		"find gammaland ministry\nkey XC-1\nwho handles EMERGENCY_DISCLOSURE in XB now?\n\nThank you\n"))
	if reply.Code != 250 {
		t.Fatal(reply)
	}
	m := waitOpened(t, g, "the answer", func(m *pgpmime.Message) bool { return m.Protected.Get("Subject") == "Answer from the Directory" })
	text := string(mimeindex.Reading(m.Entity, 1<<20))
	for _, want := range []string{"Gammaland Ministry of Justice", gateway.GammaAddress, g.Key("XC-1").Certificate().Fingerprint(), "BEGIN PGP PUBLIC KEY BLOCK", "Betaland Federal Police"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, text)
		}
	}
	if m.Outer.Get("Auto-Submitted") != "auto-replied" || m.Protected.Get("In-Reply-To") == "" {
		t.Errorf("outer %v, protected %v", m.Outer, m.Protected)
	}
	olga := g.IMAP(gateway.Olga)
	olga.Find("Archive", "the question", func(m gateway.Mail) bool { return strings.Contains(m.Text("Subject"), "Question") })
	if n := olga.Counts()["INBOX"] + olga.Counts()["Triage"]; n != 0 {
		t.Errorf("%d messages wait for staff", n)
	}
	// What says more than that is for a person.
	reply = g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "find enclosed", "find enclosed our request\n\n"+gateway.Preservation))
	if reply.Reference() == "" {
		t.Errorf("a request was taken for a question: %v", reply)
	}
}
