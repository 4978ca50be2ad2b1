// Package intake is the pipeline of the MX port: open, judge, classify, route,
// store. It answers 250 only for what is durable.
package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"runtime"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/banner"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	"relais.example/gateway/vault"
	"relais.example/routing/classify"
	"relais.example/routing/deadline"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/routing/queue"
	"relais.example/routing/verdict"
)

// Desk is what intake needs to know of a desk.
type Desk struct {
	ID          string
	Keys        func() []*pgp.Key // those of the moment; the first signs, all decrypt; nil: they are not known yet
	Acknowledge bool              // answer accepted requests with an acknowledgement
	// DirectoryService answers questions to the Directory (package inquiry).
	DirectoryService bool
	// Banner is the language of the note that staff read above a message;
	// AttachOriginal adds the message as it came.
	Banner         banner.Language
	AttachOriginal bool
}

// Options configure New. Every field but Pending, Proposed, Observe
// and Log is required.
type Options struct {
	Hostname   string
	Desks      []Desk
	Directory  func() *directory.Directory // the current one
	Queue      *queue.Queue
	Vault      *vault.Vault
	Classifier *classify.Classifier
	Clocks     *deadline.Clocks
	Rules      Rules
	// Install puts a version of the Directory in force once the authority's
	// signature is checked; it returns when that is durable. Nil: versions that
	// come by mail are for a person.
	Install  func(doc, signature []byte) error
	Pending  *pending.Store // keeps certificates that came by mail; nil: nothing does
	Proposed func()         // told that it keeps another one
	Parallel int            // messages decrypted at the same time; 0: one for each processor
	Log      *slog.Logger
	Observe  func(desk string, v verdict.Verdict, took time.Duration)
}

// Intake receives messages for the desks. It is safe for concurrent use.
type Intake struct {
	o     Options
	desks map[string]Desk
	slots chan struct{} // one for each message that is being decrypted
}

// New returns an Intake.
func New(o Options) *Intake {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, verdict.Verdict, time.Duration) {}
	}
	if o.Proposed == nil {
		o.Proposed = func() {}
	}
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	in := &Intake{o: o, desks: map[string]Desk{}, slots: make(chan struct{}, o.Parallel)}
	for _, d := range o.Desks {
		in.desks[d.ID] = d
	}
	return in
}

// Recipient says which desk serves an address; see [smtpd.Receiver].
func (in *Intake) Recipient(addr string) (desk string, ok bool) {
	cp, ok := in.o.Directory().ByAddress(addr)
	if !ok {
		return "", false
	}
	_, ok = in.desks[cp.ID]
	return cp.ID, ok
}

// Receive takes one message for one desk; see [smtpd.Receiver].
func (in *Intake) Receive(ctx context.Context, m smtpd.Inbound) (smtpd.Outcome, error) {
	start := time.Now()
	desk := in.desks[m.Desk]
	queueDesk, ok := in.o.Queue.Desk(m.Desk)
	if !ok {
		return smtpd.Outcome{}, fmt.Errorf("receiving: no desk %s", m.Desk)
	}
	arrival := &arrival{in: in, directory: in.o.Directory(), desk: desk, queue: queueDesk, inbound: m, at: m.Received.UTC().Truncate(time.Microsecond)}
	outcome, v, err := arrival.process(ctx)
	if errors.Is(err, queue.ErrFull) {
		in.o.Log.Error("the embedded queue is full; configure redis.url", "desk", m.Desk)
		return smtpd.Outcome{Code: 452, Status: "4.3.1", Text: "too many open requests; try again later"}, nil
	}
	if err != nil {
		in.o.Log.Error("message not received; the sender was asked to try again", "desk", m.Desk, "error", err)
		return smtpd.Outcome{}, err
	}
	in.o.Observe(m.Desk, v, time.Since(start))
	in.o.Log.LogAttrs(ctx, slog.LevelInfo, "message received", slog.String("desk", m.Desk), slog.String("action", string(v.Action)),
		slog.String("reason", string(v.Reason)), slog.Int("bytes", len(m.Raw)), slog.String("remote", m.Remote))
	return outcome, nil
}

