package smtpout

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"
)

// failed turns what go-smtp returns into an *Error. Without a reply of the
// hop, and for a banner that refuses everybody, it is temporary.
func failed(stage Stage, err error) *Error {
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		return &Error{Temporary: true, Stage: stage, Text: oneLine(err.Error()), Err: err}
	}
	f := &Error{
		Temporary: reply.Code/100 != 5 || stage == StageGreeting || stage == StageTLS,
		Stage:     stage,
		Code:      reply.Code,
		Text:      oneLine(reply.Message),
		Err:       err,
	}
	if c := reply.EnhancedCode; c[0] > 0 {
		f.Status = fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
	} else {
		f.Status, f.Text = splitStatus(f.Text)
	}
	return f
}

// explain says that the context ended when that is why err came about.
func explain(ctx context.Context, err error) *Error {
	var f *Error
	if !errors.As(err, &f) {
		f = &Error{Temporary: true, Stage: StageConnect, Text: oneLine(err.Error()), Err: err}
	}
	if cause := ctx.Err(); cause != nil && f.Code == 0 && f.Temporary {
		f.Text, f.Err = cause.Error(), cause
	}
	return f
}

// splitStatus takes the enhanced code off the front of a reply.
func splitStatus(reply string) (status, text string) {
	first, rest, _ := strings.Cut(reply, " ")
	digits := strings.Split(first, ".")
	if len(digits) != 3 || strings.Trim(first, "0123456789.") != "" || !strings.Contains("245", digits[0]) {
		return "", reply
	}
	return first, rest
}

// maxText bounds what of a hop's words is kept.
const maxText = 500

// oneLine makes s fit for a log line and a table.
func oneLine(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
