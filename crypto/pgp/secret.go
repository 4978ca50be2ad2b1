package pgp

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	maxSecretBytes = 1 << 20 // one private key with its certificate

	s2kArgon2 = 4   // RFC 9580 section 3.7.1.4
	s2kGNU    = 101 // GnuPG's extension: the private part is somewhere else
	// maxArgon2Exponent is 2 GiB, what RFC 9106 recommends first. A file that
	// asks for more would take the machine's memory before its passphrase is
	// known to be right.
	maxArgon2Exponent = 21
	maxArgon2Passes   = 16
)

var errSecretTooLarge = errors.New("larger than any private key: export one key, with --export-options export-minimal")

// onlySecret makes every key packet of a private key a secret one. What comes
// without its private part becomes GnuPG's stub for "the private part is
// offline", however the program that wrote it says so: as a public key packet,
// as a stub, or as a note that it is on a card.
func onlySecret(data []byte) ([]byte, error) {
	if len(data) > maxSecretBytes {
		return nil, errSecretTooLarge
	}
	out := make([]byte, 0, len(data)+64)
	private := false
	for len(data) > 0 {
		p, rest, err := nextPacket(data)
		if err != nil {
			return nil, err
		}
		data = rest
		switch p.tag {
		case tagSecretKey, tagSecretSub:
			stub, err := isStub(p)
			if err != nil {
				return nil, err
			}
			private = true
			if !stub {
				break
			}
			if p, err = stubOf(p); err != nil {
				return nil, err
			}
		case tagPublicKey, tagPublicSub:
			if p, err = stubOf(p); err != nil {
				return nil, err
			}
		}
		out = append(out, p.raw...)
	}
	if !private {
		return nil, errors.New("this is a certificate (public key): export the secret key")
	}
	return out, nil
}

// isStub reports whether a secret key packet says that its private part is
// somewhere else. It refuses what would cost too much to unlock.
func isStub(p rawPacket) (bool, error) {
	public, err := publicLength(p)
	if err != nil {
		return false, err
	}
	rest := p.body[public:] // RFC 9580 section 5.5.3
	if len(rest) == 0 {
		return false, errPacket
	}
	usage := rest[0]
	if usage < 253 { // unlocked, or locked in a way of 1998
		return false, nil
	}
	skip := 2 // usage, cipher
	if usage == 253 {
		skip++ // AEAD mode
	}
	if p.body[0] == 6 {
		skip += 2 // two counts
	}
	if len(rest) <= skip {
		return false, errPacket
	}
	switch s2k := rest[skip:]; s2k[0] {
	case s2kGNU:
		return true, nil
	case s2kArgon2:
		if len(s2k) < 20 || s2k[17] > maxArgon2Passes || s2k[19] > maxArgon2Exponent {
			return false, errors.New("unlocking it would take too much memory or time (Argon2): lock it with smaller parameters")
		}
	}
	return false, nil
}

// publicLength returns how much of a secret key packet is its public part.
func publicLength(p rawPacket) (int, error) {
	parsed, err := packet.Read(bytes.NewReader(p.raw))
	if err != nil {
		// A card, or a key of a kind that the library does not know: the two
		// that matter have a length of their own or are refused later.
		return publicLengthOfStub(p.body)
	}
	var public *packet.PublicKey
	switch k := parsed.(type) {
	case *packet.PrivateKey:
		public = &k.PublicKey
	case *packet.PublicKey:
		public = k
	default:
		return 0, errPacket
	}
	var b bytes.Buffer
	if err := public.Serialize(&b); err != nil {
		return 0, errPacket
	}
	whole, _, err := nextPacket(b.Bytes())
	if err != nil || len(whole.body) > len(p.body) || !bytes.Equal(whole.body, p.body[:len(whole.body)]) {
		return 0, errPacket
	}
	return len(whole.body), nil
}

// publicLengthOfStub finds the mark of GnuPG's stubs, which ends the packet: a
// serial number of at most 16 octets may follow it.
func publicLengthOfStub(body []byte) (int, error) {
	mark := bytes.LastIndex(body, []byte("GNU"))
	// usage, cipher, 101, hash, "GNU", mode
	if mark < 10 || len(body)-mark > 21 || body[mark-2] != s2kGNU || body[mark-4] < 254 {
		return 0, errors.New("a key of a kind that is not supported")
	}
	return mark - 4, nil
}

// stubOf keeps the public part of a key packet and says in GnuPG's way that the
// private part is offline.
func stubOf(p rawPacket) (rawPacket, error) {
	tag, public := p.tag, len(p.body)
	switch p.tag {
	case tagPublicKey:
		tag = tagSecretKey
	case tagPublicSub:
		tag = tagSecretSub
	default:
		var err error
		if public, err = publicLength(p); err != nil {
			return rawPacket{}, err
		}
	}
	if public == 0 {
		return rawPacket{}, errPacket
	}
	body := bytes.Clone(p.body[:public])
	gnu := []byte{s2kGNU, 0, 'G', 'N', 'U', 1}
	if body[0] == 6 { // counts of what follows, and of the S2K specifier
		body = append(body, 254, byte(2+len(gnu)), 0, byte(len(gnu)))
	} else {
		body = append(body, 255, 0)
	}
	return newPacket(tag, append(body, gnu...)), nil
}

// newPacket writes a packet with a five-octet length (RFC 9580 section 4.2.1).
func newPacket(tag int, body []byte) rawPacket {
	raw := append([]byte{0xC0 | byte(tag), 255}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	raw = append(raw, body...)
	return rawPacket{tag: tag, raw: raw, body: raw[6:]}
}
