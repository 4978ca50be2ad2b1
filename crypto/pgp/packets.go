package pgp

import (
	"encoding/binary"
	"errors"
)

// Packet types, RFC 9580 section 5.
const (
	tagPKESK      = 1
	tagSignature  = 2
	tagSKESK      = 3
	tagOnePass    = 4
	tagSecretKey  = 5
	tagPublicKey  = 6
	tagSecretSub  = 7
	tagCompressed = 8
	tagMarker     = 10
	tagLiteral    = 11
	tagPublicSub  = 14
	tagProtected  = 18
	tagAEAD       = 20 // GnuPG's OCB packet
	tagPadding    = 21
)

var errPacket = errors.New("not a valid OpenPGP packet")

// rawPacket is one packet, cut out but not understood. It shares memory with
// the data it was cut from.
type rawPacket struct {
	tag  int
	raw  []byte // header and body as they stand
	body []byte // body; only its first part if it came in partial lengths
	// partial tells that it did.
	partial bool
}

// nextPacket cuts the first packet off data (RFC 9580 section 4.2).
func nextPacket(data []byte) (p rawPacket, rest []byte, err error) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return rawPacket{}, nil, errPacket
	}
	if data[0]&0x40 == 0 {
		return oldPacket(data)
	}
	p.tag = int(data[0] & 0x3f)
	for pos := 1; ; {
		n, size, more, ok := newLength(data[pos:])
		if !ok || n > len(data)-pos-size {
			return rawPacket{}, nil, errPacket
		}
		if p.body == nil {
			p.body, p.partial = data[pos+size:pos+size+n], more
			if more && n < 512 {
				return rawPacket{}, nil, errPacket
			}
		}
		if pos += size + n; !more {
			p.raw = data[:pos]
			return p, data[pos:], nil
		}
	}
}

// join makes the body whole. It moves the parts together where they stand, so
// that a large message is not copied: raw is spent after that.
func (p *rawPacket) join() {
	if !p.partial {
		return
	}
	start := 2 // behind the tag and the length of the first part, one octet each
	end, pos := start+len(p.body), start+len(p.body)
	for more := true; more; {
		var n, size int
		n, size, more, _ = newLength(p.raw[pos:])
		end += copy(p.raw[end:], p.raw[pos+size:pos+size+n])
		pos += size + n
	}
	p.raw, p.body, p.partial = nil, p.raw[start:end], false
}

func newLength(d []byte) (n, size int, more, ok bool) {
	switch {
	case len(d) == 0:
		return 0, 0, false, false
	case d[0] < 192:
		return int(d[0]), 1, false, true
	case d[0] < 224:
		if len(d) < 2 {
			return 0, 0, false, false
		}
		return int(d[0]-192)<<8 + int(d[1]) + 192, 2, false, true
	case d[0] < 255:
		return 1 << (d[0] & 0x1f), 1, true, true
	case len(d) < 5:
		return 0, 0, false, false
	}
	return int(binary.BigEndian.Uint32(d[1:])), 5, false, true
}

func oldPacket(data []byte) (p rawPacket, rest []byte, err error) {
	p.tag = int(data[0]&0x3f) >> 2
	size := 1 << (data[0] & 3)
	if size == 8 { // indeterminate length: to the end
		p.raw, p.body = data, data[1:]
		return p, nil, nil
	}
	if len(data) < 1+size {
		return rawPacket{}, nil, errPacket
	}
	n := 0
	for _, b := range data[1 : 1+size] {
		n = n<<8 | int(b)
	}
	if n > len(data)-1-size {
		return rawPacket{}, nil, errPacket
	}
	p.raw, p.body = data[:1+size+n], data[1+size:1+size+n]
	return p, data[1+size+n:], nil
}

// ignorable packets may stand anywhere and mean nothing: markers (5.8),
// padding (5.14) and the non-critical unknown types (4.3).
func (p rawPacket) ignorable() bool {
	return p.tag == tagMarker || p.tag == tagPadding || p.tag >= 40
}

// literalBody returns the data of a literal packet (5.9). File name and date
// are not covered by a signature, so nobody gets to see them.
func (p rawPacket) literalBody() ([]byte, error) {
	p.join()
	if len(p.body) < 2 {
		return nil, errPacket
	}
	skip := 2 + int(p.body[1]) + 4
	if len(p.body) < skip {
		return nil, errPacket
	}
	return p.body[skip:], nil
}
