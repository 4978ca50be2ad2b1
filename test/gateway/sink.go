package gateway

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// Sink is the mail server of the contact points that have no desk. It keeps
// what it takes.
type Sink struct {
	t       testing.TB
	address string
	pair    tls.Certificate

	mu      sync.Mutex
	server  *smtp.Server
	mails   [][]byte
	tries   int
	answers []*smtp.SMTPError
}

func newSink(t testing.TB, address string, pair tls.Certificate) *Sink {
	s := &Sink{t: t, address: address, pair: pair}
	s.Open()
	t.Cleanup(s.Close)
	return s
}

// Open makes the Sink listen.
func (s *Sink) Open() {
	s.t.Helper()
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{s}, nil }))
	server.Domain, server.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{s.pair}}
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.ErrorLog = log.New(io.Discard, "", 0) // connections that a killed gateway leaves
	s.mu.Lock()
	s.server = server
	s.mu.Unlock()
	go server.Serve(ln)
}

// Close makes the Sink refuse connections.
func (s *Sink) Close() {
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

// Answer refuses the next messages with these replies, one each.
func (s *Sink) Answer(replies ...*smtp.SMTPError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, replies...)
}

// Mails returns what was taken, in order.
func (s *Sink) Mails() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Tries returns how many messages were offered.
func (s *Sink) Tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

// take keeps a message, or returns the refusal that is due.
func (s *Sink) take(raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if len(s.answers) > 0 {
		refusal := s.answers[0]
		s.answers = s.answers[1:]
		return refusal
	}
	s.mails = append(s.mails, raw)
	return nil
}

type sinkSession struct{ sink *Sink }

func (*sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (*sinkSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*sinkSession) Reset()                               {}
func (*sinkSession) Logout() error                        { return nil }

func (s *sinkSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return s.sink.take(raw)
}
