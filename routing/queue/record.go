package queue

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"relais.example/routing/request"
)

// Record is one commit: what the stream in Redis carries, what the journal
// keeps and what every gateway applies, in the same order.
type Record struct {
	ID     string          `json:"id"`
	At     time.Time       `json:"at"`
	By     string          `json:"by,omitempty"` // staff account, or "gateway"
	Events []request.Event `json:"events,omitempty"`
	Mail   []Mail          `json:"mail,omitempty"`
	Out    []Out           `json:"out,omitempty"`
	Once   []Once          `json:"once,omitempty"`
	Thread []Thread        `json:"thread,omitempty"`
	Number *Number         `json:"number,omitempty"`
	Refuse *Refusal        `json:"refuse,omitempty"` // local note: a message was rejected
	// Installed is set when a contact point told which Directory it has.
	Installed *Installed `json:"installed,omitempty"`
	Look      *Look      `json:"look,omitempty"`   // local note: somebody looked at the Directory
	Export    *Export    `json:"export,omitempty"` // local note: somebody took a message as it came
	// Validity is set on the first record of a desk: the UIDVALIDITY of its
	// folders.
	Validity uint32 `json:"validity,omitempty"`
}

// Export notes that a message as it came was handed out.
type Export struct {
	Request request.Reference `json:"request"`
	Item    string            `json:"item"` // in the vault
}

// MailOp is what happens to a message in a folder.
type MailOp string

// The three operations. A move is a remove and an add in one record.
const (
	MailAdd    MailOp = "add"
	MailRemove MailOp = "remove"
	MailFlag   MailOp = "flag"
)

// Mail is one change of a folder.
type Mail struct {
	Op       MailOp    `json:"op"`
	Folder   string    `json:"folder"`
	UID      uint32    `json:"uid,omitempty"`  // remove, flag; for add Redis allocates it
	Item     string    `json:"item,omitempty"` // add: stored bytes in the vault
	Size     int64     `json:"size,omitempty"` // add: bytes
	Received time.Time `json:"received,omitzero"`
	Flags    []string  `json:"flags,omitempty"` // add: initial flags; flag: flags to set
	Clear    []string  `json:"clear,omitempty"` // flag: flags to take away
	Request  string    `json:"request,omitempty"`
}

// OutOp is what happens to an outgoing message.
type OutOp string

// The operations of the outbox.
const (
	OutQueue OutOp = "queue" // to be sent
	OutDefer OutOp = "defer" // an attempt failed; try again later
	OutDone  OutOp = "done"  // the next hop took it
	OutFail  OutOp = "fail"  // given up
)

// Out is one outgoing message, or what became of it.
type Out struct {
	Op       OutOp             `json:"op"`
	ID       string            `json:"id"`
	Item     string            `json:"item,omitempty"` // sealed message in the vault
	To       string            `json:"to,omitempty"`   // contact point
	Request  request.Reference `json:"request,omitempty"`
	Purpose  string            `json:"purpose,omitempty"` // one of those below
	Code     string            `json:"code,omitempty"`    // reply code in it
	Until    time.Time         `json:"until,omitzero"`    // reply code PRESERVED: until when
	About    string            `json:"about,omitempty"`   // PurposeInquiry: the questions; PurposeCorrection: the text; sealed with the vault key
	Answers  string            `json:"answers,omitempty"` // Message-ID of what it answers, where no request knows it
	Since    time.Time         `json:"since,omitzero"`    // queued
	At       time.Time         `json:"at,omitzero"`       // next attempt
	Attempts int               `json:"attempts,omitempty"`
	Status   string            `json:"status,omitempty"` // SMTP status of the last attempt
}

// Why an outgoing message was written.
const (
	PurposeReply   = "reply"   // final answer to a received request
	PurposeMessage = "message" // anything else in a request's thread
	PurposeAck     = "ack"     // automatic acknowledgement of receipt
	PurposeRequest = "request" // opens a sent request
	PurposePing    = "ping"    // tests whether a contact point can be reached; opens a sent request
	PurposePong    = "pong"    // automatic, final answer to such a test
	PurposeRelease = "release" // a version of the Directory; Code is its number
	PurposeReceipt = "receipt" // says which version of the Directory is installed here
	PurposeInquiry = "inquiry" // answers questions to the Directory
	// PurposeCorrection tells a contact point what became of the changes that
	// it asked for; Code is one of the Correction… below.
	PurposeCorrection = "correction"
	PurposeReminder   = "reminder" // tells a contact point that its certificate ends
)

// What is told about changes that a contact point asked for.
const (
	CorrectionReceived  = "received"
	CorrectionConfirmed = "confirmed"
	CorrectionRejected  = "rejected"
)

// Once is something that may happen once only, such as a signature.
type Once struct {
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	Expires time.Time `json:"expires"`
}

// Thread ties the keyed hash of a Message-ID to a request.
type Thread struct {
	Name string            `json:"name"`
	Ref  request.Reference `json:"ref"`
}

// Number is the running number of a reference that was used up.
type Number struct {
	Year int    `json:"year"`
	N    uint64 `json:"n"`
}

// Refusal is what the journal keeps of a rejected message.
type Refusal struct {
	Reason string `json:"reason"`
	Signer string `json:"signer,omitempty"` // contact point, if the signature was good
	Remote string `json:"remote,omitempty"` // IP address of the SMTP client
}

