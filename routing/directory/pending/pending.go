// Package pending keeps changes of the Directory that somebody has proposed
// and nobody has confirmed yet: a new certificate that came with a message, a
// new telephone number that a contact point reported.
//
// A pending change changes nothing. It waits until two different people have
// reached the contact point in another way than by mail and confirmed it; then
// it can be handed to the Directory authority, who alone changes the Directory.
//
// Each change is one file in a folder. Who did what to it, when and why is a
// chain of entries, each with the digest of the one before. The gateway and
// 'relais directory pending' may use the folder at the same time.
package pending

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"relais.example/routing/directory"
)

// Kind says what would change.
type Kind string

// The kinds of changes.
const (
	Certificate Kind = "certificate" // an OpenPGP certificate that is not listed for the contact point, or not so
	Field       Kind = "field"       // another field of its entry
)

// Carrier says how the proposal came.
type Carrier string

// The carriers. What stands in an unprotected header may have been put there
// by anybody on the way.
const (
	AutocryptProtected Carrier = "autocrypt-protected" // in the signed headers
	AutocryptOuter     Carrier = "autocrypt-outer"     // in the headers that no signature covers
	Attachment         Carrier = "attachment"          // an application/pgp-keys part
	Inline             Carrier = "inline"              // a public key block in a text
	Message            Carrier = "message"             // a signed message that asks for it
)

// Status is where a change stands.
type Status string

// The statuses. A change is open until two people have confirmed it or one has
// rejected it.
const (
	Open      Status = "open"
	Confirmed Status = "confirmed"
	Rejected  Status = "rejected"
)

// Proposal is what would change, and where it came from.
type Proposal struct {
	Kind         Kind      `json:"kind"`
	ContactPoint string    `json:"contact_point"`
	Path         string    `json:"path"`                  // of the field in the entry, such as "certificates" or "phones[0].number"
	Old          string    `json:"old,omitempty"`         // what the Directory says now
	New          string    `json:"new"`                   // what it would say: text, or an armored certificate
	Fingerprint  string    `json:"fingerprint,omitempty"` // of the proposed certificate
	News         []string  `json:"news,omitempty"`        // what is new about it, for people
	Carrier      Carrier   `json:"carrier"`
	Signer       string    `json:"signer"`            // fingerprint of the listed key that signed the message
	Desk         string    `json:"desk"`              // that received it
	Request      string    `json:"request,omitempty"` // reference of the request that the message belongs to
	Seen         time.Time `json:"seen"`

	// Fields are what would change when the contact point asked for changes of
	// its entry: all that one message asked. Path names them; Old and New are
	// empty then.
	Fields  []directory.FieldChange `json:"fields,omitempty"`
	Version uint64                  `json:"version,omitempty"` // of the Directory that the old values are from
	Answers string                  `json:"answers,omitempty"` // Message-ID of the message that asked
}

// Asked reports whether the contact point asked for the change, and so is told
// what became of it.
func (p Proposal) Asked() bool { return p.Carrier == Message }

// identity names the change: the same one proposed again is not another one.
func (p Proposal) identity() string {
	what := p.New
	switch {
	case p.Kind == Certificate:
		what = p.Fingerprint + "\x00" + strings.Join(p.News, "\x00")
	case len(p.Fields) > 0: // the same wish is another one once the Directory has gone on
		what = fmt.Sprintf("%d\x00%s", p.Version, digestOf(p.Fields))
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{string(p.Kind), p.ContactPoint, p.Path, what}, "\x00")))
	return p.ContactPoint + "-" + hex.EncodeToString(sum[:6])
}

// Act is what happens to a change.
type Act string

// The acts.
const (
	Proposed    Act = "proposed"
	Confirms    Act = "confirmed"
	Rejects     Act = "rejected"
	HandedOver  Act = "handed-over" // given to the Directory authority
	reachedBack     = 90 * 24 * time.Hour
)

// Entry is one line of a change's history.
type Entry struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"` // staff account, or "gateway"
	Act     Act       `json:"act"`
	How     string    `json:"how,omitempty"`    // confirmed: in which way the contact point was reached
	Reached time.Time `json:"reached,omitzero"` // when
	Note    string    `json:"note,omitempty"`   // with whom, why
	Told    string    `json:"told,omitempty"`   // rejected: what the contact point is told, beside that it is
	Before  string    `json:"before"`           // SHA-256 of the entry before; for the first one of the proposal
	Digest  string    `json:"digest"`           // SHA-256 of this entry without this field
}

