// Package timers fires what the deadlines of the requests have armed:
// reminders, passed deadlines, escalations. Any gateway of a desk may fire a
// timer; the request's version sees to it that each fires once.
package timers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"relais.example/gateway/intake"
	"relais.example/gateway/notice"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

const (
	lease = 30 * time.Second
	batch = 64
)

// Options configure Run. All fields but Observe are required.
type Options struct {
	Queue   *queue.Queue
	Notices *notice.Writer
	Every   time.Duration // how often to look
	Log     *slog.Logger
	Observe func(desk, clock, what string) // told each timer that fired
}

// Run fires timers until ctx ends.
func Run(ctx context.Context, o Options) {
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		for _, d := range o.Queue.Desks() {
			if err := fireDue(ctx, o, d); err != nil && ctx.Err() == nil && !errors.Is(err, queue.ErrUnavailable) {
				o.Log.Error("timers cannot be served", "desk", d.ID(), "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fireDue fires what is due. A timer that cannot be served is tried again when
// its lease has run out; the others do not wait for it.
func fireDue(ctx context.Context, o Options, d *queue.Desk) error {
	var failed error
	for {
		due, err := d.Timers(ctx, lease, batch)
		if err != nil || len(due) == 0 {
			return errors.Join(failed, err)
		}
		for _, t := range due {
			err := fire(ctx, o, d, t)
			if errors.Is(err, queue.ErrUnavailable) {
				return err
			}
			if err != nil && failed == nil { // one is enough to say
				failed = fmt.Errorf("%s of %s: %w", t.What, t.Ref, err)
			}
		}
	}
}

func fire(ctx context.Context, o Options, d *queue.Desk, t queue.Timer) error {
	state, err := d.State(ctx, t.Ref)
	if err != nil {
		return err
	}
	show := func(*queue.Tx) {}
	if tells(state, t) {
		if show, err = o.Notices.Prepare(ctx, text(state, t)); err != nil {
			return err
		}
	}
	fired := false
	_, err = d.Commit(ctx, func(tx *queue.Tx) error {
		tx.By("gateway")
		before, err := tx.Request(t.Ref)
		if err != nil {
			return err
		}
		if err := tx.Do(t.Ref, request.Tick{At: tx.At(), Clock: t.Clock, What: t.What}); err != nil {
			return err
		}
		after, err := tx.Request(t.Ref)
		if fired = err == nil && after.Version > before.Version; !fired {
			return err
		}
		show(tx)
		return mark(tx, t)
	})
	if err == nil && fired && o.Observe != nil {
		o.Observe(d.ID(), t.Clock, t.What)
	}
	return err
}

// tells reports whether the timer writes a notice: a reminder does not, and of
// a deadline that escalates at once only the escalation does.
func tells(s request.State, t queue.Timer) bool {
	if t.What != request.TimerDue {
		return t.What == request.TimerEscalate
	}
	for _, d := range s.Deadlines {
		if d.Clock != t.Clock {
			continue
		}
		for _, other := range d.Timers {
			if other.What == request.TimerEscalate && !other.At.After(d.At) {
				return false
			}
		}
	}
	return true
}

// mark sets the keyword on the messages of the request, so that a mail client
// can show them in another colour.
func mark(tx *queue.Tx, t queue.Timer) error {
	flag, clear := intake.KeywordDueSoon, []string(nil)
	if t.What != request.TimerRemind {
		flag, clear = intake.KeywordOverdue, []string{intake.KeywordDueSoon}
	}
	places, err := tx.Where(t.Ref)
	for _, at := range places {
		if at.Folder != mailbox.Sent && at.Folder != mailbox.Archive {
			tx.Mail(queue.Mail{Op: queue.MailFlag, Folder: at.Folder, UID: at.UID, Flags: []string{flag}, Clear: clear})
		}
	}
	return err
}

func text(s request.State, t queue.Timer) notice.Notice {
	n := notice.Notice{Request: t.Ref, Flags: []string{intake.KeywordOverdue}}
	n.Subject = fmt.Sprintf("Deadline passed: %s", t.Clock)
	if t.What == request.TimerEscalate {
		n.Subject = fmt.Sprintf("Supervisor: deadline not met: %s", t.Clock)
	}
	at := ""
	for _, d := range s.Deadlines {
		if d.Clock == t.Clock {
			at = d.At.UTC().Format("2 January 2006, 15:04 UTC") + " (" + d.Article + ")"
		}
	}
	n.Text = fmt.Sprintf("Request %s (%s, %s %s) had to be %s by %s.\nIt is %s.", s.Ref, s.Kind, s.Direction, s.Peer, stops(s, t), at, s.Status)
	if s.Owner != "" {
		n.Text += "\n" + s.Owner + " works on it."
	} else {
		n.Text += "\nNobody has claimed it: set the star on its message to do so."
	}
	return n
}

func stops(s request.State, t queue.Timer) string {
	for _, d := range s.Deadlines {
		if d.Clock == t.Clock {
			return d.StopsOn
		}
	}
	return "answered"
}