// Installed says which version of the Directory a contact point has in force.
type Installed struct {
	ContactPoint string `json:"contact_point"`
	Version      uint64 `json:"version"`
	Digest       string `json:"digest"` // SHA-256 of the document, in hex
}

// Look is what the journal keeps of an access to the Directory.
type Look struct {
	What    string `json:"what"`
	Query   string `json:"query,omitempty"` // sealed with the vault key
	Results int    `json:"results"`         // entries shown
	Remote  string `json:"remote,omitempty"`
}

// empty reports whether the record would change nothing.
func (r Record) empty() bool {
	return len(r.Events)+len(r.Mail)+len(r.Out)+len(r.Once)+len(r.Thread) == 0 && r.Number == nil && r.Refuse == nil && r.Look == nil && r.Installed == nil && r.Export == nil && r.Validity == 0
}

// change is a request before and after a record.
type change struct {
	ref           request.Reference
	before, after request.State
}

// operations translates a record into the arguments of apply.lua. It is the
// only place that does, for first commits and for replays alike.
func operations(r Record, changes []change) ([]any, error) {
	var ops []any
	add := func(args ...any) { ops = append(ops, args...) }
	for _, o := range r.Once {
		add("once", o.Name, o.Value, o.Expires.UnixMilli())
	}
	for _, c := range changes {
		state, err := json.Marshal(c.after)
		if err != nil {
			return nil, err
		}
		add("req", string(c.ref), c.before.Version, c.after.Version, state)
		addClocks(add, c)
		addCounts(add, c)
	}
	for _, o := range r.Out {
		switch o.Op {
		case OutQueue, OutDefer:
			payload, err := json.Marshal(o)
			if err != nil {
				return nil, err
			}
			if o.Op == OutDefer {
				add("held", o.ID)
			}
			add("out", o.ID, o.At.UnixMilli(), o.Since.UnixMilli(), payload)
		default:
			add("held", o.ID)
			add("out", o.ID, "", "", "")
		}
	}
	for _, m := range r.Mail {
		switch m.Op {
		case MailAdd:
			add("uid", m.Folder)
			if m.Folder == quarantine {
				add("count", "quarantine", 1)
			}
		case MailRemove:
			add("gone", m.Folder+"/"+strconv.FormatUint(uint64(m.UID), 10))
			if m.Folder == quarantine {
				add("count", "quarantine", -1)
			}
		}
	}
	for _, t := range r.Thread {
		add("thread", t.Name, string(t.Ref))
	}
	if r.Number != nil {
		add("year", r.Number.Year, r.Number.N)
	}
	if r.Validity != 0 {
		add("once", "validity", r.Validity, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	}
	return ops, nil
}

func addClocks(add func(...any), c change) {
	if next, ok := c.after.NextDeadline(); ok {
		add("due", string(c.ref), next.At.UnixMilli())
	} else if _, had := c.before.NextDeadline(); had {
		add("due", string(c.ref), "")
	}
	for _, d := range c.before.Deadlines {
		for _, t := range d.Timers {
			if !hasTimer(c.after, d.Clock, t) {
				add("timer", timerMember(c.ref, d.Clock, t), "")
			}
		}
	}
	for _, d := range c.after.Deadlines {
		for _, t := range d.Timers {
			if !hasTimer(c.before, d.Clock, t) {
				add("timer", timerMember(c.ref, d.Clock, t), t.At.UnixMilli())
			}
		}
	}
}

// hasTimer reports whether a request has a timer of the same name; see
// timerMember. There are a few clocks with a few timers each.
func hasTimer(s request.State, clock string, t request.Timer) bool {
	return slices.ContainsFunc(s.Deadlines, func(d request.Deadline) bool {
		return d.Clock == clock && slices.ContainsFunc(d.Timers, func(o request.Timer) bool {
			return o.What == t.What && o.At.Unix() == t.At.Unix()
		})
	})
}

func addCounts(add func(...any), c change) {
	field := func(s request.State) string {
		if !s.Status.Live() || s.Direction != request.Received {
			return ""
		}
		return "open:" + string(s.Kind)
	}
	before, after := field(c.before), field(c.after)
	if before == after {
		return
	}
	if before != "" {
		add("count", before, -1)
	}
	if after != "" {
		add("count", after, 1)
	}
}

// timerMember names a timer in the sorted set of a desk.
func timerMember(ref request.Reference, clock string, t request.Timer) string {
	return string(ref) + "|" + clock + "|" + t.What + "|" + strconv.FormatInt(t.At.Unix(), 10)
}

// Timer is a timer that is due.
type Timer struct {
	Ref   request.Reference
	Clock string
	What  string
}

func parseTimer(member string) (Timer, bool) {
	f := strings.Split(member, "|")
	if len(f) != 4 {
		return Timer{}, false
	}
	return Timer{request.Reference(f[0]), f[1], f[2]}, true
}

func parseUIDs(s string) []uint32 {
	var out []uint32
	for f := range strings.SplitSeq(s, ",") {
		if n, err := strconv.ParseUint(f, 10, 32); err == nil {
			out = append(out, uint32(n))
		}
	}
	return out
}
