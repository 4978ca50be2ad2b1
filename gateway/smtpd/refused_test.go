package smtpd

import (
	"errors"
	"strings"
	"testing"

	"relais.example/routing/verdict"
)

// TestRefusalsAreTold: a message that the receiver never sees is still a
// message that was refused, and somebody keeps count.
func TestRefusalsAreTold(t *testing.T) {
	type refusal struct {
		desk, remote string
		reason       verdict.Reason
	}
	for _, c := range []struct {
		name, body string
		err        error
		want       string // reply
		reason     verdict.Reason
	}{
		{"bare LF", "Subject: x\r\n\r\nhello\nagain\r\n.\r\n", nil, "550 5.6.0 bad-line-endings: ", verdict.BadLineEndings},
		{"too large", strings.Repeat("0123456789\r\n", 100) + ".\r\n", nil, "552 5.3.4 over-limits: ", verdict.OverLimits},
		{"much too large", strings.Repeat("0123456789\r\n", 400), nil, "552 5.3.4 over-limits: ", verdict.OverLimits},
		{"line too long", strings.Repeat("x", 70<<10) + "\r\n.\r\n", nil, "552 5.3.4 over-limits: ", verdict.OverLimits},
		{"not recorded", "Subject: x\r\n\r\nhello\nagain\r\n.\r\n", errors.New("disk full"), "451 4.3.0 ", verdict.BadLineEndings},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := make(chan refusal, 10)
			limits := Limits{MessageBytes: 1000}
			if c.name == "line too long" {
				limits = Limits{}
			}
			w := serve(t, func(o Options) (*Server, error) {
				o.Refused = func(desk, remote string, r verdict.Reason) error {
					told <- refusal{desk, remote, r}
					return c.err
				}
				return NewMX(&recorder{}, o)
			}, limits).hello(t)
			w.transaction()
			w.send(c.body)
			w.expect(c.want)
			if got := <-told; got != (refusal{"XA-1", "127.0.0.1", c.reason}) || len(told) > 0 {
				t.Errorf("told %+v and %d more", got, len(told))
			}
		})
	}
}
