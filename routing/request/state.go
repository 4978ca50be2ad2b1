// Package request holds the state machine of a request as plain functions:
// Decide turns a command into events, Fold turns events into state. There is
// no clock and no I/O here.
package request

import (
	"slices"
	"time"
)

// Status is where a request stands.
type Status string

// The statuses. A received request goes open → answering → answered → closed;
// a sent one sending → sent → answered → closed.
const (
	StatusNone        Status = ""            // does not exist yet
	StatusQuarantined Status = "quarantined" // held until a supervisor releases it
	StatusDiscarded   Status = "discarded"   // thrown out of quarantine; final
	StatusTriage      Status = "triage"      // kind unclear; a person decides
	StatusOpen        Status = "open"        //
	StatusWaiting     Status = "waiting"     // for the requester's answer
	StatusAnswering   Status = "answering"   // the answer is queued, not yet delivered
	StatusAnswered    Status = "answered"    // the answer was delivered, or came in
	StatusSending     Status = "sending"     // our request is queued
	StatusSent        Status = "sent"        // our request was delivered
	StatusClosed      Status = "closed"      //
)

// Live reports whether work on the request is still to be done, so that its
// clocks run.
func (s Status) Live() bool {
	switch s {
	case StatusNone, StatusDiscarded, StatusAnswered, StatusClosed:
		return false
	}
	return true
}

// State is the fold of a request's events.
type State struct {
	Ref            Reference  `json:"ref"`
	Version        uint64     `json:"version"` // number of events folded
	Direction      Direction  `json:"direction"`
	Kind           Kind       `json:"kind"`
	Emergency      bool       `json:"emergency,omitempty"`
	Status         Status     `json:"status"`
	Reason         string     `json:"reason,omitempty"`
	Peer           string     `json:"peer"`
	Parent         Reference  `json:"parent,omitempty"`
	Since          time.Time  `json:"since"` // received or written
	AcknowledgedAt time.Time  `json:"acknowledged_at,omitzero"`
	AnsweredAt     time.Time  `json:"answered_at,omitzero"`
	Owner          string     `json:"owner,omitempty"` // who claimed it
	Code           string     `json:"code,omitempty"`  // last reply code
	Pending        string     `json:"pending,omitempty"`
	Messages       []string   `json:"messages,omitempty"` // originals in the vault, oldest first
	Deadlines      []Deadline `json:"deadlines,omitempty"`
	Overdue        []string   `json:"overdue,omitempty"` // clocks that were missed
}

// NextDeadline returns the soonest running deadline; ok is false if none runs.
func (s State) NextDeadline() (d Deadline, ok bool) {
	for _, c := range s.Deadlines {
		if !ok || c.At.Before(d.At) {
			d, ok = c, true
		}
	}
	return d, ok
}

