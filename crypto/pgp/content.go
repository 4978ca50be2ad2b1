package pgp

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"compress/zlib"
	"io"
)

const (
	maxCompressions = 2  // layers; everybody writes one
	maxPackets      = 64 // inside the encryption
)

// content is what a message holds: one literal and its signatures.
type content struct {
	literal    []byte
	signatures []rawPacket
}

// readContent accepts exactly: Literal | OnePass* Literal Signature* (as many)
// | Signature* Literal, each of them at the root of at most maxCompressions
// compressed packets (RFC 9580 section 10.3, less nesting).
func readContent(data []byte, limit int64) (*content, error) {
	for layer := 0; ; layer++ {
		packets, err := splitPackets(data)
		if err != nil {
			return nil, err
		}
		if len(packets) != 1 || packets[0].tag != tagCompressed {
			return arrange(packets, limit)
		}
		if layer == maxCompressions {
			return nil, errPacket
		}
		packets[0].join()
		if data, err = decompress(packets[0].body, limit); err != nil {
			return nil, err
		}
	}
}

func splitPackets(data []byte) ([]rawPacket, error) {
	packets := make([]rawPacket, 0, 4)
	for count := 0; len(data) > 0; count++ {
		p, rest, err := nextPacket(data)
		if err != nil || count == maxPackets {
			return nil, errPacket
		}
		if !p.ignorable() {
			packets = append(packets, p)
		}
		data = rest
	}
	return packets, nil
}

func arrange(packets []rawPacket, limit int64) (*content, error) {
	before, onePass := 0, 0
	for before < len(packets) && packets[before].tag != tagLiteral {
		switch packets[before].tag {
		case tagOnePass:
			onePass++
		case tagSignature:
		default:
			return nil, errPacket
		}
		before++
	}
	if before == len(packets) || onePass > 0 && onePass != before {
		return nil, errPacket
	}
	after := packets[before+1:]
	for _, p := range after {
		if p.tag != tagSignature {
			return nil, errPacket
		}
	}
	if len(after) != onePass {
		return nil, errPacket
	}
	literal, err := packets[before].literalBody()
	if err != nil {
		return nil, err
	}
	if int64(len(literal)) > limit {
		return nil, ErrTooLarge
	}
	if onePass == 0 {
		after = packets[:before] // the old order: signatures first
	}
	return &content{literal: literal, signatures: after}, nil
}

// packetOverhead is what may stand around the literal data in a compressed
// packet: signatures and headers.
const packetOverhead = 64 << 10

// decompress expands one compressed packet (RFC 9580 section 5.6), never beyond
// the limit.
func decompress(body []byte, limit int64) ([]byte, error) {
	if len(body) < 1 {
		return nil, errPacket
	}
	src := bytes.NewReader(body[1:])
	var r io.Reader
	switch body[0] {
	case 0:
		return body[1:], nil
	case 1:
		r = flate.NewReader(src)
	case 2:
		z, err := zlib.NewReader(src)
		if err != nil {
			return nil, err
		}
		r = z
	case 3:
		r = bzip2.NewReader(src)
	default:
		return nil, errPacket
	}
	// Attachments in base64 compress to three quarters: with that in mind one
	// piece does for most large messages.
	limit += packetOverhead
	return readPieces(r, int(min(int64(len(body))/8*11, limit))+512, limit)
}

// readPieces reads r to its end, in pieces that are joined at last, and stops
// with ErrTooLarge beyond the limit. A buffer that grows would be three times
// the content in its worst moment; this is two times, and once if the first
// piece is large enough.
func readPieces(r io.Reader, first int, limit int64) ([]byte, error) {
	var pieces [][]byte
	total := 0
	for size := first; ; size = total { // each as large as all before
		piece := make([]byte, 0, size)
		for len(piece) < size {
			n, err := r.Read(piece[len(piece):size])
			piece = piece[:len(piece)+n]
			total += n
			switch {
			case int64(total) > limit:
				return nil, ErrTooLarge
			case err == io.EOF && pieces == nil:
				return piece, nil
			case err == io.EOF:
				return bytes.Join(append(pieces, piece), nil), nil
			case err != nil:
				return nil, err
			}
		}
		pieces = append(pieces, piece)
	}
}
