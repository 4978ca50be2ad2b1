package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/test/gateway"
)

// answered returns the Message-IDs under which answers arrived, by the
// reference in their protected subject.
func answered(t *testing.T, g *gateway.Gateway) map[string]map[string]bool {
	t.Helper()
	out := map[string]map[string]bool{}
	for _, raw := range g.Sink.Mails() {
		m, err := pgpmime.Open(raw, pgpmime.Options{
			Keys: []*pgp.Key{g.Key("XB-2")}, Ring: pgp.NewRing(g.Key("XA-1").Certificate()), Policy: pgp.DefaultPolicy(), At: time.Now(),
		})
		if err != nil || m.Signature.State != pgp.SignatureGood {
			t.Fatalf("what arrived cannot be opened or is not signed: %v", err)
		}
		refs := gateway.References(m.Protected.Text("Subject"))
		if len(refs) == 0 {
			t.Fatalf("no reference in %q", m.Protected.Text("Subject"))
		}
		if out[refs[0]] == nil {
			out[refs[0]] = map[string]bool{}
		}
		out[refs[0]][m.Protected.Get("Message-Id")] = true
	}
	return out
}

// TestKillGatewayWithAnswersOnTheWay: an answer that the mail program was told
// is queued arrives, under one Message-ID, so that a copy sent before the
// crash is recognised.
func TestKillGatewayWithAnswersOnTheWay(t *testing.T) {
	t.Parallel()
	for name, withRedis := range map[string]bool{"embedded": false, "redis killed too": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var redis *gateway.Redis
			if withRedis {
				redis = gateway.StartRedis(t)
			}
			random := chance(t)
			g := gateway.Run(t, gateway.Options{Redis: redis})
			confirmed, unsure := map[string]bool{}, map[string]bool{}
			for range rounds(t) {
				fresh := posts(g, 6)
				flood(t, g, fresh, make(chan struct{}), func(int64) {})
				if random.IntN(2) == 0 {
					g.Sink.Close() // all of them will still be queued
				}
				staff := g.IMAP(gateway.Olga)
				inbox := staff.List("INBOX")
				staff.Close()
				moment := random.IntN(len(fresh))
				for i, p := range fresh {
					if i == moment {
						g.Kill()
						if redis != nil {
							redis.Kill()
						}
						break
					}
					reply := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, gateway.ReplyTo(mailOf(t, inbox, p.ref), gateway.AlphaAddress, "Reply code: PRESERVED\n\n"+gateway.SecretBody))
					if reply.Code == 250 {
						confirmed[p.ref] = true
					} else {
						unsure[p.ref] = true
						t.Errorf("an answer was not taken: %v", reply)
					}
				}
				g.Sink.Close()
				g.Sink.Open()
				if redis != nil {
					redis.Start()
				}
				g.Start()
				gateway.WaitFor(t, "all answers to arrive", func() error {
					arrived := answered(t, g)
					for ref := range confirmed {
						if len(arrived[ref]) == 0 {
							return fmt.Errorf("that of %s did not", ref)
						}
					}
					return nil
				})
				g.WaitMetric(`relais_outbox_messages{desk="XA-1"}`, 0)
				g.WaitMetric(`relais_journal_lag_events{desk="XA-1"}`, 0) // what follows reads the journal
			}
			for ref, ids := range answered(t, g) {
				if len(ids) != 1 || !confirmed[ref] && !unsure[ref] {
					t.Errorf("%s was answered under %d Message-IDs (confirmed: %v)", ref, len(ids), confirmed[ref])
				}
			}
			for ref := range confirmed {
				if s := g.Request(ref); string(s.Status) != "answered" {
					t.Errorf("%s is %s", ref, s.Status)
				}
			}
		})
	}
}

// TestCrashOfRedisSendsNoAnswerTwice: what was delivered stays delivered when
// the outbox comes back from the journal.
func TestCrashOfRedisSendsNoAnswerTwice(t *testing.T) {
	t.Parallel()
	redis := gateway.StartRedis(t)
	g := gateway.Run(t, gateway.Options{Redis: redis})
	fresh := posts(g, 6)
	flood(t, g, fresh, make(chan struct{}), func(int64) {})
	staff := g.IMAP(gateway.Olga)
	inbox := staff.List("INBOX")
	for i, p := range fresh {
		if i == 3 {
			g.WaitMetric(`relais_outbox_messages{desk="XA-1"}`, 0)
			g.Sink.Close()
		}
		reply := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.ProsecutorAddress, gateway.ReplyTo(mailOf(t, inbox, p.ref), gateway.AlphaAddress, "Reply code: PRESERVED\n\n"+gateway.SecretBody))
		if reply.Code != 250 {
			t.Fatalf("an answer was not taken: %v", reply)
		}
	}
	redis.FlushAll()
	gateway.WaitFor(t, "the events to be put back", func() error {
		n, err := g.Metric(`relais_journal_replayed_events_total{desk="XA-1"}`)
		if err == nil && n == 0 {
			err = fmt.Errorf("none was")
		}
		return err
	})
	g.WaitReady()
	g.WaitMetric(`relais_outbox_messages{desk="XA-1"}`, 3)
	g.Sink.Open()
	g.WaitMetric(`relais_outbox_messages{desk="XA-1"}`, 0)
	if n := len(g.Sink.Mails()); n != 6 {
		t.Errorf("%d messages arrived, want 6", n)
	}
	for ref, ids := range answered(t, g) {
		if len(ids) != 1 {
			t.Errorf("%s was answered under %d Message-IDs", ref, len(ids))
		}
	}
}

func mailOf(t *testing.T, inbox []gateway.Mail, ref string) gateway.Mail {
	t.Helper()
	for _, m := range inbox {
		if strings.EqualFold(m.Header.Get("X-Relais-Reference"), ref) {
			return m
		}
	}
	t.Fatalf("%s is not in INBOX", ref)
	return gateway.Mail{}
}
