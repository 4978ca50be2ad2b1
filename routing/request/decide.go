package request

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNotAllowed is wrapped by every refusal of Decide. The text says what was
// asked, of which request, and what is possible instead.
var ErrNotAllowed = errors.New("not allowed")

// Command is something that somebody or something wants to do to a request.
type Command interface {
	decide(s State) ([]Event, error)
}

// Decide returns the events that c causes in state s, or an error that wraps
// ErrNotAllowed. It never returns both. No events and no error means that the
// command asks for what already is.
func Decide(s State, c Command) ([]Event, error) {
	return c.decide(s)
}

// refuse says why what cannot be done. The hint is for statuses other than none
// and discarded, which have their own.
func refuse(s State, what, hint string) error {
	switch s.Status {
	case StatusNone:
		return fmt.Errorf("%s a request: %w: there is no such request; check the reference", what, ErrNotAllowed)
	case StatusDiscarded:
		hint = "it was thrown out of quarantine; ask the sender to send it again"
	}
	return fmt.Errorf("%s %s: %w while it is %s; %s", what, s.Ref, ErrNotAllowed, s.Status, hint)
}

// Open is the first command: a message that asks something came in, or was
// written by staff (Direction Sent).
type Open struct {
	Ref       Reference
	At        time.Time
	By        string
	Direction Direction
	Kind      Kind
	Emergency bool
	Peer      string
	Reason    string
	Held      bool // quarantined
	Message   string
	Signer    string
	Out       string // Sent: the outgoing message
	Parent    Reference
	Deadlines []Deadline
}

func (c Open) decide(s State) ([]Event, error) {
	if s.Status != StatusNone {
		return nil, fmt.Errorf("opening %s: %w: the reference is taken; use the next number", s.Ref, ErrNotAllowed)
	}
	e := Event{
		Type: EvReceived, Ref: c.Ref, At: c.At, By: c.By, Direction: c.Direction, Kind: c.Kind, Emergency: c.Emergency,
		Peer: c.Peer, Reason: c.Reason, Message: c.Message, Signer: c.Signer, Out: c.Out, Parent: c.Parent, Deadlines: c.Deadlines,
	}
	switch {
	case c.Direction == Sent:
		e.Type, e.Status = EvSent, StatusSending
	case c.Held:
		e.Status = StatusQuarantined
	default:
		e.Status = statusFor(c.Kind)
	}
	return []Event{e}, nil
}

func statusFor(k Kind) Status {
	if k == Unclassified {
		return StatusTriage
	}
	return StatusOpen
}

// Attach adds a further message of the other side.
type Attach struct {
	At      time.Time
	Kind    Kind // Response, FollowUp, Withdrawal, Auto or anything the peer wrote into the thread
	Message string
	Signer  string
	Code    string // reply code in it, if any
	Final   bool   // Response only: it ends the request as far as the peer is concerned
	Ack     bool   // Response only: it acknowledges receipt
	// Deadlines are the clocks that start with the message, such as the end of
	// a preservation that it confirms. Machine mail starts none.
	Deadlines []Deadline
}

func (c Attach) decide(s State) ([]Event, error) {
	if s.Status == StatusNone || s.Status == StatusDiscarded {
		return nil, refuse(s, "adding a message to", "")
	}
	base := Event{Ref: s.Ref, At: c.At, By: s.Peer}
	first := base
	first.Type, first.Kind, first.Message, first.Signer, first.Code = EvMessage, c.Kind, c.Message, c.Signer, c.Code
	events := []Event{first}
	add := func(t EventType, status Status) {
		e := base
		e.Type, e.Status, e.Code, e.Direction, e.Kind, e.Since = t, status, c.Code, s.Direction, s.Kind, s.Since
		events = append(events, e)
	}
	if c.Kind == Auto { // machine mail never moves a clock
		return events, nil
	}
	events[0].Deadlines = c.Deadlines
	switch s.Direction {
	case Sent:
		switch {
		case c.Kind != Response:
		case c.Final && s.Status != StatusClosed:
			add(EvAnswered, "")
		case c.Ack && s.AcknowledgedAt.IsZero():
			add(EvAcknowledged, "")
		}
	case Received:
		if s.Status == StatusWaiting {
			add(EvResumed, statusFor(s.Kind))
		}
	}
	return events, nil
}

// Release takes a request out of quarantine.
type Release struct {
	At        time.Time
	By        string
	Kind      Kind
	Deadlines []Deadline // clocks of the kind, counted from the time of receipt
}

