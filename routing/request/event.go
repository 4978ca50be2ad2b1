package request

import "time"

// Direction says which side of the request this desk is on.
type Direction string

// The two directions.
const (
	Received Direction = "received" // a contact point asked this desk
	Sent     Direction = "sent"     // this desk asked a contact point
)

// Deadline is one running clock of a request.
type Deadline struct {
	Clock   string    `json:"clock"`             // name in clocks.yaml
	Article string    `json:"article,omitempty"` // treaty basis, or "policy"
	At      time.Time `json:"at"`
	StopsOn string    `json:"stops_on"`         // event that stops it: acknowledged, answered, closed, ...
	Timers  []Timer   `json:"timers,omitempty"` // what is still to fire, soonest first
}

// Timer is one thing that will be said about a Deadline.
type Timer struct {
	What string    `json:"what"` // TimerRemind, TimerDue or TimerEscalate
	At   time.Time `json:"at"`
}

// What a timer says.
const (
	TimerRemind   = "remind"   // the deadline comes near: tell the officer on duty
	TimerDue      = "due"      // the deadline has passed
	TimerEscalate = "escalate" // still not met: tell the supervisor
)

// EventType names what happened.
type EventType string

// The closed set of events of a request.
const (
	EvReceived     EventType = "received"     // a message opened the request
	EvSent         EventType = "sent"         // this desk's staff opened the request
	EvMessage      EventType = "message"      // a further message of the other side: follow-up, answer, withdrawal
	EvReleased     EventType = "released"     // taken out of quarantine
	EvDiscarded    EventType = "discarded"    // thrown out of quarantine
	EvClassified   EventType = "classified"   // a person set or changed the kind
	EvClaimed      EventType = "claimed"      // somebody works on it
	EvUnclaimed    EventType = "unclaimed"    //
	EvReplied      EventType = "replied"      // an answer was written and queued
	EvAcknowledged EventType = "acknowledged" // the other side has, or we have, an acknowledgement
	EvAnswered     EventType = "answered"     // the answer was delivered (received) or came in (sent)
	EvUndelivered  EventType = "undelivered"  // an outgoing message was given up
	EvWaiting      EventType = "waiting"      // the requester was asked something
	EvResumed      EventType = "resumed"      // work goes on after waiting or closing
	EvClosed       EventType = "closed"       //
	EvReminded     EventType = "reminded"     // TimerRemind fired
	EvOverdue      EventType = "overdue"      // TimerDue fired
	EvEscalated    EventType = "escalated"    // TimerEscalate fired
	EvOpened       EventType = "opened"       // somebody of the staff read the message
)

// Event is something that happened to a request. Only the fields that its
// type needs are set. It holds no content, no subject and no address.
type Event struct {
	Type      EventType  `json:"type"`
	Ref       Reference  `json:"ref"`
	At        time.Time  `json:"at"`
	By        string     `json:"by,omitempty"` // staff account, or "gateway"
	Direction Direction  `json:"direction,omitempty"`
	Kind      Kind       `json:"kind,omitempty"`
	Emergency bool       `json:"emergency,omitempty"` // as claimed
	Peer      string     `json:"peer,omitempty"`      // contact point of the other side
	Reason    string     `json:"reason,omitempty"`    // verdict of the message
	Status    Status     `json:"status,omitempty"`    // status that the event leads to, where the type alone does not say
	Message   string     `json:"message,omitempty"`   // original message in the vault
	Signer    string     `json:"signer,omitempty"`    // fingerprint of the certificate that signed it
	Code      string     `json:"code,omitempty"`      // reply code (domain vocabulary)
	Final     bool       `json:"final,omitempty"`     // the reply answers the request
	Out       string     `json:"out,omitempty"`       // outgoing message concerned
	Parent    Reference  `json:"parent,omitempty"`    // request asked in the same mail, or prolonged
	Since     time.Time  `json:"since,omitzero"`      // acknowledged, answered: when the request was received or sent
	Clock     string     `json:"clock,omitempty"`     // deadline concerned
	Deadlines []Deadline `json:"deadlines,omitempty"` // clocks that start
}
