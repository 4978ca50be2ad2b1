package smtpout

import (
	"context"
	"errors"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"relais.example/gateway/smtpd"
)

func send(t *testing.T, hop Hop, to ...string) (Result, *Error) {
	t.Helper()
	if len(to) == 0 {
		to = []string{"desk@betaland.example"}
	}
	r, err := Send(t.Context(), hop, "relais.alphaland.example", "desk@alphaland.example", to, []byte(sample))
	if err == nil {
		return r, nil
	}
	var f *Error
	if !errors.As(err, &f) {
		t.Fatalf("error of another type: %v", err)
	}
	return r, f
}

func TestOwnClientAgainstOwnServer(t *testing.T) {
	cert, roots, print := certificate(t, "mx.betaland.example")
	_, otherRoots, otherPrint := certificate(t, "mx.betaland.example")
	const name = "mx.betaland.example"
	colons := strings.ToUpper(print[:2] + ":" + print[2:])
	tests := []struct {
		name   string
		policy TLSPolicy
		tls    bool
		fails  bool
	}{
		{"required", TLSPolicy{Security: Required, CAs: roots, ServerName: name}, true, false},
		{"required, other name", TLSPolicy{Security: Required, CAs: roots, ServerName: "mx.gammaland.example"}, false, true},
		{"required, other authority", TLSPolicy{Security: Required, CAs: otherRoots, ServerName: name}, false, true},
		{"required, system authorities", TLSPolicy{Security: Required, ServerName: name}, false, true},
		{"pinned certificate", TLSPolicy{Security: Pinned, Fingerprints: []string{otherPrint, colons}}, true, false},
		{"pinned, other certificate", TLSPolicy{Security: Pinned, Fingerprints: []string{otherPrint}}, false, true},
		{"pinned authority", TLSPolicy{Security: Pinned, CAs: roots, ServerName: name}, true, false},
		{"pinned authority, other name", TLSPolicy{Security: Pinned, CAs: roots}, false, true},
		{"pinned, other authority", TLSPolicy{Security: Pinned, CAs: otherRoots, ServerName: name}, false, true},
		{"opportunistic", TLSPolicy{Security: Opportunistic}, true, false},
		{"none", TLSPolicy{Security: None}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &house{}
			s, err := smtpd.NewMX(h, options(cert))
			if err != nil {
				t.Fatal(err)
			}
			hop, implicit := open(t, s)
			hops := []Hop{hop, implicit}
			if tt.policy.Security == None {
				hops = hops[:1]
			}
			for _, hop := range hops {
				hop.TLS = tt.policy
				r, f := send(t, hop)
				if tt.fails {
					if f == nil || f.Stage != StageTLS || !f.Temporary {
						t.Errorf("got %+v, want a temporary failure of TLS", f)
					}
					continue
				}
				if f != nil || r.Code != 250 || r.Status != "2.0.0" || r.Text != "XB-2026-000001-K accepted" || r.TLS != tt.tls {
					t.Fatalf("got %+v, %v", r, f)
				}
				m := h.inbound[len(h.inbound)-1]
				if string(m.Raw) != sample || m.Helo != "relais.alphaland.example" || m.TLS != tt.tls || m.MailFrom != "desk@alphaland.example" {
					t.Errorf("arrived: %+v", m)
				}
			}
			if tt.fails && len(h.inbound) > 0 {
				t.Error("the message went out all the same")
			}
		})
	}
}

func TestSmarthost(t *testing.T) {
	cert, _, print := certificate(t, "mx.betaland.example")
	h := &house{}
	s, err := smtpd.NewSubmission(h, options(cert))
	if err != nil {
		t.Fatal(err)
	}
	hop, implicit := open(t, s)
	for _, hop := range []Hop{hop, implicit} {
		hop.TLS = TLSPolicy{Security: Pinned, Fingerprints: []string{print}}
		hop.Username, hop.Password = "gateway", "secret"
		if _, f := send(t, hop, "a@gammaland.example", "b@gammaland.example"); f != nil {
			t.Fatal(f)
		}
		hop.Password = "wrong"
		if _, f := send(t, hop); f == nil || f.Stage != StageAuth || f.Code != 535 || !f.Temporary {
			t.Errorf("got %+v", f)
		}
	}
	if len(h.submissions) != 2 || !reflect.DeepEqual(h.submissions[0].RcptTo, []string{"a@gammaland.example", "b@gammaland.example"}) {
		t.Errorf("got %+v", h.submissions)
	}
}

