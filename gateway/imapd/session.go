package imapd

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// session is one client. The library calls its methods one after the other;
// only Idle may still run when the next one begins.
type session struct {
	server *Server
	wire   *imapserver.Conn
	conn   *conn
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	attempts   int
	account    Account
	box        *view       // the selected folder, or nil
	saved      []uint32    // `$`: UIDs of the last SEARCH RETURN (SAVE)
	responding atomic.Bool // in the middle of a FETCH response

	mu     sync.Mutex // for Idle, which may begin when the connection is over
	closed bool
	idling sync.WaitGroup
}

var (
	_ imapserver.SessionIMAP4rev2   = (*session)(nil)
	_ imapserver.SessionAppendLimit = (*session)(nil)
)

func (s *Server) newSession(wire *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	c := wire.NetConn().(*conn)
	ctx, cancel := context.WithCancel(s.ctx)
	return &session{server: s, wire: wire, conn: c, ctx: ctx, cancel: cancel}, nil, nil
}

// Close says why the server ends the connection, if it does.
func (s *session) Close() error {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	// After a panic in the middle of a response the library's lock is held
	// for ever: no last words then.
	if reason := s.conn.lastWords(); reason != "" && !s.responding.Load() {
		s.wire.Bye(reason)
	}
	s.conn.Close() // frees an IDLE that waits for a client that does not read
	s.idling.Wait()
	s.closeBox()
	return nil
}

// AppendLimit is the largest APPEND in bytes (RFC 7889).
func (s *session) AppendLimit() uint32 {
	return uint32(min(s.server.o.MaxMessageBytes, 1<<32-1))
}

// Login is reached over TLS only.
func (s *session) Login(user, password string) (err error) {
	defer s.track("LOGIN", &err)()
	if s.attempts >= s.server.o.MaxLoginAttempts {
		return imapserver.ErrAuthFailed
	}
	s.attempts++
	ctx, cancel := s.commandContext()
	defer cancel()
	account, err := s.server.o.Store.Authenticate(ctx, user, password, s.conn.remote)
	var refused *Refused
	switch {
	case err == nil && s.server.login(s.conn, account.User()):
		s.account = account
		s.server.o.Observe.Login("ok")
		return nil
	case err == nil:
		s.server.o.Observe.Login("limit")
		err = &Refused{imap.ResponseCodeLimit, "too many connections of this account"}
	case errors.Is(err, ErrBadCredentials):
		s.server.o.Observe.Login("failed")
		err = imapserver.ErrAuthFailed
	case errors.As(err, &refused):
		s.server.o.Observe.Login("failed")
	default:
		s.server.o.Observe.Login("error")
	}
	if s.attempts >= s.server.o.MaxLoginAttempts {
		s.conn.end("too many failed logins")
	}
	return err
}

// commandContext bounds one command.
func (s *session) commandContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, s.server.o.CommandTime)
}

// track is deferred by every command: it counts it and turns its error into
// what the client is told.
func (s *session) track(name string, err *error) func() {
	start := time.Now()
	return func() {
		result := "ok"
		if *err != nil {
			var internal bool
			if *err, internal = s.answer(name, *err); internal {
				result = "error"
			} else {
				result = "no"
			}
		}
		s.server.o.Observe.Command(name, result, time.Since(start))
	}
}

// answer returns the tagged response for err. Internal errors are logged and
// told without detail.
func (s *session) answer(name string, err error) (told error, internal bool) {
	var refused *Refused
	var response *imap.Error
	switch {
	case errors.As(err, &response):
		return response, false
	case errors.As(err, &refused):
		return no(refused.Code, oneLine(refused.Text)), false
	case errors.Is(err, errWire):
		return err, false
	}
	s.server.o.Log.Error("imap command failed", "command", name, "remote", s.conn.remote, "error", err)
	return no(imap.ResponseCodeUnavailable, "not possible right now, try again later"), true
}

// errWire marks errors of writing to the client, which no one will read.
var errWire = errors.New("writing to the imap client")

func no(code imap.ResponseCode, text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// oneLine keeps a response text within what the protocol allows.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if s == "" {
		return "refused"
	}
	return s[:min(len(s), 500)]
}

// Poll tells the client what happened in the selected folder.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	if s.box == nil {
		return nil
	}
	return s.box.tell(w, allowExpunge)
}

// Idle tells the client of changes as they happen (RFC 2177).
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) (err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.idling.Add(1)
	box := s.box
	s.mu.Unlock()
	defer s.idling.Done()
	defer s.track("IDLE", &err)()
	if box == nil { // allowed, and nothing to tell
		<-stop
		return nil
	}
	for {
		if err := box.tell(w, true); err != nil {
			return errWire
		}
		select {
		case <-stop:
			return nil
		case <-box.wake:
		}
	}
}

// Unselect leaves the folder.
func (s *session) Unselect() error {
	s.closeBox()
	s.saved = nil
	return nil
}

func (s *session) closeBox() {
	if s.box != nil {
		s.box.close()
		s.box = nil
	}
}
