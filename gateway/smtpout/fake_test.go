package smtpout

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"relais.example/gateway/smtpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = "From: desk@alphaland.example\r\nSubject: ...\r\n\r\n.dot\r\n..two\r\nend\r\n"

// fake is a hop that follows a script: it sends banner, then for each command
// the first answer whose prefix matches. The answer "drop" ends the
// connection, "tls" answers 220 and does the handshake.
type fake struct {
	banner  string
	answers [][2]string
	body    string // answer to the end of a body
	cert    tls.Certificate
	times   int // connections served; 0: one

	mu   sync.Mutex
	seen []string
}

// good answers everything well.
var good = [][2]string{
	{"EHLO", "250-mx.betaland.example\r\n250 8BITMIME\r\n"}, {"MAIL", "250 ok\r\n"}, {"RCPT", "250 ok\r\n"},
	{"DATA", "354 go\r\n"}, {"QUIT", "221 bye\r\n"}, {"RSET", "250 ok\r\n"},
}

func (f *fake) start(t *testing.T) Hop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for range max(f.times, 1) {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.talk(c)
		}
	})
	t.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	host, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	return Hop{Host: host, Port: n, TLS: TLSPolicy{Security: None}}
}

func (f *fake) talk(c net.Conn) {
	defer func() { c.Close() }()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if f.banner == "drop" {
		return
	}
	if f.banner == "" {
		f.banner = "220 mx.betaland.example\r\n"
	}
	io.WriteString(c, f.banner)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		f.mu.Lock()
		f.seen = append(f.seen, strings.TrimSpace(line))
		f.mu.Unlock()
		answer := f.answer(line)
		switch answer {
		case "drop":
			return
		case "tls":
			io.WriteString(c, "220 go\r\n")
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{f.cert}})
			if tc.Handshake() != nil {
				return
			}
			c, r = tc, bufio.NewReader(tc)
			continue
		}
		io.WriteString(c, answer)
		if strings.HasPrefix(answer, "354") && !f.readBody(c, r) {
			return
		}
	}
}

func (f *fake) answer(line string) string {
	for _, a := range f.answers {
		if strings.HasPrefix(line, a[0]) {
			return a[1]
		}
	}
	return "500 what?\r\n"
}

func (f *fake) readBody(c net.Conn, r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" && f.body == "drop" {
			return false
		}
		if line == ".\r\n" {
			io.WriteString(c, f.body)
			return true
		}
	}
}

func (f *fake) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.seen...)
}

// with puts answers before the good ones.
func with(a ...[2]string) [][2]string { return append(a, good...) }

func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
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
	sum := sha256.Sum256(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, hex.EncodeToString(sum[:])
}

// house is our own server on both faces.
type house struct {
	mu          sync.Mutex
	inbound     []smtpd.Inbound
	submissions []smtpd.Submission
}

func (h *house) Recipient(a string) (string, bool) {
	return "XB-1", strings.HasSuffix(a, "@betaland.example")
}

func (h *house) Receive(_ context.Context, m smtpd.Inbound) (smtpd.Outcome, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inbound = append(h.inbound, m)
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: "XB-2026-000001-K accepted"}, nil
}

func (h *house) Authenticate(_ context.Context, user, password, _ string) (any, error) {
	if user == "gateway" && password == "secret" {
		return user, nil
	}
	return nil, io.ErrUnexpectedEOF
}

func (h *house) MaySend(any, string) error { return nil }

func (h *house) Submit(_ context.Context, _ any, m smtpd.Submission) (smtpd.Outcome, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.submissions = append(h.submissions, m)
	return smtpd.Outcome{Code: 250, Status: "2.0.0", Text: "queued"}, nil
}

// open serves s and returns hops in clear (or STARTTLS) and implicit TLS.
func open(t *testing.T, s *smtpd.Server) (hop, implicit Hop) {
	t.Helper()
	var done sync.WaitGroup
	listen := func(serve func(net.Listener) error) Hop {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() { serve(l) })
		return Hop{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
	}
	hop, implicit = listen(s.Serve), listen(s.ServeTLS)
	implicit.ImplicitTLS = true
	t.Cleanup(func() {
		s.Close()
		done.Wait()
	})
	return hop, implicit
}

func options(cert tls.Certificate) smtpd.Options {
	return smtpd.Options{
		Hostname: "mx.betaland.example", Log: slog.New(slog.DiscardHandler),
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
}
