package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"relais.example/routing/verdict"
)

// Receiver takes the mail that arrives on the MX port. Its methods are called
// from many goroutines at once.
type Receiver interface {
	// Recipient says whether addr is served here and which desk it belongs
	// to. addr is in wire form (RFC 5321 4.1.2), local part quoted where it
	// must be; "<postmaster>" without a domain arrives as postmaster@Hostname.
	Recipient(addr string) (desk string, ok bool)
	// Receive takes a whole message for one desk. It returns only when the
	// outcome is durable. An error means temporary trouble: the peer is
	// answered 451 4.3.0 and none of the error's text.
	Receive(ctx context.Context, m Inbound) (Outcome, error)
}

// Inbound is one message that arrived on the MX port.
type Inbound struct {
	Desk     string
	MailFrom string   // wire form; empty for the null sender
	RcptTo   []string // wire form, in the order given, without repetition
	Helo     string   // what the peer called itself; proves nothing
	Remote   string   // IP address of the peer, without port
	TLS      bool
	UTF8     bool      // the peer asked for SMTPUTF8 (RFC 6531)
	Raw      []byte    // the exact bytes sent, dot-unstuffed; strict CRLF, no NUL; owned by the receiver
	Received time.Time // when the last byte had arrived
}

// Outcome is the reply to one message.
type Outcome struct {
	Code   int    // RFC 5321 reply code, 250, 4xx or 5xx
	Status string // RFC 3463 enhanced code, such as "5.7.1"
	Text   string // one line, shown to the peer
}

// Submitter takes the mail that authenticated staff submit. Its methods are
// called from many goroutines at once.
type Submitter interface {
	// Authenticate returns the account of user; it is handed back unchanged
	// to the other methods. Any error is answered 535 5.7.8 without detail,
	// one that wraps [ErrTemporary] 454 4.7.0.
	Authenticate(ctx context.Context, user, password, remote string) (account any, err error)
	// MaySend says whether the account may use mailFrom (wire form, empty for
	// the null sender) as envelope sender. An error is answered 553 5.7.1.
	MaySend(account any, mailFrom string) error
	// Submit takes a whole message. It returns only when the outcome is
	// durable; an error is answered 451 4.3.0.
	Submit(ctx context.Context, account any, m Submission) (Outcome, error)
}

// Submission is one message submitted by an authenticated account.
type Submission struct {
	MailFrom string
	RcptTo   []string // wire form, in the order given, without repetition
	DSN      DSN
	UTF8     bool
	Helo     string
	Remote   string // IP address of the peer, without port
	Raw      []byte // as in Inbound
	Received time.Time
}

// DSN holds the delivery status parameters of RFC 3461 as the client gave
// them; empty means not given.
type DSN struct {
	Return     string     // FULL or HDRS
	EnvelopeID string     // decoded ENVID
	Notify     [][]string // one entry per RcptTo: NEVER, or some of SUCCESS, FAILURE, DELAY
}

// ErrTemporary marks an authentication that could not be decided now.
var ErrTemporary = errors.New("temporary failure")

// Options configure a Server.
type Options struct {
	Hostname string             // name in the greeting
	TLS      *tls.Config        // STARTTLS and implicit TLS; nil: none (MX port only)
	Limits   Limits             // zero fields take the value of DefaultLimits
	Observe  func(event string) // told each Event… as it happens; nil: nobody; must not block
	Log      *slog.Logger       // nil: slog.Default()
	// Refused is told, on the MX port, each message that is refused before the
	// Receiver sees it, with the peer's IP address. An error makes the reply
	// 451. Nil: nobody.
	Refused func(desk, remote string, r verdict.Reason) error
}

