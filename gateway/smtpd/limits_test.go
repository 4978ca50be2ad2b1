package smtpd

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// The defaults of go-smtp are unlimited; none may be left so.
func TestEveryLimitIsSet(t *testing.T) {
	s, err := NewMX(&recorder{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*smtp.Server{s.clear.smtp, s.secured.smtp} {
		if e.MaxMessageBytes <= 0 || e.MaxRecipients <= 0 || e.MaxLineLength < 64<<10 || e.ReadTimeout <= 0 || e.WriteTimeout <= 0 {
			t.Errorf("a limit is not set: %+v", e)
		}
	}
	for _, l := range []Limits{DefaultLimits(), (Limits{}).filled(), (Limits{LineLength: 10, Recipients: -1}).filled()} {
		v := reflect.ValueOf(l)
		for i := range v.NumField() {
			if v.Field(i).Int() <= 0 {
				t.Errorf("%s is not set", v.Type().Field(i).Name)
			}
		}
	}
	if l := (Limits{LineLength: 10}).filled(); l.LineLength < 64<<10 {
		t.Errorf("line length %d", l.LineLength)
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	ts := serveMX(t, &recorder{}, Limits{ConnectionsPerIP: 2})
	first := ts.hello(t)
	ts.hello(t)
	third := ts.dial(t)
	third.expect("421 4.7.0 ")
	third.expectEnd()
	if ts.events.count(EventRefusedAddress) != 1 {
		t.Error("no event")
	}
	first.ask("QUIT", "221 ")
	first.expectEnd()
	waitFor(t, func() bool { return ts.events.count(EventDisconnection) == 1 })
	ts.hello(t)
}

func TestConnectionsInAll(t *testing.T) {
	ts := serveMX(t, &recorder{}, Limits{Connections: 1})
	ts.hello(t)
	ts.dial(t).expect("421 4.7.0 ")
	if ts.events.count(EventRefusedTotal) != 1 {
		t.Error("no event")
	}
}

func TestLimitsPerConnection(t *testing.T) {
	tests := []struct {
		name   string
		limits Limits
		play   func(w *wire)
		last   string
	}{
		{"commands", Limits{Commands: 5}, func(w *wire) {
			for range 4 {
				w.ask("NOOP", "250 ")
			}
			w.send("NOOP\r\n")
		}, "421 4.7.0 "},
		{"unknown commands", Limits{BadCommands: 2}, func(w *wire) {
			w.ask("FOO", "500 ")
			w.ask("MA\tIL FROM:<a@gammaland.example>", "500 ")
			w.send("BAR\r\n")
		}, "421 4.7.0 "},
		{"messages", Limits{Messages: 2}, func(w *wire) {
			for range 2 {
				w.transaction()
				w.send(sample + ".\r\n")
				w.expect("250 ")
			}
			w.send("MAIL FROM:<a@gammaland.example>\r\n")
		}, "421 4.7.0 "},
		{"refused recipients", Limits{BadRecipients: 2}, func(w *wire) {
			w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
			w.ask("RCPT TO:<x@gammaland.example>", "550 ")
			w.send("RCPT TO:<y@gammaland.example>\r\n")
		}, "421 4.7.0 "},
		{"long command", Limits{}, func(w *wire) {
			w.send("NOOP " + strings.Repeat("x", 2050) + "\r\n")
		}, "500 5.5.2 "},
		{"endless command", Limits{}, func(w *wire) {
			w.send(strings.Repeat("x", 13000))
		}, "500 5.5.2 "},
		{"bare line feed", Limits{}, func(w *wire) {
			w.send("NOOP\nNOOP\n")
		}, "500 5.5.2 "},
		{"time of a session", Limits{SessionTimeout: 700 * time.Millisecond}, func(w *wire) {}, "421 4.4.2 "},
		{"silence", Limits{ReadTimeout: 700 * time.Millisecond}, func(w *wire) {}, "421 4.4.2 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := serveMX(t, &recorder{}, tt.limits).hello(t)
			tt.play(w)
			w.expect(tt.last)
			rest, _ := io.ReadAll(w.r)
			if len(rest) > 0 {
				t.Errorf("more replies: %q", rest)
			}
		})
	}
}

// The receiver handles so many at once, so many wait, the others are told to
// come again.
func TestMessagesAtOnce(t *testing.T) {
	goOn := make(chan struct{})
	r := &recorder{handle: func(context.Context, Inbound) (Outcome, error) {
		<-goOn
		return Outcome{250, "2.0.0", "ok"}, nil
	}}
	ts := serveMX(t, r, Limits{ConcurrentMessages: 1, WaitingMessages: 1})
	var all []*wire
	for range 2 {
		w := ts.hello(t)
		w.transaction()
		w.send(sample + ".\r\n")
		all = append(all, w)
	}
	waitFor(t, func() bool { return len(r.messages()) == 1 && ts.gate.waiting.Load() == 1 })
	w := ts.hello(t)
	w.transaction()
	w.send(sample + ".\r\n")
	w.expect("451 4.3.2 ")
	close(goOn)
	for _, w := range all {
		w.expect("250 ")
	}
	if ts.events.count(EventBusy) != 1 {
		t.Error("no event")
	}
}

func TestMemoryForBodiesIsBounded(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{BufferedBytes: 100 << 10})
	w := ts.hello(t)
	w.ask("MAIL FROM:<a@gammaland.example> SIZE=200000", "452 4.3.1 ")
	w.transaction()
	w.send(strings.Repeat("0123456789\r\n", 20000) + ".\r\n")
	w.expect("452 4.3.1 ")
	w.transaction()
	w.send(sample + ".\r\n")
	w.expect("250 ")
	if left := ts.budget.left.Load(); left != 100<<10 {
		t.Errorf("%d bytes of the budget left, want all", left)
	}
}

// A shutdown waits for transactions, and only for these.
func TestShutdownLetsTransactionsEnd(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{})
	idle, busy := ts.hello(t), ts.hello(t)
	busy.transaction()
	var stopped sync.WaitGroup
	stopped.Go(func() {
		if err := ts.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	idle.expect("421 4.3.2 ")
	idle.expectEnd()
	busy.send(sample + ".\r\n")
	busy.expect("250 ")
	busy.expect("421 4.3.2 ")
	busy.expectEnd()
	stopped.Wait()
	if _, err := net.Dial("tcp", ts.addr); err == nil {
		t.Error("still accepting")
	}
	assertOnly(t, r, 1)
}

// When patience ends, the receiver's context does, and its answer still gets out.
func TestShutdownWithoutPatience(t *testing.T) {
	r := &recorder{handle: func(ctx context.Context, _ Inbound) (Outcome, error) {
		<-ctx.Done()
		return Outcome{}, ctx.Err()
	}}
	ts := serveMX(t, r, Limits{})
	inside, stuck := ts.hello(t), ts.hello(t)
	inside.transaction()
	inside.send(sample + ".\r\n")
	stuck.transaction()
	waitFor(t, func() bool { return len(r.messages()) == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := ts.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	inside.expect("451 4.3.0 ")
	stuck.expect("421 4.3.2 ")
	stuck.expectEnd()
}

func TestShutdownBeforeServe(t *testing.T) {
	s, err := NewMX(&recorder{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err != nil {
		t.Errorf("serve after close: %v", err)
	}
}

// waitFor polls until ok, which must come soon.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatal("it did not happen within ten seconds")
}
