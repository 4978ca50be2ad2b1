package smtpout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"relais.example/gateway/smtpd/envelope"
)

// Longest waits of each stage (RFC 5321 4.5.3.2); the context may end them
// earlier.
const (
	connectTimeout   = 30 * time.Second
	handshakeTimeout = time.Minute
	commandTimeout   = 5 * time.Minute
	replyTimeout     = 10 * time.Minute // for the reply to the whole message
	quitTimeout      = 5 * time.Second
)

// Send hands the message raw to hop: strict CRLF, no NUL, bytes unchanged but
// for a line end added when the last is missing. Addresses are in wire form;
// mailFrom is empty for the null sender. It succeeds when the hop took the
// message for at least one recipient; see Result.Refused for the others. Its
// error is always an *Error.
func Send(ctx context.Context, hop Hop, heloName, mailFrom string, rcptTo []string, raw []byte) (Result, error) {
	e, err := checkMail(hop, heloName, mailFrom, rcptTo, raw)
	if err != nil {
		return Result{}, err
	}
	c, err := connect(ctx, hop, heloName)
	if errors.Is(err, errHandshake) && hop.TLS.Security == Opportunistic && !hop.ImplicitTLS {
		// The connection is spoilt, the policy allows clear.
		hop.TLS.Security = None
		c, err = connect(ctx, hop, heloName)
	}
	if err != nil {
		return Result{}, explain(ctx, err)
	}
	defer c.close()
	r, err := c.deliver(hop, heloName, e, raw)
	if err != nil {
		return Result{}, explain(ctx, err)
	}
	return r, nil
}

// mail is a checked envelope.
type mail struct {
	from     string
	to       []string
	utf8     bool // some address needs SMTPUTF8
	eightBit bool // the message is not ASCII
}

func checkMail(hop Hop, heloName, mailFrom string, rcptTo []string, raw []byte) (mail, error) {
	unfit := func(status, text string) (mail, error) {
		return mail{}, &Error{Stage: StageCheck, Status: status, Text: text}
	}
	if err := hop.check(); err != nil {
		return mail{}, err
	}
	if heloName == "" || strings.ContainsFunc(heloName, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return unfit("5.5.4", "the name for EHLO is not a host name")
	}
	e := mail{eightBit: !isASCII(raw)}
	add := func(s string) (string, error) {
		a, err := envelope.Parse(s)
		e.utf8 = e.utf8 || !a.ASCII()
		return a.String(), err
	}
	var err error
	if mailFrom != "" {
		if e.from, err = add(mailFrom); err != nil {
			return unfit("5.1.7", "sender: "+err.Error())
		}
	}
	for _, s := range rcptTo {
		to, err := add(s)
		if err != nil {
			return unfit("5.1.3", "recipient: "+err.Error())
		}
		e.to = append(e.to, to)
	}
	switch {
	case len(e.to) == 0:
		return unfit("5.5.4", "no recipients")
	case len(raw) == 0:
		return unfit("5.6.0", "the message is empty")
	case !strictLines(raw):
		return unfit("5.6.0", "bare CR, bare LF or NUL in the message")
	}
	return e, nil
}

