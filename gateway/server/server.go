// Package server puts the parts of the gateway together and runs them, from
// one configuration.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"relais.example/crypto/keyholder"
	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
	"relais.example/gateway/console"
	"relais.example/gateway/control"
	"relais.example/gateway/deskkey"
	"relais.example/gateway/imapd"
	"relais.example/gateway/metrics"
	"relais.example/gateway/pull"
	"relais.example/gateway/relay"
	"relais.example/gateway/reminders"
	"relais.example/gateway/reply"
	"relais.example/gateway/secret"
	"relais.example/gateway/smtpd"
	"relais.example/gateway/timers"
	"relais.example/gateway/vault"
	"relais.example/routing/classify"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/routing/queue"
)

// Server is one gateway. Create it with New, then Run it.
type Server struct {
	c       *config.Config
	log     *slog.Logger
	metrics *metrics.Metrics

	locks     []*os.File // of the folders, until the end
	keys      atomic.Pointer[deskkey.Set]
	stopRedis func()

	holder        *keyholder.Client     // nil: the gateway reads the keys itself
	holderTrouble atomic.Pointer[error] // what the last look at it found
	askHolder     chan struct{}         // look at it now

	directory  *directory.Store
	classifier *classify.Live
	accounts   *accounts.Set
	queue      *queue.Queue
	vault      *vault.Vault
	relay      atomic.Pointer[relay.Relay] // records are applied before it exists
	timers     timers.Options
	reply      *reply.Reply
	pending    *pending.Store
	reminders  *reminders.Reminders
	pull       *pull.Puller // nil: the Directory comes by mail and by hand only

	mx, submission *smtpd.Server
	imap           *imapd.Server
	http, https    *http.Server
	control        *http.Server
	wkd            *http.Server // of the Web Key Directory
	certificate    *certificate
	listeners      map[string]net.Listener
}

// New opens everything that the gateway needs and binds its ports, but serves
// nobody yet. The error says what is missing or wrong. A Redis that does not
// answer is no error: the gateway starts and asks senders to try again later.
func New(c *config.Config, version string, log *slog.Logger) (*Server, error) {
	s := &Server{c: c, log: log, listeners: map[string]net.Listener{}}
	if err := s.open(version); err != nil {
		s.close()
		return nil, err
	}
	if err := s.listen(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// Addr returns the address that a service is bound to: mx, submission,
// submissions, imap, imaps, https, http or wkd; "" if it is off.
func (s *Server) Addr(service string) string {
	if l := s.listeners[service]; l != nil {
		return l.Addr().String()
	}
	return ""
}

func (s *Server) listen() error {
	l := s.c.Listen
	for _, one := range []struct{ service, address string }{
		{"mx", l.MX}, {"submission", l.Submission}, {"submissions", l.Submissions},
		{"imap", l.IMAP}, {"imaps", l.IMAPS}, {"https", l.HTTPS}, {"http", l.HTTP}, {"wkd", l.WKD},
	} {
		if one.address == "" {
			continue
		}
		ln, err := net.Listen("tcp", one.address)
		if err != nil {
			return fmt.Errorf("listen.%s: %w; is another mail server running, or is the port below 1024 and the right to use it missing?", one.service, err)
		}
		s.listeners[one.service] = ln
	}
	ln, err := control.Listen(s.c.DataDir)
	if err != nil {
		return err
	}
	s.listeners["control"] = ln
	return nil
}

// Run serves until ctx ends, then stops in good order within 20 seconds. The
// error is the first one that ended a service.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	serve := func(service string, f func(net.Listener) error) {
		ln := s.listeners[service]
		if ln == nil {
			return
		}
		s.log.Info("listening", "service", service, "address", ln.Addr().String())
		wg.Go(func() {
			if err := f(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serving %s: %w", service, err))
			}
		})
	}
	serve("mx", s.mx.Serve)
	serve("submission", s.submission.Serve)
	serve("submissions", s.submission.ServeTLS)
	serve("imap", s.imap.Serve)
	serve("imaps", s.imap.ServeTLS)
	serve("https", s.serveTLS(s.https))
	serve("http", s.http.Serve)
	serve("wkd", s.serveTLS(s.wkd))
	wg.Go(func() {
		if err := s.control.Serve(s.listeners["control"]); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serving the control socket: %w", err))
		}
	})
	wg.Go(func() { s.relay.Load().Run(ctx) })
	wg.Go(func() { timers.Run(ctx, s.timers) })
	wg.Go(func() { s.pingOnSchedule(ctx) })
	wg.Go(func() { s.distribute(ctx) })
	if s.pull != nil {
		wg.Go(func() { s.pull.Run(ctx) })
	}
	if s.holder != nil {
		wg.Go(func() { s.followHolder(ctx) })
	}
	wg.Go(func() { s.reminders.Run(ctx) })

	<-ctx.Done()
	s.log.Info("stopping")
	stopCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer stop()
	var shut sync.WaitGroup
	shut.Go(func() { s.mx.Shutdown(stopCtx) })
	shut.Go(func() { s.submission.Shutdown(stopCtx) })
	shut.Go(func() { s.imap.Shutdown(stopCtx) })
	shut.Go(func() { s.https.Shutdown(stopCtx) })
	shut.Go(func() { s.http.Shutdown(stopCtx) })
	shut.Go(func() { s.control.Shutdown(stopCtx) })
	shut.Go(func() { s.wkd.Shutdown(stopCtx) })
	shut.Wait()
	wg.Wait()
	s.close()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Reload reads again what may change while the gateway runs: staff accounts,
