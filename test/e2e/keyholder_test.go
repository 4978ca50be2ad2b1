package e2e

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/routing/directory"
	"relais.example/test/gateway"
)

// TestTheKeysAreInAProcessOfTheirOwn: the gateway has no key files, and starts,
// works, and waits with and without the process that has them.
func TestTheKeysAreInAProcessOfTheirOwn(t *testing.T) {
	t.Parallel()
	g := gateway.New(t, gateway.Options{Keyholder: true, Acknowledge: true})
	if _, err := os.Stat(filepath.Join(g.Dir, "not-here")); err == nil {
		t.Fatal("the gateway's configuration names files that exist")
	}
	g.Launch()
	checkNoKeys(t, g)
	if staff := g.IMAP(gateway.Olga); len(staff.List("INBOX")) != 0 {
		t.Error("INBOX holds something already")
	}

	g.Keyholder.Start()
	g.WaitReady()
	request := g.RequestMail()
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, request)
	if reply.Code != 250 {
		t.Fatalf("with the keyholder: %v", reply)
	}
	forOthers := g.SealedFor("XC-1", gateway.AlphaAddress, "XB-2", pgpmime.Draft{From: gateway.ProsecutorAddress, Subject: gateway.SecretSubject, Body: []byte("x")})
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, forOthers); r.Code != 550 || !strings.HasPrefix(r.Text, "cannot-open") {
		t.Errorf("a message to others: %v", r)
	}
	m := g.IMAP(gateway.Olga).Find("INBOX", "the request", gateway.OfRequest(reply.Reference()))
	answer := gateway.ReplyTo(m, gateway.AlphaAddress, "Reply code: PRESERVED")
	if r := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, answer); r.Code != 250 {
		t.Errorf("an answer: %v", r)
	}
	digests := arrivals(t, g, 2) // the acknowledgement and the answer
	for _, d := range digests {
		if !strings.Contains(g.Keyholder.Log(), "desk=XA-1 key="+g.Key("XA-1").Certificate().Fingerprint()+" digest="+d) {
			t.Errorf("the keyholder's log has no line for the signature %s:\n%s", d, g.Keyholder.Log())
		}
	}

	g.Keyholder.Kill()
	checkNoKeys(t, g)
	if r := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, gateway.ReplyTo(m, gateway.AlphaAddress, "More.")); r.Code != 451 {
		t.Errorf("an answer without the keyholder: %v, want 451", r)
	}
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, []byte("From: x@y.example\r\n\r\nclear\r\n")); r.Code != 550 {
		t.Errorf("a message in clear, for which no key is needed, without the keyholder: %v", r)
	}
	g.Keyholder.Start()
	g.WaitReady()
	if again := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, request); again.Code != 250 || again.Reference() != reply.Reference() {
		t.Errorf("the same request again: %v, first: %v", again, reply)
	}
	if n := strings.Count(g.Log(), "the keyholder is away"); n < 2 || n > 6 {
		t.Errorf("the log speaks of it %d times for two outages; want each trouble once", n)
	}
	if n, err := g.Metric(`relais_keyholder_request_seconds_count{operation="sign",result="ok"}`); err != nil || n < 2 {
		t.Errorf("signatures counted: %v, %v", n, err)
	}
}

// checkNoKeys: never a verdict, always 451.
func checkNoKeys(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	gateway.WaitFor(t, "the gateway to notice", func() error {
		status, body := g.Ready()
		if status == http.StatusServiceUnavailable && strings.Contains(body, "keyholder does not answer") {
			return nil
		}
		return errText(status, body)
	})
	if status, body := g.Alive(); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.RequestMail()); r.Code != 451 || r.Status != "4.3.0" {
		t.Errorf("a request without the keyholder: %v, want 451 4.3.0", r)
	}
}

// arrivals waits for n messages at XB-2 with good signatures of XA-1 and
// returns their digests.
func arrivals(t *testing.T, g *gateway.Gateway, n int) (digests []string) {
	t.Helper()
	gateway.WaitFor(t, fmt.Sprintf("%d messages at XB-2", n), func() error {
		if got := len(g.Sink.Mails()); got != n {
			return fmt.Errorf("%d are there", got)
		}
		return nil
	})
	for _, raw := range g.Sink.Mails() {
		m, err := pgpmime.Open(raw, pgpmime.Options{
			Keys: []*pgp.Key{g.Key("XB-2")}, Ring: pgp.NewRing(g.Key("XA-1").Certificate()), Policy: pgp.DefaultPolicy(), At: time.Now(),
		})
		if err != nil || m.Signature.State != pgp.SignatureGood || m.Signature.Intended != pgp.IntendedForUs {
			t.Fatalf("what arrived: %v, %+v", err, m)
		}
		digests = append(digests, hex.EncodeToString(m.Signature.Digest[:]))
	}
	return digests
}

// TestANewKeyIsTakenWhenTheKeyholderReads: the keyholder reads it at SIGHUP,
// the gateway finds it without one, and only once the Directory lists it.
func TestANewKeyIsTakenWhenTheKeyholderReads(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{Keyholder: true})
	old := g.Key("XA-1")
	next, err := pgp.GenerateKey("Alphaland National Cybercrime Unit", gateway.AlphaAddress, pgp.Curve25519, time.Now().Add(-time.Minute), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := next.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	g.Write("keys/XA-1-next.asc", string(armored))
	text, err := os.ReadFile(filepath.Join(g.Dir, "keyholder.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	g.Write("keyholder.yaml", strings.Replace(string(text), "- keys/XA-1.asc", "- keys/XA-1-next.asc\n  - keys/XA-1.asc", 1))
	g.Keyholder.Reload()
	gateway.WaitFor(t, "the gateway to see a key that the Directory does not list", func() error {
		status, body := g.Ready()
		if status != http.StatusServiceUnavailable || !strings.Contains(body, next.Certificate().Fingerprint()) {
			return errText(status, body)
		}
		return nil
	})
	g.Publish(func(d *directory.Document) {
		for i := range d.Parties {
			for j := range d.Parties[i].ContactPoints {
				if cp := &d.Parties[i].ContactPoints[j]; cp.ID == "XA-1" {
					cp.CertificatesArmored = []string{string(next.Certificate().Armor()), string(old.Certificate().Armor())}
				}
			}
		}
	})
	g.Reload()
	g.WaitReady()
	for name, to := range map[string]*pgp.Key{"new": next, "old": old} {
		raw, err := pgpmime.Seal(pgpmime.Draft{From: gateway.ProsecutorAddress, To: []string{gateway.AlphaAddress}, Date: time.Now(), Subject: gateway.SecretSubject, Body: []byte(gateway.Preservation)},
			g.Key("XB-2"), []*pgp.Certificate{to.Certificate()}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, raw); r.Code != 250 {
			t.Errorf("to the %s key: %v", name, r)
		}
	}
}