func (e Entry) digest() string {
	e.Digest = ""
	return digestOf(e)
}

// digestOf returns the SHA-256 of a value's JSON.
func digestOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and times only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Change is a proposal with its history.
type Change struct {
	ID       string   `json:"id"` // contact point, hyphen, 12 hex digits
	Proposal Proposal `json:"proposal"`
	History  []Entry  `json:"history"`
}

// Status returns where the change stands.
func (c Change) Status() Status {
	for _, e := range c.History {
		if e.Act == Rejects {
			return Rejected
		}
	}
	if len(c.ConfirmedBy()) >= people {
		return Confirmed
	}
	return Open
}

// people is how many must confirm.
const people = 2

// ConfirmedBy lists who confirmed.
func (c Change) ConfirmedBy() []string {
	var list []string
	for _, e := range c.History {
		if e.Act == Confirms {
			list = append(list, e.By)
		}
	}
	return list
}

func (c *Change) append(e Entry) {
	e.At = e.At.UTC().Truncate(time.Second)
	if !e.Reached.IsZero() {
		e.Reached = e.Reached.UTC().Truncate(time.Second)
	}
	e.Before = digestOf(c.Proposal)
	if n := len(c.History); n > 0 {
		e.Before = c.History[n-1].Digest
	}
	e.Digest = e.digest()
	c.History = append(c.History, e)
}

// Check verifies the chain of the history. The error is [ErrAltered].
func (c Change) Check() error {
	if c.ID != c.Proposal.identity() || len(c.History) == 0 {
		return ErrAltered
	}
	before := digestOf(c.Proposal)
	for _, e := range c.History {
		if e.Before != before || e.digest() != e.Digest {
			return ErrAltered
		}
		before = e.Digest
	}
	return nil
}

// Errors that callers tell apart.
var (
	ErrNotFound   = errors.New("no such pending change; relais directory pending list shows them")
	ErrSamePerson = errors.New("the same person confirmed it already; another one must reach the contact point, too")
	ErrClosed     = errors.New("it is no longer open")
	ErrFull       = errors.New("too many changes are pending; confirm or reject some first")
	ErrAltered    = errors.New("the file was altered after it was written: its chain of digests does not hold; look at a backup and at who may write the folder")
)

var (
	idForm      = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,8}-[0-9a-f]{12}$`)
	contactForm = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,8}$`)
)

// clean gives the proposal the form in which it is read back.
func (p Proposal) clean() Proposal {
	p.Seen = p.Seen.UTC().Truncate(time.Second)
	for _, s := range []*string{&p.Path, &p.Old, &p.New, &p.Fingerprint, &p.Signer, &p.Desk, &p.Request, &p.Answers} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	p.Fields = slices.Clone(p.Fields)
	for i := range p.Fields {
		f := &p.Fields[i]
		for _, s := range []*string{&f.Path, &f.Old, &f.New, &f.Value} {
			*s = strings.ToValidUTF8(*s, "\uFFFD")
		}
	}
	news := make([]string, len(p.News))
	for i, n := range p.News {
		news[i] = strings.ToValidUTF8(n, "\uFFFD")
	}
	p.News = news
	return p
}

// valid reports what is wrong with a proposal. It comes from programs, but what
// is in it came by mail.
func (p Proposal) valid() error {
	switch {
	case !contactForm.MatchString(p.ContactPoint):
		return fmt.Errorf("%q is not a contact point", p.ContactPoint)
	case p.Kind != Certificate && p.Kind != Field:
		return fmt.Errorf("unknown kind %q", p.Kind)
	case p.Path == "" || p.New == "" && p.Old == "" && len(p.Fields) == 0:
		return errors.New("it does not say what would change")
	case p.Kind == Certificate && p.Fingerprint == "":
		return errors.New("it names no fingerprint")
	case p.size() > maxValue:
		return fmt.Errorf("it has %d bytes, at most %d are kept", p.size(), maxValue)
	}
	return nil
}

// size returns the bytes of the values.
func (p Proposal) size() int {
	n := len(p.Old) + len(p.New)
	for _, f := range p.Fields {
		n += len(f.Path) + len(f.Old) + len(f.New) + len(f.Value)
	}
	return n
}
