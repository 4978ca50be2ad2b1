package e2e

import (
	"net/http"
	"strings"
	"testing"

	"relais.example/test/gateway"
)

// TestWithoutRedisSendersAreAskedToTryAgain: at the start and during work, for
// senders and staff alike, and without a restart afterwards.
func TestWithoutRedisSendersAreAskedToTryAgain(t *testing.T) {
	t.Parallel()
	redis := gateway.NewRedis(t)
	g := gateway.New(t, gateway.Options{Redis: redis})
	g.Launch()

	checkUnavailable(t, g)
	if _, err := g.TryIMAP(gateway.Olga, nil); !strings.Contains(gateway.RefusedWith(err), "try again later") {
		t.Errorf("before the first start of Redis staff are told %v", err)
	}

	redis.Start()
	g.WaitReady()
	request := g.RequestMail()
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, request)
	if reply.Code != 250 {
		t.Fatalf("with Redis: %v", reply)
	}
	staff := g.IMAP(gateway.Olga)
	m := staff.Find("INBOX", "the request", gateway.OfRequest(reply.Reference()))

	redis.Kill()
	checkUnavailable(t, g)
	if err := staff.Flag(m, `\Flagged`); !strings.Contains(gateway.RefusedWith(err), "try again later") {
		t.Errorf("a star without Redis: %v", err)
	}
	if again := staff.List("INBOX"); len(again) != 1 || again[0].Has(`\Flagged`) {
		t.Errorf("reading without Redis shows %+v", again)
	}
	answer := gateway.ReplyTo(m, gateway.AlphaAddress, "Reply code: PRESERVED")
	if r := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, answer); r.Code != 451 {
		t.Errorf("an answer without Redis: %v", r)
	}

	redis.Start() // empty
	g.WaitReady()
	if up, err := g.Metric("relais_redis_up"); err != nil || up != 1 {
		t.Errorf("relais_redis_up is %v, %v", up, err)
	}
	if again := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, request); again.Code != 250 || again.Reference() != reply.Reference() {
		t.Errorf("the same request again: %v, first: %v", again, reply)
	}
	if err := staff.Flag(m, `\Flagged`); err != nil {
		t.Errorf("a star after Redis came back: %v", err)
	}
	if r := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, answer); r.Code != 250 {
		t.Errorf("an answer after Redis came back: %v", r)
	}
	if n := strings.Count(g.Log(), "queue is not available"); n < 4 || n > 12 {
		t.Errorf("the log speaks of it %d times for two desks and two outages; want each trouble once", n)
	}
}

func checkUnavailable(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	gateway.WaitFor(t, "the gateway to notice", func() error {
		status, body := g.Ready()
		if status == http.StatusServiceUnavailable && strings.Contains(body, "Redis") {
			return nil
		}
		return errText(status, body)
	})
	if status, body := g.Alive(); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.RequestMail()); r.Code != 451 || r.Status != "4.3.0" {
		t.Errorf("a request without Redis: %v, want 451 4.3.0", r)
	}
	// What is refused anyway needs no Redis.
	clear := gateway.Letter([][2]string{{"From", gateway.ProsecutorAddress}, {"To", gateway.AlphaAddress}, {"Subject", gateway.SecretSubject}}, gateway.Preservation)
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, clear); r.Code != 550 || !strings.HasPrefix(r.Text, "plain-unsigned:") {
		t.Errorf("a message in clear without Redis: %v", r)
	}
	if up, err := g.Metric("relais_redis_up"); err != nil || up != 0 {
		t.Errorf("relais_redis_up is %v, %v", up, err)
	}
}
