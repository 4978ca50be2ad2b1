package keyholder

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"relais.example/crypto/pgp"
)

const version = 1

// operation is what a request asks for.
type operation uint8

const (
	opKeys       operation = 1
	opSessionKey operation = 2
	opSign       operation = 3
)

// status is how a request ended.
type status uint8

const (
	statusDone          status = 0
	statusCannotOpen    status = 1
	statusNotHeld       status = 2
	statusRefused       status = 3
	statusNotUnderstood status = 4
	statusFailed        status = 5
)

// Bounds of frames in bytes. The reply to opKeys holds certificates.
const (
	maxRequest   = 16 << 10
	maxReply     = 16 << 10
	maxKeysReply = 16 << 20
)

// maxRecipients of one signature.
const maxRecipients = 256

// hashes are the functions that signatures are made with (RFC 9580 section 9.5).
var hashes = map[uint8]crypto.Hash{8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512}

var errNotUnderstood = errors.New("not understood")

// request is one request, parsed.
type request struct {
	op          operation
	certificate string // fingerprint
	subkey      string // fingerprint, for opSessionKey
	packet      []byte
	signing     pgp.Signing
}

func (r request) encode() ([]byte, error) {
	b := cryptobyte.NewBuilder([]byte{version, byte(r.op)})
	switch r.op {
	case opSessionKey:
		addFingerprint(b, r.certificate)
		addFingerprint(b, r.subkey)
		addBytes(b.AddUint16LengthPrefixed, r.packet)
	case opSign:
		addFingerprint(b, r.certificate)
		addFingerprint(b, r.signing.Fingerprint)
		b.AddUint64(uint64(r.signing.At.Unix()))
		id := uint8(0)
		for i, h := range hashes {
			if h == r.signing.Hash {
				id = i
			}
		}
		b.AddUint8(id)
		addBytes(b.AddUint8LengthPrefixed, r.signing.Salt)
		addBytes(b.AddUint16LengthPrefixed, r.signing.State)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, recipient := range r.signing.Recipients {
				addFingerprint(b, recipient)
			}
		})
	}
	return b.Bytes()
}

// parseRequest takes exactly what encode writes.
func parseRequest(frame []byte) (request, error) {
	var v, op uint8
	s := cryptobyte.String(frame)
	if !s.ReadUint8(&v) || v != version || !s.ReadUint8(&op) {
		return request{}, fmt.Errorf("%w: protocol version %d where %d is spoken; restart both processes after an upgrade", errNotUnderstood, v, version)
	}
	r := request{op: operation(op)}
	ok := false
	switch r.op {
	case opKeys:
		ok = true
	case opSessionKey:
		var packet cryptobyte.String
		ok = readFingerprint(&s, &r.certificate) && readFingerprint(&s, &r.subkey) && s.ReadUint16LengthPrefixed(&packet)
		r.packet = packet
	case opSign:
		ok = readFingerprint(&s, &r.certificate) && r.parseSigning(&s)
	}
	if !ok || !s.Empty() {
		return request{}, errNotUnderstood
	}
	return r, nil
}

func (r *request) parseSigning(s *cryptobyte.String) bool {
	var at uint64
	var hash uint8
	var salt, state, recipients cryptobyte.String
	if !readFingerprint(s, &r.signing.Fingerprint) || !s.ReadUint64(&at) || at > 1<<32-1 || !s.ReadUint8(&hash) ||
		!s.ReadUint8LengthPrefixed(&salt) || !s.ReadUint16LengthPrefixed(&state) || !s.ReadUint16LengthPrefixed(&recipients) {
		return false
	}
	var ok bool
	r.signing.At, r.signing.Salt, r.signing.State = time.Unix(int64(at), 0), salt, state
	if r.signing.Hash, ok = hashes[hash]; !ok {
		return false
	}
	for !recipients.Empty() {
		var one string
		if len(r.signing.Recipients) == maxRecipients || !readFingerprint(&recipients, &one) {
			return false
		}
		r.signing.Recipients = append(r.signing.Recipients, one)
	}
	return true
}

// reply is one reply, parsed; which fields it has depends on the operation.
type reply struct {
	status    status
	text      string // of a failure
	keys      []heldKey
	session   pgp.SessionKey
	signature []byte
}

