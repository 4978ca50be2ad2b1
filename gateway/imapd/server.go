// Package imapd serves the folders of desks over IMAP4rev1 and IMAP4rev2 (RFC
// 3501, RFC 9051).
//
// The grammar is go-imap's. This package adds the sessions on top of routing's
// mailbox views, and underneath everything that a server on the open Internet
// needs: limits, TLS before the first meaningful command, and an orderly end.
package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Server is an IMAP server. It may serve several listeners at once.
type Server struct {
	o      Options
	inner  *imapserver.Server
	secure *handoff // connections whose TLS handshake is done
	cache  *indexCache
	ctx    context.Context // ends when Shutdown loses patience
	cancel context.CancelFunc

	mu        sync.Mutex
	listeners map[net.Listener]bool
	places    places
	conns     map[*conn]bool
	running   sync.WaitGroup // goroutines before the handoff, and the library's
	started   bool
	closed    bool
	empty     chan struct{} // closed when the last connection is gone after Shutdown
}

// New returns a server that is not listening yet.
func New(o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		o:         o,
		secure:    newHandoff(),
		cache:     newIndexCache(o.IndexCache),
		listeners: map[net.Listener]bool{},
		places:    newPlaces(o),
		conns:     map[*conn]bool{},
		empty:     make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.inner = imapserver.New(&imapserver.Options{
		NewSession: s.newSession,
		Caps:       caps(),
		Logger:     libraryLog{s},
		// The library sees plaintext of TLS connections only: startTLS and
		// the handshake come before it.
		InsecureAuth: true,
	})
	return s
}

// caps is what the library can do with our sessions. LITERAL+ is missing on
// purpose, see literalGuard.
func caps() imap.CapSet {
	set := imap.CapSet{}
	for _, c := range []imap.Cap{
		imap.CapIMAP4rev1, imap.CapIMAP4rev2, imap.CapNamespace, imap.CapUIDPlus,
		imap.CapESearch, imap.CapSearchRes, imap.CapListExtended, imap.CapListStatus,
		imap.CapMove, imap.CapStatusSize, imap.CapBinary, imap.CapChildren, imap.CapSpecialUse,
	} {
		set[c] = struct{}{}
	}
	return set
}

// Serve accepts plain connections and offers STARTTLS on them. It returns nil
// after Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.serve(ln, false) }

// ServeTLS accepts TLS connections on the plain listener ln.
func (s *Server) ServeTLS(ln net.Listener) error { return s.serve(ln, true) }

func (s *Server) serve(ln net.Listener, implicitTLS bool) error {
	defer ln.Close()
	if s.o.TLS == nil {
		return errors.New("serving imap: no TLS certificate is configured")
	}
	if !s.addListener(ln) {
		return nil
	}
	defer s.removeListener(ln)
	for pause := time.Duration(0); ; {
		raw, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.open(raw, implicitTLS)
		case s.isClosed() || errors.Is(err, net.ErrClosed):
			return nil
		default:
			// Out of file descriptors, say: wait rather than spin.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.o.Log.Warn("accepting imap connection", "error", err, "retry_in", pause)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return fmt.Errorf("accepting imap connections: %w", err)
			}
		}
	}
}

// open gives a new connection its place and serves it.
func (s *Server) open(raw net.Conn, implicitTLS bool) {
	c := &conn{Conn: raw, raw: raw, server: s, remote: remoteIP(raw), loginBy: time.Now().Add(s.o.LoginTime)}
	s.mu.Lock()
	reason := s.places.take(c.remote)
	if reason == "" && s.closed {
		s.places.leave(c.remote, "", false)
		reason = "closed"
	}
	if reason != "" {
		s.mu.Unlock()
		if reason != "closed" {
			s.o.Observe.ConnectionRefused(reason)
		}
		if !implicitTLS {
			raw.SetWriteDeadline(time.Now().Add(byeTime))
			fmt.Fprint(raw, "* BYE too many connections, try again later\r\n")
		}
		raw.Close()
		return
	}
	s.conns[c] = true
	s.running.Add(1)
	s.mu.Unlock()
	s.o.Observe.ConnectionOpened()
	go s.secureConn(c, implicitTLS)
}

// secureConn brings a connection behind TLS and hands it to the library.
func (s *Server) secureConn(c *conn, implicitTLS bool) {
	defer s.running.Done()
	c.raw.SetWriteDeadline(c.loginBy)
	c.SetReadDeadline(c.loginBy)
	if !implicitTLS && !startTLS(c) {
		c.Close()
		return
	}
	tlsConn := tls.Server(c.raw, s.o.TLS)
	ctx, cancel := context.WithDeadline(s.ctx, c.loginBy)
	defer cancel()
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		s.o.Observe.ConnectionRefused("tls")
		s.o.Log.Debug("imap TLS handshake failed", "remote", c.remote, "error", err)
		c.Close()
		return
	}
	c.secured(tlsConn, !implicitTLS)
	if !s.secure.give(c) {
		c.Close()
	}
}

// Shutdown stops accepting, lets running commands finish, says BYE and closes
// all connections. When ctx ends first, it cuts them off and returns ctx's
// error. It returns after the last connection is gone.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	for ln := range s.listeners {
		ln.Close()
	}
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	if first && len(s.conns) == 0 {
		close(s.empty)
	}
	s.mu.Unlock()

	for _, c := range open {
		c.end("server is shutting down")
	}
	s.secure.close()
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = fmt.Errorf("shutting down imap: connections cut off: %w", ctx.Err())
	}
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		c.raw.Close()
	}
	s.mu.Unlock()
	<-s.empty
	s.running.Wait()
	return err
}

// addListener also starts the library's accept loop, once.
func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[ln] = true
	if !s.started {
		s.started = true
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			if err := s.inner.Serve(s.secure); err != nil {
				s.o.Log.Error("serving imap", "error", err)
			}
		}()
	}
	return true
}

func (s *Server) removeListener(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// login moves c to the places of user; false when there is none left.
func (s *Server) login(c *conn, user string) bool {
	s.mu.Lock()
	ok := s.places.login(c.remote, user)
	s.mu.Unlock()
	if ok {
		c.mu.Lock()
		c.authed, c.user = true, user
		c.applyDeadline()
		c.mu.Unlock()
	}
	return ok
}

// release is called once for every opened connection.
func (s *Server) release(c *conn) {
	c.mu.Lock()
	user, authed := c.user, c.authed
	c.mu.Unlock()
	s.o.Observe.ConnectionClosed()
	s.mu.Lock()
	s.places.leave(c.remote, user, authed)
	delete(s.conns, c)
	if s.closed && len(s.conns) == 0 {
		close(s.empty)
	}
	s.mu.Unlock()
}

func remoteIP(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}
