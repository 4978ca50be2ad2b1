package smtpd

import (
	"bytes"
	"time"
)

// libraryTooLarge starts go-smtp's own refusal of a SIZE or BDAT above the limit.
var libraryTooLarge = []byte("552 5.3.4 Max ") // never written to

// Write takes replies from go-smtp. They are sent together when the peer has
// to be waited for, which is what pipelining is for.
func (g *guard) Write(b []byte) (int, error) {
	whole := !g.midReply
	g.midReply = !bytes.HasSuffix(b, crlf)
	switch {
	case g.dead:
		return len(b), nil
	case g.swallow > 0:
		if whole && len(b) > 3 && b[3] == ' ' {
			g.swallow--
		}
		return len(b), nil
	}
	if whole {
		g.sasl = bytes.HasPrefix(b, []byte("334 "))
		if bytes.HasPrefix(b, libraryTooLarge) && !g.midReply {
			// At MAIL no desk is named yet: no journal can note it.
			g.srv.observe(EventTooLarge)
			g.reply("552 5.3.4 " + tooLargeText)
			return len(b), nil
		}
	}
	g.out = append(g.out, b...)
	if len(g.out) > writeSoft {
		return len(b), g.flush()
	}
	return len(b), nil
}

// reply queues a reply of our own.
func (g *guard) reply(line string) {
	g.out = append(g.out, line...)
	g.out = append(g.out, "\r\n"...)
}

// flush sends the replies that wait.
func (g *guard) flush() error {
	if len(g.out) == 0 {
		return nil
	}
	g.Conn.SetWriteDeadline(time.Now().Add(g.srv.limits.WriteTimeout))
	_, err := g.Conn.Write(g.out)
	g.out = g.out[:0]
	return err
}

// stop says a last line, if any, and ends the connection for reading.
func (g *guard) stop(event, line string) {
	if event != "" {
		g.srv.observe(event)
	}
	if line != "" {
		g.reply(line)
	}
	g.flush() // a peer that is gone misses nothing
	g.dead = true
	g.pending = nil
	g.chunk = 0
}

// Close is called by go-smtp when its session is over.
func (g *guard) Close() error {
	if !g.dead {
		g.stop("", "")
	}
	if g.in != nil {
		readBuffers.Put(g.in)
		g.in = nil
	}
	if !g.gone {
		g.gone = true
		g.Conn.Close()
		g.peer.close()
	}
	return nil
}

// The guard keeps all deadlines itself; those of go-smtp would extend the time
// of a line with every byte and cut off a body that makes progress.

// SetDeadline does nothing.
func (g *guard) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (g *guard) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }
