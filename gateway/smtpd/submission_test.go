package smtpd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// clerk is a Submitter with one account, anna.
type clerk struct {
	mu  sync.Mutex
	got []Submission
	as  []any
}

func (c *clerk) Authenticate(_ context.Context, user, password, remote string) (any, error) {
	switch {
	case user == "down":
		return nil, fmt.Errorf("reading accounts: %w", ErrTemporary)
	case user == "anna" && password == "correct horse" && remote == "127.0.0.1":
		return "account of anna", nil
	}
	return nil, errors.New("no")
}

func (c *clerk) MaySend(_ any, from string) error {
	if from == "desk@alphaland.example" {
		return nil
	}
	return errors.New("not hers")
}

func (c *clerk) Submit(_ context.Context, account any, m Submission) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.as = append(c.got, m), append(c.as, account)
	return Outcome{250, "2.0.0", "queued"}, nil
}

func (c *clerk) submissions() []Submission {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Submission(nil), c.got...)
}

func serveSubmission(t testing.TB, c *clerk, l Limits) *testServer {
	t.Helper()
	return serve(t, func(o Options) (*Server, error) { return NewSubmission(c, o) }, l)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var (
	goodLogin = "AUTH PLAIN " + b64("\x00anna\x00correct horse")
	badLogin  = "AUTH PLAIN " + b64("\x00anna\x00wrong")
)

func TestSubmit(t *testing.T) {
	c := &clerk{}
	w := serveSubmission(t, c, Limits{}).secure(t)
	w.ask("MAIL FROM:<desk@alphaland.example>", "530 5.7.0 ")
	w.ask(goodLogin, "235 2.0.0 ")
	w.ask("AUTH PLAIN =", "503 ")
	w.ask("MAIL FROM:<chief@alphaland.example>", "553 5.7.1 ")
	w.ask("MAIL FROM:<>", "553 5.7.1 ")
	w.ask("MAIL FROM:<desk@alphaland.example> SIZE=49 BODY=8BITMIME RET=HDRS ENVID=QQ+2B1", "250 ")
	w.ask("RCPT TO:<desk@betaland.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;desk@betaland.example", "250 ")
	w.ask("RCPT TO:<two@gammaland.example>", "250 ")
	w.ask("RCPT TO:<desk@betaland.example>", "250 ")
	w.ask("DATA", "354 ")
	w.send(sample + ".\r\n")
	w.expect("250 2.0.0 queued")
	got := c.submissions()
	if len(got) != 1 || c.as[0] != "account of anna" {
		t.Fatalf("got %+v", got)
	}
	m := got[0]
	if m.MailFrom != "desk@alphaland.example" || !reflect.DeepEqual(m.RcptTo, []string{"desk@betaland.example", "two@gammaland.example"}) || string(m.Raw) != sample {
		t.Errorf("got %+v", m)
	}
	if want := (DSN{Return: "HDRS", EnvelopeID: "QQ+1", Notify: [][]string{{"SUCCESS", "FAILURE"}, nil}}); !reflect.DeepEqual(m.DSN, want) {
		t.Errorf("got %+v, want %+v", m.DSN, want)
	}
}

func TestNothingBeforeTLS(t *testing.T) {
	c := &clerk{}
	ts := serveSubmission(t, c, Limits{})
	w := ts.dial(t)
	w.expect("220 ")
	if caps := w.ask("EHLO client.example", "250 "); strings.Contains(caps, "AUTH") || !strings.Contains(caps, "STARTTLS") {
		t.Errorf("offered in clear: %q", caps)
	}
	w.ask(goodLogin, "523 5.7.10 ")
	w.ask("AUTH LOGIN", "523 5.7.10 ")
	w.ask("MAIL FROM:<desk@alphaland.example>", "530 5.7.0 ")
	if n := ts.events.count(EventAuthOK) + ts.events.count(EventAuthFailed); n != 0 {
		t.Error("a password was checked in clear")
	}
}

func TestLogin(t *testing.T) {
	c := &clerk{}
	ts := serveSubmission(t, c, Limits{})
	w := ts.secure(t)
	w.ask("AUTH LOGIN", "334 "+b64("Username:"))
	w.ask(b64("anna"), "334 "+b64("Password:"))
	w.ask("*", "501 ")
	w.ask("AUTH LOGIN "+b64("anna"), "334 "+b64("Password:"))
	w.ask(b64("wrong"), "535 5.7.8 ")
	w.ask("AUTH PLAIN", "334 ")
	w.ask(b64("boss\x00anna\x00correct horse"), "535 5.7.8 ")
	w.ask("AUTH CRAM-MD5", "504 ")
	w.ask("AUTH LOGIN", "334 ")
	w.ask(b64("anna"), "334 ")
	w.ask(b64("correct horse"), "235 ")
	w.ask("MAIL FROM:<desk@alphaland.example>", "250 ")
	if ts.events.count(EventAuthOK) != 1 || ts.events.count(EventAuthFailed) != 2 {
		t.Error("events are wrong")
	}
}

func TestThreeFailedLogins(t *testing.T) {
	w := serveSubmission(t, &clerk{}, Limits{}).secure(t)
	w.ask(badLogin, "535 5.7.8 ")
	w.ask(badLogin, "535 5.7.8 ")
	w.ask(badLogin, "421 4.7.0 ")
	w.expectEnd()
}

func TestAccountsOutOfOrder(t *testing.T) {
	w := serveSubmission(t, &clerk{}, Limits{}).secure(t)
	w.ask("AUTH PLAIN "+b64("\x00down\x00x"), "454 4.7.0 ")
	w.ask(goodLogin, "235 ")
}

// An answer to a challenge is not a command, and a challenge's line is bounded.
func TestChallengeLines(t *testing.T) {
	w := serveSubmission(t, &clerk{}, Limits{}).secure(t)
	w.ask("AUTH PLAIN", "334 ")
	w.ask(b64("\x00anna\x00"+strings.Repeat("x", 8000)), "535 ")
	w.ask("AUTH PLAIN", "334 ")
	w.send(strings.Repeat("x", 13000))
	w.expect("500 5.5.2 ")
	w.expectEnd()
}

func TestSubmissionNeedsTLS(t *testing.T) {
	if _, err := NewSubmission(&clerk{}, Options{}); err == nil {
		t.Error("built without TLS")
	}
	if _, err := NewSubmission(nil, Options{}); err == nil {
		t.Error("built without submitter")
	}
	if _, err := NewMX(nil, Options{}); err == nil {
		t.Error("built without receiver")
	}
}