// Fold applies one event. It never fails: what Decide allowed is history.
func Fold(s State, e Event) State {
	s.Version++
	switch e.Type {
	case EvReceived, EvSent:
		s.Ref, s.Kind, s.Emergency, s.Status = e.Ref, e.Kind, e.Emergency, e.Status
		s.Direction, s.Reason, s.Peer, s.Parent, s.Since = e.Direction, e.Reason, e.Peer, e.Parent, e.At
		s.Pending = e.Out
		s.Messages = append(slices.Clone(s.Messages), e.Message)
	case EvMessage:
		s.Messages = append(slices.Clone(s.Messages), e.Message)
	case EvReleased:
		s.Status, s.Kind = e.Status, e.Kind
		s.Deadlines = nil // the triage clock ends; the clocks of the kind start below
	case EvDiscarded:
		s.Status = StatusDiscarded
	case EvClassified:
		s.Kind, s.Status = e.Kind, e.Status
		s.Deadlines = nil // those of the old kind
	case EvClaimed:
		s.Owner = e.By
	case EvUnclaimed:
		s.Owner = ""
	case EvReplied:
		// A further message does not take the place of the answer, or of our
		// request, that is still on its way.
		if e.Final || s.Pending == "" || s.Status != StatusAnswering && s.Status != StatusSending {
			s.Pending, s.Code = e.Out, e.Code
		}
		if e.Final {
			s.Status = StatusAnswering
		}
	case EvWaiting:
		s.Status = StatusWaiting
	case EvAcknowledged:
		if s.AcknowledgedAt.IsZero() {
			s.AcknowledgedAt = e.At
		}
		if s.Status == StatusSending {
			s.Status = StatusSent
		}
	case EvAnswered:
		s.AnsweredAt, s.Status, s.Pending = e.At, StatusAnswered, ""
		if e.Code != "" {
			s.Code = e.Code
		}
		if s.AcknowledgedAt.IsZero() {
			s.AcknowledgedAt = e.At
		}
	case EvUndelivered:
		if s.Pending == e.Out {
			s.Pending = ""
		}
		s.Status = e.Status
	case EvResumed:
		s.Status = e.Status
	case EvClosed:
		s.Status, s.Pending = StatusClosed, ""
	case EvReminded, EvOverdue, EvEscalated:
		s.Deadlines = fireTimer(s.Deadlines, e)
		if e.Type == EvOverdue && !slices.Contains(s.Overdue, e.Clock) {
			s.Overdue = append(slices.Clone(s.Overdue), e.Clock)
		}
	}
	s.Deadlines = append(stopClocks(s.Deadlines, e), startClocks(s, e.Deadlines)...)
	if !s.Status.Live() {
		s.Deadlines = keepAfterAnswer(s.Status, s.Deadlines)
	}
	return s
}

// stopsOnDelivery is what a clock on the delivery of our own request stops on.
const stopsOnDelivery = "delivered"

// stopClocks drops the deadlines that the event stops. An answer also stops
// what an acknowledgement would have stopped, and either shows that our
// request was delivered. A clock that starts again takes its own place.
func stopClocks(ds []Deadline, e Event) []Deadline {
	var keep []Deadline
	for _, d := range ds {
		stops := d.StopsOn == string(e.Type)
		switch e.Type {
		case EvAnswered, EvWaiting, EvAcknowledged:
			stops = stops || d.StopsOn == string(EvAcknowledged) || d.StopsOn == stopsOnDelivery
		case EvResumed: // with an outgoing message: it was delivered
			stops = stops || e.Out != "" && d.StopsOn == stopsOnDelivery
		case EvReplied: // who answers has taken it up
			stops = stops || d.StopsOn == string(EvClaimed)
		}
		again := slices.ContainsFunc(e.Deadlines, func(n Deadline) bool { return n.Clock == d.Clock })
		if !stops && !again {
			keep = append(keep, d)
		}
	}
	return keep
}

// startClocks leaves out what would wait for an acknowledgement that was given
// before.
func startClocks(s State, ds []Deadline) []Deadline {
	return slices.DeleteFunc(slices.Clone(ds), func(d Deadline) bool {
		return d.StopsOn == string(EvAcknowledged) && !s.AcknowledgedAt.IsZero()
	})
}

// keepAfterAnswer keeps the clocks that outlive an answer: a preservation runs
// until it expires, is prolonged or is withdrawn (CONV 29.7).
func keepAfterAnswer(s Status, ds []Deadline) []Deadline {
	if s != StatusAnswered {
		return nil
	}
	var keep []Deadline
	for _, d := range ds {
		if d.StopsOn == string(EvClosed) {
			keep = append(keep, d)
		}
	}
	return keep
}

func fireTimer(ds []Deadline, e Event) []Deadline {
	what := map[EventType]string{EvReminded: TimerRemind, EvOverdue: TimerDue, EvEscalated: TimerEscalate}[e.Type]
	out := slices.Clone(ds)
	for i, d := range out {
		if d.Clock != e.Clock {
			continue
		}
		for j, t := range d.Timers {
			if t.What == what {
				out[i].Timers = append(slices.Clone(d.Timers[:j]), d.Timers[j+1:]...)
				break
			}
		}
	}
	return out
}