func (c Release) decide(s State) ([]Event, error) {
	if s.Status != StatusQuarantined {
		return nil, refuse(s, "releasing", "only a quarantined message can be released")
	}
	return []Event{{Type: EvReleased, Ref: s.Ref, At: c.At, By: c.By, Kind: c.Kind, Status: statusFor(c.Kind), Deadlines: c.Deadlines}}, nil
}

// Discard throws a quarantined message out.
type Discard struct {
	At time.Time
	By string
}

func (c Discard) decide(s State) ([]Event, error) {
	if s.Status != StatusQuarantined {
		return nil, refuse(s, "discarding", "only a quarantined message can be discarded; answer and archive the others")
	}
	return []Event{{Type: EvDiscarded, Ref: s.Ref, At: c.At, By: c.By}}, nil
}

// Classify sets the kind; staff do it to what waits in triage.
type Classify struct {
	At        time.Time
	By        string
	Kind      Kind
	Deadlines []Deadline
}

func (c Classify) decide(s State) ([]Event, error) {
	switch s.Status {
	case StatusTriage, StatusOpen, StatusWaiting:
	default:
		return nil, refuse(s, "classifying", "only an open request can change its kind")
	}
	if c.Kind == s.Kind && s.Status != StatusTriage {
		return nil, nil
	}
	status := statusFor(c.Kind)
	if s.Status == StatusTriage && c.Kind == Unclassified {
		status = StatusOpen // a person looked and takes it as it is
	}
	return []Event{{Type: EvClassified, Ref: s.Ref, At: c.At, By: c.By, Kind: c.Kind, Status: status, Deadlines: c.Deadlines}}, nil
}

// Claim says who works on a request.
type Claim struct {
	At time.Time
	By string
}

func (c Claim) decide(s State) ([]Event, error) {
	if s.Status == StatusNone || s.Status == StatusQuarantined || s.Status == StatusDiscarded {
		return nil, refuse(s, "claiming", "release it first")
	}
	if s.Owner == c.By {
		return nil, nil
	}
	if s.Owner != "" {
		return nil, fmt.Errorf("claiming %s: %w: %s works on it; ask them to remove their star first", s.Ref, ErrNotAllowed, s.Owner)
	}
	return []Event{{Type: EvClaimed, Ref: s.Ref, At: c.At, By: c.By}}, nil
}

// Unclaim gives a claimed request back. Its owner may, or a supervisor.
type Unclaim struct {
	At         time.Time
	By         string
	Supervisor bool
}

func (c Unclaim) decide(s State) ([]Event, error) {
	if s.Owner == "" {
		return nil, nil
	}
	if s.Owner != c.By && !c.Supervisor {
		return nil, fmt.Errorf("giving back %s: %w: %s works on it; ask them or a supervisor to remove the star", s.Ref, ErrNotAllowed, s.Owner)
	}
	return []Event{{Type: EvUnclaimed, Ref: s.Ref, At: c.At, By: c.By}}, nil
}

// Reply queues an answer of staff, or a further message to the other side.
type Reply struct {
	At      time.Time
	By      string
	Code    string // reply code, or ""
	Final   bool   // it answers the request
	Waits   bool   // it asks the requester something
	Out     string
	Message string
}

func (c Reply) decide(s State) ([]Event, error) {
	switch s.Status {
	case StatusNone, StatusDiscarded:
		return nil, refuse(s, "answering", "")
	case StatusQuarantined:
		return nil, refuse(s, "answering", "a supervisor must move it out of Quarantine first")
	case StatusClosed:
		return nil, refuse(s, "answering", "move it back to INBOX first")
	}
	final := c.Final && s.Direction == Received && s.Status != StatusAnswered
	events := []Event{{Type: EvReplied, Ref: s.Ref, At: c.At, By: c.By, Code: c.Code, Final: final, Out: c.Out, Message: c.Message}}
	if c.Waits && !final && s.Direction == Received && s.Status != StatusAnswering && s.Status != StatusAnswered {
		events = append(events, Event{Type: EvWaiting, Ref: s.Ref, At: c.At, By: c.By})
	}
	return events, nil
}

// Delivered says that the next hop took an outgoing message.
type Delivered struct {
	At    time.Time
	Out   string
	Final bool // it was the answer
	Ack   bool // it acknowledged the request, or was our request itself
	// Deadlines are the clocks that start with the delivery, such as the
	// expiry of a preservation.
	Deadlines []Deadline
}

