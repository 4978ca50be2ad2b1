package smtpd

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Receiver that keeps what it gets. Addresses at
// alphaland.example belong to desk XA-1, at betaland.example to XB-1.
type recorder struct {
	mu     sync.Mutex
	got    []Inbound
	handle func(ctx context.Context, m Inbound) (Outcome, error) // nil: 250
}

func (r *recorder) Recipient(addr string) (string, bool) {
	switch {
	case strings.HasSuffix(addr, "@alphaland.example"), addr == "postmaster@mx.alphaland.example":
		return "XA-1", true
	case strings.HasSuffix(addr, "@betaland.example"):
		return "XB-1", true
	}
	return "", false
}

func (r *recorder) Receive(ctx context.Context, m Inbound) (Outcome, error) {
	r.mu.Lock()
	r.got = append(r.got, m)
	r.mu.Unlock()
	if r.handle != nil {
		return r.handle(ctx, m)
	}
	return Outcome{Code: 250, Status: "2.0.0", Text: "XA-2026-000001-K accepted"}, nil
}

func (r *recorder) messages() []Inbound {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Inbound(nil), r.got...)
}

// tally counts the events of a server.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (e *tally) observe(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n == nil {
		e.n = map[string]int{}
	}
	e.n[event]++
}

func (e *tally) count(event string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n[event]
}

type testServer struct {
	*Server
	events *tally
	addr   string // in clear, with STARTTLS
	tls    string // implicit TLS
	roots  *x509.CertPool
}

// serve starts a server that is closed with the test.
func serve(t testing.TB, build func(Options) (*Server, error), limits Limits) *testServer {
	t.Helper()
	cert, roots := testCertificate(t)
	ts := &testServer{events: &tally{}, roots: roots}
	s, err := build(Options{
		Hostname: "mx.alphaland.example",
		TLS:      &tls.Config{Certificates: []tls.Certificate{cert}},
		Limits:   limits,
		Observe:  ts.events.observe,
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ts.Server = s
	var done sync.WaitGroup
	listen := func(accept func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() {
			if err := accept(l); err != nil {
				t.Errorf("serving: %v", err)
			}
		})
		return l.Addr().String()
	}
	ts.addr, ts.tls = listen(s.Serve), listen(s.ServeTLS)
	t.Cleanup(func() {
		s.Close()
		done.Wait()
	})
	return ts
}

func serveMX(t testing.TB, r Receiver, limits Limits) *testServer {
	t.Helper()
	return serve(t, func(o Options) (*Server, error) { return NewMX(r, o) }, limits)
}

func testCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.alphaland.example"},
		DNSNames: []string{"mx.alphaland.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// wire is a client that sends exactly what it is told.
type wire struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (ts *testServer) dial(t testing.TB) *wire {
	t.Helper()
	c, err := net.Dial("tcp", ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{t, c, bufio.NewReader(c)}
}

// hello dials and greets.
func (ts *testServer) hello(t testing.TB) *wire {
	t.Helper()
	w := ts.dial(t)
	w.expect("220 ")
	w.ask("EHLO mx.betaland.example", "250 ")
	return w
}

// secure dials, starts TLS and greets.
func (ts *testServer) secure(t testing.TB) *wire {
	t.Helper()
	w := ts.hello(t)
	w.ask("STARTTLS", "220 ")
	w.upgrade(ts)
	w.ask("EHLO mx.betaland.example", "250 ")
	return w
}

func (w *wire) upgrade(ts *testServer) {
	w.t.Helper()
	c := tls.Client(w.Conn, &tls.Config{RootCAs: ts.roots, ServerName: "mx.alphaland.example"})
	if err := c.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	w.Conn, w.r = c, bufio.NewReader(c)
}

func (w *wire) send(s string) {
	w.t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		w.t.Fatalf("sending %.60q: %v", s, err)
	}
}

// reply reads one reply and returns all its lines.
func (w *wire) reply() string {
	w.t.Helper()
	var all strings.Builder
	for {
		line, err := w.r.ReadString('\n')
		if err != nil {
			w.t.Fatalf("reading a reply after %q: %v", all.String()+line, err)
		}
		all.WriteString(line)
		if len(line) > 3 && line[3] == ' ' {
			return all.String()
		}
	}
}

// expect reads one reply, whose last line starts with prefix.
func (w *wire) expect(prefix string) string {
	w.t.Helper()
	reply := w.reply()
	last := reply[strings.LastIndex(strings.TrimSuffix(reply, "\n"), "\n")+1:]
	if !strings.HasPrefix(last, prefix) {
		w.t.Fatalf("got reply %q, want %q", last, prefix)
	}
	return reply
}

func (w *wire) ask(command, prefix string) string {
	w.t.Helper()
	w.send(command + "\r\n")
	return w.expect(prefix)
}

// expectEnd reads until the server ends the connection and fails on a reply.
func (w *wire) expectEnd() {
	w.t.Helper()
	rest, err := io.ReadAll(w.r)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Fatal("the connection is still open")
	}
	if len(rest) > 0 {
		w.t.Fatalf("further replies: %q", rest)
	}
}

// transaction opens one up to 354.
func (w *wire) transaction() {
	w.t.Helper()
	w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
	w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
	w.ask("DATA", "354 ")
}

// over speaks on a connection made by the caller.
func (ts *testServer) over(t testing.TB, c net.Conn) *wire {
	return &wire{t, c, bufio.NewReader(c)}
}
