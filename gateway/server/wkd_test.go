package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/setup"
	"relais.example/gateway/wkd"
	"relais.example/routing/directory"
	"relais.example/test/desk"
)

// get asks a service over HTTPS for a path on a host.
func (i *installation) get(s *Server, service, host, path string) (int, []byte) {
	i.t.Helper()
	ca, err := os.ReadFile(i.path("tls/ca.pem"))
	if err != nil {
		i.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	r, err := http.NewRequestWithContext(i.t.Context(), "GET", "https://"+s.Addr(service)+path, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	r.Host = host
	answer, err := client.Do(r)
	if err != nil {
		i.t.Fatalf("%s%s: %v", host, path, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return answer.StatusCode, body
}

// A new version of the Directory is served at once, and nothing but keys is
// where anybody may come.
func TestWebKeyDirectoryServesWhatTheDirectoryLists(t *testing.T) {
	i := install(t, func(in *setup.Installation) {
		in.Listen["wkd"], in.Listen["https"] = "127.0.0.1:0", "127.0.0.1:0"
	})
	s, _ := i.run()
	path := wkd.Root + "alphaland.example/hu/" + wkd.Hash("cp247") + "?l=cp247"
	served := func(service string) string {
		t.Helper()
		code, body := i.get(s, service, "openpgpkey.alphaland.example", path)
		certs, err := pgp.ParseCertificates(body)
		if code != 200 || err != nil || len(certs) != 1 {
			t.Fatalf("%s: %d, %v", service, code, err)
		}
		return certs[0].Fingerprint()
	}
	own := i.written.Keys["XA-1"].Certificate().Fingerprint()
	for _, service := range []string{"wkd", "https"} {
		if got := served(service); got != own {
			t.Errorf("%s serves %s, want %s", service, got, own)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/", "/api/search?q=x", "/.well-known/carddav"} {
		if code, body := i.get(s, "wkd", "alphaland.example", path); code != 404 || bytes.Contains(body, []byte("relais_")) {
			t.Errorf("%s on the Web Key Directory: %d %.100s", path, code, body)
		}
	}
	if code, _ := i.get(s, "wkd", "betaland.example", wkd.Root+"hu/"+wkd.Hash("cp247")); code != 404 {
		t.Errorf("the certificate of another contact point: %d", code)
	}

	i.publish(2, func(doc *directory.Document) {
		doc.Parties[0].ContactPoints[0].Addresses = []string{"elsewhere@alphaland.example", desk.Alpha}
	})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := served("wkd"); got != own {
		t.Errorf("after a new version: %s", got)
	}
	i.publish(3, func(doc *directory.Document) {
		doc.Parties[0].ContactPoints[0].Addresses = []string{"elsewhere@alphaland.example"}
	})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if code, _ := i.get(s, "wkd", "alphaland.example", path); code != 404 {
		t.Errorf("an address that is no longer listed: %d", code)
	}
}

func TestWebKeyDirectoryIsOffByDefault(t *testing.T) {
	i := install(t)
	s, _ := i.run()
	if s.Addr("wkd") != "" {
		t.Errorf("listens on %s", s.Addr("wkd"))
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(ln, 1)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		second, err := l.Accept()
		if err == nil {
			second.Close()
		}
		accepted <- err
	}()
	select {
	case err := <-accepted:
		t.Fatalf("a second connection was accepted beside the first: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // twice must not make room twice
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	dial()
	if _, err := l.Accept(); err != nil { // takes the only place
		t.Fatal(err)
	}
	go func() { _, err := l.Accept(); accepted <- err }()
	l.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}

// What is wrong with certificates stands in the log at the start, without any
// address.
func TestHealthIsLoggedAtTheStart(t *testing.T) {
	i := install(t)
	i.publish(2, func(doc *directory.Document) { doc.Parties[1].ContactPoints[0].CertificatesArmored = nil })
	i.run()
	log := i.logged.String()
	if !strings.Contains(log, "fault=no-key") || !strings.Contains(log, "entry=XB-1") || strings.Contains(log, desk.Beta) {
		t.Errorf("log:\n%s", log)
	}
}