func (c Delivered) decide(s State) ([]Event, error) {
	if s.Status == StatusNone {
		return nil, refuse(s, "delivering for", "")
	}
	base := Event{Ref: s.Ref, At: c.At, By: "gateway", Out: c.Out, Code: s.Code, Direction: s.Direction, Kind: s.Kind, Since: s.Since, Deadlines: c.Deadlines}
	switch {
	case c.Final && s.Status == StatusAnswering && s.Pending == c.Out:
		base.Type = EvAnswered
	case s.Direction == Sent && s.Status == StatusSending && s.Pending == c.Out:
		// Being delivered is not being acknowledged by a person: the other
		// side's clocks go on, only our own status changes.
		return []Event{{Type: EvResumed, Ref: s.Ref, At: c.At, By: "gateway", Out: c.Out, Status: StatusSent, Deadlines: c.Deadlines}}, nil
	case c.Ack && s.Direction == Received && s.AcknowledgedAt.IsZero():
		base.Type = EvAcknowledged
	default:
		return nil, nil
	}
	return []Event{base}, nil
}

// Undelivered says that an outgoing message was given up.
type Undelivered struct {
	At   time.Time
	Out  string
	Code string // SMTP status of the last attempt, such as 5.1.1
}

func (c Undelivered) decide(s State) ([]Event, error) {
	if s.Status == StatusNone {
		return nil, refuse(s, "failing for", "")
	}
	status := s.Status
	if (s.Status == StatusAnswering || s.Status == StatusWaiting) && s.Pending == c.Out {
		status = statusFor(s.Kind) // the requester has got nothing: it is our turn again
	}
	return []Event{{Type: EvUndelivered, Ref: s.Ref, At: c.At, By: "gateway", Out: c.Out, Code: c.Code, Status: status}}, nil
}

// Close ends a request.
type Close struct {
	At time.Time
	By string
}

func (c Close) decide(s State) ([]Event, error) {
	switch s.Status {
	case StatusClosed:
		return nil, nil
	case StatusNone, StatusQuarantined, StatusDiscarded:
		return nil, refuse(s, "closing", "release or discard it first")
	case StatusAnswering, StatusSending:
		if s.Pending == "" {
			break // our request was given up
		}
		return nil, refuse(s, "closing", "wait until the message that is on its way has been delivered")
	}
	return []Event{{Type: EvClosed, Ref: s.Ref, At: c.At, By: c.By}}, nil
}

// Resume opens a waiting, answered or closed request again.
type Resume struct {
	At        time.Time
	By        string
	Deadlines []Deadline
}

func (c Resume) decide(s State) ([]Event, error) {
	switch s.Status {
	case StatusClosed, StatusWaiting, StatusAnswered:
	case StatusTriage:
		return []Event{{Type: EvClassified, Ref: s.Ref, At: c.At, By: c.By, Kind: s.Kind, Status: StatusOpen, Deadlines: s.Deadlines}}, nil
	case StatusOpen, StatusAnswering, StatusSent, StatusSending:
		return nil, nil
	default:
		return nil, refuse(s, "resuming", "release it first")
	}
	status := statusFor(s.Kind)
	if s.Direction == Sent {
		status = StatusSent
	}
	return []Event{{Type: EvResumed, Ref: s.Ref, At: c.At, By: c.By, Status: status, Deadlines: c.Deadlines}}, nil
}

// Tick says that a timer is due. A timer that no longer exists, because its
// clock was stopped meanwhile, causes nothing.
type Tick struct {
	At    time.Time
	Clock string
	What  string
}

func (c Tick) decide(s State) ([]Event, error) {
	i := slices.IndexFunc(s.Deadlines, func(d Deadline) bool { return d.Clock == c.Clock })
	if i < 0 {
		return nil, nil
	}
	armed := slices.ContainsFunc(s.Deadlines[i].Timers, func(t Timer) bool { return t.What == c.What && !t.At.After(c.At) })
	if !armed {
		return nil, nil
	}
	types := map[string]EventType{TimerRemind: EvReminded, TimerDue: EvOverdue, TimerEscalate: EvEscalated}
	return []Event{{Type: types[c.What], Ref: s.Ref, At: c.At, By: "gateway", Clock: c.Clock}}, nil
}

// Read says that somebody of the staff opened the message.
type Read struct {
	At time.Time
	By string
}

func (c Read) decide(s State) ([]Event, error) {
	if s.Status == StatusNone {
		return nil, refuse(s, "reading", "")
	}
	return []Event{{Type: EvOpened, Ref: s.Ref, At: c.At, By: c.By}}, nil
}

// Wait puts a request aside until the requester answers a question.
type Wait struct {
	At time.Time
	By string
}

func (c Wait) decide(s State) ([]Event, error) {
	if s.Status == StatusWaiting {
		return nil, nil
	}
	if s.Direction != Received || s.Status != StatusOpen && s.Status != StatusTriage {
		return nil, refuse(s, "putting aside", "only an open request that was received can wait for its requester")
	}
	return []Event{{Type: EvWaiting, Ref: s.Ref, At: c.At, By: c.By}}, nil
}
