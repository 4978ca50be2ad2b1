// Package smtpout is the SMTP client edge of the gateway: it hands one message
// to one next hop and says exactly what the hop answered.
package smtpout

import (
	"crypto/x509"
	"fmt"
)

// Security says how the link to a hop is protected.
type Security string

// The TLS policies. The zero value is refused by Send, so that nobody sends in
// clear by forgetting a field.
const (
	Required      Security = "required"      // TLS, certificate verified for the host's name
	Pinned        Security = "pinned"        // TLS, certificate among Fingerprints or issued under CAs
	Opportunistic Security = "opportunistic" // TLS when it can be had, certificate not verified, clear otherwise
	None          Security = "none"          // clear; for a hop on the same machine or a tunnel
)

// TLSPolicy says what the certificate of a hop must show.
type TLSPolicy struct {
	Security     Security
	CAs          *x509.CertPool // Required: instead of the system's; Pinned: issuers accepted, name checked
	Fingerprints []string       // Pinned: SHA-256 of the hop's DER certificate, hex, colons and case ignored; neither name nor dates are checked
	ServerName   string         // name to verify; empty: Hop.Host
}

// Hop is where to hand a message to.
type Hop struct {
	Host               string
	Port               int // 0: 25, or 465 with ImplicitTLS
	TLS                TLSPolicy
	ImplicitTLS        bool   // TLS from the first byte (RFC 8314)
	Username, Password string // AUTH PLAIN; only ever sent over TLS
}

// Result is the hop's acceptance of a message.
type Result struct {
	Code   int    // reply to the end of DATA
	Status string // enhanced code, empty if the hop gave none
	Text   string
	TLS    bool
	// Refused holds the recipients that the hop refused although it took the
	// message for others.
	Refused []RecipientError
}

// RecipientError is the refusal of one recipient.
type RecipientError struct {
	Recipient string
	Err       *Error
}

// Stage names the step that failed.
type Stage string

// The stages of a delivery, in order.
const (
	StageCheck    Stage = "check"    // before anything was sent: message or addresses unfit
	StageResolve  Stage = "resolve"  // DNS
	StageConnect  Stage = "connect"  // TCP
	StageGreeting Stage = "greeting" // banner and EHLO
	StageTLS      Stage = "tls"      // STARTTLS, handshake, certificate
	StageAuth     Stage = "auth"
	StageMail     Stage = "mail"
	StageRcpt     Stage = "rcpt"
	StageData     Stage = "data" // body sent; see Error.Unknown
)

// Error is a failed delivery. Everything that says nothing about the message
// or its recipients is temporary: no TLS, a wrong certificate, a refused login
// are for the administrator to mend while the message waits.
type Error struct {
	Temporary bool   // try again later
	Unknown   bool   // the body was sent but no reply came: the hop may have taken it
	Stage     Stage  // where it failed
	Code      int    // the hop's reply code, 0 when there was no reply
	Status    string // enhanced code, if any
	Text      string // the hop's text, or what went wrong; one line, at most 500 bytes
	Err       error  // cause, when there was no reply
}

// Error says stage, code and text.
func (e *Error) Error() string {
	reply := ""
	if e.Code != 0 {
		reply = fmt.Sprintf("%d ", e.Code)
	}
	if e.Status != "" {
		reply += e.Status + " "
	}
	return fmt.Sprintf("sending mail: %s: %s%s", e.Stage, reply, e.Text)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
