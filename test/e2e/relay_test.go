package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"relais.example/routing/request"
	"relais.example/test/gateway"
)

func errText(status int, body string) error { return fmt.Errorf("%d %s", status, body) }

// received delivers a request of XB-2 to XA-1 and returns it as the officer
// sees it.
func received(t *testing.T, g *gateway.Gateway) (*gateway.Staff, gateway.Mail) {
	t.Helper()
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.RequestMail())
	if reply.Code != 250 {
		t.Fatalf("the request was answered %v", reply)
	}
	staff := g.IMAP(gateway.Olga)
	return staff, staff.Find("INBOX", "the request", gateway.OfRequest(reply.Reference()))
}

func reference(m gateway.Mail) string { return m.Header.Get("X-Relais-Reference") }

// answer sends an answer as Olga and returns the reply to her mail program.
func answer(g *gateway.Gateway, m gateway.Mail, text string) gateway.Reply {
	return g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, gateway.ReplyTo(m, gateway.SecretName+" <"+gateway.AlphaAddress+">", text))
}

func waitMails(t *testing.T, g *gateway.Gateway, n int) {
	t.Helper()
	gateway.WaitFor(t, fmt.Sprintf("%d messages at the requester", n), func() error {
		if got := len(g.Sink.Mails()); got != n {
			return fmt.Errorf("%d arrived", got)
		}
		return nil
	})
}

func attempts(result string) string {
	return `relais_relay_attempts_total{result="` + result + `"}`
}

func TestRelayTriesAgainUntilTheAnswerIsTaken(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "<" + gateway.ProsecutorAddress + "> try again later"}
	g.Sink.Answer(busy, busy)
	_, m := received(t, g)
	if r := answer(g, m, "Reply code: PRESERVED until 2027-01-22\n\n"+gateway.SecretBody); r.Code != 250 {
		t.Fatalf("the answer: %v", r)
	}
	if n, err := g.Metric(`relais_outbox_messages{desk="XA-1"}`); err != nil || n != 1 {
		t.Errorf("the outbox holds %v, %v", n, err)
	}
	waitMails(t, g, 1)
	g.WaitMetric(attempts("delivered"), 1)
	g.WaitMetric(attempts("deferred"), 2)
	g.WaitMetric(attempts("failed"), 0)
	g.WaitMetric(`relais_outbox_messages{desk="XA-1"}`, 0)
	g.WaitMetric(`relais_time_to_answer_seconds_count{kind="PRESERVATION"}`, 1)
	g.WaitRequest(reference(m), "answered", func(s request.State) bool { return s.Status == request.StatusAnswered && s.Code == "PRESERVED" })
	if n := g.Sink.Tries(); n != 3 {
		t.Errorf("the message was offered %d times, want 3", n)
	}
}

func TestRelayTellsTheStaffWhatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	g.Sink.Answer(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + gateway.ProsecutorAddress + "> no such user"})
	staff, m := received(t, g)
	ref := reference(m)
	if r := answer(g, m, "Reply code: PRESERVED\n\n"+gateway.SecretBody); r.Code != 250 {
		t.Fatalf("the answer: %v", r)
	}
	notice := staff.Find("INBOX", "a notice", func(m gateway.Mail) bool { return m.Has("$Undelivered") })
	if reference(notice) != ref || !strings.Contains(notice.Text("Subject"), "Not delivered: answer to XB-2") || !strings.Contains(notice.Body, "5.1.1") {
		t.Errorf("the notice: %q\n%s", notice.Text("Subject"), notice.Body)
	}
	g.WaitMetric(attempts("failed"), 1)
	g.WaitMetric(attempts("delivered"), 0)
	g.WaitMetric(`relais_requests_open{desk="XA-1",kind="PRESERVATION"}`, 1)
	if s := g.Request(ref); s.Status != request.StatusOpen || s.Pending != "" {
		t.Errorf("the request is %+v, want it open again", s)
	}
	// And the second answer goes out.
	if r := answer(g, m, "Reply code: PRESERVED\n\nOnce more. "+gateway.SecretBody); r.Code != 250 {
		t.Fatalf("the second answer: %v", r)
	}
	waitMails(t, g, 1)
	g.WaitRequest(ref, "answered", func(s request.State) bool { return s.Status == request.StatusAnswered })
}