func TestPasswordNeverInClear(t *testing.T) {
	f := &fake{answers: with([2]string{"EHLO", "250-mx\r\n250 AUTH PLAIN\r\n"}, [2]string{"AUTH", "235 ok\r\n"}), body: "250 ok\r\n"}
	hop := f.start(t)
	hop.Username, hop.Password = "gateway", "secret"
	_, err := send(t, hop)
	if err == nil || err.Stage != StageAuth || !err.Temporary {
		t.Errorf("got %+v", err)
	}
	for _, line := range f.commands() {
		if strings.HasPrefix(line, "AUTH") {
			t.Errorf("sent %q", line)
		}
	}
}

func TestEachStageThatFails(t *testing.T) {
	big := strings.Repeat("250-x\r\n", 100000)
	tests := []struct {
		name string
		fake *fake
		want Error
	}{
		{"banner 451", &fake{banner: "451 4.3.0 later\r\n"}, Error{Temporary: true, Stage: StageGreeting, Code: 451, Status: "4.3.0", Text: "later"}},
		{"banner 554", &fake{banner: "554 5.7.1 not you\r\n"}, Error{Temporary: true, Stage: StageGreeting, Code: 554, Status: "5.7.1", Text: "not you"}},
		{"no banner", &fake{banner: "drop"}, Error{Temporary: true, Stage: StageGreeting}},
		{"ehlo 421", &fake{answers: with([2]string{"EHLO", "421 4.3.2 down\r\n"})}, Error{Temporary: true, Stage: StageGreeting, Code: 421, Status: "4.3.2", Text: "down"}},
		{"endless ehlo", &fake{answers: with([2]string{"EHLO", big})}, Error{Temporary: true, Stage: StageGreeting, Text: errTalkative.Error()}},
		{"mail 451", &fake{answers: with([2]string{"MAIL", "451 4.7.1 greylisted\r\n"})}, Error{Temporary: true, Stage: StageMail, Code: 451, Status: "4.7.1", Text: "greylisted"}},
		{"mail 550", &fake{answers: with([2]string{"MAIL", "550 no\r\n"})}, Error{Stage: StageMail, Code: 550, Text: "no"}},
		{"mail dropped", &fake{answers: with([2]string{"MAIL", "drop"})}, Error{Temporary: true, Stage: StageMail}},
		{"rcpt 451", &fake{answers: with([2]string{"RCPT", "451 4.2.2 full\r\n"})}, Error{Temporary: true, Stage: StageRcpt, Code: 451, Status: "4.2.2", Text: "full"}},
		{"rcpt 550", &fake{answers: with([2]string{"RCPT", "550-5.1.1 no such\r\n550 5.1.1 user\r\n"})}, Error{Stage: StageRcpt, Code: 550, Status: "5.1.1", Text: "no such user"}},
		{"rcpt dropped", &fake{answers: with([2]string{"RCPT", "drop"})}, Error{Temporary: true, Stage: StageRcpt}},
		{"data 451", &fake{answers: with([2]string{"DATA", "451 4.3.0 later\r\n"})}, Error{Temporary: true, Stage: StageData, Code: 451, Status: "4.3.0", Text: "later"}},
		{"data 554", &fake{answers: with([2]string{"DATA", "554 5.5.1 no\r\n"})}, Error{Stage: StageData, Code: 554, Status: "5.5.1", Text: "no"}},
		{"body 451", &fake{answers: good, body: "451 4.3.0 temporary trouble\r\n"}, Error{Temporary: true, Stage: StageData, Code: 451, Status: "4.3.0", Text: "temporary trouble"}},
		{"body 550", &fake{answers: good, body: "550 5.7.1 unknown-key: not listed\r\n"}, Error{Stage: StageData, Code: 550, Status: "5.7.1", Text: "unknown-key: not listed"}},
		{"body dropped", &fake{answers: good, body: "drop"}, Error{Temporary: true, Unknown: true, Stage: StageData}},
		{"too small", &fake{answers: with([2]string{"EHLO", "250-mx\r\n250 SIZE 10\r\n"})}, Error{Stage: StageMail, Status: "5.3.4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, f := send(t, tt.fake.start(t))
			if f == nil {
				t.Fatal("no error")
			}
			got := *f
			got.Err = nil
			if tt.want.Text == "" {
				got.Text = ""
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestSomeRecipientsRefused(t *testing.T) {
	f := &fake{answers: with([2]string{"RCPT TO:<b@", "550 5.1.1 no\r\n"}), body: "250 2.6.0 ok\r\n"}
	r, err := send(t, f.start(t), "a@betaland.example", "b@betaland.example")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Refused) != 1 || r.Refused[0].Recipient != "b@betaland.example" || r.Refused[0].Err.Code != 550 || r.Refused[0].Err.Temporary || r.Status != "2.6.0" || r.Text != "ok" {
		t.Errorf("got %+v", r)
	}
	g := &fake{answers: with([2]string{"RCPT TO:<b@", "550 5.1.1 no\r\n"}, [2]string{"RCPT", "452 4.2.2 full\r\n"})}
	if _, err := send(t, g.start(t), "b@betaland.example", "a@betaland.example"); err == nil || !err.Temporary || err.Code != 452 {
		t.Errorf("got %+v", err)
	}
}

// An attacker who strips STARTTLS gets nothing but EHLO.
func TestStrippedStartTLS(t *testing.T) {
	refusal := [2]string{"STARTTLS", "454 4.7.0 not now\r\n"}
	offer := [2]string{"EHLO", "250-mx\r\n250 STARTTLS\r\n"}
	for name, answers := range map[string][][2]string{
		"not offered": good, "refused": with(offer, refusal), "no ehlo": with([2]string{"EHLO", "502 5.5.1 no\r\n"}),
	} {
		for _, s := range []Security{Required, Pinned} {
			f := &fake{answers: answers, body: "250 ok\r\n"}
			hop := f.start(t)
			hop.TLS = TLSPolicy{Security: s, Fingerprints: []string{"00"}}
			_, err := send(t, hop)
			if err == nil || !err.Temporary || err.Stage != StageTLS {
				t.Errorf("%s, %s: got %+v", name, s, err)
			}
			if slices.ContainsFunc(f.commands(), func(c string) bool { return strings.HasPrefix(c, "MAIL") }) {
				t.Errorf("%s, %s: sent %q", name, s, f.commands())
			}
		}
		f := &fake{answers: append([][2]string{{"HELO", "250 mx\r\n"}}, answers...), body: "250 ok\r\n"}
		hop := f.start(t)
		hop.TLS = TLSPolicy{Security: Opportunistic}
		if r, err := send(t, hop); err != nil || r.TLS {
			t.Errorf("%s, opportunistic: got %+v, %v", name, r, err)
		}
	}
}

// Replies in clear behind the 220 are not taken for those inside TLS.
func TestRepliesInjectedBehindStartTLS(t *testing.T) {
	f := &fake{answers: with([2]string{"EHLO", "250-mx\r\n250 STARTTLS\r\n"}, [2]string{"STARTTLS", "220 go\r\n250 injected\r\n"})}
	hop := f.start(t)
	hop.TLS = TLSPolicy{Security: Opportunistic}
	if _, err := send(t, hop); err == nil || err.Stage != StageTLS || !strings.Contains(err.Text, "tampers") {
		t.Errorf("got %+v", err)
	}
}

// Opportunistic: a hop whose TLS is broken gets the message in clear, over a
// new connection.
func TestBrokenTLSUnderOpportunistic(t *testing.T) {
	f := &fake{times: 2, answers: with([2]string{"EHLO", "250-mx\r\n250 STARTTLS\r\n"}, [2]string{"STARTTLS", "tls"}), body: "250 ok\r\n"} // no certificate
	hop := f.start(t)
	hop.TLS = TLSPolicy{Security: Opportunistic}
	if r, err := send(t, hop); err != nil || r.TLS {
		t.Errorf("got %+v, %v", r, err)
	}
	want := []string{"EHLO relais.alphaland.example", "STARTTLS", "EHLO relais.alphaland.example"}
	if got := f.commands(); len(got) < 3 || !reflect.DeepEqual(got[:3], want) {
		t.Errorf("sent %q", got)
	}
}

// Nothing that could be a second command or message leaves.
func TestUnfitMailIsNotSent(t *testing.T) {
	hop := Hop{Host: "127.0.0.1", Port: 1, TLS: TLSPolicy{Security: None}}
	tests := []struct {
		name, helo, from, to, raw string
		hop                       Hop
		temporary                 bool
	}{
		{"bare lf", "mx", "a@b.example", "c@d.example", "A: b\n\r\n", hop, false},
		{"bare cr", "mx", "a@b.example", "c@d.example", "A: b\r\r\n", hop, false},
		{"nul", "mx", "a@b.example", "c@d.example", "A: \x00\r\n", hop, false},
		{"smuggled end", "mx", "a@b.example", "c@d.example", "A: b\r\n\r\n\n.\r\nMAIL FROM:<e@f>\r\n", hop, false},
		{"empty", "mx", "a@b.example", "c@d.example", "", hop, false},
		{"line end in sender", "mx", "a@b.example>\r\nRCPT TO:<x@y", "c@d.example", sample, hop, false},
		{"parameter in recipient", "mx", "a@b.example", "c@d.example> NOTIFY=NEVER", sample, hop, false},
		{"no domain", "mx", "a@b.example", "postmaster", sample, hop, false},
		{"helo", "mx\r\nMAIL", "a@b.example", "c@d.example", sample, hop, false},
		{"no policy", "mx", "a@b.example", "c@d.example", sample, Hop{Host: "127.0.0.1"}, true},
		{"nothing pinned", "mx", "a@b.example", "c@d.example", sample, Hop{Host: "127.0.0.1", TLS: TLSPolicy{Security: Pinned}}, true},
		{"contradiction", "mx", "a@b.example", "c@d.example", sample, Hop{Host: "127.0.0.1", ImplicitTLS: true, TLS: TLSPolicy{Security: None}}, true},
		{"no host", "mx", "a@b.example", "c@d.example", sample, Hop{TLS: TLSPolicy{Security: None}}, true},
	}
	for _, tt := range tests {
		_, err := Send(t.Context(), tt.hop, tt.helo, tt.from, []string{tt.to}, []byte(tt.raw))
		var f *Error
		if !errors.As(err, &f) || f.Stage != StageCheck || f.Temporary != tt.temporary {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// A quoted local part stays one address on the wire.
func TestQuotedLocalPart(t *testing.T) {
	f := &fake{answers: good, body: "250 ok\r\n"}
	if _, err := send(t, f.start(t), `"x> NOTIFY=NEVER "@betaland.example`); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(f.commands(), `RCPT TO:<"x> NOTIFY=NEVER "@betaland.example>`) {
		t.Errorf("sent %q", f.commands())
	}
}

func TestWhatTheHopCannotTake(t *testing.T) {
	plain := &fake{answers: with([2]string{"EHLO", "250 mx\r\n"}), times: 2, body: "250 ok\r\n"}
	hop := plain.start(t)
	_, err := Send(t.Context(), hop, "mx", "a@b.example", []string{"c@d.example"}, []byte("A: \xc3\xa9\r\n"))
	var f *Error
	if !errors.As(err, &f) || f.Status != "5.6.3" || f.Temporary {
		t.Errorf("got %v", err)
	}
	if _, f := send(t, hop, "é@betaland.example"); f == nil || f.Status != "5.6.7" || f.Temporary {
		t.Errorf("got %v", f)
	}
}

func TestContextEndsADelivery(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // never accepted, so never a banner
	for _, s := range []Security{None, Required} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		hop := Hop{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: TLSPolicy{Security: s}}
		_, err = Send(ctx, hop, "mx", "a@b.example", []string{"c@d.example"}, []byte(sample))
		cancel()
		var f *Error
		if !errors.As(err, &f) || !errors.Is(err, context.DeadlineExceeded) || !f.Temporary || f.Stage != StageGreeting {
			t.Errorf("got %v", err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	if _, f := send(t, Hop{Host: "127.0.0.1", Port: port, TLS: TLSPolicy{Security: None}}); f == nil || f.Stage != StageConnect || !f.Temporary {
		t.Errorf("got %+v", f)
	}
}
