package mimeindex

import (
	"bytes"
	"strings"
)

// Build indexes raw, a whole message as stored. It takes time linear in the
// length of raw and never fails.
func Build(raw []byte) *Index {
	b := builder{raw: raw}
	root := b.build()
	x := &Index{Root: root, size: len(raw), parts: b.parts, headers: b.headers}
	if root.BodyStart <= maxHeader {
		x.header = bytes.Clone(raw[:root.BodyStart])
	}
	return x
}

// builder walks the lines of a message once. The parts that are not yet
// complete form a stack: every part in it encloses the next.
type builder struct {
	raw     []byte
	lines   int     // line endings before the current line
	parts   int     // parts begun
	headers int     // bytes of headers read
	live    []*Part // enclosing parts, outermost first

	inHeader bool // the last live part is still in its header
	textOnly bool // leave out the envelopes
}

// build returns the root part.
func (b *builder) build() *Part {
	root := b.begin(0, false)
	b.scan()
	b.finish(0, len(b.raw), b.lines)
	return root
}

// scan reads the message line by line.
func (b *builder) scan() {
	for pos := 0; pos < len(b.raw); {
		next := len(b.raw)
		ended := 0
		if i := bytes.IndexByte(b.raw[pos:], '\n'); i >= 0 {
			next, ended = pos+i+1, 1
		}
		line := b.raw[pos:next]
		if level, closing := b.matchBoundary(line); level >= 0 && (closing || b.parts < MaxParts) {
			b.boundaryLine(level, closing, pos, next, ended)
		} else if b.inHeader && isBlank(line) {
			b.lines += ended
			b.endHeader(b.live[len(b.live)-1], next)
			pos = next
			continue
		}
		b.lines += ended
		pos = next
	}
}

// begin opens a new part whose header starts at offset start.
func (b *builder) begin(start int, digest bool) *Part {
	p := &Part{HeaderStart: start, BodyStart: -1, Type: "text", Subtype: "plain"}
	if digest { // RFC 2046, section 5.1.5
		p.Type, p.Subtype = "message", "rfc822"
	}
	b.parts++
	b.live = append(b.live, p)
	b.inHeader = true
	return p
}

// boundaryLine handles a delimiter of the multipart at live[level]: all parts
// inside it end before the line ending that precedes the delimiter.
func (b *builder) boundaryLine(level int, closing bool, pos, next, ended int) {
	end, lines := pos, b.lines
	if end > 0 && b.raw[end-1] == '\n' {
		end--
		lines--
		if end > 0 && b.raw[end-1] == '\r' {
			end--
		}
	}
	b.finish(level+1, end, lines)
	mp := b.live[level]
	if closing {
		mp.boundary = "" // what follows is the epilogue
		return
	}
	lineAfter := b.lines + ended
	child := b.begin(next, mp.Subtype == "digest")
	child.lineAtBody = lineAfter
	mp.Parts = append(mp.Parts, child)
}

// finish completes the live parts from level on.
func (b *builder) finish(level, end, lines int) {
	for i := len(b.live) - 1; i >= level; i-- {
		p := b.live[i]
		// Two delimiters in a row: the line ending belongs to the first.
		p.End = max(end, p.HeaderStart)
		if p.BodyStart < 0 { // no blank line: all of it is header
			p.BodyStart = p.End
			b.readHeader(p, i)
		}
		p.End = max(p.End, p.BodyStart)
		if p.End > p.BodyStart {
			p.Lines = max(0, lines-p.lineAtBody)
		}
		p.boundary = ""
		if p.End > end { // and so the enclosing parts end no earlier
			end, lines = p.End, p.lineAtBody
		}
	}
	b.live = b.live[:level]
	b.inHeader = false
}

// readHeader fills live[i], which is p, from its header.
func (b *builder) readHeader(p *Part, i int) {
	b.headers += p.BodyStart - p.HeaderStart
	p.parseHeader(b.raw[p.HeaderStart:p.BodyStart], b.isRoot(i) && !b.textOnly)
}

// isRoot reports whether live[i] is the message itself or an embedded one.
func (b *builder) isRoot(i int) bool {
	return i == 0 || b.live[i-1].claimsMessage()
}

// endHeader is called at the blank line after p's header.
func (b *builder) endHeader(p *Part, bodyStart int) {
	b.inHeader = false
	p.BodyStart = bodyStart
	p.lineAtBody = b.lines
	b.readHeader(p, len(b.live)-1)
	if len(b.live) >= MaxDepth {
		return
	}
	switch {
	case p.Type == "multipart":
		// A delimiter longer than RFC 2046 allows (70) is still accepted.
		if s := strings.TrimRight(p.Params["boundary"], " \t"); len(s) <= 256 {
			p.boundary = s
		}
	case p.claimsMessage() && identity(p.Encoding) && b.parts < MaxParts:
		inner := b.begin(bodyStart, false)
		inner.lineAtBody = b.lines
		p.Parts = []*Part{inner}
	}
}

// matchBoundary returns the index in live of the multipart that line
// delimits, innermost first, or -1.
func (b *builder) matchBoundary(line []byte) (level int, closing bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	text := bytes.TrimRight(line[2:], " \t\r\n")
	for i := len(b.live) - 1; i >= 0; i-- {
		delimiter := b.live[i].boundary
		if delimiter == "" || len(text) < len(delimiter) || string(text[:len(delimiter)]) != delimiter {
			continue
		}
		switch string(text[len(delimiter):]) {
		case "":
			return i, false
		case "--":
			return i, true
		}
	}
	return -1, false
}

func isBlank(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// identity reports whether encoded bytes are the content itself (RFC 2045,
// section 6.2), so that parts can be found in them.
func identity(encoding string) bool {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return false
}
