package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"relais.example/routing/reach"
	"relais.example/routing/request"
	"relais.example/test/gateway"
)

// report returns the state of each contact point.
func report(t *testing.T, g *gateway.Gateway, args ...string) map[string]reach.Line {
	t.Helper()
	out, err := g.Command(append([]string{"ping", "report", "--format", "json"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var lines []reach.Line
	if err := json.Unmarshal([]byte(out), &lines); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	byPoint := map[string]reach.Line{}
	for _, l := range lines {
		byPoint[l.ContactPoint] = l
	}
	return byPoint
}

// A gateway answers a test by itself: nobody is disturbed on either side.
func TestPingIsAnsweredByAGateway(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{Acknowledge: true})
	out, err := g.Command("ping", "XB-1")
	if err != nil {
		t.Fatal(err)
	}
	refs := gateway.References(out)
	if len(refs) != 1 || !strings.HasPrefix(refs[0], "XA-1-") {
		t.Fatalf("printed %q", out)
	}
	g.WaitRequest(refs[0], "closed", func(s request.State) bool { return s.Status == request.StatusClosed && !s.AnsweredAt.IsZero() })
	bob, olga := g.IMAP(gateway.Bob), g.IMAP(gateway.Olga)
	test := bob.Find("Archive", "the test", func(m gateway.Mail) bool { return m.Header.Get("X-Relais-Kind") == "PING" })
	answer := olga.Find("Archive", "the answer", gateway.OfRequest(refs[0]))
	if !strings.Contains(answer.Header.Get("X-Relais-Signer"), "XB-1") {
		t.Errorf("the answer is signed by %q", answer.Header.Get("X-Relais-Signer"))
	}
	g.WaitRequest(reference(test), "closed", func(s request.State) bool { return s.Status == request.StatusClosed })
	for _, staff := range []*gateway.Staff{bob, olga} {
		if n := staff.Counts()["INBOX"]; n != 0 {
			t.Errorf("%d messages in an INBOX", n)
		}
	}
}

// Elsewhere a person answers, or nobody does.
func TestPingIsAnsweredByAPersonOrNobody(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{Acknowledge: true})
	out, err := g.Command("ping", "--all")
	if err != nil {
		t.Fatal(err)
	}
	refs := gateway.References(out)
	if len(refs) != 2 { // XB-2 and XC-1 have no desk here
		t.Fatalf("printed %q", out)
	}
	waitMails(t, g, 2)
	for _, m := range g.Sink.Mails() {
		if !strings.Contains(string(m), "multipart/encrypted") || strings.Contains(string(m), "PING") {
			t.Errorf("a test left in clear:\n%s", m)
		}
	}
	gateway.WaitFor(t, "both to wait", func() error {
		if l := report(t, g); l["XB-2"].State != reach.Waiting || l["XC-1"].State != reach.Waiting {
			return fmt.Errorf("%+v", l)
		}
		return nil
	})
	if l := report(t, g, "--patience", "1ms"); l["XB-2"].State != reach.Silent {
		t.Errorf("after its time XB-2 is %+v", l["XB-2"])
	}
	var ref string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "XB-2") {
			ref = gateway.References(line)[0]
		}
	}
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "Re: ["+ref+"] PING: test of the contact point", "Received, all is well.\n"))
	if reply.Code != 250 {
		t.Fatal(reply)
	}
	l := report(t, g)
	if l["XB-2"].State != reach.Reached || l["XB-2"].Median <= 0 || l["XC-1"].State != reach.Waiting {
		t.Errorf("after the answer: %+v", l)
	}
	if s := g.Request(ref); s.Status != request.StatusClosed {
		t.Errorf("the test is %s", s.Status)
	}
	for _, form := range []string{"text", "csv", "html"} {
		out, err := g.Command("ping", "report", "--format", form)
		if err != nil || !strings.Contains(out, "XB-2") || !strings.Contains(out, "reached") || !strings.Contains(out, "Gammaland Ministry of Justice") {
			t.Errorf("%s: %v\n%s", form, err, out)
		}
	}
	if _, err := g.Command("ping", "XZ-9"); err == nil || !strings.Contains(err.Error(), "XZ-9 is no other contact point") {
		t.Errorf("an unknown one: %v", err)
	}
	g.Stop()
	if _, err := g.Command("ping", "XB-2"); err == nil || !strings.Contains(err.Error(), "relais serve") {
		t.Errorf("without a gateway: %v", err)
	}
}

// An emergency that only mentions a test is for people.
func TestWhatOnlyLooksLikeAPingIsForAPerson(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{Acknowledge: true})
	for _, text := range []string{
		"This is a ping. Please test your reachability and reply.\n",
		"=== 24/7 REQUEST v1 ===\nkind: PING, PRESERVATION\n=== END ===\n",
		"=== 24/7 REQUEST v1 ===\nkind: PING\n=== END ===\nA child is in danger, her life is at risk: who uses 192.0.2.7 now?\n",
	} {
		reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "Test", text))
		if reply.Code != 250 {
			t.Fatal(reply)
		}
		if s := g.Request(reply.Reference()); !s.Status.Live() || s.Status == request.StatusAnswering {
			t.Errorf("%q: %s", text, s.Status)
		}
	}
}
