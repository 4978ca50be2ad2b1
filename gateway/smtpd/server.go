package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"relais.example/routing/verdict"
)

// Server is an SMTP server: the MX face or the submission face. One server may
// serve several listeners, which then share its limits.
type Server struct {
	hostname string
	limits   Limits
	tls      *tls.Config
	observe  func(event string)
	refused  func(desk, remote string, r verdict.Reason) error
	log      *slog.Logger

	roster *roster
	gate   *gate
	budget *budget

	// Two engines of go-smtp: one for connections in clear, one for those
	// inside TLS. Neither ever negotiates TLS itself.
	clear, secured *engine

	ctx      context.Context // of all handling; ends when a shutdown runs out of patience
	cancel   context.CancelFunc
	draining atomic.Bool // no new transactions
	ending   atomic.Bool // no more reading at all
	start    sync.Once
	work     sync.WaitGroup // handshakes and engines

	mu        sync.Mutex
	listeners []net.Listener
}

// NewMX returns a server that takes mail from strangers for our addresses.
func NewMX(r Receiver, o Options) (*Server, error) {
	if r == nil {
		return nil, errors.New("building the mx server: no receiver")
	}
	s := newServer(o)
	s.build(func(base *session) smtp.Session { return &mxSession{session: base, receiver: r} }, false)
	return s, nil
}

// NewSubmission returns a server that takes mail from authenticated staff. It
// refuses to be built without TLS, because nobody could ever log in.
func NewSubmission(sub Submitter, o Options) (*Server, error) {
	switch {
	case sub == nil:
		return nil, errors.New("building the submission server: no submitter")
	case o.TLS == nil:
		return nil, errors.New("building the submission server: no TLS configuration")
	}
	s := newServer(o)
	s.build(func(base *session) smtp.Session { return &submissionSession{session: base, submitter: sub} }, true)
	return s, nil
}

func newServer(o Options) *Server {
	s := &Server{hostname: o.Hostname, limits: o.Limits.filled(), observe: o.Observe, refused: o.Refused, log: o.Log}
	if s.hostname == "" {
		s.hostname = "localhost"
	}
	if s.observe == nil {
		s.observe = func(string) {}
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if o.TLS != nil {
		s.tls = o.TLS.Clone()
		if len(s.tls.NextProtos) == 0 {
			// A browser led here by a cross-protocol attack (ALPACA) offers
			// other protocols and is turned away in the handshake.
			s.tls.NextProtos = []string{"smtp"}
		}
	}
	s.roster = newRoster(s.limits.Connections, s.limits.ConnectionsPerIP)
	s.gate = newGate(s.limits.ConcurrentMessages, s.limits.WaitingMessages)
	s.budget = newBudget(s.limits.BufferedBytes)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// build sets up the two engines.
func (s *Server) build(open func(*session) smtp.Session, dsn bool) {
	backend := smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		g, ok := c.Conn().(*guard)
		if !ok {
			return nil, errors.New("connection without guard")
		}
		return open(&session{srv: s, guard: g, helo: c.Hostname()}), nil
	})
	s.clear, s.secured = s.engine(backend, dsn), s.engine(backend, dsn)
	s.clear.smtp.TLSConfig = s.tls          // only so that STARTTLS is offered; the guard does it
	s.secured.smtp.AllowInsecureAuth = true // go-smtp cannot see the TLS below the guard
}

// engine returns a go-smtp server with every limit it has set.
func (s *Server) engine(b smtp.Backend, dsn bool) *engine {
	e := smtp.NewServer(b)
	e.Domain = s.hostname
	e.MaxMessageBytes = s.limits.MessageBytes
	e.MaxRecipients = s.limits.Recipients
	e.MaxLineLength = s.limits.LineLength
	e.ReadTimeout = s.limits.ReadTimeout
	e.WriteTimeout = s.limits.WriteTimeout
	e.EnableSMTPUTF8 = true
	e.EnableDSN = dsn
	e.ErrorLog = engineLog{s.log}
	return &engine{smtp: e, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Serve accepts connections on l that begin in clear and may use STARTTLS. It
// returns nil after Shutdown or Close.
func (s *Server) Serve(l net.Listener) error {
	return s.accept(l, func(p *peer) { s.clear.give(newGuard(p.tcp, p, s, false)) })
}

// ServeTLS accepts connections on l that begin with a TLS handshake (RFC 8314).
func (s *Server) ServeTLS(l net.Listener) error {
	if s.tls == nil {
		return errors.New("serving smtp over tls: no TLS configuration")
	}
	return s.accept(l, func(p *peer) {
		if g, ok := s.handshake(p, tls.Server(p.tcp, s.tls)); ok {
			s.secured.give(g)
		}
	})
}

func (s *Server) accept(l net.Listener, welcome func(*peer)) error {
	if !s.listen(l) {
		l.Close()
		return nil
	}
	for pause := time.Millisecond; ; {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = time.Millisecond
			s.admit(c, welcome)
		case s.draining.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting smtp connections: %w", err)
		default: // out of file descriptors, say: wait until some are free
			s.log.Warn("accepting smtp connections", "error", err)
			pause = min(2*pause, time.Second)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
			}
		}
	}
}

// admit lets c in or turns it away in one line.
func (s *Server) admit(c net.Conn, welcome func(*peer)) {
	p, refused := s.roster.admit(c, s.observe)
	if refused != "" {
		s.observe(refused)
		c.SetDeadline(time.Now().Add(time.Second)) // the line fits the socket's buffer
		fmt.Fprintf(c, "421 4.7.0 %s too many connections, try again later\r\n", s.hostname)
		c.Close()
		return
	}
	if !s.spawn(func() { welcome(p) }) {
		p.close()
	}
}

// spawn runs f beside, unless a shutdown has begun, which waits for it.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.work.Go(f)
	return true
}

// maxHandshake bounds a TLS handshake, whatever the read timeout.
const maxHandshake = time.Minute

// handshake finishes TLS on a connection, or ends the connection.
func (s *Server) handshake(p *peer, c *tls.Conn) (*guard, bool) {
	p.tcp.SetDeadline(time.Now().Add(min(maxHandshake, s.limits.ReadTimeout)))
	err := c.Handshake()
	if err != nil || s.draining.Load() {
		s.observe(EventTLSFailed)
		p.close()
		return nil, false
	}
	p.tcp.SetDeadline(time.Time{})
	s.observe(EventTLS)
	return newGuard(c, p, s, true), true
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.listeners = append(s.listeners, l)
	s.start.Do(func() {
		s.work.Go(s.clear.run)
		s.work.Go(s.secured.run)
	})
	return true
}
