package smtpd

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/emersion/go-smtp"
)

// engine is a go-smtp server that is handed connections one by one.
type engine struct {
	smtp  *smtp.Server
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// give hands over a guarded connection, or closes it when the engine stopped.
func (e *engine) give(g *guard) {
	select {
	case e.conns <- g:
	case <-e.done:
		g.Close()
	}
}

func (e *engine) run() {
	if err := e.smtp.Serve(e); err != nil {
		e.smtp.ErrorLog.Printf("serving: %s", err)
	}
}

// stop ends run and waits a moment for the sessions, whose connections must
// have ended. It may be called again.
func (e *engine) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	e.smtp.Shutdown(ctx) // its errors are: stopped before, sessions still going
	e.Close()            // run may not have registered yet
}

// Accept, Close and Addr make the engine the listener of its server.
func (e *engine) Accept() (net.Conn, error) {
	select {
	case c := <-e.conns:
		return c, nil
	case <-e.done:
		return nil, net.ErrClosed
	}
}

// Close makes Accept return.
func (e *engine) Close() error {
	e.once.Do(func() { close(e.done) })
	return nil
}

// Addr returns an address without meaning.
func (e *engine) Addr() net.Addr { return &net.TCPAddr{} }

// engineLog takes what go-smtp logs. Its arguments may hold what a peer sent,
// so that only the kind of event is kept.
type engineLog struct{ log *slog.Logger }

// Printf logs the format.
func (l engineLog) Printf(format string, _ ...any) {
	l.log.Warn("smtp library reports", "event", format)
}

// Println logs that something was said.
func (l engineLog) Println(...any) { l.log.Warn("smtp library reports") }
