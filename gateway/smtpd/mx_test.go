package smtpd

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const sample = "From: a@gammaland.example\r\nSubject: x\r\n\r\nHello\r\n"

func TestMessageArrivesByteForByte(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{})
	w := ts.hello(t)
	w.transaction()
	w.send("Subject: dots\r\n\r\n..\r\n..two\r\nend. \r\n\xc3\xa9\r\n.\r\n")
	if got := w.expect("250 2.0.0 "); !strings.Contains(got, "XA-2026-000001-K accepted") {
		t.Errorf("reply %q does not carry the receiver's text", got)
	}
	w.ask("QUIT", "221 ")
	w.expectEnd()
	got := r.messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	if want := "Subject: dots\r\n\r\n.\r\n.two\r\nend. \r\n\xc3\xa9\r\n"; string(m.Raw) != want {
		t.Errorf("got %q, want %q", m.Raw, want)
	}
	if m.Desk != "XA-1" || m.MailFrom != "a@gammaland.example" || !reflect.DeepEqual(m.RcptTo, []string{"desk@alphaland.example"}) ||
		m.Helo != "mx.betaland.example" || m.Remote != "127.0.0.1" || m.TLS || m.Received.IsZero() {
		t.Errorf("facts are wrong: %+v", m)
	}
}

func TestBdatArrivesByteForByte(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{}).hello(t)
	w.send("MAIL FROM:<a@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\n" + chunk("Subject: x\r", ""))
	w.expect("250 ")
	w.expect("250 ")
	w.expect("250 ")
	w.send(chunk("\n\r\n.\r\nQ\r\n", " last"))
	w.expect("250 2.0.0 XA-2026-000001-K accepted")
	if got := r.messages(); len(got) != 1 || string(got[0].Raw) != "Subject: x\r\n\r\n.\r\nQ\r\n" {
		t.Errorf("got %+v", got)
	}
}

// chunk writes a BDAT command with its content.
func chunk(content, last string) string {
	return fmt.Sprintf("BDAT %d%s\r\n%s", len(content), last, content)
}

func TestSeveralMessagesPipelined(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{}).hello(t)
	w.send("MAIL FROM:<a@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\nDATA\r\n")
	w.expect("250 ")
	w.expect("250 ")
	w.expect("354 ")
	w.send(sample + ".\r\nMAIL FROM:<>\r\nRCPT TO:<desk@betaland.example>\r\nDATA\r\n")
	w.expect("250 ")
	w.expect("250 ")
	w.expect("250 ")
	w.expect("354 ")
	w.send(sample + ".\r\nQUIT\r\n")
	w.expect("250 ")
	w.expect("221 ")
	w.expectEnd()
	got := r.messages()
	if len(got) != 2 || string(got[0].Raw) != sample || string(got[1].Raw) != sample || got[1].MailFrom != "" || got[1].Desk != "XB-1" {
		t.Errorf("got %+v", got)
	}
}

func TestRecipients(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{Recipients: 3}).hello(t)
	w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
	w.ask("RCPT TO:<x@gammaland.example>", "550 5.1.1 ")
	w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
	w.ask("RCPT TO:<desk@betaland.example>", "452 4.5.3 ")
	w.ask("RCPT TO:<Postmaster>", "250 ")
	w.ask("RCPT TO:<a@alphaland..example>", "553 5.1.3 ")
	w.ask("RCPT TO:<désk@alphaland.example>", "553 5.6.7 ")
	w.ask(`RCPT TO:<"x> NOTIFY=NEVER "@alphaland.example>`, "250 ")
	w.ask("RCPT TO:<desk4@alphaland.example>", "452 4.5.3 ")
	w.ask("DATA", "354 ")
	w.send(sample + ".\r\n")
	w.expect("250 ")
	got := r.messages()
	want := []string{"desk@alphaland.example", "postmaster@mx.alphaland.example", `"x> NOTIFY=NEVER "@alphaland.example`}
	if len(got) != 1 || !reflect.DeepEqual(got[0].RcptTo, want) {
		t.Errorf("got %+v", got)
	}
}

// What go-smtp would let into an address or echo into a reply.
func TestControlCharactersInCommands(t *testing.T) {
	w := serveMX(t, &recorder{}, Limits{}).hello(t)
	for _, c := range []string{
		"NOOP \x00", "MAIL FROM:<a\r@gammaland.example>", "EHLO a\tb", "NOOP \x7f", "NOOP \u0085", "NOOP \xff",
	} {
		w.ask(c, "500 5.5.2 ")
	}
	w.ask("NOOP é", "250 ")
}

func TestUTF8Addresses(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{}).hello(t)
	w.ask("MAIL FROM:<é@gammaländ.example>", "553 5.6.7 ")
	w.ask("MAIL FROM:<é@gammaländ.example> BODY=8BITMIME SMTPUTF8", "250 ")
	w.ask("RCPT TO:<désk@alphaland.example>", "250 ")
	w.ask("DATA", "354 ")
	w.send(sample + ".\r\n")
	w.expect("250 ")
	if got := r.messages(); len(got) != 1 || got[0].MailFrom != "é@gammaländ.example" || !got[0].UTF8 {
		t.Errorf("got %+v", got)
	}
}

