package pgpmime

import (
	"errors"
	"time"

	"relais.example/crypto/pgp"
)

// ErrStructure is returned for a message that mixes OpenPGP parts with others,
// is built in another way than RFC 3156 says, or is ambiguous.
var ErrStructure = errors.New("message structure is broken or ambiguous")

// ErrLimits is returned for a message beyond the [Limits].
var ErrLimits = errors.New("message exceeds the limits")

// Form says how OpenPGP was used.
type Form string

// The forms.
const (
	MIMEEncrypted   Form = "mime-encrypted"   // multipart/encrypted, RFC 3156 section 4
	MIMESigned      Form = "mime-signed"      // multipart/signed in clear, RFC 3156 section 5
	InlineEncrypted Form = "inline-encrypted" // a text body that is one PGP MESSAGE block
	InlineSigned    Form = "inline-signed"    // a cleartext-signed text body
	Clear           Form = "clear"            // no OpenPGP at all
)

// Limits bounds what one message may cost. A field of 0 or less takes its
// default.
type Limits struct {
	MaxPlaintext   int64 // bytes of decrypted content (64 MiB)
	MaxDepth       int   // nesting of multiparts and attached messages (20)
	MaxParts       int   // MIME parts in all (1,000)
	MaxHeaderBytes int   // header of one part (64 KiB)
	MaxHeaderTotal int   // headers of all parts together (1 MiB)
}

// DefaultLimits returns the limits a gateway starts with.
func DefaultLimits() Limits {
	return Limits{MaxPlaintext: 64 << 20, MaxDepth: 20, MaxParts: 1000, MaxHeaderBytes: 64 << 10, MaxHeaderTotal: 1 << 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.MaxPlaintext > 0 {
		d.MaxPlaintext = l.MaxPlaintext
	}
	if l.MaxDepth > 0 {
		d.MaxDepth = l.MaxDepth
	}
	if l.MaxParts > 0 {
		d.MaxParts = l.MaxParts
	}
	if l.MaxHeaderBytes > 0 {
		d.MaxHeaderBytes = l.MaxHeaderBytes
	}
	if l.MaxHeaderTotal > 0 {
		d.MaxHeaderTotal = l.MaxHeaderTotal
	}
	return d
}

// Options is what a message is opened with.
type Options struct {
	Keys   []*pgp.Key // of the desk the message is for
	Ring   *pgp.Ring  // whose signatures are known
	Policy pgp.Policy
	Limits Limits
	At     time.Time // now
}

// Message is a message that was opened, or that needed no opening.
type Message struct {
	Form      Form
	Encrypted bool
	Signature pgp.Signature // state "none" if unsigned
	// WholeSigned tells that one signature, whatever it is worth, covers all of
	// Entity.
	WholeSigned bool
	// PartSigned tells that there is a signature, but only over a part of what
	// is shown, such as behind the footer of a mailing list. It was not
	// verified: WholeSigned is false and Signature is "none".
	PartSigned bool
	// Altered tells what a mail server did to the signed message, if undoing it
	// makes the signature good. It is a help for the sender and no more: the
	// state of Signature is "bad", and Entity is what came. Messages that came
	// encrypted are not looked at: nothing on the way could alter them.
	Altered Alteration
	// Entity is the cleartext: MIME headers, a blank line and the body, with
	// CRLF line ends. It is exactly what was signed; for inline PGP it is a
	// text/plain entity made up around the text. Nil for Form Clear.
	Entity []byte
	// Outer is the header of the mail as it came: anybody may have written it.
	Outer Header
	// Protected are the header fields inside the encrypted or signed part. Nil
	// if the sender's program protects none. They are as good as Signature.
	Protected Header
	// Protection says how: "cipher" or "clear" (RFC 9788), "v1" (the older
	// scheme), or "".
	Protection string
	// Cipher and DecryptedWith (fingerprint of our key) tell about encryption.
	Cipher, DecryptedWith string
	// Recipients are the key ids the message is encrypted to.
	Recipients []string
}

// Field returns the values of a header field that count: the protected ones if
// the field is protected, else the outer ones. protected tells which.
func (m *Message) Field(name string) (values []string, protected bool) {
	if values = m.Protected.Values(name); len(values) > 0 {
		return values, true
	}
	return m.Outer.Values(name), false
}
