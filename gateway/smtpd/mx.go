package smtpd

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-smtp"
)

// mxSession is the MX face: strangers write to our own addresses.
type mxSession struct {
	*session
	receiver Receiver
}

// Mail opens a transaction.
func (s *mxSession) Mail(from string, opts *smtp.MailOptions) error {
	if from != "" {
		var err error
		if from, err = s.address(from, opts.UTF8); err != nil {
			s.srv.observe(EventSenderRefused)
			return err
		}
	}
	return s.begin(from, opts)
}

// Rcpt takes a recipient of ours. All of a transaction belong to one desk,
// because each desk judges the message for itself and there is one reply; 452
// makes the peer send the rest in a transaction of their own (RFC 5321
// 4.5.3.1.10).
func (s *mxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	to, err := s.address(to, s.utf8)
	if err != nil {
		return s.refuseRecipient(err.(*smtp.SMTPError))
	}
	desk, ok := s.receiver.Recipient(to)
	switch {
	case !ok:
		return s.refuseRecipient(reply(550, "5.1.1", "no such recipient here, and nothing is relayed"))
	case slices.Contains(s.to, to):
		return nil
	case len(s.to) > 0 && s.from == "":
		// A bounce has one addressee (RFC 5321 4.5.5, 6.1).
		s.srv.observe(EventRecipientRefused)
		return reply(452, "4.5.3", "one recipient for the null sender")
	case len(s.to) > 0 && desk != s.desk:
		s.srv.observe(EventRecipientRefused)
		return reply(452, "4.5.3", "send to this recipient separately")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to, s.desk = append(s.to, to), desk
	return nil
}

// Data takes the message.
func (s *mxSession) Data(r io.Reader) error {
	return s.receive(r, func(ctx context.Context, t transaction, raw []byte) (Outcome, error) {
		return s.receiver.Receive(ctx, Inbound{
			Desk: t.desk, MailFrom: t.from, RcptTo: t.to,
			Helo: s.helo, Remote: s.guard.peer.remote, TLS: s.guard.secure, UTF8: t.utf8,
			Raw: raw, Received: time.Now(),
		})
	})
}