// arrival is one message on its way through the pipeline.
type arrival struct {
	in        *Intake
	directory *directory.Directory // one version for the whole judgement
	desk      Desk
	queue     *queue.Desk
	inbound   smtpd.Inbound
	at        time.Time

	message *pgpmime.Message
	from    string // address that counts, "" if ambiguous
	signer  *directory.ContactPoint
	peer    *directory.ContactPoint // signer, or for unsigned-listed the owner of From
	class   classify.Result
	outline *mimeindex.Index // of the content; see parts

	proposed []string // what became of certificates that came with it
}

func (a *arrival) process(ctx context.Context) (smtpd.Outcome, verdict.Verdict, error) {
	reason, err := a.examine(ctx)
	if err != nil {
		return smtpd.Outcome{}, verdict.Verdict{}, err
	}
	v := a.in.o.Rules.Reasons.Decide(reason)
	if v.Action == verdict.Reject {
		return a.reject(v)
	}
	return a.accept(ctx, v)
}

// examine opens and judges. What strangers can make us do with a message, and
// how large it may grow, is bounded here by few at a time.
func (a *arrival) examine(ctx context.Context) (verdict.Reason, error) {
	select {
	case a.in.slots <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-a.in.slots }()
	reason, err := a.open()
	if reason == verdict.OK {
		reason = a.judge()
	}
	return reason, err
}

// open finds out what the message is. OK means that a.message is set; an error,
// that it is not known: the sender must try again.
func (a *arrival) open() (verdict.Reason, error) {
	head, _, _ := bytes.Cut(a.inbound.Raw, []byte("\r\n\r\n"))
	if looped(head) {
		return verdict.MailLoop, nil
	}
	keys := a.desk.Keys()
	if len(keys) == 0 {
		return "", fmt.Errorf("opening message: %w: the keys of desk %s are not known yet", pgp.ErrKeyUnavailable, a.desk.ID)
	}
	m, err := pgpmime.Open(a.inbound.Raw, pgpmime.Options{
		Keys: keys, Ring: a.directory.Ring(), Policy: a.in.o.Rules.Keys, Limits: a.in.o.Rules.Limits, At: a.at,
	})
	switch {
	case err == nil:
		a.message = m
		return verdict.OK, nil
	case errors.Is(err, pgp.ErrKeyUnavailable):
		return "", fmt.Errorf("opening message: %w", err)
	case errors.Is(err, pgpmime.ErrLimits):
		return verdict.OverLimits, nil
	case errors.Is(err, pgpmime.ErrStructure) && repeatsFrom(head):
		return verdict.AmbiguousSender, nil
	case errors.Is(err, pgpmime.ErrStructure):
		return verdict.BadStructure, nil
	}
	return verdict.CannotOpen, nil
}

// maxReceived is how many hops a message may have passed (RFC 5321, section
// 6.3, asks for at least 100).
const maxReceived = 100

// looped reports whether the header shows that the message goes in circles.
func looped(head []byte) bool {
	received := 0
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Received")) {
			received++
		}
	}
	return received > maxReceived
}

// repeatsFrom reports whether the header has more than one From field.
func repeatsFrom(head []byte) bool {
	n := 0
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(bytes.TrimRight(name, " \t"), []byte("From")) {
			n++
		}
	}
	return n > 1
}

// Refused records a message that the SMTP server refused before it was whole
// or handed over: too large, or with line ends that programs read differently.
func (in *Intake) Refused(desk, remote string, r verdict.Reason) error {
	a := &arrival{in: in, desk: in.desks[desk], inbound: smtpd.Inbound{Desk: desk, Remote: remote}, at: time.Now().UTC().Truncate(time.Microsecond)}
	_, v, err := a.reject(in.o.Rules.Reasons.Decide(r))
	if err != nil {
		in.o.Log.Error("refusal not recorded; the sender was asked to try again", "desk", desk, "error", err)
		return err
	}
	in.o.Observe(desk, v, 0)
	in.o.Log.Info("message received", "desk", desk, "action", v.Action, "reason", v.Reason, "remote", remote)
	return nil
}

// reject refuses a message in the SMTP session. The journal keeps a line.
func (a *arrival) reject(v verdict.Verdict) (smtpd.Outcome, verdict.Verdict, error) {
	note := queue.Record{At: a.at, By: "gateway", Refuse: &queue.Refusal{Reason: string(v.Reason), Remote: a.inbound.Remote}}
	if a.signer != nil {
		note.Refuse.Signer = a.signer.ID
	}
	if err := a.in.o.Queue.Note(a.desk.ID, note); err != nil {
		return smtpd.Outcome{}, v, err
	}
	e := verdict.Of(v.Reason)
	code, status := e.Code, e.Status
	if code < 500 { // a reason that is accepted or held by default
		code, status = 550, "5.7.1"
	}
	return smtpd.Outcome{Code: code, Status: status, Text: string(v.Reason) + ": " + e.Text}, v, nil
}

