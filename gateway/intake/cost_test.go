package intake_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/banner"
	"relais.example/gateway/intake"
	"relais.example/routing/directory/pending"
	"relais.example/routing/request"
	"relais.example/test/desk"
)

// busy is the port of a gateway with everything on that staff can have on.
func busy(t testing.TB, language banner.Language) *port {
	t.Helper()
	p := &port{Desk: desk.Open(t)}
	p.in = intake.New(p.options(func(o *intake.Options) {
		o.Desks[0].Acknowledge, o.Desks[0].Banner = false, language
		o.Pending, o.Log = pendingStore(t), slog.New(slog.DiscardHandler)
		o.Install = func(_, _ []byte) error { return nil }
	}))
	return p
}

func pendingStore(t testing.TB) *pending.Store {
	t.Helper()
	store, err := pending.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// ofSize returns a sealed request of text, or with an attachment that does not
// compress.
func (p *port) ofSize(i, size int) []byte {
	d := pgpmime.Draft{Subject: fmt.Sprintf("Preservation %d", i), Body: []byte(preserve)}
	if size <= 64<<10 {
		d.Body = []byte(preserve + strings.Repeat("The account was used on 3 March at 14:02 UTC from 192.0.2.44 and wrote to five others.\r\n", size/90))
		return p.Seal("XB-1", "XA-1", d)
	}
	content := make([]byte, size)
	rand.Read(content)
	d.ContentType = "multipart/mixed; boundary=part"
	d.Body = []byte("--part\r\nContent-Type: text/plain\r\n\r\n" + preserve + "\r\n--part\r\nContent-Type: application/octet-stream\r\n" +
		"Content-Disposition: attachment; filename=evidence.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" + inLines(content) + "\r\n--part--\r\n")
	return p.Seal("XB-1", "XA-1", d)
}

// inLines encodes as mail programs do.
func inLines(content []byte) string {
	encoded := base64.StdEncoding.EncodeToString(content)
	var b strings.Builder
	b.Grow(len(encoded) * 79 / 76)
	for len(encoded) > 0 {
		n := min(76, len(encoded))
		b.WriteString(encoded[:n] + "\r\n")
		encoded = encoded[n:]
	}
	return b.String()
}

func (p *port) accept(t testing.TB, raw []byte) {
	t.Helper()
	if o, err := p.in.Receive(t.Context(), inbound(raw)); err != nil || o.Code != 250 || len(request.FindReferences(o.Text, 1)) != 1 {
		t.Fatalf("got %+v, %v", o, err)
	}
}

// BenchmarkReceive takes messages through the whole pipeline to what is
// durable. CPU time is that of the process, all goroutines and the system
// included.
func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{8 << 10, 256 << 10, 1 << 20, 8 << 20, 25 << 20} {
		for _, language := range []banner.Language{banner.English, banner.Off} {
			b.Run(fmt.Sprintf("%dKiB/banner=%s", size>>10, language), func(b *testing.B) { receiving(b, size, language) })
		}
	}
}

func receiving(b *testing.B, size int, language banner.Language) {
	p := busy(b, language)
	p.accept(b, p.ofSize(-1, size))
	var cpu time.Duration
	b.ReportAllocs()
	batch := max(1, min(500, 4<<20/size))
	for sent := 0; sent < b.N; {
		b.StopTimer()
		messages := make([][]byte, min(batch, b.N-sent))
		for i := range messages {
			messages[i] = p.ofSize(sent+i, size)
		}
		runtime.GC()
		b.StartTimer()
		before := processorTime()
		for _, raw := range messages {
			p.accept(b, raw)
			b.SetBytes(int64(len(raw)))
		}
		cpu += processorTime() - before
		sent += len(messages)
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/op")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What lives at one time while a message of 25 MiB is received is bounded by
// four times the message, the message included.
func TestReceivingTakesBoundedMemory(t *testing.T) {
	p := busy(t, banner.English)
	p.accept(t, p.ofSize(0, 8<<10)) // what is made once
	raw := p.ofSize(1, 25<<20)
	runtime.GC()
	before := heapObjects() - uint64(len(raw))
	peak := peakHeap(func() { p.accept(t, raw) })
	t.Logf("%.2f times the message of %d bytes", float64(peak-before)/float64(len(raw)), len(raw))
	if peak-before > 4*uint64(len(raw)) {
		t.Errorf("at most %d bytes lived at one time while a message of %d was received", peak-before, len(raw))
	}
}

// peakHeap returns the most that lived while f ran, in bytes, with hardly any
// garbage.
func peakHeap(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(2))
	peak, ended := uint64(0), make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
				runtime.GC()
				peak = max(peak, heapObjects())
			}
		}
	})
	f()
	close(ended)
	sampling.Wait()
	return peak
}

func heapObjects() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
