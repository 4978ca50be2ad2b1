// Package reach tells from the journal which contact points answered the tests
// of their reachability, and how fast (CONV 35.1: available 24 hours a day,
// seven days a week).
package reach

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"relais.example/routing/directory"
	"relais.example/routing/journal"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Test is one test of a contact point by a desk. Times are zero for what has
// not happened.
type Test struct {
	Ref          request.Reference `json:"reference"`
	ContactPoint string            `json:"contact_point"`
	By           string            `json:"by"` // who asked for it, "gateway" for the schedule
	Sent         time.Time         `json:"sent"`
	Delivered    time.Time         `json:"delivered,omitzero"` // to the next hop
	Answered     time.Time         `json:"answered,omitzero"`  // by a message that the contact point signed
	GivenUp      time.Time         `json:"given_up,omitzero"`  // could not be delivered
}

// Latency is the time from sending to the answer, 0 without one.
func (t Test) Latency() time.Duration {
	if t.Answered.IsZero() {
		return 0
	}
	return t.Answered.Sub(t.Sent)
}

// Read returns all tests in the journal in dir, in the order of sending.
func Read(dir string) ([]Test, error) {
	var refs []request.Reference
	tests := map[request.Reference]*Test{}
	err := journal.Read(dir, func(e journal.Entry) error {
		var r queue.Record
		if err := json.Unmarshal(e.Record, &r); err != nil {
			return fmt.Errorf("reading journal: record %d of desk %s: %w", e.Seq, e.Desk, err)
		}
		for _, ev := range r.Events {
			t := tests[ev.Ref]
			switch {
			case ev.Type == request.EvSent && ev.Kind == request.Ping:
				refs = append(refs, ev.Ref)
				tests[ev.Ref] = &Test{Ref: ev.Ref, ContactPoint: ev.Peer, By: ev.By, Sent: ev.At}
			case t == nil:
			case ev.Type == request.EvResumed && ev.Status == request.StatusSent:
				t.Delivered = ev.At
			case ev.Type == request.EvAnswered && t.Answered.IsZero():
				t.Answered = ev.At
			case ev.Type == request.EvUndelivered:
				t.GivenUp = ev.At
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Test
	for _, ref := range refs {
		out = append(out, *tests[ref])
	}
	return out, nil
}

// State says how a contact point stands.
type State string

// The states, the worst first.
const (
	Unreachable State = "unreachable" // the last test could not be delivered
	Silent      State = "silent"      // the last test was not answered in time
	Untested    State = "untested"    // never tested
	Waiting     State = "waiting"     // the last test is under way
	Reached     State = "reached"     // the last test was answered
)

// Line is what is known of one contact point.
type Line struct {
	ContactPoint string        `json:"contact_point"`
	Party        string        `json:"party"` // English name
	Institution  string        `json:"institution"`
	State        State         `json:"state"`
	Tests        int           `json:"tests"`
	Answered     int           `json:"answered"`
	Median       time.Duration `json:"median_latency"` // nanoseconds; of the answered tests
	LastTest     time.Time     `json:"last_test,omitzero"`
	LastSuccess  time.Time     `json:"last_success,omitzero"`
}

// Lines sums up the tests for each contact point of the Directory but those in
// own, the worst first. A test is unanswered after patience.
func Lines(d *directory.Directory, tests []Test, own []string, at time.Time, patience time.Duration) []Line {
	byPoint := map[string][]Test{}
	for _, t := range tests {
		byPoint[t.ContactPoint] = append(byPoint[t.ContactPoint], t)
	}
	var out []Line
	for _, p := range d.Document().Parties {
		for _, cp := range p.ContactPoints {
			if !slices.Contains(own, cp.ID) {
				l := sum(byPoint[cp.ID], at, patience)
				l.ContactPoint, l.Party, l.Institution = cp.ID, p.Names["en"], cp.Institution
				out = append(out, l)
			}
		}
	}
	order := []State{Unreachable, Silent, Untested, Waiting, Reached}
	slices.SortStableFunc(out, func(a, b Line) int {
		return cmp.Or(slices.Index(order, a.State)-slices.Index(order, b.State), cmp.Compare(a.ContactPoint, b.ContactPoint))
	})
	return out
}

func sum(tests []Test, at time.Time, patience time.Duration) Line {
	l := Line{State: Untested, Tests: len(tests)}
	var latencies []time.Duration
	for _, t := range tests {
		l.LastTest = t.Sent
		switch {
		case !t.Answered.IsZero():
			l.State = Reached
			l.LastSuccess = t.Answered
			latencies = append(latencies, t.Latency())
		case !t.GivenUp.IsZero():
			l.State = Unreachable
		case at.Sub(t.Sent) > patience:
			l.State = Silent
		default:
			l.State = Waiting
		}
	}
	if l.Answered = len(latencies); l.Answered > 0 {
		slices.Sort(latencies)
		l.Median = latencies[l.Answered/2]
	}
	return l
}