// The closed set of events told to Options.Observe.
const (
	EventConnection       = "connection"         // a peer was let in
	EventDisconnection    = "disconnection"      // and has gone again
	EventRefusedTotal     = "refused-total"      // 421: too many connections in all
	EventRefusedAddress   = "refused-address"    // 421: too many connections of one address
	EventTLS              = "tls"                // handshake done
	EventTLSFailed        = "tls-failed"         // handshake failed; connection closed
	EventAuthOK           = "auth-ok"            // login succeeded
	EventAuthFailed       = "auth-failed"        // login failed
	EventRecipientRefused = "recipient-refused"  // 550, 553 or 452 to RCPT
	EventSenderRefused    = "sender-refused"     // 530, 550 or 553 to MAIL
	EventBadLineEndings   = "bad-line-endings"   // bare CR, bare LF or NUL in a body or command
	EventTooLarge         = "too-large"          // body above the limit of bytes or line length, or announced so
	EventAccepted         = "message-accepted"   // the receiver answered 2xx
	EventRefused          = "message-refused"    // the receiver answered 5xx
	EventDeferred         = "message-deferred"   // the receiver answered 4xx or failed
	EventBusy             = "busy"               // 451 or 452: too many messages at once
	EventPanic            = "panic"              // the receiver panicked
	EventTimeout          = "timeout"            // the peer was silent or too slow
	EventLimit            = "limit"              // a per-connection limit closed the connection
	EventForeignProtocol  = "foreign-protocol"   // the peer speaks HTTP or TLS, not SMTP
	EventOutOfStep        = "out-of-step"        // bytes sent ahead of a reply that must be awaited
	EventTruncated        = "message-incomplete" // the connection ended inside a body
)

// Limits bound what peers can use up. The zero value of a field means its
// default.
type Limits struct {
	MessageBytes       int64         // whole message (552 above)
	Recipients         int           // per message (452 above)
	LineLength         int           // bytes in one line of a body; at least 64 KiB
	ReadTimeout        time.Duration // for one command line, and before a body's first byte
	WriteTimeout       time.Duration // for one reply
	MinRate            int64         // bytes/s a body must keep up over its whole length
	MessageTimeout     time.Duration // for one body whatever its rate
	SessionTimeout     time.Duration // for a whole connection, between transactions
	Connections        int           // open at once, all listeners
	ConnectionsPerIP   int           // open at once per IPv4 address or IPv6 /64
	Commands           int           // per connection
	BadCommands        int           // unknown or malformed, per connection
	AuthFailures       int           // per connection
	Messages           int           // per connection
	BadRecipients      int           // per connection
	ConcurrentMessages int           // inside the receiver at once
	WaitingMessages    int           // read and waiting for the receiver
	BufferedBytes      int64         // of all bodies being read or handled
}

// DefaultLimits returns the limits used where Options names none.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes:       48 << 20, // 25 MiB of content in base64, encrypted, in base64 again
		Recipients:         100,
		LineLength:         64 << 10,
		ReadTimeout:        5 * time.Minute, // RFC 5321 4.5.3.2.7
		WriteTimeout:       time.Minute,
		MinRate:            1 << 10,
		MessageTimeout:     30 * time.Minute,
		SessionTimeout:     2 * time.Hour,
		Connections:        1000,
		ConnectionsPerIP:   50,
		Commands:           20000,
		BadCommands:        10,
		AuthFailures:       3,
		Messages:           2000,
		BadRecipients:      20,
		ConcurrentMessages: 16,
		WaitingMessages:    200,
		BufferedBytes:      1 << 30,
	}
}

// filled returns l with defaults in place of zero fields.
func (l Limits) filled() Limits {
	d := DefaultLimits()
	fill(&l.MessageBytes, d.MessageBytes)
	fill(&l.Recipients, d.Recipients)
	fill(&l.LineLength, d.LineLength)
	l.LineLength = max(l.LineLength, d.LineLength)
	fill(&l.ReadTimeout, d.ReadTimeout)
	fill(&l.WriteTimeout, d.WriteTimeout)
	fill(&l.MinRate, d.MinRate)
	fill(&l.MessageTimeout, d.MessageTimeout)
	fill(&l.SessionTimeout, d.SessionTimeout)
	fill(&l.Connections, d.Connections)
	fill(&l.ConnectionsPerIP, d.ConnectionsPerIP)
	fill(&l.Commands, d.Commands)
	fill(&l.BadCommands, d.BadCommands)
	fill(&l.AuthFailures, d.AuthFailures)
	fill(&l.Messages, d.Messages)
	fill(&l.BadRecipients, d.BadRecipients)
	fill(&l.ConcurrentMessages, d.ConcurrentMessages)
	fill(&l.WaitingMessages, d.WaitingMessages)
	fill(&l.BufferedBytes, d.BufferedBytes)
	return l
}

func fill[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
