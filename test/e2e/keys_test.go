package e2e

import (
	"fmt"
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

// The rotation drill of the operator guide, on a gateway that runs: nobody
// notices. Messages to the old and to the new subkey are read over a connection
// that was open all the time, and answers are verified with the certificate
// that the Directory has at that time.
func TestKeysRotateWhileTheGatewayRuns(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	olga := g.IMAP(gateway.Olga)
	old := g.Key("XA-1").Certificate()
	onTheWay := g.RequestMail() // sealed with what the Directory has, delivered later

	command(t, g, "key", "rotate", "--desk", "XA-1", "--signing")
	rotated := desksCertificate(t, g)
	if len(rotated.Parts()) != len(old.Parts())+2 {
		t.Fatalf("rotated into %d parts", len(rotated.Parts()))
	}
	reload(t, g)
	first := olga.Find("INBOX", "a message to the old subkey", gateway.OfRequest(delivered(t, g, onTheWay)))
	second := olga.Find("INBOX", "a message to the new subkey", gateway.OfRequest(delivered(t, g, sealedTo(t, g, rotated))))

	if r := answer(g, first, "Reply code: PRESERVED until 2027-01-22"); r.Code != 250 {
		t.Fatal(r)
	}
	waitMails(t, g, 1)
	if s := signatureOf(t, g, g.Sink.Mails()[0], old); s != pgp.SignatureGood {
		t.Errorf("before the new certificate is published, who has the old one finds the answer %s", s)
	}

	g.Publish(func(doc *directory.Document) {
		doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{string(rotated.Armor())}
	})
	reload(t, g)
	if r := answer(g, second, "Reply code: PRESERVED until 2027-01-22"); r.Code != 250 {
		t.Fatal(r)
	}
	waitMails(t, g, 2)
	if s := signatureOf(t, g, g.Sink.Mails()[1], rotated); s != pgp.SignatureGood {
		t.Errorf("once it is published, who has the new one finds the answer %s", s)
	}
	if s := signatureOf(t, g, g.Sink.Mails()[1], old); s != pgp.SignatureUnknownKey {
		t.Errorf("the old signing subkey is still in use: %s", s)
	}
	if list := command(t, g, "key", "list"); strings.Contains(list, " no\n") || strings.Contains(list, " old\n") {
		t.Errorf("not all of it is published:\n%s", list)
	}
}

func command(t *testing.T, g *gateway.Gateway, args ...string) string {
	t.Helper()
	out, err := g.Command(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func desksCertificate(t *testing.T, g *gateway.Gateway) *pgp.Certificate {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.Dir, "keys", "XA-1-public.asc"))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pgp.ParseCertificates(b)
	if err != nil {
		t.Fatal(err)
	}
	return certs[0]
}

// reload sends SIGHUP and waits until it has had its effect.
func reload(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	const done = "msg=reloaded"
	before := strings.Count(g.Log(), done)
	g.Reload()
	gateway.WaitFor(t, "the reload", func() error {
		if strings.Count(g.Log(), done) == before {
			return fmt.Errorf("not reloaded:\n%s", g.Log())
		}
		return nil
	})
}

func delivered(t *testing.T, g *gateway.Gateway, raw []byte) string {
	t.Helper()
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, raw)
	if reply.Code != 250 {
		t.Fatalf("answered %v", reply)
	}
	return reply.Reference()
}

func sealedTo(t *testing.T, g *gateway.Gateway, to *pgp.Certificate) []byte {
	t.Helper()
	raw, err := pgpmime.Seal(pgpmime.Draft{
		From: gateway.ProsecutorAddress, To: []string{gateway.AlphaAddress}, Subject: "Preservation, second case", Date: time.Now(), Body: []byte(gateway.Preservation),
	}, g.Key("XB-2"), []*pgp.Certificate{to}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// signatureOf opens an answer as XB-2 and judges it by one certificate of XA-1.
func signatureOf(t *testing.T, g *gateway.Gateway, raw []byte, signer *pgp.Certificate) pgp.SignatureState {
	t.Helper()
	m, err := pgpmime.Open(raw, pgpmime.Options{
		Keys: []*pgp.Key{g.Key("XB-2")}, Ring: pgp.NewRing(signer), Policy: pgp.DefaultPolicy(), Limits: pgpmime.DefaultLimits(), At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m.Signature.State
}
