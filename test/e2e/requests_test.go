package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"relais.example/routing/request"
	"relais.example/test/gateway"
)

func TestTwoThingsAskedOpenTwoLinkedRequests(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{Acknowledge: true})
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.Sealed("XB-2", gateway.ProsecutorAddress, "Two things, "+gateway.SecretSubject,
		gateway.Preservation+"\n\nPlease also disclose the subscriber information, Article 31.\n"))
	if reply.Code != 250 {
		t.Fatal(reply)
	}
	olga := g.IMAP(gateway.Olga)
	first := olga.Find("INBOX", "the first request", gateway.OfRequest(reply.Reference()))
	second := olga.Find("INBOX", "the second request", func(m gateway.Mail) bool { return m.Header.Get("X-Relais-Related") == reply.Reference() })
	kinds := []string{first.Header.Get("X-Relais-Kind"), second.Header.Get("X-Relais-Kind")}
	if !slices.Equal(kinds, []string{"PRESERVATION", "STORED_DATA_MLA"}) || reference(second) == reference(first) {
		t.Errorf("kinds %v, references %s and %s", kinds, reference(first), reference(second))
	}
	if s := g.Request(reference(second)); string(s.Parent) != reference(first) || s.Kind != request.StoredDataMLA {
		t.Errorf("the second is %+v", s)
	}
	waitMails(t, g, 2) // each request has its reference and its clock, and so its acknowledgement
	// Each is closed by itself.
	if err := olga.MoveTo(second, "Archive"); err != nil {
		t.Fatal(err)
	}
	if a, b := g.Request(reference(first)).Status, g.Request(reference(second)).Status; a != request.StatusOpen || b != request.StatusClosed {
		t.Errorf("they are %s and %s", a, b)
	}
}

// TestAResponseClosesTheLoop: two desks of one gateway, each with its own
// side of the same request.
func TestAResponseClosesTheLoop(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{Acknowledge: true})
	ask := gateway.Letter([][2]string{{"From", gateway.AlphaAddress}, {"To", gateway.BetaAddress}, {"Subject", "Logs, case " + gateway.SecretSubject}}, gateway.Preservation)
	reply := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.BetaAddress, ask)
	ours := reply.Reference()
	if reply.Code != 250 || !strings.HasPrefix(ours, "XA-1-") {
		t.Fatalf("asking: %v", reply)
	}
	bob, olga := g.IMAP(gateway.Bob), g.IMAP(gateway.Olga)
	question := bob.Find("INBOX", "the request", func(m gateway.Mail) bool { return strings.Contains(m.Text("Subject"), ours) })
	theirs := reference(question)
	if !strings.HasPrefix(theirs, "XB-1-") || question.Header.Get("X-Relais-Kind") != "PRESERVATION" || !strings.HasPrefix(question.Text("X-Relais-Signer"), "XA-1;") {
		t.Errorf("XB-1 sees %q, %q, %q", theirs, question.Header.Get("X-Relais-Kind"), question.Text("X-Relais-Signer"))
	}
	olga.Find("INBOX", "the acknowledgement", gateway.OfRequest(ours))
	g.WaitRequest(ours, "acknowledged", func(s request.State) bool { return s.Status == request.StatusSent && !s.AcknowledgedAt.IsZero() })

	back := g.Submit(gateway.Bob, gateway.BetaAddress, gateway.AlphaAddress, gateway.ReplyTo(question, gateway.BetaAddress, "Reply code: PRESERVED until 2027-01-22\n\nDone. "+gateway.SecretBody))
	if back.Code != 250 || back.Reference() != theirs {
		t.Fatalf("answering: %v", back)
	}
	response := olga.Find("INBOX", "the response", func(m gateway.Mail) bool { return strings.Contains(m.Body, "PRESERVED until") })
	if reference(response) != ours || !response.Has("$Kind-RESPONSE") {
		t.Errorf("the response belongs to %s, flags %v", reference(response), response.Flags)
	}
	g.WaitRequest(ours, "answered", func(s request.State) bool { return s.Status == request.StatusAnswered && s.Code == "PRESERVED" })
	g.WaitRequest(theirs, "answered", func(s request.State) bool { return s.Status == request.StatusAnswered })
	g.WaitMetric(`relais_requests_open{desk="XB-1",kind="PRESERVATION"}`, 0)
	if counts := olga.Counts(); counts["Sent"] != 1 {
		t.Errorf("folders of XA-1: %v", counts)
	}
}

const fastClocks = `clocks:
  - name: answer
    article: policy
    kinds: [asks]
    direction: received
    length: 4s
    start: received
    stop: answered
    reminders: [2s]
    escalate_after: 1s
`

func TestAPassedDeadlineIsToldAndCounted(t *testing.T) {
	t.Parallel()
	g := gateway.New(t, gateway.Options{Settings: map[string]any{"clocks_file": "clocks.yaml"}})
	g.Write("clocks.yaml", fastClocks)
	g.Start()
	olga, m := received(t, g)
	ref := reference(m)
	olga.Find("INBOX", "the request, due soon", func(m gateway.Mail) bool { return reference(m) == ref && m.Has("$DueSoon") })
	olga.Find("INBOX", "the request, overdue", func(m gateway.Mail) bool {
		return reference(m) == ref && m.Has("$Overdue") && !m.Has("$Notice") && !m.Has("$DueSoon")
	})
	for _, subject := range []string{"Deadline passed: answer", "Supervisor: deadline not met: answer"} {
		n := olga.Find("INBOX", "the notice "+subject, func(m gateway.Mail) bool { return m.Has("$Notice") && strings.Contains(m.Text("Subject"), subject) })
		if reference(n) != ref || !strings.Contains(n.Body, ref) || !strings.Contains(n.Body, "PRESERVATION") {
			t.Errorf("the notice %q:\n%s", n.Text("Subject"), n.Body)
		}
	}
	g.WaitMetric(`relais_requests_overdue{desk="XA-1"}`, 1)
	for _, what := range []string{"reminder", "overdue", "escalation"} {
		g.WaitMetric(fmt.Sprintf(`relais_timers_fired_total{clock="answer",desk="XA-1",what="%s"}`, what), 1)
	}
	if r := answer(g, m, "Reply code: PRESERVED\n\n"+gateway.SecretBody); r.Code != 250 {
		t.Fatal(r)
	}
	g.WaitMetric(`relais_requests_overdue{desk="XA-1"}`, 0)
	if s := g.WaitRequest(ref, "answered", func(s request.State) bool { return s.Status == request.StatusAnswered }); !slices.Equal(s.Overdue, []string{"answer"}) {
		t.Errorf("what was missed: %v", s.Overdue)
	}
}
