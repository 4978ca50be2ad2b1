package pgp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// SignatureState says what a signature is worth.
type SignatureState string

// The closed set of states. Only SignatureGood is good.
const (
	SignatureNone           SignatureState = "none"              // there is no signature
	SignatureGood           SignatureState = "good"              // it verifies; the key was valid when it signed and is now
	SignatureBad            SignatureState = "bad"               // it does not verify, cannot be read, or several signatures disagree on the signer
	SignatureUnknownKey     SignatureState = "unknown-key"       // no certificate in the ring has the key
	SignatureExpiredKey     SignatureState = "expired-key"       // the key, or the signature itself, expired before signing or since
	SignatureRevokedKey     SignatureState = "revoked-key"       // revoked at any time, for any reason
	SignatureNotYetValidKey SignatureState = "not-yet-valid-key" // the signature is older than the key or its binding
	SignatureWeak           SignatureState = "weak"              // hash of the signature, or the signing certificate, too weak
	SignatureUnusableKey    SignatureState = "unusable-key"      // the key is not meant for signing
)

// Intended says whether the signer meant the message for us, by the Intended
// Recipient subpackets (RFC 9580 section 5.2.3.36).
type Intended string

// Intended states.
const (
	IntendedUnstated Intended = "unstated" // no such subpacket: GnuPG 2.2 writes none
	IntendedForUs    Intended = "us"       // one of our keys is named
	IntendedOthers   Intended = "others"   // others are named, we are not: somebody passed it on
)

// Signature is everything known about the signature of a message.
type Signature struct {
	State   SignatureState
	Signer  *Certificate // nil unless the key is in the ring
	KeyID   string       // 16 hex digits, as claimed by the signature
	Created time.Time    // as the signature says
	Hash    string       // such as "SHA-256"
	// Algorithm of the signing (sub)key, such as "Ed25519"; empty if unknown.
	Algorithm string
	// IntendedRecipients are fingerprints, as named by the signature.
	IntendedRecipients []string
	// Intended judges them against the keys given to Decrypt.
	Intended Intended
	// Digest identifies the act of signing, to recognise a replay. It covers
	// what was signed, the signature's own time, salt and key, and stays the
	// same however the message is encrypted, armored or encoded again. It is
	// zero if the signature could not be read.
	Digest [32]byte
	// Further are the digests of the other signatures, if there are several:
	// what was signed twice can be sent again with either.
	Further [][32]byte
	// Count is the number of signatures found. One is normal. With more, State
	// is good only if all are good and come from one certificate; else it is
	// the first failure.
	Count int
}

// JudgeIntended compares the fingerprints a signature names with our keys.
func JudgeIntended(recipients []string, ours []*Key) Intended {
	if len(recipients) == 0 {
		return IntendedUnstated
	}
	for _, r := range recipients {
		for _, k := range ours {
			if r == k.cert.fingerprint {
				return IntendedForUs
			}
		}
	}
	return IntendedOthers
}

const maxSignatures = 16

// judgement is what all signatures of one message are judged by.
type judgement struct {
	ring   *Ring
	policy Policy
	at     time.Time
}

// And combines two judgements of the same content: good only if both are good
// and from one certificate. A failure is final: nothing that comes after can
// turn it into good, and the first one is kept.
func (s Signature) And(next Signature) Signature {
	count := s.Count + next.Count
	further := slices.Concat(s.Further, [][32]byte{next.Digest}, next.Further)
	switch {
	case s.State != SignatureGood:
	case next.State != SignatureGood:
		s, further = next, slices.Concat([][32]byte{s.Digest}, s.Further, next.Further)
	case next.Signer != s.Signer:
		s.State = SignatureBad
	case s.Intended == IntendedUnstated: // the other one may say for whom
		s.Intended, s.IntendedRecipients = next.Intended, next.IntendedRecipients
	}
	s.Count, s.Further = count, further
	return s
}

// all judges every signature over data.
func (j judgement) all(raws []rawPacket, data []byte) Signature {
	if len(raws) == 0 {
		return Signature{State: SignatureNone, Intended: IntendedUnstated}
	}
	if len(raws) > maxSignatures {
		return Signature{State: SignatureBad, Count: len(raws), Intended: IntendedUnstated}
	}
	result := j.one(raws[0], data)
	for _, raw := range raws[1:] {
		result = result.And(j.one(raw, data))
	}
	return result
}

// one judges one signature packet over data.
func (j judgement) one(raw rawPacket, data []byte) Signature {
	s := Signature{State: SignatureBad, Count: 1, Intended: IntendedUnstated}
	sig, ok := readSignature(raw)
	if !ok {
		if weakHashID(raw) {
			s.State = SignatureWeak
		}
		return s
	}
	s.Created, s.Hash = sig.CreationTime, sig.Hash.String()
	if sig.IssuerKeyId != nil {
		s.KeyID = hexKeyID(*sig.IssuerKeyId)
	}
	for _, r := range sig.IntendedRecipients {
		s.IntendedRecipients = append(s.IntendedRecipients, hexUpper(r.Fingerprint))
	}
	if sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText {
		return s // a signature over something else than a document
	}
	key, digest, known := j.find(sig, data)
	s.Digest = digest
	switch {
	case !known:
		s.State = SignatureUnknownKey
		return s
	case key.cert == nil:
		return s // bad
	}
	s.Signer, s.Algorithm = key.cert, algorithmName(key.public())
	s.State = j.state(sig, key)
	return s
}

