package smtpd

import (
	"bytes"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"relais.example/test/pipe"
)

// replies is what a server may say: whole lines with a code.
var replies = regexp.MustCompile(`^([2-5][0-9][0-9][ -][ -~]*\r\n)*$`)

// FuzzSession speaks a whole session of the MX port with anything in it. The
// server must neither panic nor hang, answer in whole replies, and hand on only
// clean messages for its own recipients.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"EHLO mx.betaland.example\r\nMAIL FROM:<a@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nMAIL FROM:<> SIZE=10 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<DESK@Alphaland.Example>\r\nBDAT 5\r\nabc\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n",
		"HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<desk@alphaland.example>\r\nDATA\r\nbare\nline\n.\nMAIL FROM:<evil@b.example>\r\n\r\n.\r\n",
		"EHLO x\r\nMAIL FROM:<\"a b\"@[192.0.2.7]>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<x@elsewhere.example>\r\nRSET\r\nVRFY x\r\nHELP\r\nETRN\r\n",
		"EHLO d\u050axample\r\nHELO \xc3\xa9\r\n",
		"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a@b.example>\r\n",
		"EHLO x\r\nAUTH PLAIN AGEAYg==\r\nBDAT 99999999999999999999 LAST\r\nBDAT -1\r\nDATA\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<desk@alphaland.example>\r\nBDAT 3 LAST\r\nab",
	} {
		f.Add([]byte(seed))
	}
	events := &tally{}
	r := &recorder{}
	s, err := NewMX(r, Options{
		Hostname: "mx.alphaland.example", Observe: events.observe, Log: slog.New(slog.DiscardHandler),
		Limits: Limits{MessageBytes: 1 << 20, Commands: 200, ConnectionsPerIP: 1000},
	})
	if err != nil {
		f.Fatal(err)
	}
	l := pipe.Listen()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	f.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, said []byte) {
		c, ended, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		heard := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(c)
			heard <- b
		}()
		c.Write(said) // fails when the server has heard enough
		c.Close()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("the server hangs after %q", said)
		}
		got := <-heard
		if i := bytes.LastIndexByte(got, '\n'); !replies.Match(got[:i+1]) {
			t.Fatalf("after %q the server said %q", said, got)
		}
		if events.count(EventPanic) > 0 {
			t.Fatalf("panic after %q", said)
		}
		for _, m := range r.take() {
			if !cleanLines(string(m.Raw)) {
				t.Fatalf("handed on %q", m.Raw)
			}
			if len(m.RcptTo) == 0 || len(m.Raw) > 1<<20 {
				t.Fatalf("%d bytes for %q", len(m.Raw), m.RcptTo)
			}
			for _, to := range append(m.RcptTo, m.MailFrom) {
				if strings.ContainsAny(to, "\r\n\x00") {
					t.Fatalf("address %q", to)
				}
			}
		}
	})
}

// take returns the messages so far and forgets them.
func (r *recorder) take() []Inbound {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}
