// Package reminders tells people in time what they must do about the
// Directory: that a certificate ends, on both sides, that a change was
// proposed which two people must confirm, and what became of it.
//
// Each reminder is told once for each certificate and threshold, by whichever
// gateway of the desk comes first, across restarts. What was missed while no
// gateway ran is not made up for: only the nearest threshold is told.
package reminders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/notice"
	"relais.example/gateway/vault"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/routing/queue"
)

// thresholds are the days before the end of a certificate on which people are
// reminded.
var thresholds = []int{3, 14, 30, 60}

const day = 24 * time.Hour

// Desk is what reminders need to know of a desk.
type Desk struct {
	ID            string
	Key           func() *pgp.Key // signs at the moment; nil: it is not known yet
	Staff         bool            // its staff are told of certificates that end
	ContactPoints bool            // it writes to contact points whose certificate ends
}

// Options configure New. Every field but Pending, Every, Now and Log is
// required.
type Options struct {
	Hostname  string
	Desks     []Desk // in the order of the configuration
	Directory func() *directory.Directory
	Policy    pgp.Policy
	Queue     *queue.Queue
	Vault     *vault.Vault
	Notices   *notice.Writer
	Pending   *pending.Store   // nil: there are no proposed changes
	Every     time.Duration    // how often to look; 0: a minute
	Now       func() time.Time // nil: the clock
	Log       *slog.Logger
}

// Reminders tell people. Create them with New, then Run.
type Reminders struct {
	o         Options
	wake      chan struct{}
	open      atomic.Int64 // pending changes
	announced map[string]bool
	told      map[string]pending.Status // what became of changes, by their ID
	looked    time.Time                 // at the certificates
	of        *directory.Directory
}

// New returns Reminders that do nothing until Run.
func New(o Options) *Reminders {
	if o.Every == 0 {
		o.Every = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Reminders{o: o, wake: make(chan struct{}, 1), announced: map[string]bool{}, told: map[string]pending.Status{}}
}

// Wake makes them look at once.
func (r *Reminders) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Pending returns how many changes wait for people.
func (r *Reminders) Pending() int { return int(r.open.Load()) }

// retry is how soon a look that failed is made again, twice as long after each
// further failure: at the start the queue is not ready at once.
const retry = 2 * time.Second

// Run tells people until ctx ends. What fails is tried again.
func (r *Reminders) Run(ctx context.Context) {
	pause := retry
	for {
		next := r.o.Every
		if err := r.Look(ctx); err == nil {
			pause = retry
		} else {
			next, pause = min(next, pause), min(2*pause, r.o.Every)
			if ctx.Err() == nil && !errors.Is(err, queue.ErrUnavailable) {
				r.o.Log.Error("reminders about the Directory are not told yet; trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		case <-r.wake:
		}
	}
}

// Look tells what is to be told now. It returns when that is durable. It is not
// safe for concurrent use of the same Reminders.
func (r *Reminders) Look(ctx context.Context) error {
	return errors.Join(r.certificates(ctx), r.changes(ctx))
}

// lookAgain is how often the certificates are looked at while the Directory
// stays the same.
const lookAgain = time.Hour

// certificates reminds of all that end within the first threshold.
func (r *Reminders) certificates(ctx context.Context) error {
	d, at := r.o.Directory(), r.o.Now()
	if r.of == d && at.Sub(r.looked) < lookAgain {
		return nil
	}
	var failed error
	for _, f := range d.Health(directory.HealthOptions{At: at, Policy: r.o.Policy, Within: time.Duration(slices.Max(thresholds)) * day}) {
		if f.Code != directory.CodeKeyExpiresSoon {
			continue
		}
		if err := r.remind(ctx, d, f, at); err != nil && failed == nil { // one is enough to say
			failed = fmt.Errorf("certificate of %s: %w", f.ContactPoint, err)
		}
	}
	if failed == nil {
		r.of, r.looked = d, at
	}
	return failed
}

// remind tells the two sides of one certificate.
func (r *Reminders) remind(ctx context.Context, d *directory.Directory, f directory.Finding, at time.Time) error {
	e := ending{Finding: f, version: d.Version(), left: f.Date.Sub(at), threshold: threshold(f.Date.Sub(at))}
	if i := slices.IndexFunc(r.o.Desks, func(k Desk) bool { return k.ID == f.ContactPoint }); i >= 0 {
		if !r.o.Desks[i].Staff {
			return nil
		}
		return r.tellStaff(ctx, r.o.Desks[i], e, ownKey(e))
	}
	to, ok := d.ContactPoint(f.ContactPoint)
	if !ok {
		return nil
	}
	certificates, unreachable := to.EncryptionCertificates(at, r.o.Policy)
	writer := slices.IndexFunc(r.o.Desks, func(k Desk) bool { return k.ContactPoints })
	if unreachable == nil && writer >= 0 {
		if err := r.write(ctx, r.o.Desks[writer], d, to, certificates, e); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(r.o.Desks, func(k Desk) bool { return k.Staff }); i >= 0 {
		return r.tellStaff(ctx, r.o.Desks[i], e, theirKey(e, unreachable == nil && writer >= 0))
	}
	return nil
}

// threshold returns the nearest threshold that has been reached, in days.
func threshold(left time.Duration) int {
	for _, t := range thresholds {
		if left <= time.Duration(t)*day {
			return t
		}
	}
	return slices.Max(thresholds)
}

// tellStaff puts a notice before the staff of a desk, once.
func (r *Reminders) tellStaff(ctx context.Context, k Desk, e ending, n notice.Notice) error {
	return r.once(ctx, k.ID, e.name("staff"), e.Date.Add(7*day), func() (func(*queue.Tx), error) {
		return r.o.Notices.Prepare(ctx, n)
	})
}

// once commits what prepare returns for the desk, unless that was done before
// under the same name: here, by another gateway, or before a restart.
func (r *Reminders) once(ctx context.Context, desk, name string, until time.Time, prepare func() (func(*queue.Tx), error)) error {
	q, ok := r.o.Queue.Desk(desk)
	if !ok {
		return fmt.Errorf("no desk %s", desk)
	}
	found, err := q.Arrive(ctx, 0, []string{name}, nil)
	if err != nil || found.Seen[0] != "" {
		return err
	}
	act, err := prepare()
	if err != nil {
		return err
	}
	_, err = q.Commit(ctx, func(tx *queue.Tx) error {
		tx.By("gateway")
		tx.Once(name, "told", until)
		act(tx)
		return nil
	})
	var seen *queue.SeenError
	if errors.As(err, &seen) {
		return nil // another gateway was faster
	}
	return err
}
