package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"relais.example/gateway/banner"
	"relais.example/gateway/config"
	"relais.example/gateway/smtpd"
)

// mailbox is the mail server of a contact point that has no Relais: it keeps
// what arrives as files.
type mailbox struct {
	dir    string
	n      atomic.Int64
	server *smtpd.Server
}

func newMailbox(address string, c *config.Config, dir string) (*mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.CertificateFile, c.TLS.KeyFile)
	if err != nil {
		return nil, err
	}
	m := &mailbox{dir: dir}
	if m.server, err = smtpd.NewMX(m, smtpd.Options{Hostname: "localhost", TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	go m.server.Serve(ln)
	return m, nil
}

// Recipient takes mail for anybody.
func (m *mailbox) Recipient(string) (string, bool) { return "XB-2", true }

// Receive keeps the message.
func (m *mailbox) Receive(_ context.Context, in smtpd.Inbound) (smtpd.Outcome, error) {
	path := filepath.Join(m.dir, fmt.Sprintf("%03d.eml", m.n.Add(1)))
	if err := os.WriteFile(path, in.Raw, 0o600); err != nil {
		return smtpd.Outcome{}, err
	}
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: "kept"}, nil
}

func (m *mailbox) close() { m.server.Close() }

// files returns what arrived, oldest first.
func (m *mailbox) files() [][]byte {
	paths, _ := filepath.Glob(filepath.Join(m.dir, "*.eml"))
	var out [][]byte
	for _, p := range paths {
		if b, err := os.ReadFile(p); err == nil {
			out = append(out, b)
		}
	}
	return out
}

// submit sends a message as a mail program does: TLS, login, SMTP.
func (d *demo) submit(user, from, to string, raw []byte) (reply string, err error) {
	c, err := smtp.DialTLS(d.c.Listen.Submissions, d.tls)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", user, d.in.Passwords[user])); err != nil {
		return "", err
	}
	return transfer(c, from, to, raw)
}

// deliver sends a message to the MX port as another mail server does.
func (d *demo) deliver(from, to string, raw []byte) (reply string, err error) {
	c, err := smtp.DialStartTLS(d.c.Listen.MX, d.tls)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return transfer(c, from, to, raw)
}

func transfer(c *smtp.Client, from, to string, raw []byte) (string, error) {
	if err := c.Mail(from, nil); err != nil {
		return "", err
	}
	if err := c.Rcpt(to, nil); err != nil {
		return "", err
	}
	w, err := c.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write(raw); err != nil {
		return "", err
	}
	r, err := w.CloseWithResponse()
	if err != nil {
		return "", err
	}
	return r.StatusText, c.Quit()
}

// received is one message as a mail program shows it.
type received struct {
	folder  string
	uid     imap.UID
	flags   []imap.Flag
	header  mail.Header
	note    string // of the gateway, above the message
	body    string // of the first part of the sender
	rawSize int
}

// folders opens an IMAP connection as that person.
func (d *demo) folders(user string) (*imapclient.Client, error) {
	c, err := imapclient.DialTLS(d.c.Listen.IMAPS, &imapclient.Options{TLSConfig: d.tls})
	if err != nil {
		return nil, err
	}
	if err := c.Login(user, d.in.Passwords[user]).Wait(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// read waits until a message that fits is in one of the folders, and reads it.
func (d *demo) read(ctx context.Context, user string, folders []string, fits func(received) bool) (received, error) {
	var found received
	c, err := d.folders(user)
	if err != nil {
		return found, err
	}
	defer c.Close()
	err = until(ctx, "a message for "+user, func() (bool, error) {
		for _, folder := range folders {
			all, err := list(c, folder)
			if err != nil {
				return false, err
			}
			for _, m := range all {
				if fits(m) {
					found = m
					return true, nil
				}
			}
		}
		return false, nil
	})
	return found, err
}

func list(c *imapclient.Client, folder string) ([]received, error) {
	selected, err := c.Select(folder, nil).Wait()
	if err != nil || selected.NumMessages == 0 {
		return nil, err
	}
	all := imap.SeqSet{{Start: 1, Stop: 0}}
	section := &imap.FetchItemBodySection{Peek: true}
	buffers, err := c.Fetch(all, &imap.FetchOptions{UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		return nil, err
	}
	var out []received
	for _, b := range buffers {
		raw := b.FindBodySection(section)
		r, err := mail.CreateReader(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("reading message %d of %s: %w", b.UID, folder, err)
		}
		m := received{folder: folder, uid: b.UID, flags: b.Flags, header: r.Header, rawSize: len(raw)}
		for part, err := r.NextPart(); err == nil && m.body == ""; part, err = r.NextPart() {
			text, _ := io.ReadAll(part.Body)
			if part.Header.Get("Content-Description") == banner.Description && m.note == "" {
				m.note = string(text)
			} else {
				m.body = string(text)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// text returns a header field, decoded.
func (m received) text(name string) string {
	s, err := m.header.Text(name)
	if err != nil {
		return m.header.Get(name)
	}
	return s
}

// metric reads one value from /metrics; series is name{labels} as it stands
// there.
func (d *demo) metric(series string) (float64, error) {
	resp, err := http.Get("http://" + d.c.Listen.HTTP + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", series)
}

// letter writes a plain message as a mail program would.
func letter(fields [][2]string, text string) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	fmt.Fprintf(&b, "Date: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", time.Now().Format(time.RFC1123Z))
	b.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
	return b.Bytes()
}
