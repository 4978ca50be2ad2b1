// Package reply takes what staff write: it finds the request that a message
// answers, or opens a sent one, seals the message with the desk's key for the
// contact point it goes to, and queues it.
package reply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/banner"
	"relais.example/gateway/intake"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	"relais.example/gateway/vault"
	"relais.example/routing/classify"
	"relais.example/routing/deadline"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Desk is what reply needs to know of a desk.
type Desk struct {
	ID  string
	Key func() *pgp.Key // signs at the moment; nil: it is not known yet
}

// Options configure New. Every field but Log is required.
type Options struct {
	Hostname   string
	Desks      []Desk
	Accounts   *accounts.Set
	Directory  func() *directory.Directory
	Queue      *queue.Queue
	Vault      *vault.Vault
	Classifier interface {
		Classify(classify.Input) classify.Result
	}
	Clocks *deadline.Clocks
	Keys   pgp.Policy
	Log    *slog.Logger
	// Release returns the signed Directory in force.
	Release func() (version uint64, doc, signature []byte, err error)
	Login   func(result, remote string) // told "ok", "wrong", "throttled" or "busy", and the peer's address
}

// Reply is the submission side of the gateway; it implements
// [smtpd.Submitter].
type Reply struct {
	o     Options
	desks map[string]Desk
}

// New returns a Reply.
func New(o Options) *Reply {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Login == nil {
		o.Login = func(string, string) {}
	}
	r := &Reply{o: o, desks: map[string]Desk{}}
	for _, d := range o.Desks {
		r.desks[d.ID] = d
	}
	return r
}

// Authenticate implements [smtpd.Submitter].
func (r *Reply) Authenticate(ctx context.Context, user, password, remote string) (any, error) {
	a, err := r.o.Accounts.Authenticate(ctx, user, password, remote)
	var throttled *accounts.ThrottledError
	switch {
	case err == nil:
		r.o.Login("ok", remote)
		return a, nil
	case errors.As(err, &throttled):
		r.o.Login("throttled", remote)
		return nil, fmt.Errorf("%w: %w", smtpd.ErrTemporary, err)
	case errors.Is(err, accounts.ErrBusy):
		r.o.Login("busy", remote)
		return nil, fmt.Errorf("%w: %w", smtpd.ErrTemporary, err)
	}
	r.o.Login("wrong", remote)
	return nil, err
}

// MaySend implements [smtpd.Submitter]: staff send as their desk, or as
// themselves where the staff file lists their address.
func (r *Reply) MaySend(account any, mailFrom string) error {
	a := account.(accounts.Account)
	if !a.Role.MayAnswer() {
		return fmt.Errorf("the role %s may not send", a.Role)
	}
	if a.Address != "" && strings.EqualFold(a.Address, mailFrom) {
		return nil
	}
	cp, ok := r.o.Directory().ByAddress(mailFrom)
	if ok && cp.ID == a.Desk {
		return nil
	}
	return fmt.Errorf("you may send only as your desk %s; set that as the sender address in your mail program", r.deskAddress(a.Desk))
}

// Submit implements [smtpd.Submitter].
func (r *Reply) Submit(ctx context.Context, account any, m smtpd.Submission) (smtpd.Outcome, error) {
	a := account.(accounts.Account)
	l := &letter{r: r, account: a, submission: m, at: m.Received.UTC().Truncate(time.Microsecond)}
	outcome, err := l.process(ctx)
	var refused *refusal
	if errors.As(err, &refused) {
		r.o.Log.Info("submission refused", "desk", a.Desk, "user", a.User, "status", refused.status)
		return smtpd.Outcome{Code: refused.code, Status: refused.status, Text: refused.text}, nil
	}
	if err != nil {
		r.o.Log.Error("submission not taken; the mail program was asked to try again", "desk", a.Desk, "error", err)
	}
	return outcome, err
}

// refusal is an answer to the person who pressed Send.
type refusal struct {
	code         int
	status, text string
}

