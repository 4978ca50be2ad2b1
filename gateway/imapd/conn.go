package imapd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	flushAt       = 32 << 10        // output gathered before it goes to the network
	maxBeforeAuth = 64 << 10        // bytes read from a client that has not logged in
	byeTime       = 2 * time.Second // for the last words of a connection
)

// conn is the plaintext side of one TLS connection, as the protocol library
// reads and writes it. It adds what the library lacks: gathering of output,
// an end to the time before login, a guard on literals, and a way to end the
// connection between two commands.
type conn struct {
	net.Conn // TLS once the handshake is done; deadlines go to raw
	raw      net.Conn
	server   *Server
	remote   string // IP address
	loginBy  time.Time

	br    *bufio.Reader // input; used by the reading goroutine only
	guard literalGuard
	total int64

	wmu     sync.Mutex
	out     []byte
	swallow bool // drop the first line: the greeting was given before STARTTLS
	reading bool // nobody will flush for us
	werr    error

	mu     sync.Mutex
	readBy time.Time
	authed bool
	user   string
	ending string // why the connection ends; "" while it lives
	silent bool   // end without a word

	closing sync.Once
}

// secured switches c to the TLS connection on top of it.
func (c *conn) secured(tlsConn net.Conn, swallow bool) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.Conn, c.swallow = tlsConn, swallow
	c.br = bufio.NewReader(tlsConn)
}

// Read flushes what was written, so that the client sees every answer before
// we wait for it.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.beginRead(); err != nil {
		return 0, err
	}
	defer c.endRead()
	if c.ended() {
		return 0, io.EOF
	}
	if reason := c.guard.check(); reason != "" {
		c.end(reason)
		return 0, io.EOF
	}
	n, err := c.guard.read(c.br, p)
	c.total += int64(n)
	if err == nil && c.guard.foreign {
		c.server.o.Observe.ConnectionRefused("protocol")
		c.drop()
		return 0, io.EOF
	}
	if c.total > maxBeforeAuth && !c.authenticated() {
		c.end("too much data before login")
		return 0, io.EOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// End of input rather than an error: the library then finishes its
		// work and the session says why.
		c.end("waited too long for the client")
		return n, io.EOF
	}
	return n, err
}

func (c *conn) beginRead() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.reading = true
	return c.flush()
}

func (c *conn) endRead() {
	c.wmu.Lock()
	c.reading = false
	c.wmu.Unlock()
}

// Write gathers output until the client is waited for.
func (c *conn) Write(p []byte) (int, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	written := len(p)
	for i, b := range p {
		if !c.swallow {
			p = p[i:]
			break
		}
		c.swallow = b != '\n'
		if i == len(p)-1 {
			p = nil
		}
	}
	if len(p) > 0 {
		c.guard.answered(p[0])
	}
	for len(p) > 0 && c.werr == nil {
		n := min(len(p), flushAt)
		c.out = append(c.out, p[:n]...)
		p = p[n:]
		if c.reading || len(c.out) >= flushAt {
			c.flush()
		}
	}
	if c.werr != nil {
		return 0, c.werr
	}
	return written, nil
}

// flush needs wmu. The write deadline is set here, for every piece.
func (c *conn) flush() error {
	if len(c.out) == 0 || c.werr != nil {
		return c.werr
	}
	timeout := c.server.o.WriteTimeout
	if c.ended() {
		timeout = min(timeout, byeTime)
	}
	c.raw.SetWriteDeadline(time.Now().Add(timeout))
	_, c.werr = c.Conn.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > flushAt {
		c.out = nil // an idle connection holds no large buffer
	}
	return c.werr
}

// SetReadDeadline is called by the library with its own timeouts. Before
// login the earlier deadline counts; once the connection ends, none is left.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = t
	return c.applyDeadline()
}

// SetWriteDeadline does nothing: see flush.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// applyDeadline needs mu.
func (c *conn) applyDeadline() error {
	t := c.readBy
	if !c.authed && (t.IsZero() || c.loginBy.Before(t)) {
		t = c.loginBy
	}
	if c.ending != "" || c.silent {
		t = time.Unix(1, 0) // wakes a waiting Read
	}
	return c.raw.SetReadDeadline(t)
}

// end lets the running command finish and then ends the connection: the next
// Read returns EOF, and the session says BYE with the first reason given.
func (c *conn) end(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == "" {
		c.ending = reason
		c.raw.SetWriteDeadline(time.Now().Add(byeTime)) // frees a stuck writer
	}
	c.applyDeadline()
}

// drop ends the connection without a word.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = true
	c.applyDeadline()
}

func (c *conn) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending != "" || c.silent
}

// lastWords returns the reason for BYE, or "".
func (c *conn) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent {
		return ""
	}
	return c.ending
}

func (c *conn) authenticated() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.authed
}

// Close sends what is left and gives back the connection's place.
func (c *conn) Close() error {
	var err error
	c.closing.Do(func() {
		c.raw.SetWriteDeadline(time.Now().Add(byeTime)) // frees a stuck writer
		c.wmu.Lock()
		c.flush()
		c.wmu.Unlock()
		err = c.Conn.Close()
		c.server.release(c)
	})
	return err
}
