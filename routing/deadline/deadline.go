// Package deadline computes by when something has to happen. Clocks are data
// (configs/clocks.yaml): each names its basis, the event that starts it, its
// length and the event that stops it. The package knows the time only from
// its arguments and returns UTC.
package deadline

import (
	"cmp"
	"slices"
	"time"

	"relais.example/routing/request"
)

// Events that start and stop clocks.
const (
	EventReceived     = "received"     // the message arrived (direction Received)
	EventSent         = "sent"         // our message left the desk (direction Sent)
	EventQuarantined  = "quarantined"  // held until a person decides
	EventReleased     = "released"     // let out of quarantine, or discarded there
	EventClassified   = "classified"   // in triage: a person said what it is
	EventClaimed      = "claimed"      // a person took it up: set the star, or answered
	EventAcknowledged = "acknowledged" // somebody said it arrived
	EventAnswered     = "answered"     // the outcome was told
	EventDelivered    = "delivered"    // the other side's server took our message
	EventPreserved    = "preserved"    // the data are preserved (a PRESERVED reply)
	EventClosed       = "closed"       // the request needs nothing more
)

// Events lists every event that a clock may name.
func Events() []string {
	return []string{EventReceived, EventSent, EventQuarantined, EventReleased, EventClassified, EventClaimed,
		EventAcknowledged, EventAnswered, EventDelivered, EventPreserved, EventClosed}
}

// Directions of a request, seen from the desk.
const (
	Received = "received"
	Sent     = "sent"
)

// Clock is a rule that yields a deadline.
type Clock struct {
	Name          string          // unique, such as "acknowledge"
	Article       string          // treaty basis such as "CONV 29.7", or "policy"
	Note          string          // one sentence for people
	Kinds         []request.Kind  // never empty
	Direction     string          // Received or Sent
	Emergency     bool            // runs in emergencies only
	Length        time.Duration   // from Start, positive
	Start, Stop   string          // events
	Reminders     []time.Duration // before the deadline, longest first
	EscalateAfter time.Duration   // after the deadline, to the supervisor; 0: at the deadline
}

// Deadline is the result of one clock on one request. It is comparable.
type Deadline struct {
	Clock   string
	Article string
	At      time.Time // UTC
	StopsOn string    // event
}

// Clocks is a checked set of clocks, immutable and safe for concurrent use.
type Clocks struct {
	clocks []Clock
	byName map[string]int
}

// All returns every clock in the order of the file.
func (c *Clocks) All() []Clock { return slices.Clone(c.clocks) }

// Clock returns the clock of that name.
func (c *Clocks) Clock(name string) (Clock, bool) {
	i, ok := c.byName[name]
	if !ok {
		return Clock{}, false
	}
	return c.clocks[i], true
}

// For returns the deadlines that begin when a request of that kind is received
// (direction Received) or sent (direction Sent) at that time, soonest first.
func (c *Clocks) For(kind request.Kind, emergency bool, direction string, received time.Time) []Deadline {
	return c.On(firstEvent(direction), kind, emergency, direction, received)
}

// On returns the deadlines that an event starts, soonest first: the
// preservation minimum on EventPreserved, for example. The two kinds of SAP 9
// and 10 are emergencies whatever the argument says.
func (c *Clocks) On(event string, kind request.Kind, emergency bool, direction string, at time.Time) []Deadline {
	emergency = emergency || kind == request.EmergencyDisclosure || kind == request.EmergencyMLA
	var running []Clock
	for _, clock := range c.clocks {
		if clock.Start == event && clock.Direction == direction &&
			(emergency || !clock.Emergency) && slices.Contains(clock.Kinds, kind) {
			running = append(running, clock)
		}
	}
	var deadlines []Deadline
	for _, clock := range running {
		if !replaced(clock, running) {
			deadlines = append(deadlines, Deadline{clock.Name, clock.Article, at.UTC().Add(clock.Length), clock.Stop})
		}
	}
	sortDeadlines(deadlines)
	return deadlines
}

// replaced reports whether an emergency clock among running takes the place of
// clock. What a treaty sets keeps running beside it.
func replaced(clock Clock, running []Clock) bool {
	if clock.Emergency || clock.Article != policy {
		return false
	}
	return slices.ContainsFunc(running, func(e Clock) bool {
		return e.Emergency && e.Stop == clock.Stop && e.Length <= clock.Length
	})
}

// Shortest is For over the candidates of a message in triage: for each event
// that stops a clock, the soonest deadline among the candidates; soonest first.
func (c *Clocks) Shortest(kinds []request.Kind, emergency bool, direction string, received time.Time) []Deadline {
	var all []Deadline
	for _, kind := range kinds {
		all = append(all, c.For(kind, emergency, direction, received)...)
	}
	sortDeadlines(all)
	var shortest []Deadline
	for _, d := range all {
		if !slices.ContainsFunc(shortest, func(s Deadline) bool { return s.StopsOn == d.StopsOn }) {
			shortest = append(shortest, d)
		}
	}
	return shortest
}

// Reminders returns when to remind of d, soonest first. It is nil if the clock
// of d is no longer in the file.
func (c *Clocks) Reminders(d Deadline) []time.Time {
	clock, ok := c.Clock(d.Clock)
	if !ok {
		return nil
	}
	times := make([]time.Time, 0, len(clock.Reminders))
	for _, before := range clock.Reminders {
		times = append(times, d.At.Add(-before))
	}
	return times
}

// Escalation returns when the supervisor is told of d, should it still run.
func (c *Clocks) Escalation(d Deadline) time.Time {
	clock, _ := c.Clock(d.Clock)
	return d.At.Add(clock.EscalateAfter)
}

func firstEvent(direction string) string {
	if direction == Sent {
		return EventSent
	}
	return EventReceived
}

// sortDeadlines orders by time; the name breaks ties, so that the order never
// depends on the file.
func sortDeadlines(d []Deadline) {
	slices.SortFunc(d, func(a, b Deadline) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Clock, b.Clock))
	})
}

// longestPreservation is the longest time that a date in a reply is believed:
// further ahead it is a typing error, and nobody would be reminded.
const longestPreservation = 2 * 366 * 24 * time.Hour

// Preserved returns the deadlines that the confirmation of a preservation
// starts, soonest first: on the date that it names, if that lies ahead and
// within two years, else as the clocks say (CONV 29.7: 60 days).
func (c *Clocks) Preserved(kind request.Kind, emergency bool, direction string, at, until time.Time) []Deadline {
	ds := c.On(EventPreserved, kind, emergency, direction, at)
	if until.After(at) && until.Before(at.Add(longestPreservation)) {
		for i := range ds {
			ds[i].At = until.UTC()
		}
		sortDeadlines(ds)
	}
	return ds
}
