package intake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/gateway/intake"
	"relais.example/gateway/metrics"
	"relais.example/gateway/smtpd"
	"relais.example/routing/journal"
	"relais.example/routing/queue"
	"relais.example/test/desk"
)

// mx is the MX port as the gateway opens it, with its counters.
type mx struct {
	*port
	addr    string
	metrics *metrics.Metrics
}

func openMX(t *testing.T, change ...func(*intake.Options)) *mx {
	t.Helper()
	m := &mx{metrics: metrics.New("test", []string{"XA-1", "XC-1"}, intake.Causes())}
	m.port = open(t, append([]func(*intake.Options){func(o *intake.Options) { o.Observe, o.Deferred = m.metrics.Received, m.metrics.Deferred }}, change...)...)
	s, err := smtpd.NewMX(m.in, smtpd.Options{
		Hostname: desk.Hostname, Limits: smtpd.Limits{MessageBytes: 1 << 20}, Log: m.Log, Refused: m.in.Refused,
		Observe: m.metrics.SMTP("mx", smtpd.EventConnection, smtpd.EventDisconnection),
	})
	noError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	m.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		noError(t, <-done)
	})
	return m
}

// deliver sends the bytes as they are, dots stuffed, in a session of their own
// and returns the reply.
func (m *mx) deliver(from string, raw []byte) string {
	m.t.Helper()
	c, err := net.Dial("tcp", m.addr)
	noError(m.t, err)
	defer c.Close()
	noError(m.t, c.SetDeadline(time.Now().Add(30*time.Second)))
	r := textproto.NewConn(c)
	line := func(want int, format string, args ...any) string {
		m.t.Helper()
		if format != "" {
			noError(m.t, r.PrintfLine(format, args...))
		}
		_, text, err := r.ReadResponse(want)
		noError(m.t, err)
		return text
	}
	line(220, "")
	line(250, "EHLO mx.betaland.example")
	line(250, "MAIL FROM:<%s>", from)
	line(250, "RCPT TO:<%s>", desk.Alpha)
	line(354, "DATA")
	stuffed := bytes.ReplaceAll(append([]byte("\r\n"), raw...), []byte("\r\n."), []byte("\r\n.."))[2:]
	_, err = c.Write(append(stuffed, ".\r\n"...))
	noError(m.t, err)
	code, text, err := r.ReadCodeLine(0)
	if code == 0 {
		m.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", code, text)
}

// count reads a counter with exactly these labels.
func (m *mx) count(name string, labels map[string]string) float64 {
	m.t.Helper()
	families, err := m.metrics.Registry().Gather()
	noError(m.t, err)
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			fits := f.GetName() == name && len(sample.GetLabel()) == len(labels)
			for _, l := range sample.GetLabel() {
				fits = fits && labels[l.GetName()] == l.GetValue()
			}
			if fits {
				return sample.GetCounter().GetValue()
			}
		}
	}
	m.t.Fatalf("%s%v is not exported", name, labels)
	return 0
}

// journal returns what the journal holds of the desk.
func (m *mx) journal() []queue.Record {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.JournalDir, journal.FileName))
	noError(m.t, err)
	var out []queue.Record
	for line := range bytes.Lines(text) {
		f := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(" "), 5)
		var r queue.Record
		if len(f) != 5 || json.Unmarshal(f[4], &r) != nil {
			m.t.Fatalf("journal line %q", line)
		}
		out = append(out, r)
	}
	return out
}

// header returns the head of what staff see of the newest message in a folder.
func (m *mx) shown(folder string) (head string, flags []string) {
	m.t.Helper()
	entries := m.Folder(folder)
	if len(entries) == 0 {
		m.t.Fatalf("nothing in %s", folder)
	}
	e := entries[len(entries)-1]
	head, _, _ = strings.Cut(m.Body(e.Item), "\r\n\r\n")
	return head, e.Flags
}
