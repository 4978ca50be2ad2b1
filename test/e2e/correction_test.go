package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/test/gateway"
)

// pendingOf opens the changes that wait at a gateway.
func pendingOf(t *testing.T, g *gateway.Gateway) (*pending.Store, []pending.Change) {
	t.Helper()
	store, err := pending.OpenStore(filepath.Join(g.Dir, "data", "directory-pending"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.List()
	if err != nil {
		t.Fatal(err)
	}
	return store, list
}

func subject(s string) func(*pgpmime.Message) bool {
	return func(m *pgpmime.Message) bool { return m.Protected.Get("Subject") == s }
}

const (
	receiptSubject   = "Your changes of the Directory were received"
	confirmedSubject = "Your changes of the Directory are confirmed"
	rejectedSubject  = "Your changes of the Directory are rejected"
)

func reading(m *pgpmime.Message) string { return mimeindex.Reading(m.Entity, 1<<20) }

// A filled form, wrapped by a mail program, becomes one pending change; what is
// wrong in it is refused by its code; the sender hears at once, and again when
// two people have decided, also when the gateway did not run then.
func TestAContactPointChangesItsEntryByMail(t *testing.T) {
	t.Parallel()
	g := secretariat(t)
	form := `Dear colleagues, please note:

=== 24/7 REQUEST v1 ===
kind: DIRECTORY_CHANGE
id: XB-2
unit: Night Desk 4711
phones: +999 2 555 0177 (out-of-hours);
 +999 2 555 0178 (office)
postal: Quai des Exemples 1 | 1000 Betaville zone: Europe/Nowhere
languages_in: en, fr
role: prosecutor
favourite colour: blue
=== END ===
`
	deliver := func(text string) {
		t.Helper()
		if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "Changes", text)); r.Code != 250 {
			t.Fatal(r)
		}
	}
	deliver(form)
	store, list := pendingOf(t, g) // durable when the sender is answered
	if len(list) != 1 || list[0].Proposal.Path != "unit, postal, phones, languages_in" {
		t.Fatalf("changes %+v", list)
	}
	first := list[0]
	if f := first.Proposal.Fields[2]; f.Old != "" || f.New != "+999 2 555 0177 (out-of-hours), +999 2 555 0178 (office)" {
		t.Errorf("phones %+v", f)
	}
	m := waitOpened(t, g, "the receipt", subject(receiptSubject))
	for _, want := range []string{first.ID, "Night Desk 4711", "[unknown-field] favourite_colour", "zone: unknown time zone", "already: role", "(empty)"} {
		if !strings.Contains(reading(m), want) {
			t.Errorf("the receipt lacks %q:\n%s", want, reading(m))
		}
	}
	if m.Protected.Get("In-Reply-To") == "" || m.Outer.Get("Auto-Submitted") != "auto-replied" {
		t.Errorf("receipt %v, %v", m.Protected, m.Outer)
	}
	olga := g.IMAP(gateway.Olga)
	olga.Find("INBOX", "the notice", func(m gateway.Mail) bool {
		return strings.Contains(m.Text("Subject"), first.ID) && strings.Contains(m.Body, "Night Desk 4711")
	})
	olga.Find("INBOX", "the message", func(m gateway.Mail) bool { return strings.Contains(m.Body, "Dear colleagues") })

	// Decided while nobody runs.
	g.Stop()
	for _, who := range []string{gateway.Olga, gateway.Sven} {
		if _, err := store.Confirm(first.ID, pending.Confirmation{By: who, How: "met in person", Reached: time.Now(), At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	g.Start()
	m = waitOpened(t, g, "the result", subject(confirmedSubject))
	if !strings.Contains(reading(m), first.ID) {
		t.Errorf("the result:\n%s", reading(m))
	}

	// Another one is rejected while it runs, by the command; nothing is told twice.
	deliver(strings.Replace(form, "Night Desk 4711", "Day Desk", 1))
	_, list = pendingOf(t, g)
	if len(list) != 2 {
		t.Fatalf("%d changes", len(list))
	}
	password := filepath.Join(g.Dir, "olga.txt")
	if err := os.WriteFile(password, []byte(g.Written.Passwords[gateway.Olga]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := g.Command("directory", "pending", "reject", list[1].ID, "--by", gateway.Olga, "--why", "suspicious", "--tell", "The postal address does not exist.", "--password-file", password)
	if err != nil || !strings.Contains(out, "is told by mail") {
		t.Fatalf("%v: %s", err, out)
	}
	m = waitOpened(t, g, "the rejection", subject(rejectedSubject))
	if text := reading(m); !strings.Contains(text, "does not exist.") || strings.Contains(text, "suspicious") {
		t.Errorf("the rejection:\n%s", text)
	}
	g.Stop()
	g.Start()
	deliver(strings.Replace(form, "Night Desk 4711", "Desk 3", 1)) // its receipt comes after whatever would be told again
	gateway.WaitFor(t, "the third receipt", func() error {
		counts := map[string]int{}
		for _, m := range opened(t, g) {
			counts[m.Protected.Get("Subject")]++
		}
		if counts[receiptSubject] < 3 {
			return os.ErrNotExist
		}
		if counts[receiptSubject] != 3 || counts[confirmedSubject] != 1 || counts[rejectedSubject] != 1 {
			t.Errorf("told %v", counts)
		}
		return nil
	})
}

// The entry as JSON, as the API shows it, does as well; that of another
// contact point is refused; what cannot be read is for a person.
func TestAnEntryComesBackAsJSON(t *testing.T) {
	t.Parallel()
	g := secretariat(t)
	key := newKey(t, gateway.ProsecutorAddress, time.Now().Add(-time.Hour), 0)
	entry := map[string]any{
		"id": "XB-2", "party": "XB", "available": "unknown", "institution": "Betaland Prosecutor General", "backup": "XB-9", "unit": "Unit 7",
		"addresses":    []string{gateway.ProsecutorAddress, gateway.GammaAddress},
		"certificates": []string{string(g.Key("XB-2").Certificate().Armor()), string(key.Certificate().Armor())},
	}
	send := func(entry any) gateway.Reply {
		t.Helper()
		text, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		return g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.SealedFor("XA-1", gateway.AlphaAddress, "XB-2",
			gateway.WithFiles(gateway.ProsecutorAddress, "Our entry", map[string][]byte{"entry.json": text})))
	}
	if r := send(entry); r.Code != 250 {
		t.Fatal(r)
	}
	_, list := pendingOf(t, g)
	if len(list) != 2 {
		t.Fatalf("%d changes: %+v", len(list), list)
	}
	for _, c := range list {
		switch p := c.Proposal; p.Kind {
		case pending.Certificate:
			if p.Fingerprint != key.Certificate().Fingerprint() {
				t.Errorf("certificate %s", p.Fingerprint)
			}
		default:
			if p.Path != "unit" || p.Fields[0].New != "Unit 7" || p.Fields[0].Value != `"Unit 7"` {
				t.Errorf("fields %+v", p.Fields)
			}
		}
	}
	m := waitOpened(t, g, "the receipt", subject(receiptSubject))
	for _, want := range []string{"[" + directory.CodeSharedMail + "] addresses[1]", "backup: \"XB-9\" is not in the Directory", directory.Spaced(key.Certificate().Fingerprint())} {
		if !strings.Contains(reading(m), want) {
			t.Errorf("the receipt lacks %q:\n%s", want, reading(m))
		}
	}
	entry["id"] = "XB-1"
	if r := send(entry); r.Code != 250 {
		t.Fatal(r)
	}
	waitOpened(t, g, "the refusal", func(m *pgpmime.Message) bool { return strings.Contains(reading(m), "["+directory.CodeNotOwn+"]") })
	if _, list = pendingOf(t, g); len(list) != 2 {
		t.Errorf("%d changes after one of another's entry", len(list))
	}
	if r := send("our telephone has changed"); r.Reference() == "" {
		t.Errorf("what cannot be read did not come before a person: %v", r)
	}
	// Only the Secretariat's desk takes them: elsewhere a person reads it.
	entry["id"] = "XB-2"
	text, _ := json.Marshal(entry)
	r := g.Deliver(gateway.ProsecutorAddress, gateway.BetaAddress, g.SealedFor("XB-1", gateway.BetaAddress, "XB-2",
		gateway.WithFiles(gateway.ProsecutorAddress, "Our entry", map[string][]byte{"entry.json": text})))
	if r.Reference() == "" {
		t.Errorf("another desk took it: %v", r)
	}
}