func (e *refusal) Error() string { return e.text }

func refuse(status, format string, args ...any) error {
	return &refusal{550, status, fmt.Sprintf(format, args...)}
}

// letter is one submitted message on its way out.
type letter struct {
	r          *Reply
	account    accounts.Account
	submission smtpd.Submission
	at         time.Time

	desk   Desk
	queue  *queue.Desk
	index  *mimeindex.Index
	fields map[string]string // first value of each header field, lower-case names
	to     []*directory.ContactPoint
	class  classify.Result
	thread []threaded // the messages that this one answers, the oldest first
}

// threaded is a message that a letter answers.
type threaded struct {
	id   string            // Message-ID
	ref  request.Reference // its request, "" if not known
	ours bool              // a mail program of the staff gave the id; it stays here
}

func (l *letter) process(ctx context.Context) (smtpd.Outcome, error) {
	var ok bool
	if now, ok := l.r.o.Accounts.Account(l.account.User); !ok || now != l.account {
		return smtpd.Outcome{}, refuse("5.7.8", "your account was changed since you logged in; log in again")
	}
	if l.desk, ok = l.r.desks[l.account.Desk]; !ok {
		return smtpd.Outcome{}, refuse("5.7.1", "your desk %s is not served here", l.account.Desk)
	}
	l.queue, _ = l.r.o.Queue.Desk(l.desk.ID)
	if err := l.read(); err != nil {
		return smtpd.Outcome{}, err
	}
	if err := l.recipients(); err != nil {
		return smtpd.Outcome{}, err
	}
	if err := l.findThread(ctx); err != nil {
		return smtpd.Outcome{}, err
	}
	parent, answers, err := l.parent(ctx)
	if err != nil {
		return smtpd.Outcome{}, err
	}
	if answers {
		if parent.Peer == "" {
			return smtpd.Outcome{}, refuse("5.7.1", "nobody knows who sent %s, because the message could not be read; write a message of its own", parent.Ref)
		}
		if len(l.to) > 1 || l.to[0].ID != parent.Peer {
			return smtpd.Outcome{}, refuse("5.7.1", "an answer to %s goes to %s only; write a message of its own to the others", parent.Ref, parent.Peer)
		}
		return l.answer(ctx, parent)
	}
	var done []string
	for _, cp := range l.to {
		what, err := l.ask(ctx, cp)
		if err != nil {
			return smtpd.Outcome{}, err
		}
		done = append(done, what)
	}
	return queued(strings.Join(done, ", ")), nil
}

func queued(what string) smtpd.Outcome {
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: what + " signed, encrypted and queued"}
}

// read takes the message apart, without what it quotes of the gateway's notes:
// they are for staff.
func (l *letter) read() error {
	stripped, err := banner.Strip(l.submission.Raw, l.r.o.Vault.Name)
	if err != nil {
		return refuse("5.6.0", "the message quotes a part of the gateway's note, or has words written into it; delete what is left from [RELAIS- to [/RELAIS- and send again")
	}
	l.submission.Raw = stripped
	l.index = mimeindex.Build(l.submission.Raw)
	l.fields = map[string]string{}
	from := 0
	l.index.Header(l.submission.Raw, func(name, value string) bool {
		name = strings.ToLower(name)
		if _, twice := l.fields[name]; !twice {
			l.fields[name] = value
		}
		if name == "from" {
			from++
		}
		return true
	})
	if from != 1 {
		return refuse("5.6.0", "the message must have one From")
	}
	sender, err := mail.ParseAddress(l.fields["from"])
	if err != nil {
		return refuse("5.6.0", "the From of the message is not one address")
	}
	if err := l.r.MaySend(l.account, sender.Address); err != nil {
		return refuse("5.7.1", "%s", err)
	}
	if l.sealedAlready() {
		return refuse("5.6.0", "the message is encrypted or signed already; turn OpenPGP and S/MIME off in your mail program: relais signs and encrypts for the desk")
	}
	l.class = l.r.o.Classifier.Classify(classify.Input{
		Subject: l.fields["subject"],
		Body:    l.index.Reading(l.submission.Raw, classify.MaxText),
	})
	return nil
}

