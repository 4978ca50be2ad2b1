package pgpmime

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"
)

// scanner walks a MIME tree on the raw bytes and keeps count of what it costs.
// It stops before the work grows: nothing is built for parts beyond the limits.
type scanner struct {
	limits      Limits
	parts       int
	headerBytes int
	// openPGP is set when a part of the tree is OpenPGP by its type.
	openPGP bool
	// signed is set when a part of the tree, not of a mail attached to it, is
	// a PGP/MIME signed one.
	signed bool
}

// header splits one entity and reads its header within the limits.
func (s *scanner) header(entity []byte) (Header, []byte, error) {
	s.parts++
	if s.parts > s.limits.MaxParts {
		return nil, nil, fmt.Errorf("%w: more than %d parts", ErrLimits, s.limits.MaxParts)
	}
	block, body := splitHeader(entity)
	s.headerBytes += len(block)
	if len(block) > s.limits.MaxHeaderBytes || s.headerBytes > s.limits.MaxHeaderTotal {
		return nil, nil, fmt.Errorf("%w: header too large", ErrLimits)
	}
	h, err := parseHeader(block)
	if err != nil {
		return nil, nil, err
	}
	return h, body, h.checkSingle()
}

// walk checks everything below an entity whose header was read already.
func (s *scanner) walk(h Header, body []byte, depth int) error {
	if depth > s.limits.MaxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrLimits, s.limits.MaxDepth)
	}
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return nil // unreadable type: a leaf for everybody
	}
	switch {
	case media == "application/pgp-encrypted", media == "multipart/encrypted":
		s.openPGP = true
	case media == "multipart/signed" && is(params["protocol"], "application/pgp-signature"):
		s.signed = true
	case media == "message/rfc822" || media == "message/global":
		signed := s.signed
		err := s.child(body, depth)
		s.signed = signed // how an attached mail is signed says nothing about this one
		return err
	}
	boundary := params["boundary"]
	if !strings.HasPrefix(media, "multipart/") || boundary == "" {
		return nil
	}
	m, err := splitParts(body, boundary, s.limits.MaxParts-s.parts)
	if err != nil {
		return err
	}
	for _, part := range m.parts {
		if err := s.child(part, depth); err != nil {
			return err
		}
	}
	return nil
}

// child walks one part. A part with a broken header counts as a leaf: attached
// evidence may look like anything.
func (s *scanner) child(entity []byte, depth int) error {
	h, body, err := s.header(entity)
	if errors.Is(err, ErrStructure) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.walk(h, body, depth+1)
}

// multipart is a body cut at its boundary lines.
type multipart struct {
	preamble, epilogue []byte
	parts              [][]byte // without the CRLF that belongs to the boundary
	starts             []int    // where in the body each part begins
	closed             bool     // the closing boundary is there
	ambiguous          bool     // a line only begins like the boundary
}

// splitParts cuts a body with CRLF line ends (RFC 2046 section 5.1.1). A
// boundary line is the boundary and blanks, nothing else.
func splitParts(body []byte, boundary string, maxParts int) (*multipart, error) {
	m := &multipart{}
	delimiter := []byte("--" + boundary)
	start, inPart := 0, false // of the current part
	for pos := 0; pos < len(body); {
		i := nextLine(body, delimiter, pos)
		if i < 0 {
			break
		}
		lineEnd := len(body)
		if n := bytes.Index(body[i:], []byte("\r\n")); n >= 0 {
			lineEnd = i + n
		}
		tail := body[i+len(delimiter) : lineEnd]
		next := min(lineEnd+2, len(body))
		closing := bytes.HasPrefix(tail, []byte("--"))
		if closing {
			tail = tail[2:]
		}
		if len(bytes.Trim(tail, " \t")) > 0 {
			m.ambiguous = true
			pos = next
			continue
		}
		if content := body[start:max(start, i-2)]; inPart {
			if len(m.parts) >= maxParts {
				return nil, fmt.Errorf("%w: too many parts", ErrLimits)
			}
			m.parts, m.starts = append(m.parts, content), append(m.starts, start)
		} else {
			m.preamble = content
		}
		start, inPart, pos = next, true, next
		if closing {
			m.closed = true
			m.epilogue = body[next:]
			return m, nil
		}
	}
	if !inPart {
		m.preamble = body
		return m, nil
	}
	if len(m.parts) >= maxParts {
		return nil, fmt.Errorf("%w: too many parts", ErrLimits)
	}
	m.parts, m.starts = append(m.parts, body[start:]), append(m.starts, start)
	return m, nil
}

// nextLine finds the next line that begins with prefix, from pos, which must be
// at the start of a line.
func nextLine(body, prefix []byte, pos int) int {
	if bytes.HasPrefix(body[pos:], prefix) {
		return pos
	}
	for {
		i := bytes.Index(body[pos:], prefix)
		if i < 0 {
			return -1
		}
		if i += pos; i >= 2 && body[i-1] == '\n' {
			return i
		}
		pos = i + 1
	}
}

// twoParts cuts a multipart/encrypted or multipart/signed body: exactly two
// parts, closed, nothing ambiguous, nothing behind. Text before the first
// boundary is not part of the message and stays unread.
func twoParts(body []byte, params map[string]string) ([2][]byte, error) {
	var two [2][]byte
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > 70 {
		return two, fmt.Errorf("%w: boundary missing or too long", ErrStructure)
	}
	m, err := splitParts(body, boundary, 3)
	if err != nil {
		return two, fmt.Errorf("%w: not exactly two parts", ErrStructure)
	}
	if len(m.parts) != 2 || !m.closed || m.ambiguous || len(bytes.TrimSpace(m.epilogue)) > 0 {
		return two, fmt.Errorf("%w: not exactly two parts, or text beside them", ErrStructure)
	}
	copy(two[:], m.parts)
	return two, nil
}

// crlf gives text CRLF line ends. It refuses NUL and bare CR, which programs
// read in different ways. Text that is in order already is not copied.
func crlf(text []byte) ([]byte, error) {
	lines, pairs, err := lineEnds(text)
	if err != nil {
		return nil, err
	}
	if lines == pairs {
		return text, nil
	}
	return appendCRLF(make([]byte, 0, len(text)+lines-pairs), text), nil
}

// lineEnds counts the LF of text and those that follow a CR.
func lineEnds(text []byte) (lines, pairs int, err error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return 0, 0, fmt.Errorf("%w: NUL", ErrStructure)
	}
	for at := bytes.IndexByte(text, '\n'); at >= 0; {
		lines++
		if at > 0 && text[at-1] == '\r' {
			pairs++
		}
		next := bytes.IndexByte(text[at+1:], '\n')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	if bytes.Count(text, []byte("\r")) != pairs {
		return 0, 0, fmt.Errorf("%w: bare CR", ErrStructure)
	}
	return lines, pairs, nil
}

func appendCRLF(out, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return append(out, text...)
		}
		out = append(out, bytes.TrimSuffix(text[:i], []byte("\r"))...)
		out = append(out, "\r\n"...)
		text = text[i+1:]
	}
}
