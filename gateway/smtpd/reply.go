package smtpd

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
	"relais.example/routing/verdict"
)

// tooLargeText is what a sender reads; the code before the colon is the same as
// in every other place a reason stands.
var tooLargeText = reasonText(verdict.OverLimits)

func reasonText(r verdict.Reason) string { return string(r) + ": " + verdict.Of(r).Text }

// answer turns what the receiver says into the reply.
func (s *session) answer(o Outcome, err error) error {
	class := o.Code / 100
	if err == nil && class != 2 && class != 4 && class != 5 {
		err = fmt.Errorf("the receiver answered %d", o.Code)
	}
	if err != nil {
		s.srv.observe(EventDeferred)
		s.srv.log.Warn("message deferred", slog.Any("error", err))
		return reply(451, "4.3.0", "temporary trouble, try again later")
	}
	s.srv.observe(map[int]string{2: EventAccepted, 4: EventDeferred, 5: EventRefused}[class])
	return reply(o.Code, o.Status, o.Text)
}

var (
	errNoRoom     = reply(452, "4.3.1", "out of memory for messages, try again later")
	errIncomplete = reply(451, "4.4.2", "the message did not arrive whole")
)

// entryReply is the reply for a verdict that this package reaches itself.
func entryReply(r verdict.Reason) *smtp.SMTPError {
	e := verdict.Of(r)
	return reply(e.Code, e.Status, reasonText(r))
}

// maxReplyText keeps a reply line within RFC 5321 4.5.3.1.5 (512 bytes).
const maxReplyText = 480

// reply builds a reply of one line whatever text holds.
func reply(code int, status, text string) *smtp.SMTPError {
	if len(text) > maxReplyText {
		text = text[:maxReplyText]
		for !utf8.ValidString(text) && len(text) > maxReplyText-utf8.UTFMax {
			text = text[:len(text)-1]
		}
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced(code, status), Message: text}
}

// enhanced reads "5.7.1"; what is malformed or of another class than code
// becomes X.0.0.
func enhanced(code int, status string) smtp.EnhancedCode {
	var e smtp.EnhancedCode
	parts := strings.Split(status, ".")
	for i := range e {
		n := -1
		if len(parts) == len(e) {
			n, _ = strconv.Atoi(parts[i])
		}
		if n < 0 || n > 999 || i == 0 && n != code/100 {
			return smtp.EnhancedCode{code / 100, 0, 0}
		}
		e[i] = n
	}
	return e
}