// sealedAlready reports whether the mail program encrypted or signed the
// message itself: its receiver could not open or verify that, and it would
// tell who wrote it.
func (l *letter) sealedAlready() bool {
	root := l.index.Root
	switch root.Type + "/" + root.Subtype {
	case "multipart/encrypted", "multipart/signed", "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	}
	text := strings.TrimSpace(l.index.Reading(l.submission.Raw, 200))
	return strings.HasPrefix(text, "-----BEGIN PGP MESSAGE-----") || strings.HasPrefix(text, "-----BEGIN PGP SIGNED MESSAGE-----")
}

// recipients finds the contact points that the message goes to: each address
// of the envelope, Bcc included, must be listed.
func (l *letter) recipients() error {
	for _, addr := range l.submission.RcptTo {
		cp, ok := l.r.o.Directory().ByAddress(addr)
		if !ok {
			return refuse("5.1.1", "%s is not in the Directory; relais sends to contact points only", addr)
		}
		if cp.ID == l.desk.ID {
			continue // a copy to the own desk: the folder Sent has one
		}
		if !slices.ContainsFunc(l.to, func(c *directory.ContactPoint) bool { return c.ID == cp.ID }) {
			l.to = append(l.to, cp)
		}
	}
	if len(l.to) == 0 {
		return refuse("5.5.4", "the message has no recipient other than your own desk")
	}
	return nil
}

// findThread looks up the messages that the letter answers.
func (l *letter) findThread(ctx context.Context) error {
	ids := intake.MessageIDs(l.fields["references"], 20)
	for _, id := range intake.MessageIDs(l.fields["in-reply-to"], 1) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var names []string
	for _, purpose := range []string{"thread", "mail program"} {
		for _, id := range ids {
			names = append(names, l.r.o.Vault.Name(purpose, id))
		}
	}
	found, err := l.queue.Arrive(ctx, 0, nil, names)
	if err != nil {
		return err
	}
	for i, id := range ids {
		l.thread = append(l.thread, threaded{id, found.Threads[i], found.Threads[len(ids)+i] != ""})
	}
	return nil
}

// parent finds the request that the message answers: the reference in the
// subject is what a person sees and counts first, then the thread.
func (l *letter) parent(ctx context.Context) (request.State, bool, error) {
	if typo := request.Mistyped(l.fields["subject"], l.desk.ID); typo != "" {
		return request.State{}, false, refuse("5.5.4", "%s in the subject is mistyped: its last character does not fit; copy the reference from the message you answer", typo)
	}
	candidates := request.FindReferences(l.fields["subject"], 5)
	quoted := len(candidates)
	for _, t := range slices.Backward(l.thread) {
		if t.ref != "" {
			candidates = append(candidates, t.ref)
		}
	}
	for i, ref := range candidates {
		s, err := l.queue.State(ctx, ref)
		if errors.Is(err, queue.ErrNotFound) {
			if i < quoted && ref.ContactPoint() == l.desk.ID {
				return s, false, refuse("5.5.4", "%s is not a request of your desk; correct the reference in the subject", ref)
			}
			continue
		}
		if err != nil {
			return s, false, err
		}
		return s, true, nil
	}
	return request.State{}, false, nil
}

// deskSender is the From of what leaves: the institution and its address.
func (r *Reply) deskSender(id string) string {
	name := ""
	if cp, ok := r.o.Directory().ContactPoint(id); ok {
		name = cp.Institution
	}
	return (&mail.Address{Name: name, Address: r.deskAddress(id)}).String()
}

func (r *Reply) deskAddress(id string) string {
	cp, ok := r.o.Directory().ContactPoint(id)
	if !ok || len(cp.Addresses) == 0 {
		return id
	}
	return cp.Addresses[0]
}
