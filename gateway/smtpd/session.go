package smtpd

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/emersion/go-smtp"
	"relais.example/gateway/smtpd/envelope"
	"relais.example/routing/verdict"
)

// session is what both faces have in common. go-smtp runs Data of a BDAT
// message in a goroutine of its own, beside Reset and Logout, hence the lock.
type session struct {
	srv   *Server
	guard *guard
	helo  string

	mu sync.Mutex
	transaction
}

// transaction is the envelope between MAIL and the end of the message.
type transaction struct {
	from  string
	to    []string
	size  int64 // announced, 0: not
	utf8  bool
	desk  string // MX face
	dsn   DSN    // submission face
	begun bool
}

// Reset forgets the transaction (RSET, EHLO, end of message).
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transaction = transaction{}
	s.guard.open = false
}

// Logout does nothing; the guard ends the connection.
func (s *session) Logout() error { return nil }

// begin opens a transaction for both faces.
func (s *session) begin(from string, opts *smtp.MailOptions) error {
	if s.guard.peer.messages++; s.guard.peer.messages > s.srv.limits.Messages {
		return s.lastReply(reply(421, "4.7.0", "too many messages on one connection"))
	}
	if opts.Size > 0 && s.srv.budget.left.Load() < opts.Size {
		s.srv.observe(EventBusy)
		return errNoRoom
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transaction = transaction{from: from, size: opts.Size, utf8: opts.UTF8, begun: true}
	s.guard.open = true
	return nil
}

// address checks an address of MAIL or RCPT and returns it in wire form.
func (s *session) address(unquoted string, utf8 bool) (string, error) {
	a, err := envelope.FromUnquoted(unquoted)
	if err != nil {
		return "", reply(553, "5.1.3", "the address is malformed")
	}
	if !utf8 && !a.ASCII() {
		return "", reply(553, "5.6.7", "an address outside ASCII needs SMTPUTF8")
	}
	return a.String(), nil
}

// refuseRecipient counts a refused recipient and ends the connection of a peer
// that keeps guessing.
func (s *session) refuseRecipient(err *smtp.SMTPError) error {
	s.srv.observe(EventRecipientRefused)
	if s.guard.peer.badRecipients++; s.guard.peer.badRecipients >= s.srv.limits.BadRecipients {
		return s.lastReply(reply(421, "4.7.0", "too many refused recipients"))
	}
	return err
}

// lastReply makes err the last thing said on the connection.
func (s *session) lastReply(err *smtp.SMTPError) error {
	s.srv.observe(EventLimit)
	s.guard.peer.hangUp.Store(true)
	return err
}

// receive reads a body to its end and hands it on. The error it returns is the
// reply, also when that is 250.
func (s *session) receive(r io.Reader, handle func(ctx context.Context, t transaction, raw []byte) (Outcome, error)) error {
	s.mu.Lock()
	t := s.transaction
	s.mu.Unlock()
	body := spool{hint: t.size, limit: s.srv.limits.MessageBytes, budget: s.srv.budget}
	defer body.release()
	_, chunked := r.(*io.PipeReader) // go-smtp gives BDAT content through a pipe
	lines := bodyDecoder{chunked: chunked}
	if chunked {
		if err := readChunks(r, &lines, &body); err != nil {
			return errIncomplete
		}
	} else if !s.guard.readBody(&lines, &body) {
		if body.tooLarge {
			s.refuse(t, verdict.OverLimits)
		}
		return errIncomplete // the guard has said why
	}
	switch {
	case lines.bad:
		s.srv.observe(EventBadLineEndings)
		return s.refuse(t, verdict.BadLineEndings)
	case body.tooLarge, lines.longest > s.srv.limits.LineLength:
		s.srv.observe(EventTooLarge)
		return s.refuse(t, verdict.OverLimits)
	case body.noRoom:
		s.srv.observe(EventBusy)
		return errNoRoom
	case !t.begun || len(t.to) == 0:
		return reply(503, "5.5.1", "no recipients")
	}
	if !s.srv.gate.enter(s.srv.ctx) {
		s.srv.observe(EventBusy)
		return reply(451, "4.3.2", "too busy, try again later")
	}
	defer s.srv.gate.leave()
	return s.answer(s.protect(func() (Outcome, error) { return handle(s.srv.ctx, t, body.buf) }))
}

// refuse is the reply to a message that the receiver need not see.
func (s *session) refuse(t transaction, r verdict.Reason) error {
	if t.desk != "" && s.srv.refused != nil {
		if err := s.srv.refused(t.desk, s.guard.peer.remote, r); err != nil {
			return s.answer(Outcome{}, err)
		}
	}
	return entryReply(r)
}

// readChunks reads BDAT content to its end; the content is judged afterwards,
// so that no chunk is left half read.
func readChunks(r io.Reader, lines *bodyDecoder, body *spool) error {
	buf := readBuffers.Get().(*[readBuffer]byte)
	defer readBuffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
		lines.decode(buf[:n], body.add)
		if err == io.EOF {
			lines.finish(body.add)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// protect runs f and turns a panic into an error. The value of a panic may
// hold content, so only that of the runtime is logged.
func (s *session) protect(f func() (Outcome, error)) (o Outcome, err error) {
	defer func() {
		if v := recover(); v != nil {
			what := fmt.Sprintf("%T", v)
			if re, ok := v.(runtime.Error); ok {
				what = re.Error()
			}
			s.srv.observe(EventPanic)
			s.srv.log.Error("panic while a message was handled", "panic", what, "stack", string(debug.Stack()))
			err = fmt.Errorf("handling a message: panic: %s", what)
		}
	}()
	return f()
}