// the Directory, the desks' keys, the TLS certificate, an own vocabulary of the
// classifier. Connections stay. What is wrong stays as it was; the error says all
// of it.
func (s *Server) Reload() error {
	changed, err := s.directory.Reload(time.Now())
	if changed {
		s.reminders.Wake()
		s.log.Info("new Directory version in force", "version", s.directory.Current().Version())
	}
	err = errors.Join(err, s.loadKeys(), s.accounts.Reload(), s.certificate.load(), s.reloadVocabulary())
	if err != nil {
		s.log.Error("reloading: the old state stays in force where the new one is wrong", "error", err)
	}
	return err
}

func (s *Server) reloadVocabulary() error {
	if s.c.VocabularyDir == "" {
		return nil // built in: cannot have changed
	}
	classifier, err := vocabulary(s.c)
	if err == nil {
		s.classifier.Store(classifier)
	}
	return err
}

// Ready returns nil when messages can be taken.
func (s *Server) Ready() error {
	if err := s.vault.Err(); err != nil {
		return err
	}
	if err := s.keysReady(); err != nil {
		return err
	}
	return s.queue.Ready()
}

func (s *Server) close() {
	for _, l := range s.listeners {
		l.Close()
	}
	if s.queue != nil {
		if err := s.queue.Close(); err != nil {
			s.log.Error("closing journal", "error", err)
		}
	}
	if s.vault != nil {
		if err := s.vault.Close(); err != nil {
			s.log.Error("closing vault", "error", err)
		}
	}
	if s.stopRedis != nil {
		s.stopRedis()
	}
	for _, f := range s.locks {
		f.Close()
	}
}

// serveHTTP builds the administrators' server.
func (s *Server) serveHTTP() *http.Server {
	return &http.Server{
		Handler:           console.Handler(s.metrics.Registry(), s.Ready),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// certificate is the TLS certificate, reloadable.
type certificate struct {
	certFile, keyFile string
	mu                sync.RWMutex
	current           *tls.Certificate
}

func (c *certificate) load() error {
	if err := secret.Check(c.keyFile); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = &pair
	return nil
}

// config returns what listeners need; TLS 1.2 is the least that mail clients
// of today offer (RFC 8314, RFC 9325).
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c.mu.RLock()
			defer c.mu.RUnlock()
			return c.current, nil
		},
	}
}
