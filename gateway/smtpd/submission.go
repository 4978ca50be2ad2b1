package smtpd

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// submissionSession is the submission face (RFC 6409): staff send mail after
// they have authenticated over TLS.
type submissionSession struct {
	*session
	submitter Submitter
	account   any
	loggedIn  bool
}

// AuthMechanisms lists what EHLO offers; nothing before TLS.
func (s *submissionSession) AuthMechanisms() []string {
	if !s.guard.secure {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth starts a login.
func (s *submissionSession) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case !s.guard.secure:
		return nil, reply(538, "5.7.11", "TLS is required to log in")
	case mechanism == sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				return s.authFailed()
			}
			return s.login(user, password)
		}), nil
	case mechanism == sasl.Login:
		return &loginServer{authenticate: s.login}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *submissionSession) login(user, password string) error {
	account, err := s.submitter.Authenticate(s.srv.ctx, user, password, s.guard.peer.remote)
	switch {
	case errors.Is(err, ErrTemporary):
		s.srv.log.Warn("login deferred", "error", err)
		return reply(454, "4.7.0", "temporary trouble, try again later")
	case err != nil:
		return s.authFailed()
	}
	s.srv.observe(EventAuthOK)
	s.account, s.loggedIn = account, true
	return nil
}

// authFailed is the one answer to every failed login.
func (s *submissionSession) authFailed() error {
	s.srv.observe(EventAuthFailed)
	if s.guard.peer.authFailures++; s.guard.peer.authFailures >= s.srv.limits.AuthFailures {
		return s.lastReply(reply(421, "4.7.0", "too many failed logins"))
	}
	return reply(535, "5.7.8", "authentication failed")
}

// Mail opens a transaction for a sender address that the account may use.
func (s *submissionSession) Mail(from string, opts *smtp.MailOptions) error {
	from, err := s.sender(from, opts)
	if err != nil {
		s.srv.observe(EventSenderRefused)
		return err
	}
	if err := s.begin(from, opts); err != nil {
		return err
	}
	s.dsn = DSN{Return: string(opts.Return), EnvelopeID: opts.EnvelopeID}
	return nil
}

func (s *submissionSession) sender(from string, opts *smtp.MailOptions) (string, error) {
	switch {
	case !s.guard.secure:
		return "", reply(530, "5.7.0", "issue STARTTLS first")
	case !s.loggedIn:
		return "", reply(530, "5.7.0", "authenticate first")
	}
	if from != "" {
		var err error
		if from, err = s.address(from, opts.UTF8); err != nil {
			return "", err
		}
	}
	if err := s.submitter.MaySend(s.account, from); err != nil {
		return "", reply(553, "5.7.1", "this account may not send from this address")
	}
	return from, nil
}

// Rcpt takes any well-formed recipient; whether the desk may write to it is
// for the Submitter, which sees the whole message.
func (s *submissionSession) Rcpt(to string, opts *smtp.RcptOptions) error {
	to, err := s.address(to, s.utf8)
	if err != nil {
		return s.refuseRecipient(err.(*smtp.SMTPError))
	}
	if slices.Contains(s.to, to) {
		return nil
	}
	var notify []string
	for _, n := range opts.Notify {
		notify = append(notify, string(n))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	s.dsn.Notify = append(s.dsn.Notify, notify)
	return nil
}

// Data takes the message.
func (s *submissionSession) Data(r io.Reader) error {
	return s.receive(r, func(ctx context.Context, t transaction, raw []byte) (Outcome, error) {
		return s.submitter.Submit(ctx, s.account, Submission{
			MailFrom: t.from, RcptTo: t.to, DSN: t.dsn, UTF8: t.utf8,
			Helo: s.helo, Remote: s.guard.peer.remote,
			Raw: raw, Received: time.Now(),
		})
	})
}

// loginServer speaks the server side of LOGIN, which Outlook still uses
// (draft-murchison-sasl-login).
type loginServer struct {
	authenticate func(user, password string) error
	user         *string
	done         bool
}

// Next takes the user name, then the password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.done:
		return nil, false, sasl.ErrUnexpectedClientResponse
	case response == nil:
		return []byte("Username:"), false, nil
	case l.user == nil:
		user := string(response)
		l.user = &user
		return []byte("Password:"), false, nil
	}
	l.done = true
	return nil, true, l.authenticate(*l.user, string(response))
}
