package imapd

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func pemCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// wire speaks IMAP by hand.
type wire struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	tag  int
}

func (r *rig) dial(t testing.TB, overTLS bool) *wire {
	t.Helper()
	addr := r.plain
	if overTLS {
		addr = r.tls
	}
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if overTLS {
		raw = tls.Client(raw, r.clientTLS())
	}
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { raw.Close() })
	return &wire{t: t, conn: raw, r: bufio.NewReader(raw)}
}

func (r *rig) clientTLS() *tls.Config { return &tls.Config{RootCAs: r.pool, ServerName: "localhost"} }

// loggedIn is a connection over TLS after LOGIN.
func (r *rig) loggedIn(t testing.TB) *wire {
	w := r.dial(t, true)
	w.line()
	w.must("LOGIN officer secret")
	return w
}

func (w *wire) send(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.conn, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) line() string {
	w.t.Helper()
	line, err := w.r.ReadString('\n')
	if err != nil {
		w.t.Fatalf("reading a line: %v", err)
	}
	return strings.TrimRight(line, "\r\n")
}

// command returns the untagged lines and the tagged one.
func (w *wire) command(format string, args ...any) (untagged []string, tagged string) {
	w.t.Helper()
	w.tag++
	tag := fmt.Sprintf("t%d", w.tag)
	w.send(tag+" "+format+"\r\n", args...)
	return w.until(tag)
}

func (w *wire) until(tag string) (untagged []string, tagged string) {
	w.t.Helper()
	for {
		line := w.line()
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			return untagged, rest
		}
		untagged = append(untagged, line)
	}
}

func (w *wire) must(format string, args ...any) []string {
	w.t.Helper()
	untagged, tagged := w.command(format, args...)
	if !strings.HasPrefix(tagged, "OK") {
		w.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), tagged)
	}
	return untagged
}

// rest reads until the server closes.
func (w *wire) rest() string {
	b, _ := io.ReadAll(w.r)
	return string(b)
}
