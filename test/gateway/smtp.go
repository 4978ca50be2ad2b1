package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Reply is what the gateway answers to a message or a command.
type Reply struct {
	Code   int    // 0: no answer, Text says why
	Status string // such as 5.7.1
	Text   string
}

// String is the reply as it came.
func (r Reply) String() string { return fmt.Sprintf("%d %s %s", r.Code, r.Status, r.Text) }

var referencePattern = regexp.MustCompile(`[A-Z]{2}-[0-9]+-[0-9]{4}-[0-9]{6,9}-[A-Z0-9]`)

// References finds the references in a text.
func References(text string) []string { return referencePattern.FindAllString(text, -1) }

// Reference returns the reference in the reply, "" if there is none.
func (r Reply) Reference() string { return referencePattern.FindString(r.Text) }

func replyOf(r *smtp.DataResponse, err error) Reply {
	var refused *smtp.SMTPError
	switch {
	case err == nil:
		status, text, ok := strings.Cut(r.StatusText, " ")
		if !ok || strings.Count(status, ".") != 2 {
			status, text = "", r.StatusText
		}
		return Reply{250, status, text}
	case errors.As(err, &refused):
		e := refused.EnhancedCode
		return Reply{refused.Code, fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2]), refused.Message}
	}
	return Reply{Text: err.Error()}
}

// Deliver hands a message to the MX port, over TLS, as another mail server
// does.
func (g *Gateway) Deliver(from, to string, raw []byte) Reply {
	c, err := g.DialMX()
	if err != nil {
		return replyOf(nil, err)
	}
	defer c.Close()
	return Transfer(c, from, to, raw)
}

// DialMX opens a connection for several messages.
func (g *Gateway) DialMX() (*smtp.Client, error) {
	return impatient(smtp.DialStartTLS(g.Listen["mx"], g.TLS))
}

// impatient makes a gateway that does not answer fail the test instead of
// halting it.
func impatient(c *smtp.Client, err error) (*smtp.Client, error) {
	if err == nil {
		c.CommandTimeout, c.SubmissionTimeout = patience, patience
	}
	return c, err
}

// Submit hands in a message as a mail program of the staff does.
func (g *Gateway) Submit(user, from, to string, raw []byte) Reply {
	c, err := impatient(smtp.DialTLS(g.Listen["submissions"], g.TLS))
	if err != nil {
		return replyOf(nil, err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", user, g.Written.Passwords[user])); err != nil {
		return replyOf(nil, err)
	}
	return Transfer(c, from, to, raw)
}

// Transfer sends one message over an open connection.
func Transfer(c *smtp.Client, from, to string, raw []byte) Reply {
	if err := c.Mail(from, nil); err != nil {
		return replyOf(nil, err)
	}
	if err := c.Rcpt(to, nil); err != nil {
		return replyOf(nil, err)
	}
	w, err := c.Data()
	if err != nil {
		return replyOf(nil, err)
	}
	if _, err := w.Write(raw); err != nil {
		return replyOf(nil, err)
	}
	return replyOf(w.CloseWithResponse())
}

// DeliverRaw writes a message to the MX port byte by byte as it is, with the
// final dot behind.
func (g *Gateway) DeliverRaw(from, to, text string) Reply {
	conn, err := net.Dial("tcp", g.Listen["mx"])
	if err != nil {
		return replyOf(nil, err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	c := textproto.NewConn(conn)
	defer c.Close()
	if _, _, err := c.ReadResponse(220); err != nil {
		return replyOf(nil, err)
	}
	for _, step := range []struct {
		line string
		want int
	}{{"EHLO client.example", 250}, {"MAIL FROM:<" + from + ">", 250}, {"RCPT TO:<" + to + ">", 250}, {"DATA", 354}} {
		if err := c.PrintfLine("%s", step.line); err != nil {
			return replyOf(nil, err)
		}
		if _, _, err := c.ReadResponse(step.want); err != nil {
			return replyOf(nil, err)
		}
	}
	if _, err := io.WriteString(conn, text+"\r\n.\r\n"); err != nil {
		return replyOf(nil, err)
	}
	code, text, err := c.ReadResponse(0)
	if err != nil {
		return replyOf(nil, err)
	}
	status, text, _ := strings.Cut(text, " ")
	return Reply{code, status, text}
}
