// Package intake is the pipeline of the MX port: open, judge, classify, route,
// store. It answers 250 only for what is durable.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/banner"
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
	// DirectoryService answers questions to the Directory (package inquiry) and
	// takes changes that contact points ask for in their own entries.
	DirectoryService bool
	// Banner is the language of the note that staff read above a message;
	// AttachOriginal adds the message as it came.
	Banner         banner.Language
	AttachOriginal bool
}

// Options configure New. Required is every field down to Rules.
type Options struct {
	Hostname   string
	Desks      []Desk
	Directory  func() *directory.Directory // the current one
	Queue      *queue.Queue
	Vault      *vault.Vault
	Classifier interface {
		Classify(classify.Input) classify.Result
	}
	Clocks *deadline.Clocks
	Rules  Rules
	// Install puts a version of the Directory in force once the authority's
	// signature is checked; it returns when that is durable. Nil: versions that
	// come by mail are for a person.
	Install  func(doc, signature []byte) error
	Pending  *pending.Store // keeps certificates that came by mail; nil: nothing does
	Proposed func()         // told that it keeps another one
	Parallel int            // messages decrypted at the same time; 0: one for each processor
	Contain  Containment
	Log      *slog.Logger
	Observe  func(desk string, v verdict.Verdict, took time.Duration)
	Deferred func(desk, cause string) // told each message that the sender is asked to send later, with its Cause…
}

// The closed set of causes for which a sender is asked to try again later. No
// message was judged, so they are no reasons.
const (
	CauseTrouble        = "trouble"         // the queue or the disk does not answer
	CauseFull           = "full"            // the embedded queue holds all it may
	CauseBusy           = "busy"            // too many bytes in flight for too long
	CauseFailedOpenings = "failed-openings" // too many messages of that address could not be opened
	CauseUnreadable     = "unreadable"      // too many messages were held as unreadable
)

// Causes lists every cause.
func Causes() []string {
	return []string{CauseTrouble, CauseFull, CauseBusy, CauseFailedOpenings, CauseUnreadable}
}

// Intake receives messages for the desks. It is safe for concurrent use.
type Intake struct {
	o     Options
	desks map[string]Desk
	slots chan struct{} // one for each message that is being decrypted

	flight          *budget
	runaways        atomic.Int64 // runs that went over their time and go on
	failures        *ration      // messages that could not be opened, by network and domain of the sender
	allFailures     *ration      // the same by network alone
	unreadable      *ration      // messages held as unreadable, all together
	unreadablePerIP *ration

	probe func(stage string, raw []byte) // tests only: run where a parser may break
}

// sharedBy is how many domains of a shared mail provider may use up their failed
// openings before everything from its address waits.
const sharedBy = 10

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
	if o.Deferred == nil {
		o.Deferred = func(string, string) {}
	}
	o.Contain = o.Contain.withDefaults()
	in := &Intake{
		o: o, desks: map[string]Desk{}, slots: make(chan struct{}, o.Parallel), flight: newBudget(o.Contain.Bytes),
		failures: newRation(o.Contain.FailedOpenings), allFailures: newRation(sharedBy * o.Contain.FailedOpenings), unreadable: newRation(o.Contain.Unreadable), unreadablePerIP: newRation(o.Contain.UnreadablePerIP),
	}
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
	outcome, v, err := in.receive(ctx, m)
	if err != nil {
		return in.later(m, err)
	}
	in.o.Observe(m.Desk, v, time.Since(start))
	in.o.Log.LogAttrs(ctx, slog.LevelInfo, "message received", slog.String("desk", m.Desk), slog.String("action", string(v.Action)),
		slog.String("reason", string(v.Reason)), slog.Int("bytes", len(m.Raw)), slog.String("remote", m.Remote))
	return outcome, nil
}

// receive does not even open what comes from an address whose messages could
// not be opened, or broke what reads them, too often.
func (in *Intake) receive(ctx context.Context, m smtpd.Inbound) (smtpd.Outcome, verdict.Verdict, error) {
	queueDesk, ok := in.o.Queue.Desk(m.Desk)
	if !ok {
		return smtpd.Outcome{}, verdict.Verdict{}, fmt.Errorf("receiving: no desk %s", m.Desk)
	}
	now := time.Now()
	if who := peerOf(m); !in.failures.left(who, now) || !in.allFailures.left(peer{network: who.network}, now) {
		return smtpd.Outcome{}, verdict.Verdict{}, errFailedOpenings
	}
	if !in.unreadablePerIP.left(peer{network: network(m.Remote)}, now) {
		return smtpd.Outcome{}, verdict.Verdict{}, errTooManyUnreadable
	}
	wait, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	share, err := in.flight.take(wait, int64(len(m.Raw))+messageOverhead)
	if err != nil {
		return smtpd.Outcome{}, verdict.Verdict{}, busyUnlessEnded(wait)
	}
	defer share.release()
	a := &arrival{
		in: in, directory: in.o.Directory(), desk: in.desks[m.Desk], queue: queueDesk, inbound: m, share: share, worker: &worker{},
		at: m.Received.UTC().Truncate(time.Microsecond),
	}
	defer a.worker.end()
	return a.process(ctx)
}

var (
	errFailedOpenings    = errors.New("too many messages of this address could not be opened")
	errTooManyUnreadable = errors.New("too many messages were held as unreadable")
)

// later asks the sender to try again, and says no more than which limit was
// met.
func (in *Intake) later(m smtpd.Inbound, err error) (smtpd.Outcome, error) {
	cause, outcome := CauseTrouble, smtpd.Outcome{}
	switch {
	case errors.Is(err, queue.ErrFull):
		cause, outcome = CauseFull, smtpd.Outcome{Code: 452, Status: "4.3.1", Text: "too many open requests; try again later"}
	case errors.Is(err, errBusy):
		cause, outcome = CauseBusy, smtpd.Outcome{Code: 451, Status: "4.3.2", Text: "too many messages at once; try again later"}
	case errors.Is(err, errFailedOpenings):
		cause, outcome = CauseFailedOpenings, smtpd.Outcome{Code: 451, Status: "4.7.0", Text: "too many messages from this address could not be opened; try again later"}
	case errors.Is(err, errTooManyUnreadable):
		cause, outcome = CauseUnreadable, smtpd.Outcome{Code: 451, Status: "4.3.0", Text: "temporary trouble, try again later"}
	}
	in.o.Deferred(m.Desk, cause)
	if cause == CauseTrouble {
		in.o.Log.Error("message not received; the sender was asked to try again", "desk", m.Desk, "error", err)
		return smtpd.Outcome{}, err
	}
	in.o.Log.Warn("message not received; the sender was asked to try again", "desk", m.Desk, "cause", cause, "remote", m.Remote)
	return outcome, nil
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
