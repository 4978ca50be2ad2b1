package smtpd

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"
)

func TestStartTLS(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{})
	w := ts.dial(t)
	w.expect("220 ")
	if caps := w.ask("EHLO before.example", "250 "); !strings.Contains(caps, "STARTTLS") {
		t.Errorf("STARTTLS is not offered: %q", caps)
	}
	w.ask("MAIL FROM:<before@gammaland.example>", "250 ")
	w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
	w.ask("STARTTLS", "220 ")
	w.upgrade(ts)
	w.ask("MAIL FROM:<a@gammaland.example>", "502 ") // everything before is forgotten, EHLO too
	caps := w.ask("EHLO after.example", "250 ")
	if strings.Contains(caps, "STARTTLS") || strings.Contains(caps, "AUTH") {
		t.Errorf("offered inside TLS on the MX port: %q", caps)
	}
	w.ask("STARTTLS", "503 ")
	w.transaction()
	w.send(sample + ".\r\n")
	w.expect("250 ")
	w.ask("QUIT", "221 ")
	got := r.messages()
	if len(got) != 1 || !got[0].TLS || got[0].Helo != "after.example" || got[0].MailFrom != "a@gammaland.example" {
		t.Errorf("got %+v", got)
	}
	if ts.events.count(EventTLS) != 1 {
		t.Error("no event")
	}
}

// Commands sent behind STARTTLS in clear are never answered (CVE-2011-0411).
func TestCommandsInjectedBehindStartTLS(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{})
	w := ts.hello(t)
	w.send("STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\n")
	w.expect("220 ")
	w.upgrade(ts)
	w.ask("NOOP", "250 2.0.0 I have")
	w.ask("DATA", "502 ")
	assertOnly(t, r, 0)
}

func TestOnlyTheWordStartTLSStartsIt(t *testing.T) {
	w := serveMX(t, &recorder{}, Limits{}).hello(t)
	w.ask("STARTTLSxyz", "500 5.5.2 ")
	w.ask("ſTARTTLS", "500 5.5.2 ")
	w.ask("STARTTLS now", "501 5.5.4 ")
	w.ask("NOOP", "250 ")
}

func TestFailedHandshakeEndsTheConnection(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{})
	w := ts.hello(t)
	w.ask("STARTTLS", "220 ")
	io.WriteString(w, "MAIL FROM:<evil@gammaland.example>\r\n")
	rest, _ := io.ReadAll(w.r) // a TLS alert, then the end
	if strings.Contains(string(rest), "550") || strings.Contains(string(rest), "250") {
		t.Errorf("the session went on in clear: %q", rest)
	}
	if ts.events.count(EventTLSFailed) != 1 {
		t.Error("no event")
	}
}

func TestImplicitTLS(t *testing.T) {
	r := &recorder{}
	ts := serveMX(t, r, Limits{})
	c, err := tls.Dial("tcp", ts.tls, &tls.Config{RootCAs: ts.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	w := ts.over(t, c)
	w.expect("220 ")
	w.ask("EHLO mx.betaland.example", "250 ")
	w.transaction()
	w.send(sample + ".\r\n")
	w.expect("250 ")
	if got := r.messages(); len(got) != 1 || !got[0].TLS {
		t.Errorf("got %+v", got)
	}
}

// A browser that was led to this port (ALPACA) is turned away, in clear and in
// the handshake.
func TestForeignProtocols(t *testing.T) {
	ts := serveMX(t, &recorder{}, Limits{})
	for _, hi := range []string{
		"GET / HTTP/1.1\r\nHost: mx\r\n\r\n",
		"POST /x HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nMAIL FROM:<evil@gammaland.example>\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"Host: mx.alphaland.example\r\n",
		"GET /\n\n",
		"\x16\x03\x01\x00\x05hello\n",
	} {
		w := ts.dial(t)
		w.expect("220 ")
		w.send(hi)
		if rest, _ := io.ReadAll(w.r); len(rest) > 0 {
			t.Errorf("%.10q was answered %q", hi, rest)
		}
	}
	if n := ts.events.count(EventForeignProtocol); n != 6 {
		t.Errorf("%d events, want 6", n)
	}
	if c, err := tls.Dial("tcp", ts.tls, &tls.Config{RootCAs: ts.roots, NextProtos: []string{"h2", "http/1.1"}}); err == nil {
		c.Close()
		t.Error("a handshake for HTTP was completed")
	}
}
