package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/mail"

	"relais.example/gateway/banner"
)

// Staff is an IMAP connection of one person.
type Staff struct {
	*imapclient.Client
	t testing.TB
}

// In returns the same connection for a subtest.
func (s *Staff) In(t testing.TB) *Staff { return &Staff{s.Client, t} }

// Mail is a message as a mail program sees it.
type Mail struct {
	Folder string
	UID    imap.UID
	Flags  []string
	Header mail.Header
	Note   string // of the gateway, above the message
	Body   string // of the first part of the sender
}

// IMAP logs a person in.
func (g *Gateway) IMAP(user string) *Staff {
	g.t.Helper()
	s, err := g.TryIMAP(user, nil)
	if err != nil {
		g.t.Fatalf("logging in as %s: %v", user, err)
	}
	return s
}

// TryIMAP logs a person in; added is told the new number of messages whenever
// the server speaks of it by itself.
func (g *Gateway) TryIMAP(user string, added func(n uint32)) (*Staff, error) {
	o := &imapclient.Options{}
	if added != nil {
		o.UnilateralDataHandler = &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				added(*d.NumMessages)
			}
		}}
	}
	conn, err := tls.Dial("tcp", g.Listen["imaps"], g.TLS)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute)) // no test takes longer; one that hangs must fail
	c := imapclient.New(conn, o)
	if err := c.Login(user, g.Written.Passwords[user]).Wait(); err != nil {
		c.Close()
		return nil, err
	}
	g.t.Cleanup(func() { c.Close() })
	return &Staff{c, g.t}, nil
}

// List reads all messages of a folder, and leaves it selected.
func (s *Staff) List(folder string) []Mail {
	s.t.Helper()
	mails, err := s.TryList(folder)
	if err != nil {
		s.t.Fatalf("reading %s: %v", folder, err)
	}
	return mails
}

// TryList is List for tests in which it may fail.
func (s *Staff) TryList(folder string) ([]Mail, error) {
	selected, err := s.Select(folder, nil).Wait()
	if err != nil || selected.NumMessages == 0 {
		return nil, err
	}
	section := &imap.FetchItemBodySection{Peek: true}
	options := &imap.FetchOptions{UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{section}}
	buffers, err := s.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, options).Collect()
	if err != nil {
		return nil, err
	}
	var out []Mail
	for _, b := range buffers {
		m := Mail{Folder: folder, UID: b.UID}
		for _, f := range b.Flags {
			m.Flags = append(m.Flags, string(f))
		}
		r, err := mail.CreateReader(bytes.NewReader(b.FindBodySection(section)))
		if err != nil {
			return nil, fmt.Errorf("message %d of %s: %w", b.UID, folder, err)
		}
		m.Header = r.Header
		for part, err := r.NextPart(); err == nil && m.Body == ""; part, err = r.NextPart() {
			text, _ := io.ReadAll(part.Body)
			if part.Header.Get("Content-Description") == banner.Description && m.Note == "" {
				m.Note = string(text)
			} else {
				m.Body = string(text)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// Text returns a header field, decoded.
func (m Mail) Text(name string) string {
	text, err := m.Header.Text(name)
	if err != nil {
		return m.Header.Get(name)
	}
	return text
}

// Has reports whether the message has a flag or keyword.
func (m Mail) Has(flag string) bool {
	return slices.ContainsFunc(m.Flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

// Find waits for a message in a folder.
func (s *Staff) Find(folder, what string, fits func(Mail) bool) Mail {
	s.t.Helper()
	var found Mail
	WaitFor(s.t, what+" in "+folder, func() error {
		all := s.List(folder)
		i := slices.IndexFunc(all, fits)
		if i < 0 {
			return fmt.Errorf("it has %d other messages", len(all))
		}
		found = all[i]
		return nil
	})
	return found
}

// OfRequest fits the messages of a request.
func OfRequest(ref string) func(Mail) bool {
	return func(m Mail) bool { return m.Header.Get("X-Relais-Reference") == ref }
}

// Flag sets a flag on a message of the selected folder.
func (s *Staff) Flag(m Mail, flag string) error {
	return s.Client.Store(imap.UIDSetNum(m.UID), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.Flag(flag)}}, nil).Close()
}

// Unflag takes a flag from a message of the selected folder.
func (s *Staff) Unflag(m Mail, flag string) error {
	return s.Client.Store(imap.UIDSetNum(m.UID), &imap.StoreFlags{Op: imap.StoreFlagsDel, Flags: []imap.Flag{imap.Flag(flag)}}, nil).Close()
}

// MoveTo moves a message of the selected folder.
func (s *Staff) MoveTo(m Mail, folder string) error {
	_, err := s.Client.Move(imap.UIDSetNum(m.UID), folder).Wait()
	return err
}

// Counts returns how many messages each folder holds.
func (s *Staff) Counts() map[string]int {
	s.t.Helper()
	folders, err := s.Client.List("", "*", nil).Collect()
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range folders {
		data, err := s.Client.Status(f.Mailbox, &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil {
			s.t.Fatal(err)
		}
		out[f.Mailbox] = int(*data.NumMessages)
	}
	return out
}

// RefusedWith returns the words of a NO, "" if err is no NO.
func RefusedWith(err error) string {
	var e *imap.Error
	if errors.As(err, &e) && e.Type == imap.StatusResponseTypeNo {
		return e.Text
	}
	return ""
}
