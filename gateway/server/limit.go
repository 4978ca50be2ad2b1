package server

import (
	"net"
	"net/http"
	"sync"
)

// serveTLS serves HTTPS with at most as many connections as the other services
// may have.
func (s *Server) serveTLS(h *http.Server) func(net.Listener) error {
	return func(ln net.Listener) error { return h.ServeTLS(limit(ln, s.c.Limits.Connections), "", "") }
}

// limitedListener accepts no more connections at a time than fit into free.
type limitedListener struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limit(ln net.Listener, connections int) *limitedListener {
	return &limitedListener{Listener: ln, free: make(chan struct{}, connections), closed: make(chan struct{})}
}

// Accept waits for room, then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
}

// Close ends Accept, too.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close makes room for another connection.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
