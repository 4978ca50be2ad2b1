package intake

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// What reads a message is run contained: a panic or a run without end becomes
// [errUnreadable] for that message alone, and the others go on.
var errUnreadable = errors.New("message cannot be read")

// The stages that are run contained.
const (
	stageOpen     = "open"     // decrypt, verify, walk the parts, judge
	stageClassify = "classify" // read the text
	stagePropose  = "propose"  // read certificates that came by mail
	stageServe    = "serve"    // read a Directory or a question that came by mail
	stageShow     = "show"     // make what staff see
)

// Containment bounds what the messages of strangers may use up. A field of 0
// takes its default, except FailedOpenings.
type Containment struct {
	Bytes           int64         // of messages worked on at the same time (144 MiB)
	Time            time.Duration // for one stage of one message (1 minute)
	Unreadable      int           // messages held as unreadable, per hour (20)
	UnreadablePerIP int           // the same, from one address (5)
	FailedOpenings  int           // messages that cannot be opened, per hour and address; 0: without limit
}

func (c Containment) withDefaults() Containment {
	if c.Bytes <= 0 {
		c.Bytes = 144 << 20
	}
	if c.Time <= 0 {
		c.Time = time.Minute
	}
	if c.Unreadable <= 0 {
		c.Unreadable = 20
	}
	if c.UnreadablePerIP <= 0 {
		c.UnreadablePerIP = 5
	}
	return c
}

// maxRunaways is how many runs that went over their time may go on beside
// others. With more, nothing is opened until one ends: something is wrong that
// only a restart mends.
const maxRunaways = 16

// worker runs the stages of one message one after the other, so that a stack
// grows once for all of them.
type worker struct{ stages chan func() }

func (w *worker) run(f func()) {
	if w.stages == nil {
		w.stages = make(chan func())
		go func(stages <-chan func()) {
			for f := range stages {
				f()
			}
		}(w.stages)
	}
	w.stages <- f
}

// end lets the goroutine go when it has done what it is at. A further run
// starts another.
func (w *worker) end() {
	if w.stages != nil {
		close(w.stages)
		w.stages = nil
	}
}

// contain runs f, which must write to nothing but what it returns: when it
// goes over its time, it runs on alone and its result is dropped. Its share of
// the memory is given back only when it ends.
func contain[T any](a *arrival, stage string, f func() T) (T, error) {
	type result struct {
		value T
		fault string
	}
	done := make(chan result, 1) // so that a late result waits for nobody
	var settled atomic.Bool      // by whichever is first: the result or the clock
	a.share.hold()
	a.worker.run(func() {
		defer a.share.release()
		var r result
		defer func() {
			if v := recover(); v != nil {
				r.fault = faultOf(v)
				a.in.o.Log.Error("panic while a message was read", "desk", a.desk.ID, "stage", stage, "panic", r.fault, "stack", string(debug.Stack()))
			}
			done <- r
			if !settled.CompareAndSwap(false, true) {
				a.in.runaways.Add(-1)
			}
		}()
		if a.in.probe != nil {
			a.in.probe(stage, a.inbound.Raw)
		}
		r.value = f()
	})
	limit := a.in.o.Contain.Time
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var r result
	select {
	case r = <-done:
	case <-timer.C:
		if settled.CompareAndSwap(false, true) {
			a.in.runaways.Add(1)
			a.worker.end()
			a.in.o.Log.Error("a message took too long to read", "desk", a.desk.ID, "stage", stage, "limit", limit, "bytes", len(a.inbound.Raw))
			return r.value, fmt.Errorf("%w: stage %s took longer than %s", errUnreadable, stage, limit)
		}
		r = <-done
	}
	if r.fault != "" {
		return r.value, fmt.Errorf("%w: panic in stage %s", errUnreadable, stage)
	}
	return r.value, nil
}

// faultOf describes a panic. Its value may hold content of the message, so
// only that of the runtime is told.
func faultOf(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

// enter waits for a processor to open a message with. After nil, leave must be
// called.
func (in *Intake) enter(ctx context.Context) error {
	if in.runaways.Load() >= maxRunaways {
		in.o.Log.Error("messages that took too long are still being read; nothing more is opened: restart the gateway", "runaways", in.runaways.Load())
		return errBusy
	}
	select {
	case in.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return busyUnlessEnded(ctx)
	}
}

func (in *Intake) leave() { <-in.slots }