// strictLines tells whether every CR and LF is part of CRLF, without NUL: what
// leaves here must not be read differently by the next hop (SMTP smuggling).
func strictLines(raw []byte) bool {
	n := bytes.Count(raw, []byte("\r\n"))
	return bytes.Count(raw, []byte("\r")) == n && bytes.Count(raw, []byte("\n")) == n && bytes.IndexByte(raw, 0) < 0
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// check refuses a hop that says too little to be safe.
func (h Hop) check() error {
	var text string
	switch {
	case h.Host == "":
		text = "the hop has no host"
	case h.TLS.Security == Pinned && len(h.TLS.Fingerprints) == 0 && h.TLS.CAs == nil:
		text = "pinned TLS needs fingerprints or certificate authorities"
	case h.ImplicitTLS && h.TLS.Security == None:
		text = "implicit TLS and no TLS are asked for at once"
	}
	switch h.TLS.Security {
	case Required, Pinned, Opportunistic, None:
	default:
		text = fmt.Sprintf("unknown TLS policy %q: use required, pinned, opportunistic or none", h.TLS.Security)
	}
	if text == "" {
		return nil
	}
	return &Error{Temporary: true, Stage: StageCheck, Text: text} // for the administrator to mend
}

func (h Hop) address() string {
	port := h.Port
	switch {
	case port == 0 && h.ImplicitTLS:
		port = 465
	case port == 0:
		port = 25
	}
	return net.JoinHostPort(strings.Trim(h.Host, "[]"), strconv.Itoa(port))
}

// deliver speaks SMTP on a connection whose protection is settled.
func (c *conn) deliver(hop Hop, heloName string, e mail, raw []byte) (Result, error) {
	if err := c.smtp.Hello(heloName); err != nil {
		return Result{}, failed(StageGreeting, err)
	}
	if err := c.login(hop); err != nil {
		return Result{}, err
	}
	if err := c.fits(e, raw); err != nil {
		return Result{}, err
	}
	if err := c.smtp.Mail(e.from, &smtp.MailOptions{Size: int64(len(raw)), UTF8: e.utf8}); err != nil {
		return Result{}, failed(StageMail, err)
	}
	refused, err := c.recipients(e.to)
	if err != nil {
		return Result{}, err
	}
	w, err := c.smtp.Data()
	if err != nil {
		return Result{}, failed(StageData, err)
	}
	if _, err := w.Write(raw); err != nil {
		return Result{}, failed(StageData, err)
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		f := failed(StageData, err)
		f.Unknown = f.Code == 0
		return Result{}, f
	}
	c.smtp.CommandTimeout = quitTimeout
	c.smtp.Quit() // the message is theirs; how they say goodbye does not matter
	status, text := splitStatus(reply.StatusText)
	return Result{Code: 250, Status: status, Text: oneLine(text), TLS: c.tls, Refused: refused}, nil
}

func (c *conn) login(hop Hop) error {
	switch {
	case hop.Username == "":
		return nil
	case !c.tls:
		return &Error{Temporary: true, Stage: StageAuth, Text: "the link is not TLS, so the password is not sent"}
	case !c.smtp.SupportsAuth(sasl.Plain):
		return &Error{Temporary: true, Stage: StageAuth, Text: "the hop does not offer AUTH PLAIN"}
	}
	if err := c.smtp.Auth(sasl.NewPlainClient("", hop.Username, hop.Password)); err != nil {
		f := failed(StageAuth, err)
		f.Temporary = true
		return f
	}
	return nil
}

// fits compares the message with what the hop says it can take.
func (c *conn) fits(e mail, raw []byte) error {
	if most, ok := c.smtp.MaxMessageSize(); ok && most > 0 && len(raw) > most {
		return &Error{Stage: StageMail, Status: "5.3.4", Text: fmt.Sprintf("the message has %d bytes, the hop takes %d", len(raw), most)}
	}
	if ok, _ := c.smtp.Extension("8BITMIME"); e.eightBit && !ok {
		return &Error{Stage: StageMail, Status: "5.6.3", Text: "the message is not ASCII and the hop takes nothing else"}
	}
	if ok, _ := c.smtp.Extension("SMTPUTF8"); e.utf8 && !ok {
		return &Error{Stage: StageMail, Status: "5.6.7", Text: "an address is not ASCII and the hop takes nothing else"}
	}
	return nil
}

// recipients offers each recipient. It is an error when none is taken, or the
// connection fails.
func (c *conn) recipients(to []string) (refused []RecipientError, err error) {
	for _, addr := range to {
		err := c.smtp.Rcpt(addr, nil)
		if err == nil {
			continue
		}
		f := failed(StageRcpt, err)
		if f.Code == 0 || f.Code == 421 {
			return nil, f
		}
		refused = append(refused, RecipientError{Recipient: addr, Err: f})
	}
	if len(refused) < len(to) {
		return refused, nil
	}
	for _, r := range refused {
		if r.Err.Temporary {
			return nil, r.Err
		}
	}
	return nil, refused[0].Err
}
