package smtpd

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"syscall"
	"testing"
)

// discard is a Receiver that does nothing.
type discard struct{}

func (discard) Recipient(string) (string, bool) { return "XA-1", true }

func (discard) Receive(context.Context, Inbound) (Outcome, error) {
	return Outcome{250, "2.0.0", "ok"}, nil
}

// BenchmarkReceive measures messages of 8 KiB on one kept-open connection;
// cpu-µs/msg holds the client's share as well.
func BenchmarkReceive(b *testing.B) {
	body := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 8192/78)
	data := "MAIL FROM:<a@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\nDATA\r\n"
	bdat := "MAIL FROM:<a@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\n" + chunk(body, " LAST")
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "clear", true: "tls"}[secure]
		b.Run(name+"/data", func(b *testing.B) {
			w := benchClient(b, secure)
			measure(b, len(body), func() {
				w.send(data)
				w.expect("250 ")
				w.expect("250 ")
				w.expect("354 ")
				w.send(body + ".\r\n")
				w.expect("250 ")
			})
		})
		b.Run(name+"/bdat", func(b *testing.B) {
			w := benchClient(b, secure)
			measure(b, len(body), func() {
				w.send(bdat)
				w.expect("250 ")
				w.expect("250 ")
				w.expect("250 ")
			})
		})
	}
}

func benchClient(b *testing.B, secure bool) *wire {
	ts := serveMX(b, discard{}, Limits{Messages: 1 << 30, Commands: 1 << 30})
	if !secure {
		return ts.hello(b)
	}
	c, err := tls.Dial("tcp", ts.tls, &tls.Config{RootCAs: ts.roots})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	w := ts.over(b, net.Conn(c))
	w.expect("220 ")
	w.ask("EHLO mx.betaland.example", "250 ")
	return w
}

func measure(b *testing.B, size int, f func()) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-µs/msg")
}

func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return (u.Utime.Nano() + u.Stime.Nano()) / 1000
}
