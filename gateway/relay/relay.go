// Package relay sends what is in the outboxes: each message is tried until
// the next hop takes it, refuses it for good, or time is up. What became of it
// goes into the history of its request.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"relais.example/gateway/intake"
	"relais.example/gateway/notice"
	"relais.example/gateway/smtpout"
	"relais.example/gateway/vault"
	"relais.example/routing/deadline"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

const (
	lease    = 3 * time.Minute // longer than one attempt, and recording it, may take
	attempt  = 2 * time.Minute // bound of one attempt
	parallel = 32              // attempts of one desk at a time; most of them wait for a network
	look     = time.Second     // how often the outbox is looked at without being woken
	grace    = 8 * time.Second // for attempts that run when the gateway stops
)

// Options configure New. Every field but Roots, Log and Observe is required.
type Options struct {
	Helo      string
	Desks     []string
	Directory func() *directory.Directory
	Queue     *queue.Queue
	Vault     *vault.Vault
	Clocks    *deadline.Clocks
	// NextHops are fixed hops of single contact points; Smarthost takes the
	// rest; without it the MX records of the recipient's domain are asked.
	NextHops  map[string]smtpout.Hop
	Smarthost *smtpout.Hop
	MXPolicy  smtpout.TLSPolicy
	Retry     []time.Duration // pauses between attempts; the last one repeats
	GiveUp    time.Duration
	// Compose writes the message of an Out that has none stored yet.
	Compose func(ctx context.Context, desk string, out queue.Out) ([]byte, error)
	Notices *notice.Writer // put failures before the staff
	Log     *slog.Logger
	Observe func(result string) // "delivered", "deferred" or "failed"
}

// Relay works through the outboxes of the desks.
type Relay struct {
	o    Options
	wake map[string]chan struct{}
}

// New returns a Relay that does nothing until Run.
func New(o Options) *Relay {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string) {}
	}
	r := &Relay{o: o, wake: map[string]chan struct{}{}}
	for _, d := range o.Desks {
		r.wake[d] = make(chan struct{}, 1)
	}
	return r
}

// Wake makes the relay look at a desk's outbox at once.
func (r *Relay) Wake(desk string) {
	select {
	case r.wake[desk] <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends. Attempts that run then get a little time to end,
// because what is cut off may arrive twice: its lease runs out and another
// gateway, or the next start, tries again.
func (r *Relay) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, d := range r.o.Queue.Desks() {
		wg.Go(func() { r.serve(ctx, d) })
	}
	wg.Wait()
}

func (r *Relay) serve(ctx context.Context, d *queue.Desk) {
	free := make(chan struct{}, parallel)
	for range parallel {
		free <- struct{}{}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		// A lease begins to run out at once: nothing is leased that would wait.
		n := takeFree(ctx, free)
		if n == 0 {
			return
		}
		outs, err := d.Lease(ctx, lease, n)
		if err != nil && ctx.Err() == nil && !errors.Is(err, queue.ErrUnavailable) {
			r.o.Log.Error("outbox cannot be read", "desk", d.ID(), "error", err)
		}
		for range n - len(outs) {
			free <- struct{}{}
		}
		for _, out := range outs {
			wg.Go(func() {
				defer func() { free <- struct{}{} }()
				r.try(ctx, d, out)
			})
		}
		if len(outs) == n {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake[d.ID()]:
		case <-time.After(look):
		}
	}
}

// takeFree takes all that is free, waiting until something is. It returns 0
// when ctx ends.
func takeFree(ctx context.Context, free <-chan struct{}) int {
	select {
	case <-ctx.Done():
		return 0
	case <-free:
	}
	for n := 1; ; n++ {
		select {
		case <-free:
		default:
			return n
		}
	}
}

// try makes one attempt and records what became of it.
func (r *Relay) try(stopping context.Context, d *queue.Desk, out queue.Out) {
	ctx := context.WithoutCancel(stopping)
	attemptCtx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(grace, cancel) })()
	raw, err := r.message(attemptCtx, d, out)
	if err == nil {
		err = r.send(attemptCtx, d, out, raw)
	}
	if stopping.Err() != nil && attemptCtx.Err() != nil {
		return // cut off: the message may have gone or not, the lease decides
	}
	var smtpErr *smtpout.Error
	temporary := err != nil && (!errors.As(err, &smtpErr) || smtpErr.Temporary)
	out.Attempts++
	out.Status = status(smtpErr)
	switch {
	case err == nil:
		err = r.delivered(ctx, d, out)
		r.o.Observe("delivered")
	case temporary && time.Since(out.Since) < r.o.GiveUp:
		r.o.Log.Warn("message not delivered yet; trying again", "desk", d.ID(), "to", out.To, "request", out.Request, "attempt", out.Attempts, "error", withoutWords(err))
		out.Item = r.keep(ctx, out, raw)
		out.Op, out.At = queue.OutDefer, time.Now().Add(r.pause(out.Attempts)).UTC()
		_, err = d.Commit(ctx, func(tx *queue.Tx) error { tx.By("gateway"); tx.Out(out); return nil })
		r.o.Observe("deferred")
	default:
		r.o.Log.Error("message given up; the staff are told", "desk", d.ID(), "to", out.To, "request", out.Request, "attempts", out.Attempts, "error", withoutWords(err))
		err = r.failed(ctx, d, out, err)
		r.o.Observe("failed")
	}
	switch {
	case errors.Is(err, queue.ErrConflict):
		r.o.Log.Info("another attempt has settled the message", "desk", d.ID(), "request", out.Request)
	case err != nil:
		r.o.Log.Error("result of an attempt not recorded; the message will be tried again", "desk", d.ID(), "request", out.Request, "error", err)
	}
}

