package smtpout

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// conn is an SMTP client on a connection whose protection is settled.
type conn struct {
	smtp *smtp.Client
	tls  bool
	stop func() bool // ends the watch over the context
	raw  net.Conn
}

func (c *conn) close() {
	c.stop()
	c.raw.Close()
}

// errHandshake marks a TLS handshake that failed.
var errHandshake = errors.New("tls handshake failed")

// connect dials hop and settles TLS. go-smtp's own STARTTLS says "EHLO
// localhost" and knows no policy, so it is done by hand and go-smtp is put on
// the connection afterwards, with a banner to read.
func connect(ctx context.Context, hop Hop, heloName string) (*conn, error) {
	d := net.Dialer{Timeout: connectTimeout}
	tcp, err := d.DialContext(ctx, "tcp", hop.address())
	if err != nil {
		return nil, failed(StageConnect, err)
	}
	c := &conn{raw: tcp, stop: context.AfterFunc(ctx, func() { tcp.Close() })}
	l := &link{Conn: tcp}
	switch {
	case hop.ImplicitTLS:
		l, err = secure(ctx, hop, tcp)
	case hop.TLS.Security != None:
		l, err = startTLS(ctx, hop, heloName, l)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	c.tls = l.tls
	c.smtp = smtp.NewClient(l)
	c.smtp.CommandTimeout = commandTimeout
	c.smtp.SubmissionTimeout = replyTimeout
	return c, nil
}

// startTLS reads the banner and asks for TLS. Under the opportunistic policy a
// hop without TLS gets the connection as it is.
func startTLS(ctx context.Context, hop Hop, heloName string, l *link) (*link, error) {
	l.SetDeadline(time.Now().Add(commandTimeout))
	br := bufio.NewReader(l)
	r := textproto.NewReader(br)
	ask := func(command string, code int) (string, error) {
		if command != "" {
			if _, err := io.WriteString(l, command+"\r\n"); err != nil {
				return "", err
			}
		}
		_, text, err := r.ReadResponse(code)
		return text, asReply(err)
	}
	if _, err := ask("", 220); err != nil {
		return nil, failed(StageGreeting, err)
	}
	caps, err := ask("EHLO "+heloName, 250)
	var refused *smtp.SMTPError
	if err != nil && !errors.As(err, &refused) {
		return nil, failed(StageGreeting, err)
	}
	offered := err == nil && slices.ContainsFunc(strings.Split(caps, "\n"), func(c string) bool {
		return strings.EqualFold(strings.TrimSpace(c), "STARTTLS")
	})
	if offered {
		_, err = ask("STARTTLS", 220)
	}
	switch {
	case offered && err == nil:
		if br.Buffered() > 0 {
			return nil, &Error{Temporary: true, Stage: StageTLS, Text: "bytes in clear behind the reply to STARTTLS: somebody tampers with the link"}
		}
		return secure(ctx, hop, l.Conn)
	case offered && !errors.As(err, &refused):
		return nil, failed(StageTLS, err)
	case hop.TLS.Security == Opportunistic:
		l.ahead = append([]byte(banner), buffered(br)...)
		l.SetDeadline(time.Time{})
		return l, nil
	case offered:
		return nil, failed(StageTLS, err)
	}
	return nil, &Error{Temporary: true, Stage: StageTLS, Text: "the hop does not offer STARTTLS and the policy requires TLS"}
}

// banner is what go-smtp finds where the real one was read already.
const banner = "220 go on\r\n"

func buffered(br *bufio.Reader) []byte {
	b, _ := br.Peek(br.Buffered())
	return b
}

// secure does the handshake.
func secure(ctx context.Context, hop Hop, raw net.Conn) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	raw.SetDeadline(time.Time{})
	c := tls.Client(raw, hop.TLS.config(hop.Host))
	if err := c.HandshakeContext(ctx); err != nil {
		f := failed(StageTLS, err)
		f.Err = fmt.Errorf("%w: %w", errHandshake, err)
		return nil, f
	}
	l := &link{Conn: c, tls: true}
	if !hop.ImplicitTLS {
		l.ahead = []byte(banner)
	}
	return l, nil
}

// config returns what the policy asks of a certificate.
func (p TLSPolicy) config(host string) *tls.Config {
	c := &tls.Config{ServerName: p.ServerName, RootCAs: p.CAs}
	if c.ServerName == "" {
		c.ServerName = strings.Trim(host, "[]")
	}
	switch p.Security {
	case Opportunistic:
		c.InsecureSkipVerify = true // anybody's key is better than none
	case Pinned:
		c.InsecureSkipVerify = true // VerifyConnection decides instead
		name := c.ServerName
		c.VerifyConnection = func(cs tls.ConnectionState) error { return p.verify(cs, name) }
	}
	return c
}

// verify accepts a certificate that is pinned itself or issued under p.CAs for
// name. The handshake has proved that the hop has its key.
func (p TLSPolicy) verify(cs tls.ConnectionState, name string) error {
	leaf := cs.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	have := hex.EncodeToString(sum[:])
	for _, want := range p.Fingerprints {
		if strings.EqualFold(strings.ReplaceAll(want, ":", ""), have) {
			return nil
		}
	}
	if p.CAs == nil {
		return fmt.Errorf("the certificate with SHA-256 %s is not pinned", have)
	}
	o := x509.VerifyOptions{Roots: p.CAs, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(o)
	return err
}

// asReply turns the error of net/textproto into that of go-smtp.
func asReply(err error) error {
	var e *textproto.Error
	if !errors.As(err, &e) {
		return err
	}
	return &smtp.SMTPError{Code: e.Code, Message: e.Msg}
}
