package smtpd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Bytes of one line outside a body (RFC 5321 4.5.3.1.4 and 4.5.3.1.6 with room
// for parameters; RFC 4954 4 for the answers of AUTH).
const (
	maxCommand = 2 << 10
	maxSASL    = 12288 + 2
	readBuffer = 16 << 10 // holds the longest of them
	writeSoft  = 4 << 10  // replies are sent together up to here
)

const lineTooLong = "500 5.5.2 command line too long"

var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

// guard is the connection that go-smtp sees. It yields one checked command
// line per Read, so that at each command nothing lies ahead in go-smtp's own
// buffer; it reads bodies itself; and once anything fails it yields nothing
// more, so that the rest of a body can never be taken for commands.
//
// All methods but Close belong to the goroutine of the connection.
type guard struct {
	net.Conn // TCP, or TLS on top of it
	srv      *Server
	peer     *peer
	secure   bool

	in      *[readBuffer]byte // bytes r to w are read from the network and not yet used
	r, w    int
	pending []byte // goes to go-smtp before anything else
	chunk   int64  // bytes of a BDAT chunk still to pass on
	clock   bodyClock

	out      []byte // replies not yet sent
	swallow  int    // replies to drop: go-smtp was told something the peer did not say
	midReply bool   // the last write did not end a line
	sasl     bool   // the next line answers a challenge

	verb string // command in hand
	open bool   // a transaction is open; kept by the session
	dead bool   // nothing more is read or written
	gone bool   // the connection belongs to another guard now
}

func newGuard(c net.Conn, p *peer, s *Server, secure bool) *guard {
	return &guard{Conn: c, srv: s, peer: p, secure: secure, in: readBuffers.Get().(*[readBuffer]byte)}
}

// Read yields what go-smtp may see next.
func (g *guard) Read(b []byte) (int, error) {
	for len(g.pending) == 0 && g.chunk == 0 && !g.dead {
		g.nextCommand()
	}
	switch {
	case len(g.pending) > 0:
		n := copy(b, g.pending)
		g.pending = append(g.pending[:0], g.pending[n:]...)
		return n, nil
	case g.dead:
		return 0, io.EOF
	}
	if g.r == g.w && !g.fillBody() {
		// A plain EOF would make go-smtp take the part for the whole.
		return 0, io.ErrUnexpectedEOF
	}
	n := min(int64(len(b)), int64(g.w-g.r), g.chunk)
	copy(b, g.in[g.r:g.r+int(n)])
	g.r += int(n)
	g.chunk -= n
	return int(n), nil
}

// nextCommand reads one line and queues what go-smtp is to be given for it.
func (g *guard) nextCommand() {
	g.clock.stop()
	line, ok := g.readLine()
	if !ok {
		return
	}
	if g.sasl {
		g.sasl = false
		g.passSASL(line)
		return
	}
	c := parseCommand(line)
	switch {
	case c.refusal != fine:
		g.refuse(c.refusal)
		return
	case len(line) > maxCommand && c.verb != "AUTH":
		g.stop(EventLimit, lineTooLong)
		return
	}
	if g.peer.commands++; g.peer.commands > g.srv.limits.Commands {
		g.stop(EventLimit, "421 4.7.0 too many commands on one connection")
		return
	}
	g.verb = c.verb
	switch {
	case c.verb == "STARTTLS":
		g.startTLS()
		return
	case c.verb == "DATA" && g.r < g.w:
		g.stop(EventOutOfStep, "554 5.5.0 wait for the reply to DATA before sending the message")
		return
	case c.verb == "BDAT" && c.chunk > 2*g.srv.limits.MessageBytes:
		g.stop(EventTooLarge, "552 5.3.4 "+tooLargeText)
		return
	case c.verb == "BDAT":
		g.chunk = c.chunk
	case c.verb == "MAIL" && g.open:
		// go-smtp would keep the recipients of the transaction before.
		g.pass("RSET\r\n")
		g.swallow++
	}
	g.pass(c.withPostmaster(g.srv.hostname).line())
}

func (g *guard) passSASL(line []byte) {
	if text, ok := bytes.CutSuffix(line, crlf); !ok || !isText(text) {
		g.refuse(lineEnd)
		return
	}
	g.pass(string(line))
}

// pass queues bytes for go-smtp.
func (g *guard) pass(line string) { g.pending = append(g.pending, line...) }

// refuse answers a line that go-smtp never sees.
func (g *guard) refuse(r refusal) {
	switch r {
	case foreignProto:
		g.stop(EventForeignProtocol, "")
		return
	case lineEnd:
		g.stop(EventBadLineEndings, "500 5.5.2 command lines end in CRLF")
		return
	case badChunk:
		g.stop(EventOutOfStep, "501 5.5.4 BDAT needs a size in bytes")
		return
	}
	if g.peer.badCommands++; g.peer.badCommands > g.srv.limits.BadCommands {
		g.stop(EventLimit, "421 4.7.0 too many unknown commands")
		return
	}
	if r == badArgument {
		g.reply("501 5.5.4 no argument allowed")
		return
	}
	g.reply("500 5.5.2 command not recognized")
}

// readLine returns the next line with its line end. It gives up on a peer
// that does not complete it within the read timeout, however it dribbles.
func (g *guard) readLine() ([]byte, bool) {
	deadline := time.Now().Add(g.srv.limits.ReadTimeout)
	if end := g.peer.started.Add(g.srv.limits.SessionTimeout); !g.open && end.Before(deadline) {
		deadline = end
	}
	for seen := g.r; ; {
		if g.peer.hangUp.Load() {
			g.stop("", "")
			return nil, false
		}
		if i := bytes.IndexByte(g.in[seen:g.w], '\n'); i >= 0 {
			line := g.in[g.r : seen+i+1]
			g.r = seen + i + 1
			return line, true
		}
		unread := g.w - g.r
		if unread > maxSASL {
			g.stop(EventLimit, lineTooLong)
			return nil, false
		}
		if !g.fill(deadline, false) {
			return nil, false
		}
		seen = g.r + unread
	}
}

// fill sends what is due and reads from the network once. When it returns
// false the connection is over.
func (g *guard) fill(deadline time.Time, inBody bool) bool {
	for {
		if g.flush() != nil {
			g.stop("", "")
			return false
		}
		g.w = copy(g.in[:], g.in[g.r:g.w])
		g.r = 0
		g.Conn.SetReadDeadline(deadline)
		// Asked only now, so that a shutdown which woke the readers before
		// this deadline was set is not overslept.
		if g.srv.ending.Load() || !inBody && !g.open && g.srv.draining.Load() {
			g.stop("", "421 4.3.2 shutting down")
			return false
		}
		n, err := g.Conn.Read(g.in[g.w:])
		g.w += n
		switch {
		case n > 0:
			return true
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			if inBody {
				g.srv.observe(EventTruncated)
			}
			g.stop("", "")
			return false
		case !time.Now().Before(deadline):
			g.stop(EventTimeout, "421 4.4.2 timeout")
			return false
		}
	}
}

// startTLS answers STARTTLS. What the peer sent ahead of the handshake is
// dropped; a handshake that fails ends the connection; one that succeeds gives
// it to a new guard and a new session, so that nothing is remembered.
func (g *guard) startTLS() {
	switch {
	case g.secure:
		g.reply("503 5.5.1 TLS is already on")
		return
	case g.srv.tls == nil:
		g.reply("502 5.5.1 TLS is not available")
		return
	}
	g.reply("220 2.0.0 go ahead with TLS")
	if g.flush() != nil {
		g.stop("", "")
		return
	}
	g.dead = true
	g.r, g.w = 0, 0
	next, ok := g.srv.handshake(g.peer, tls.Server(g.Conn, g.srv.tls))
	if !ok {
		return
	}
	g.gone = true
	next.swallow = 1 // go-smtp greets again
	g.srv.secured.give(next)
}
