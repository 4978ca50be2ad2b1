package imapd

import (
	"bufio"
	"bytes"
	"strconv"
	"sync/atomic"
)

// literalGuard watches the client's input for literals (RFC 9051, section
// 4.3). The library does not skip a literal that it refused: when the client
// sends it all the same, the content of a mail would run as commands. So a
// refused literal ends the connection, after the answer that refuses it.
//
// Input is handed on line by line. After a line that announces a literal the
// server must either say "+" (synchronising) or nothing (non-synchronising)
// before it reads on; anything else is a refusal.
type literalGuard struct {
	tail     []byte // end of the current line
	lines    int
	announce int64        // size of the announced literal; -1 when none waits
	waits    bool         // announce is valid
	nonSync  bool         // `{n+}`
	rest     int64        // bytes of an accepted literal still to come
	answer   atomic.Int32 // first byte written since the announcement; 0 for none
	foreign  bool         // the first line is that of another protocol
}

// answered is told the first byte of everything that is written.
func (g *literalGuard) answered(b byte) {
	g.answer.CompareAndSwap(0, int32(b))
}

// check is called when the server wants to read. It returns why the
// connection must end, or "".
func (g *literalGuard) check() string {
	if !g.waits {
		return ""
	}
	g.waits = false
	answer := g.answer.Load()
	if g.nonSync && answer != 0 || !g.nonSync && answer != '+' {
		return "a literal was refused"
	}
	g.rest = g.announce
	return ""
}

// read hands on at most one line, or a piece of a literal.
func (g *literalGuard) read(br *bufio.Reader, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if g.rest > 0 {
		n, err := br.Read(p[:min(int64(len(p)), g.rest)])
		g.rest -= int64(n)
		return n, err
	}
	if _, err := br.Peek(1); err != nil {
		return 0, err
	}
	chunk, _ := br.Peek(min(br.Buffered(), len(p)))
	if i := bytes.IndexByte(chunk, '\n'); i >= 0 {
		chunk = chunk[:i+1]
	}
	n := copy(p, chunk)
	br.Discard(n)
	g.line(p[:n])
	return n, nil
}

// line takes note of input outside literals.
func (g *literalGuard) line(b []byte) {
	const enough = 32 // `{`, 19 digits, `+}` and the line ending
	if g.lines == 0 && len(g.tail) == 0 {
		g.foreign = looksLikeHTTP(b)
	}
	g.tail = append(g.tail, b[max(0, len(b)-enough):]...)
	if n := len(g.tail); n > enough {
		g.tail = append(g.tail[:0], g.tail[n-enough:]...)
	}
	if b[len(b)-1] != '\n' {
		return
	}
	g.lines++
	size, nonSync, ok := announcedLiteral(g.tail)
	g.tail = g.tail[:0]
	if ok {
		g.waits, g.announce, g.nonSync = true, size, nonSync
		g.answer.Store(0)
	}
}

// announcedLiteral reads `{123}` or `{123+}` at the end of a line.
func announcedLiteral(line []byte) (size int64, nonSync, ok bool) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	line, ok = bytes.CutSuffix(line, []byte("}"))
	i := bytes.LastIndexByte(line, '{')
	if !ok || i < 0 {
		return 0, false, false
	}
	digits, nonSync := bytes.CutSuffix(line[i+1:], []byte("+"))
	size, err := strconv.ParseInt(string(digits), 10, 64)
	return size, nonSync, err == nil && size >= 0
}

// looksLikeHTTP recognises a web client that was lured here (ALPACA).
func looksLikeHTTP(line []byte) bool {
	for _, method := range []string{"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ", "PRI * HTTP"} {
		if bytes.HasPrefix(line, []byte(method)) {
			return true
		}
	}
	return false
}
