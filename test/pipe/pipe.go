// Package pipe connects clients to a server inside one process, without
// sockets: a fuzzer that opens a thousand connections each second would run out
// of ports.
package pipe

import (
	"net"
	"sync"
)

// Listener hands the server ends of pipes to a server.
type Listener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// Listen returns a Listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Dial returns a connection to the server, which sees it come from
// 192.0.2.1, and a channel that is closed when the server has ended it. It
// blocks until the server accepts.
func (l *Listener) Dial() (net.Conn, <-chan struct{}, error) {
	client, server := net.Pipe()
	end := &serverEnd{Conn: server, closed: make(chan struct{})}
	select {
	case l.conns <- end:
		return client, end.closed, nil
	case <-l.done:
		return nil, nil, net.ErrClosed
	}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return address }

var address = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25}

type serverEnd struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (e *serverEnd) Close() error {
	err := e.Conn.Close()
	e.once.Do(func() { close(e.closed) })
	return err
}

func (e *serverEnd) RemoteAddr() net.Addr { return address }
func (e *serverEnd) LocalAddr() net.Addr  { return address }