func TestNullSenderHasOneRecipient(t *testing.T) {
	w := serveMX(t, &recorder{}, Limits{}).hello(t)
	w.ask("MAIL FROM:<>", "250 ")
	w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
	w.ask("RCPT TO:<two@alphaland.example>", "452 4.5.3 ")
}

func TestSecondMailForgetsTheFirst(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{}).hello(t)
	w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
	w.ask("RCPT TO:<desk@betaland.example>", "250 ")
	w.ask("MAIL FROM:<b@gammaland.example>", "250 ")
	w.ask("DATA", "502 ") // no recipient left
	w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
	w.ask("DATA", "354 ")
	w.send(sample + ".\r\n")
	w.expect("250 ")
	got := r.messages()
	if len(got) != 1 || got[0].MailFrom != "b@gammaland.example" || len(got[0].RcptTo) != 1 || got[0].Desk != "XA-1" {
		t.Errorf("got %+v", got)
	}
}

func TestTooLarge(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{MessageBytes: 1000})
	w := ts.hello(t)
	w.ask("MAIL FROM:<a@gammaland.example> SIZE=1001", "552 5.3.4 over-limits: ")
	w.ask("MAIL FROM:<a@gammaland.example> BODY=8BITMIME size=4000000000", "552 5.3.4 over-limits: ")
	if n := ts.events.count(EventTooLarge); n != 2 {
		t.Errorf("announced twice, counted %d times", n)
	}
	w.transaction()
	w.send(strings.Repeat("0123456789\r\n", 100) + ".\r\n")
	w.expect("552 5.3.4 over-limits: ")
	w.transaction() // the connection goes on
	w.send(sample + ".\r\n")
	w.expect("250 ")
	if len(r.messages()) != 1 {
		t.Errorf("%d messages, want 1", len(r.messages()))
	}
	if ts.events.count(EventTooLarge) != 3 {
		t.Errorf("%d events, want 3", ts.events.count(EventTooLarge))
	}
	w.transaction() // endless: cut off
	for range 400 {
		if _, err := w.Write([]byte("0123456789\r\n")); err != nil {
			break
		}
	}
	w.expect("552 5.3.4 over-limits: ")
}

func TestLongestLine(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{}).hello(t)
	w.transaction()
	w.send(strings.Repeat("x", 65534) + "\r\n.\r\n")
	w.expect("250 ")
	w.transaction()
	w.send(strings.Repeat("x", 65535) + "\r\n.\r\n")
	w.expect("552 5.3.4 over-limits: ")
}

func TestReplies(t *testing.T) {
	tests := []struct {
		name   string
		handle func(context.Context, Inbound) (Outcome, error)
		want   string
		event  string
	}{
		{"refused", func(context.Context, Inbound) (Outcome, error) {
			return Outcome{550, "5.7.1", "unknown-key: the signing certificate is not in the Directory"}, nil
		}, "550 5.7.1 unknown-key: the signing certificate is not in the Directory\r\n", EventRefused},
		{"deferred", func(context.Context, Inbound) (Outcome, error) {
			return Outcome{452, "4.3.1", "full"}, nil
		}, "452 4.3.1 full\r\n", EventDeferred},
		{"trouble is not told", func(context.Context, Inbound) (Outcome, error) {
			return Outcome{}, errors.New("dialing redis: secret detail")
		}, "451 4.3.0 temporary trouble, try again later\r\n", EventDeferred},
		{"panic", func(context.Context, Inbound) (Outcome, error) {
			panic("content of a message")
		}, "451 4.3.0 temporary trouble, try again later\r\n", EventPanic},
		{"no outcome", func(context.Context, Inbound) (Outcome, error) {
			return Outcome{}, nil
		}, "451 4.3.0 temporary trouble, try again later\r\n", EventDeferred},
		{"text of several lines", func(context.Context, Inbound) (Outcome, error) {
			return Outcome{550, "nonsense", "a\r\n250 b\x00" + strings.Repeat("é", 400)}, nil
		}, "550 5.0.0 a  250 b " + strings.Repeat("é", 235) + "\r\n", EventRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, body := range []string{"DATA\r\n", chunk(sample, " LAST")} {
				ts := serveMX(t, &recorder{handle: tt.handle}, Limits{})
				w := ts.hello(t)
				w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
				w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
				w.send(body)
				if body == "DATA\r\n" {
					w.expect("354 ")
					w.send(sample + ".\r\n")
				}
				if got := w.reply(); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if ts.events.count(tt.event) != 1 {
					t.Errorf("event %s told %d times", tt.event, ts.events.count(tt.event))
				}
				w.ask("NOOP", "250 ")
			}
		})
	}
}

// What the peer calls itself comes back in the reply, so it must be fit for one.
func TestNameOutsideASCIIIsRefused(t *testing.T) {
	w := serveMX(t, &recorder{}, Limits{}).dial(t)
	w.expect("220 ")
	w.ask("EHLO d\u050axample", "501 ")
	w.ask("HELO bétaland.example", "501 ")
	w.ask("EHLO xn--btaland-bya.example", "250 ")
}