// heldKey is a key that the server has, as the client learns of it.
type heldKey struct {
	desk        string
	certificate []byte // in ASCII armor
}

func (k heldKey) equal(other heldKey) bool {
	return k.desk == other.desk && bytes.Equal(k.certificate, other.certificate)
}

func (r reply) encode(op operation) ([]byte, error) {
	b := cryptobyte.NewBuilder([]byte{version, byte(r.status)})
	switch {
	case r.status == statusCannotOpen:
	case r.status != statusDone:
		addBytes(b.AddUint8LengthPrefixed, []byte(r.text)[:min(len(r.text), 255)])
	case op == opKeys:
		for _, k := range r.keys {
			addBytes(b.AddUint8LengthPrefixed, []byte(k.desk))
			addBytes(b.AddUint24LengthPrefixed, k.certificate)
		}
	case op == opSessionKey:
		b.AddUint8(r.session.Cipher)
		addBytes(b.AddUint8LengthPrefixed, r.session.Key)
	case op == opSign:
		addBytes(b.AddUint16LengthPrefixed, r.signature)
	}
	return b.Bytes()
}

// parseReply takes exactly what encode writes.
func parseReply(frame []byte, op operation) (reply, error) {
	var v, code uint8
	s := cryptobyte.String(frame)
	if !s.ReadUint8(&v) || v != version || !s.ReadUint8(&code) {
		return reply{}, fmt.Errorf("%w: protocol version %d where %d is spoken; restart both processes after an upgrade", errNotUnderstood, v, version)
	}
	r := reply{status: status(code)}
	ok := false
	switch {
	case r.status == statusCannotOpen:
		ok = op == opSessionKey
	case r.status > statusFailed:
	case r.status != statusDone:
		var text cryptobyte.String
		ok = s.ReadUint8LengthPrefixed(&text)
		r.text = strings.ToValidUTF8(string(text), "\uFFFD")
	case op == opKeys:
		for ok = true; ok && !s.Empty(); {
			var desk, certificate cryptobyte.String
			ok = s.ReadUint8LengthPrefixed(&desk) && s.ReadUint24LengthPrefixed(&certificate)
			r.keys = append(r.keys, heldKey{string(desk), certificate})
		}
	case op == opSessionKey:
		var key cryptobyte.String
		ok = s.ReadUint8(&r.session.Cipher) && s.ReadUint8LengthPrefixed(&key)
		r.session.Key = key
	case op == opSign:
		var signature cryptobyte.String
		ok = s.ReadUint16LengthPrefixed(&signature)
		r.signature = signature
	}
	if !ok || !s.Empty() {
		return reply{}, errNotUnderstood
	}
	return r, nil
}

func addBytes(prefixed func(cryptobyte.BuilderContinuation), p []byte) {
	prefixed(func(b *cryptobyte.Builder) { b.AddBytes(p) })
}

func addFingerprint(b *cryptobyte.Builder, fingerprint string) {
	raw, err := hex.DecodeString(fingerprint)
	if err != nil || len(raw) != 20 && len(raw) != 32 {
		b.SetError(fmt.Errorf("%q is no fingerprint", fingerprint))
		return
	}
	addBytes(b.AddUint8LengthPrefixed, raw)
}

func readFingerprint(s *cryptobyte.String, fingerprint *string) bool {
	var raw cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&raw) || len(raw) != 20 && len(raw) != 32 {
		return false
	}
	*fingerprint = strings.ToUpper(hex.EncodeToString(raw))
	return true
}

// writeFrame writes length and payload at once.
func writeFrame(w io.Writer, payload []byte, limit int) error {
	if len(payload) > limit {
		return fmt.Errorf("a frame of %d bytes; at most %d are allowed", len(payload), limit)
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)), uint32(len(payload))), payload...))
	return err
}

// readFrame reads a frame of at most limit bytes. io.EOF means that none came.
// begun, if not nil, is called when the first part of one is there.
func readFrame(r io.Reader, limit int, begun func()) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if begun != nil {
		begun()
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > uint32(limit) {
		return nil, fmt.Errorf("%w: a frame of %d bytes; at most %d are allowed", errNotUnderstood, n, limit)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("frame cut short: %w", err)
	}
	return payload, nil
}
