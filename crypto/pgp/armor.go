package pgp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// Armor types, RFC 9580 section 6.2.1.
const (
	armorMessage   = "PGP MESSAGE"
	armorSignature = "PGP SIGNATURE"
	armorPublic    = "PGP PUBLIC KEY BLOCK"
	armorPrivate   = "PGP PRIVATE KEY BLOCK"
)

var errArmor = errors.New("not a valid ASCII armor")

// enarmor writes data as ASCII armor without headers. The CRC-24, optional since
// RFC 9580 section 6.1, is left out unless the base64 text ends without
// padding: GnuPG 2.2 then needs it to find the end, and fails without.
func enarmor(kind string, data []byte, eol string) []byte {
	const perLine = 48 // 64 characters
	lines := (len(data) + perLine - 1) / perLine
	size := base64.StdEncoding.EncodedLen(len(data)) + lines*len(eol) + 2*len(kind) + 40 + 3*len(eol)
	out := make([]byte, 0, size)
	out = append(out, "-----BEGIN "...)
	out = append(out, kind...)
	out = append(out, "-----"...)
	out = append(out, eol...)
	out = append(out, eol...)
	all := data
	for len(data) > 0 {
		n := min(perLine, len(data))
		out = base64.StdEncoding.AppendEncode(out, data[:n])
		out = append(out, eol...)
		data = data[n:]
	}
	if len(all)%3 == 0 {
		crc := crc24(all)
		out = append(out, '=')
		out = base64.StdEncoding.AppendEncode(out, []byte{byte(crc >> 16), byte(crc >> 8), byte(crc)})
		out = append(out, eol...)
	}
	out = append(out, "-----END "...)
	out = append(out, kind...)
	out = append(out, "-----"...)
	return append(out, eol...)
}

// crc24Table speeds up crc24 eightfold against the bitwise form.
var crc24Table = func() (table [256]uint32) {
	for i := range table {
		c := uint32(i) << 16
		for range 8 {
			if c <<= 1; c&0x1000000 != 0 {
				c ^= 0x1864CFB
			}
		}
		table[i] = c
	}
	return table
}()

// crc24 is the checksum of RFC 9580 section 6.1.1.
func crc24(data []byte) uint32 {
	crc := uint32(0xB704CE)
	for _, b := range data {
		crc = (crc<<8)&0xFFFFFF ^ crc24Table[byte(crc>>16)^b]
	}
	return crc
}

// isArmored tells armor from binary packets: every OpenPGP packet begins with
// its highest bit set (RFC 9580 section 4.2).
func isArmored(data []byte) bool {
	return len(data) > 0 && data[0]&0x80 == 0
}

// dearmor decodes the first block in data, which must be preceded by white
// space only, and returns its kind, its content and what follows it.
func dearmor(data []byte) (kind string, content, rest []byte, err error) {
	data = bytes.TrimLeft(data, " \t\r\n")
	line, data := cutLine(data)
	kind, ok := armorLine(line, "-----BEGIN ")
	if !ok {
		return "", nil, nil, errArmor
	}
	// Armor headers ("Version: ...") mean nothing to us; skip to the blank line.
	for {
		if len(data) == 0 {
			return "", nil, nil, errArmor
		}
		line, data = cutLine(data)
		if len(line) == 0 {
			break
		}
		if !bytes.Contains(line, []byte(":")) {
			return "", nil, nil, errArmor
		}
	}
	size := bytes.IndexByte(data, '-') // where the last line begins
	if size < 0 {
		return "", nil, nil, errArmor
	}
	out := base64Decoder{out: make([]byte, 0, size/4*3+3)}
	for len(data) > 0 {
		line, data = cutLine(data)
		if len(line) > 0 && line[0] == '-' {
			endKind, ok := armorLine(line, "-----END ")
			if !ok || endKind != kind || !out.finished() || len(out.out) == 0 {
				return "", nil, nil, errArmor
			}
			return kind, out.out, data, nil
		}
		if len(line) == 5 && line[0] == '=' {
			continue // the CRC-24: ignored, RFC 9580 section 6.1
		}
		if !out.add(line) {
			return "", nil, nil, errArmor
		}
	}
	return "", nil, nil, errArmor
}

// base64Decoder decodes line by line into one buffer. Lines of four, eight ...
// characters, which everybody writes, are decoded from where they stand.
type base64Decoder struct {
	out  []byte
	rest []byte // of a group of four that goes on in the next line
	end  bool   // padding was seen: nothing may follow
}

func (d *base64Decoder) add(line []byte) bool {
	for len(d.rest) > 0 && len(d.rest) < 4 && len(line) > 0 {
		d.rest, line = append(d.rest, line[0]), line[1:]
	}
	if len(d.rest) == 4 {
		if !d.decode(d.rest) {
			return false
		}
		d.rest = d.rest[:0]
	}
	whole := len(line) / 4 * 4
	d.rest = append(d.rest, line[whole:]...)
	return d.decode(line[:whole])
}

func (d *base64Decoder) decode(groups []byte) bool {
	if len(groups) == 0 {
		return true
	}
	if d.end {
		return false
	}
	var err error
	d.end = groups[len(groups)-1] == '='
	d.out, err = base64.StdEncoding.AppendDecode(d.out, groups)
	return err == nil
}

func (d *base64Decoder) finished() bool { return len(d.rest) == 0 }

// dearmorOnly returns the packets in data, binary or as one single armored
// block of the given kind with nothing but white space around it.
func dearmorOnly(data []byte, kinds ...string) ([]byte, error) {
	if !isArmored(data) {
		return data, nil
	}
	kind, content, rest, err := dearmor(data)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("data behind the armor: %w", errArmor)
	}
	for _, k := range kinds {
		if k == kind {
			return content, nil
		}
	}
	return nil, fmt.Errorf("armor of another kind: %w", errArmor)
}

// cutLine returns the first line of data without its ending and trailing
// blanks, and the rest.
func cutLine(data []byte) (line, rest []byte) {
	line = data
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		line, rest = data[:i], data[i+1:]
	}
	for len(line) > 0 {
		if c := line[len(line)-1]; c != '\r' && c != ' ' && c != '\t' {
			break
		}
		line = line[:len(line)-1]
	}
	return line, rest
}

func armorLine(line []byte, prefix string) (string, bool) {
	kind, ok := bytes.CutPrefix(line, []byte(prefix))
	if !ok {
		return "", false
	}
	kind, ok = bytes.CutSuffix(kind, []byte("-----"))
	return string(kind), ok && len(kind) <= 64
}