// accept stores what may pass, or what a person must look at.
func (a *arrival) accept(ctx context.Context, v verdict.Verdict) (smtpd.Outcome, verdict.Verdict, error) {
	once, envelope := a.signature(), a.envelope()
	threads, year := a.threads(), a.at.Year()
	if len(threads) > 0 {
		year = 0 // it will hardly open a request: reserve no number yet
	}
	found, err := a.queue.Arrive(ctx, year, []string{once}, threads)
	if err != nil {
		return smtpd.Outcome{}, v, err
	}
	if found.Seen[0] != "" {
		return a.again(found.Seen[0], envelope)
	}
	a.classify()
	plan, err := a.plan(ctx, v, found)
	if err != nil {
		return smtpd.Outcome{}, v, err
	}
	a.propose(v, plan)
	if err := a.store(ctx, v, plan); err != nil {
		return smtpd.Outcome{}, v, err
	}
	err = a.commit(ctx, v, plan, once, envelope)
	var seen *queue.SeenError
	if errors.As(err, &seen) { // the same message arrived twice at the same moment
		return a.again(seen.Value, envelope)
	}
	if err != nil {
		return smtpd.Outcome{}, v, err
	}
	var names []string
	for _, r := range plan.refs() {
		names = append(names, string(r))
	}
	refs := strings.Join(names, " and ")
	text := strings.TrimSpace(refs + " received")
	if v.Action == verdict.Quarantine {
		text = fmt.Sprintf("%s held for a person to look at (%s: %s)", refs, v.Reason, verdict.Of(v.Reason).Text)
	}
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: text}, v, nil
}

// again answers a message whose signature was seen before: with the first
// answer if an MTA sent it again, else as a replay.
func (a *arrival) again(seen, envelope string) (smtpd.Outcome, verdict.Verdict, error) {
	before, ref, _ := strings.Cut(seen, " ")
	if before != envelope {
		return a.reject(a.in.o.Rules.Reasons.Decide(verdict.Replayed))
	}
	v := a.in.o.Rules.Reasons.Decide(verdict.Duplicate)
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: strings.TrimSpace(ref + " already received")}, v, nil
}

// signature names what may come only once: the signature, or for a message
// without one its content.
func (a *arrival) signature() string {
	digest := a.message.Signature.Digest
	if a.message.Signature.State == pgp.SignatureNone {
		digest = sha256.Sum256(a.message.Entity)
	}
	return "sig:" + hex.EncodeToString(digest[:])
}

// envelope recognises the same message sent again by an MTA: the same envelope
// and the same bytes behind the header, to which each hop may add.
func (a *arrival) envelope() string {
	_, body, _ := bytes.Cut(a.inbound.Raw, []byte("\r\n\r\n"))
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n", strings.ToLower(a.inbound.MailFrom), a.desk.ID, a.message.Outer.Get("Message-Id"))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// threads names the messages that this one answers.
func (a *arrival) threads() []string {
	var out []string
	for _, field := range []string{"In-Reply-To", "References"} {
		values, _ := a.message.Field(field)
		for _, id := range MessageIDs(strings.Join(values, " "), 20) {
			out = append(out, a.in.o.Vault.Name("thread", id))
		}
	}
	return out
}

// MessageIDs returns the Message-IDs in a header value, the last limit of
// them: those are nearest in the thread.
func MessageIDs(value string, limit int) []string {
	var out []string
	for _, f := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\r' || r == '\n' }) {
		if len(f) > 2 && len(f) <= 998 && f[0] == '<' && f[len(f)-1] == '>' {
			out = append(out, f)
		}
	}
	return out[max(0, len(out)-limit):]
}

// addresses returns the addr-specs of a header field; ok is false if it is not
// a well-formed list.
func addresses(values []string) (out []string, ok bool) {
	for _, v := range values {
		list, err := mail.ParseAddressList(v)
		if err != nil {
			return nil, false
		}
		for _, a := range list {
			out = append(out, a.Address)
		}
	}
	return out, true
}