// find looks for the key of the ring that made the signature over data. known
// tells that the ring has the key the signature names, verified or not.
func (j judgement) find(sig *packet.Signature, data []byte) (found ringKey, digest [32]byte, known bool) {
	var id uint64
	switch {
	case sig.IssuerKeyId != nil:
		id = *sig.IssuerKeyId
	case len(sig.IssuerFingerprint) == 20: // v4: the last 8 octets
		id = binary.BigEndian.Uint64(sig.IssuerFingerprint[12:])
	case len(sig.IssuerFingerprint) == 32: // v6: the first 8 octets
		id = binary.BigEndian.Uint64(sig.IssuerFingerprint)
	}
	h, err := documentHash(sig, data)
	if err != nil {
		return ringKey{}, digest, true // unreadable is bad, not unknown
	}
	document := h.Sum(nil)
	digest = actDigest(sig, nil, document)
	for _, k := range j.ring.keys(id) {
		pk := k.public()
		if len(sig.IssuerFingerprint) > 0 && !bytes.Equal(sig.IssuerFingerprint, pk.Fingerprint) {
			continue
		}
		if known { // a second key with the same id: h is spent
			h, _ = documentHash(sig, data)
		}
		known = true
		if pk.VerifySignature(h, sig) == nil {
			return k, actDigest(sig, pk.Fingerprint, document), true
		}
	}
	return ringKey{}, digest, known
}

// state judges a signature that verifies: its hash, its key, and both at the
// time of signing and now.
func (j judgement) state(sig *packet.Signature, key ringKey) SignatureState {
	if !knownNotations(sig) {
		return SignatureBad
	}
	if weakMessageHash(sig.Hash) {
		return SignatureWeak
	}
	for _, t := range []time.Time{sig.CreationTime, j.at} {
		switch key.cert.problem(key.sub, t, j.policy, canSign) {
		case "":
		case KeyRevoked:
			return SignatureRevokedKey
		case KeyExpired:
			return SignatureExpiredKey
		case KeyNotYetValid:
			return SignatureNotYetValidKey
		case KeyWeak:
			return SignatureWeak
		default:
			return SignatureUnusableKey
		}
	}
	if sig.SigLifetimeSecs != nil && *sig.SigLifetimeSecs > 0 &&
		j.at.After(sig.CreationTime.Add(time.Duration(*sig.SigLifetimeSecs)*time.Second)) {
		return SignatureExpiredKey
	}
	return SignatureGood
}

func readSignature(raw rawPacket) (*packet.Signature, bool) {
	p, err := packet.Read(bytes.NewReader(raw.raw))
	if err != nil {
		return nil, false
	}
	sig, ok := p.(*packet.Signature)
	return sig, ok && (sig.Version == 4 || sig.Version == 6)
}

// weakHashID recognises hashes too old for the library to know, from the raw
// packet: version, type, key algorithm, hash (RFC 9580 section 5.2.3).
func weakHashID(raw rawPacket) bool {
	if len(raw.body) < 4 || raw.body[0] < 4 {
		return false
	}
	id := raw.body[3]
	return id == 1 || id == 2 || id == 3 // MD5, SHA-1, RIPEMD-160
}

// documentHash hashes data as the signature's type demands (RFC 9580 5.2.4).
func documentHash(sig *packet.Signature, data []byte) (hash.Hash, error) {
	h, err := sig.PrepareVerify()
	if err != nil {
		return nil, err
	}
	if sig.SigType == packet.SigTypeText {
		openpgp.NewCanonicalTextHash(h).Write(data)
	} else {
		h.Write(data)
	}
	return h, nil
}

// actDigest condenses what was signed, by which key and when. Left out is what
// others could alter without breaking the signature: its unhashed part, and its
// numbers (some algorithms allow several for one act of signing).
func actDigest(sig *packet.Signature, fingerprint, document []byte) (d [32]byte) {
	h := sha256.New()
	h.Write([]byte("relais signature\x00"))
	h.Write([]byte{byte(len(fingerprint))})
	h.Write(fingerprint)
	h.Write(document)
	h.Write(sig.HashSuffix)
	h.Sum(d[:0])
	return d
}

// VerifyDetached judges a detached signature (armored or binary) over the
// exact bytes of signed. Data that holds no readable signature is "bad".
func VerifyDetached(signed, signature []byte, ring *Ring, p Policy, at time.Time) Signature {
	// Some programs label a detached signature as a message.
	packets, err := dearmorOnly(signature, armorSignature, armorMessage)
	if err != nil {
		return Signature{State: SignatureBad, Intended: IntendedUnstated}
	}
	raws, err := signaturePackets(packets)
	if err != nil || len(raws) == 0 {
		return Signature{State: SignatureBad, Intended: IntendedUnstated}
	}
	return judgement{ring, p, at}.all(raws, signed)
}

func signaturePackets(data []byte) ([]rawPacket, error) {
	var raws []rawPacket
	for len(data) > 0 {
		p, rest, err := nextPacket(data)
		switch {
		case err != nil:
			return nil, err
		case p.tag == tagSignature:
			raws = append(raws, p)
		case !p.ignorable():
			return nil, errPacket
		}
		data = rest
	}
	return raws, nil
}
