package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	"relais.example/routing/classify"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/routing/verdict"
)

// arrival is one message on its way through the pipeline.
type arrival struct {
	in        *Intake
	directory *directory.Directory // one version for the whole judgement
	desk      Desk
	queue     *queue.Desk
	inbound   smtpd.Inbound
	share     *share  // of the memory
	worker    *worker // that its stages run on
	at        time.Time

	message *pgpmime.Message
	from    string // address that counts, "" if ambiguous
	signer  *directory.ContactPoint
	peer    *directory.ContactPoint // signer, or for unsigned-listed the owner of From
	class   classify.Result
	outline *mimeindex.Index // of the content, made once
	broken  bool             // it could not be read; message says nothing

	proposed []string // what became of certificates that came with it
}

// process takes the message through the pipeline. What cannot be read at any
// stage is held with its original.
func (a *arrival) process(ctx context.Context) (smtpd.Outcome, verdict.Verdict, error) {
	outcome, v, err := a.decide(ctx)
	if errors.Is(err, errUnreadable) {
		return a.hold(ctx)
	}
	return outcome, v, err
}

func (a *arrival) decide(ctx context.Context) (smtpd.Outcome, verdict.Verdict, error) {
	reason, err := a.examine(ctx)
	if err != nil {
		return smtpd.Outcome{}, verdict.Verdict{}, err
	}
	v := a.in.o.Rules.Reasons.Decide(reason)
	if v.Action == verdict.Reject {
		return a.reject(v)
	}
	type read struct {
		outline *mimeindex.Index
		class   classify.Result
	}
	r, err := contain(a, stageClassify, func() read {
		outline := mimeindex.Outline(a.message.Entity)
		return read{outline, a.classify(outline)}
	})
	if err != nil {
		return smtpd.Outcome{}, v, err
	}
	a.outline, a.class = r.outline, r.class
	if v.Action == verdict.Accept && a.coolingDown() {
		if v = a.in.o.Rules.Reasons.Decide(verdict.KeyInCoolDown); v.Action == verdict.Reject {
			return a.reject(v)
		}
	}
	return a.keep(ctx, v)
}

// coolingDown reports whether the message claims an emergency with a key that
// came into the Directory too short a time ago: whoever talked a key into it
// gains nothing at once.
func (a *arrival) coolingDown() bool {
	emergency := a.class.Emergency || a.class.ClaimsEmergency
	return emergency && a.signer != nil && !a.directory.UsableForEmergencies(a.fingerprint(), a.at)
}

// examine opens and judges. How many messages are opened at the same time is
// bounded, because what they grow to is not known before.
func (a *arrival) examine(ctx context.Context) (verdict.Reason, error) {
	wait, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	if err := a.in.enter(wait); err != nil {
		return "", err
	}
	defer a.in.leave()
	type examined struct {
		arrival
		reason verdict.Reason
		err    error
	}
	e, err := contain(a, stageOpen, func() examined {
		e := examined{arrival: *a}
		if e.reason, e.err = e.open(); e.reason == verdict.OK {
			e.reason = e.judge()
		}
		return e
	})
	if err != nil {
		return "", err
	}
	if e.err != nil {
		return "", e.err
	}
	*a = e.arrival
	// A message may be much larger than it came. Nothing but its length in the
	// budget bounds how many such are worked on from here on.
	if a.message != nil && !a.share.grow(int64(len(a.message.Entity)-len(a.inbound.Raw))) {
		return "", errBusy
	}
	if e.reason == verdict.CannotOpen {
		who, now := peerOf(a.inbound), time.Now()
		a.in.failures.spend(who, now)
		a.in.allFailures.spend(peer{network: who.network}, now)
	}
	return e.reason, nil
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

// keep stores what may pass, or what a person must look at.
func (a *arrival) keep(ctx context.Context, v verdict.Verdict) (smtpd.Outcome, verdict.Verdict, error) {
	once, envelope := a.signatures(), a.envelope()
	threads, year := a.threads(), a.at.Year()
	if len(threads) > 0 {
		year = 0 // it will hardly open a request: reserve no number yet
	}
	found, err := a.queue.Arrive(ctx, year, once, threads)
	if err != nil {
		return smtpd.Outcome{}, v, err
	}
	for _, seen := range found.Seen {
		if seen != "" {
			return a.again(seen, envelope)
		}
	}
	plan, err := a.plan(ctx, v, found)
	if err != nil {
		return smtpd.Outcome{}, v, err
	}
	// A fault here must not keep a request waiting: it is logged, and nothing
	// is proposed.
	a.proposed, _ = contain(a, stagePropose, func() []string {
		b := *a
		b.propose(v, plan)
		return b.proposed
	})
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
	if before != envelope && !a.broken {
		return a.reject(a.in.o.Rules.Reasons.Decide(verdict.Replayed))
	}
	v := a.in.o.Rules.Reasons.Decide(verdict.Duplicate)
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: strings.TrimSpace(ref + " already received")}, v, nil
}

// signatures names what may come only once: each signature of the message, or
// for a message without one its content. Each, so that nobody can take one of
// two away and send the rest as new.
func (a *arrival) signatures() []string {
	name := func(digest [32]byte) string { return "sig:" + hex.EncodeToString(digest[:]) }
	switch {
	case a.broken:
		return []string{name(sha256.Sum256(bodyOf(a.inbound.Raw)))}
	case a.message.Signature.State == pgp.SignatureNone:
		return []string{name(sha256.Sum256(a.message.Entity))}
	}
	out := []string{name(a.message.Signature.Digest)}
	for _, digest := range a.message.Signature.Further {
		if n := name(digest); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// bodyOf returns what stands behind the header, to which each hop may add; all
// of a message that has none.
func bodyOf(raw []byte) []byte {
	if _, body, ok := bytes.Cut(raw, []byte("\r\n\r\n")); ok {
		return body
	}
	return raw
}

// envelope recognises the same message sent again by an MTA: the same envelope
// and the same bytes behind the header.
func (a *arrival) envelope() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n", strings.ToLower(a.inbound.MailFrom), a.desk.ID, a.message.Outer.Get("Message-Id"))
	h.Write(bodyOf(a.inbound.Raw))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