// keep stores a message that was written for this attempt, so that the next one
// sends the same bytes and the receiver can tell that it is the same message.
func (r *Relay) keep(ctx context.Context, out queue.Out, raw []byte) string {
	if out.Item != "" || raw == nil {
		return out.Item
	}
	names, err := r.o.Vault.Put(ctx, raw)
	if err != nil {
		return "" // it is written anew
	}
	return names[0]
}

func status(e *smtpout.Error) string {
	if e == nil {
		return ""
	}
	if e.Status != "" {
		return e.Status
	}
	if e.Code != 0 {
		return fmt.Sprint(e.Code)
	}
	return string(e.Stage)
}

// withoutWords leaves out what the other server wrote, for the log: it likes to
// repeat the address. The staff read it in the notice.
func withoutWords(err error) error {
	var e *smtpout.Error
	if errors.As(err, &e) && e.Code != 0 {
		return fmt.Errorf("%s: answered %d %s", e.Stage, e.Code, e.Status)
	}
	return err
}

func (r *Relay) pause(attempts int) time.Duration {
	return r.o.Retry[min(attempts, len(r.o.Retry))-1]
}

// send hands the message to the first hop that answers.
func (r *Relay) send(ctx context.Context, d *queue.Desk, out queue.Out, raw []byte) error {
	to, ok := r.o.Directory().ContactPoint(out.To)
	if !ok || len(to.Addresses) == 0 {
		return fmt.Errorf("%s is not in the Directory now", out.To)
	}
	from, ok := r.o.Directory().ContactPoint(d.ID())
	if !ok || len(from.Addresses) == 0 {
		return fmt.Errorf("desk %s is not in the Directory now", d.ID())
	}
	hops, err := r.hops(ctx, to)
	if err != nil {
		return err
	}
	for _, hop := range hops {
		_, err = smtpout.Send(ctx, hop, r.o.Helo, from.Addresses[0], []string{to.Addresses[0]}, raw)
		var e *smtpout.Error
		if err == nil || errors.As(err, &e) && (!e.Temporary || e.Unknown) {
			return err
		}
	}
	return err
}

func (r *Relay) message(ctx context.Context, d *queue.Desk, out queue.Out) ([]byte, error) {
	if out.Item == "" {
		return r.o.Compose(ctx, d.ID(), out)
	}
	return r.o.Vault.Get(ctx, out.Item)
}

