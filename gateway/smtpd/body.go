package smtpd

import "bytes"

// bodyDecoder reads the bytes that follow DATA: it takes the dots away
// (RFC 5321 4.5.2), finds the end, which is CRLF.CRLF and nothing else, and
// notices what other programs would read differently. With chunked set it
// reads BDAT content (RFC 3030) instead, which has neither dots nor end.
//
// go-smtp's own reader is not used for DATA because it loses bytes that must
// be seen: a dot-CR at the start of a line vanishes, and after CR CR LF it
// misses the end.
type bodyDecoder struct {
	chunked bool
	state   bodyState
	line    int  // bytes of the present line
	longest int  // bytes of the longest line
	bad     bool // bare CR, bare LF or NUL seen
}

type bodyState int

const (
	lineStart bodyState = iota
	inLine
	afterCR    // CR held back until the next byte says what it is
	afterDot   // dot at the start of a line, dropped
	afterDotCR // dot, CR at the start of a line
)

// decode consumes src up to the end of the body at most and hands the decoded
// pieces to emit. It returns how many bytes of src belong to the body and
// whether its end was reached.
func (d *bodyDecoder) decode(src []byte, emit func([]byte)) (n int, done bool) {
	for n < len(src) {
		switch d.state {
		case lineStart:
			d.state = inLine
			if src[n] == '.' && !d.chunked {
				d.state = afterDot
				n++
			}
		case afterDot:
			d.state = inLine
			if src[n] == '\r' {
				d.state = afterDotCR
				n++
			}
		case afterDotCR:
			if src[n] == '\n' {
				return n + 1, true
			}
			d.bareCR(emit)
		case afterCR:
			if src[n] != '\n' {
				d.bareCR(emit)
				break
			}
			n++
			d.count(2)
			emit(crlf)
			d.state, d.line = lineStart, 0
		case inLine:
			n += d.decodeLine(src[n:], emit)
		}
	}
	return n, false
}

var crlf = []byte("\r\n") // never written to

// decodeLine consumes src up to and including its first LF, or all of it.
func (d *bodyDecoder) decodeLine(src []byte, emit func([]byte)) int {
	lf := bytes.IndexByte(src, '\n')
	if lf < 0 {
		text := src
		if text[len(text)-1] == '\r' {
			text = text[:len(text)-1]
			d.state = afterCR
		}
		d.text(text)
		emit(text)
		return len(src)
	}
	if lf == 0 || src[lf-1] != '\r' {
		d.bad = true // and no new line: a dot after it is a dot
		d.text(src[:lf+1])
	} else {
		d.text(src[:lf-1])
		d.count(2)
		d.state, d.line = lineStart, 0
	}
	emit(src[:lf+1])
	return lf + 1
}

// bareCR gives out the CR that was held back and did not start a line end.
func (d *bodyDecoder) bareCR(emit func([]byte)) {
	d.bad = true
	d.count(1)
	emit(crlf[:1])
	d.state = inLine
}

// text judges a piece that must hold neither CR nor NUL.
func (d *bodyDecoder) text(p []byte) {
	d.count(len(p))
	if bytes.IndexByte(p, '\r') >= 0 || bytes.IndexByte(p, 0) >= 0 {
		d.bad = true
	}
}

func (d *bodyDecoder) count(n int) {
	d.line += n
	d.longest = max(d.longest, d.line)
}

// finish judges the end of chunked content: a CR still held back is bare.
func (d *bodyDecoder) finish(emit func([]byte)) {
	if d.state == afterCR {
		d.bareCR(emit)
	}
}
