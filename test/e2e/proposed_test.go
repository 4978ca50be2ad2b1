package e2e

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/wkd"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/test/gateway"
)

// A certificate in the mail of a listed contact point is put before the staff
// and trusted for nothing; two people confirm it; the gateway still trusts the
// Directory alone.
func TestAProposedKeyIsPendingAndStaysUnknown(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	key := newKey(t, gateway.ProsecutorAddress, time.Now().Add(-time.Hour), 0)
	fingerprint := key.Certificate().Fingerprint()
	mail := g.SealedFor("XA-1", gateway.AlphaAddress, "XB-2", pgpmime.Draft{
		From: gateway.ProsecutorAddress, Subject: "Logs, case " + gateway.SecretSubject, Body: []byte(gateway.Preservation),
		Extra: [][2]string{{"Autocrypt", "addr=" + gateway.ProsecutorAddress + "; keydata=" + folded(key.Certificate().ForAddress(gateway.ProsecutorAddress))}},
	})
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, mail)
	if reply.Code != 250 {
		t.Fatalf("answered %v", reply)
	}
	store, err := pending.OpenStore(filepath.Join(g.Dir, "data", "directory-pending"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.List() // durable when the sender is answered
	if err != nil || len(list) != 1 || list[0].Proposal.Fingerprint != fingerprint || list[0].Proposal.Request != reply.Reference() {
		t.Fatalf("changes %+v, %v", list, err)
	}
	olga := g.IMAP(gateway.Olga)
	m := olga.Find("INBOX", "the request", func(m gateway.Mail) bool { return strings.Contains(m.Header.Get("X-Relais-Verdict"), "ok") })
	if h := m.Header.Get("X-Relais-Proposed-Key"); !strings.HasPrefix(h, fingerprint+"; autocrypt-protected; not trusted: pending change "+list[0].ID) {
		t.Errorf("header %q", h)
	}
	n := olga.Find("INBOX", "the notice", func(m gateway.Mail) bool {
		return strings.Contains(m.Text("Subject"), "proposes a change of the Directory")
	})
	if !strings.Contains(n.Body, directory.Spaced(fingerprint)) || n.Header.Get("X-Relais-Reference") != reply.Reference() {
		t.Errorf("notice %+v", n)
	}
	g.WaitMetric("relais_directory_pending_changes", 1)

	for _, who := range []string{gateway.Olga, gateway.Sven} {
		if _, err := store.Confirm(list[0].ID, pending.Confirmation{By: who, How: "met in person", Reached: time.Now(), At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	g.Reload()
	raw, err := pgpmime.Seal(pgpmime.Draft{From: gateway.ProsecutorAddress, To: []string{gateway.AlphaAddress}, Date: time.Now(), Subject: gateway.SecretSubject, Body: []byte(gateway.Preservation)},
		key, []*pgp.Certificate{g.Key("XA-1").Certificate()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, raw); r.Code != 550 || !strings.Contains(r.Text, "unknown-key") {
		t.Errorf("signed by the confirmed but unlisted key: %v", r)
	}
	g.Publish(func(d *directory.Document) {
		cp := &d.Parties[1].ContactPoints[1]
		cp.CertificatesArmored = append(cp.CertificatesArmored, string(key.Certificate().Armor()))
	})
	g.Reload()
	g.WaitMetric("relais_directory_version", 2)
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, raw); r.Code != 250 {
		t.Errorf("listed by the authority: %v", r)
	}
}

func folded(keydata []byte) string {
	text := base64.StdEncoding.EncodeToString(keydata)
	var lines []string
	for ; len(text) > 70; text = text[70:] {
		lines = append(lines, text[:70])
	}
	return strings.Join(append(lines, text), " ")
}

// XC-1's certificate ends in ten days: it gets a mail that only it can read,
// the staff of the gateway's first desk a notice, each once.
func TestACertificateThatEndsRemindsBothSides(t *testing.T) {
	t.Parallel()
	g := gateway.New(t, gateway.Options{})
	setFirstDesk(t, g, "remind_contact_points: true")
	ending := newKey(t, gateway.GammaAddress, time.Now().Add(-20*day), 30*day)
	g.Publish(func(d *directory.Document) {
		d.Parties[2].ContactPoints[0].CertificatesArmored = []string{string(ending.Certificate().Armor())}
	})
	g.Start()
	g.WaitMetric(`relais_directory_findings{code="key-expires-soon",severity="warning"}`, 1)
	waitMails(t, g, 1)
	m, err := pgpmime.Open(g.Sink.Mails()[0], pgpmime.Options{Keys: []*pgp.Key{ending}, Ring: pgp.NewRing(g.Key("XA-1").Certificate()), Policy: pgp.DefaultPolicy(), At: time.Now()})
	if err != nil || m.Signature.State != pgp.SignatureGood || !strings.HasPrefix(m.Protected.Get("Subject"), "Your OpenPGP certificate ends on ") {
		t.Fatalf("the mail: %v, %+v", err, m)
	}
	olga := g.IMAP(gateway.Olga)
	notice := func(m gateway.Mail) bool {
		return strings.HasPrefix(m.Text("Subject"), "The certificate of XC-1 ends on ")
	}
	olga.Find("INBOX", "the notice", notice)
	g.Stop()
	g.Start() // the embedded queue starts empty and is filled from the journal
	g.WaitMetric("relais_redis_up", 1)
	g.Reload()
	r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.RequestMail())
	if r.Code != 250 {
		t.Fatal(r)
	}
	olga = g.IMAP(gateway.Olga)
	olga.Find("INBOX", "the request", gateway.OfRequest(r.Reference()))
	told := 0
	for _, m := range olga.List("INBOX") {
		if notice(m) {
			told++
		}
	}
	if told != 1 || len(g.Sink.Mails()) != 1 {
		t.Errorf("after a restart %d notices and %d mails, want one of each", told, len(g.Sink.Mails()))
	}
	if bob := g.IMAP(gateway.Bob).List("INBOX"); len(bob) != 0 {
		t.Errorf("the second desk was told, too: %d messages", len(bob))
	}
}

// curl fetches the desk's certificate by its address alone, and gpg takes it.
func TestWebKeyDirectoryIsReadByClientCurl(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	gpg := gateway.NewGPG(t)
	port := g.Listen["https"][strings.LastIndexByte(g.Listen["https"], ':')+1:]
	for method, url := range map[string]string{
		"advanced": "https://localhost:" + port + wkd.Root + "police.alphaland.example/hu/" + wkd.Hash("cp247") + "?l=cp247",
		"direct":   "https://localhost:" + port + wkd.Root + "hu/" + wkd.Hash("cp247") + "?l=cp247",
	} {
		file := filepath.Join(t.TempDir(), "key")
		out, err := client(t, "curl", "--silent", "--show-error", "--fail", "--cacert", g.CA(), "--header", "Host: police.alphaland.example",
			"--write-out", "%{content_type}", "--output", file, url)
		if err != nil || out != "application/octet-stream" {
			t.Fatalf("%s: curl: %v\n%s", method, err, out)
		}
		gpg.Run("", "--import", file)
		if out := gpg.Run("", "--with-wkd-hash", "--list-keys", gateway.AlphaAddress); !strings.Contains(out, wkd.Hash("cp247")+"@police.alphaland.example") {
			t.Errorf("%s: gpg lists\n%s", method, out)
		}
	}
}