func (r *Relay) hops(ctx context.Context, to *directory.ContactPoint) ([]smtpout.Hop, error) {
	if hop, ok := r.o.NextHops[to.ID]; ok {
		return []smtpout.Hop{hop}, nil
	}
	if r.o.Smarthost != nil {
		return []smtpout.Hop{*r.o.Smarthost}, nil
	}
	_, domain, _ := strings.Cut(to.Addresses[0], "@")
	return smtpout.ResolveMX(ctx, domain, r.o.MXPolicy)
}

// delivered records that the next hop took the message.
func (r *Relay) delivered(ctx context.Context, d *queue.Desk, out queue.Out) error {
	out.Op = queue.OutDone
	_, err := d.Commit(ctx, func(tx *queue.Tx) error {
		tx.By("gateway")
		tx.Out(queue.Out{Op: queue.OutDone, ID: out.ID, To: out.To, Request: out.Request, Purpose: out.Purpose, Attempts: out.Attempts})
		state, err := tx.Request(out.Request)
		if err != nil || state.Status == request.StatusNone {
			return err
		}
		err = tx.Do(out.Request, request.Delivered{
			At: tx.At(), Out: out.ID, Final: out.Purpose == queue.PurposeReply || out.Purpose == queue.PurposePong, Ack: true,
			Deadlines: r.started(state, out, tx.At()),
		})
		if err != nil || out.Purpose != queue.PurposePong {
			return err
		}
		// A test that was answered is nobody's work any more.
		return intake.CloseAnswered(tx, out.Request)
	})
	return err
}

// started returns the clocks that the delivery of a reply starts: what was
// preserved is kept at least 60 days (CONV 29.7), or until the date told.
func (r *Relay) started(s request.State, out queue.Out, at time.Time) []request.Deadline {
	if out.Purpose != queue.PurposeReply || out.Code != request.CodePreserved && out.Code != request.CodeExtended {
		return nil
	}
	return r.o.Clocks.Arm(r.o.Clocks.Preserved(s.Kind, s.Emergency, deadline.Received, at, out.Until))
}

// failed records that the message was given up.
func (r *Relay) failed(ctx context.Context, d *queue.Desk, out queue.Out, cause error) error {
	show, err := r.o.Notices.Prepare(ctx, undelivered(out, cause))
	if err != nil {
		return err
	}
	_, err = d.Commit(ctx, func(tx *queue.Tx) error {
		tx.By("gateway")
		show(tx)
		tx.Out(queue.Out{Op: queue.OutFail, ID: out.ID, Item: out.Item, To: out.To, Request: out.Request, Purpose: out.Purpose, Attempts: out.Attempts, Status: out.Status})
		state, err := tx.Request(out.Request)
		if err != nil || state.Status == request.StatusNone {
			return err
		}
		if err := tx.Do(out.Request, request.Undelivered{At: tx.At(), Out: out.ID, Code: out.Status}); err != nil {
			return err
		}
		return intake.Follow(tx, d, state)
	})
	return err
}

// undelivered tells the staff what did not arrive, why, and what to do.
func undelivered(out queue.Out, cause error) notice.Notice {
	what := map[string]string{
		queue.PurposeReply: "answer", queue.PurposeAck: "acknowledgement", queue.PurposeRequest: "request", queue.PurposeMessage: "message",
		queue.PurposePing: "test", queue.PurposePong: "answer to the test", queue.PurposeRelease: "Directory",
		queue.PurposeReceipt: "receipt for the Directory", queue.PurposeInquiry: "answer from the Directory",
		queue.PurposeCorrection: "answer about changes of an entry",
		queue.PurposeReminder:   "reminder",
	}[out.Purpose]
	about, clocks := "", ""
	if out.Request != "" {
		about, clocks = " for "+string(out.Request), "The clocks of the request go on. "
	}
	return notice.Notice{
		Request: out.Request, Subject: fmt.Sprintf("Not delivered: %s to %s", what, out.To), Flags: []string{"$Undelivered"},
		Text: fmt.Sprintf("The %s to %s%s was not delivered after %d attempts since %s.\nThe last attempt ended with: %s\n"+
			"%sCall the contact point on the telephone number in the Directory, then send again.",
			what, out.To, about, out.Attempts, out.Since.UTC().Format("2 January 2006, 15:04 UTC"), cause, clocks),
	}
}
