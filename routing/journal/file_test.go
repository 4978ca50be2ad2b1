package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestFileAppendsAtTheOffsetsItPromised(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(path, []byte("old."), 0o600); err != nil {
		t.Fatal(err)
	}
	var syncs atomic.Int64
	f, err := OpenFile(path, func(time.Duration) { syncs.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := range 20 {
				want := fmt.Sprintf("<%d.%d>", w, i)
				offset, b := f.Enqueue([]byte(want))
				if err := b.Wait(); err != nil {
					t.Error(err)
				}
				got := make([]byte, len(want))
				if _, err := f.ReadAt(got, offset); err != nil || string(got) != want {
					t.Errorf("at %d: %q, %v; want %q", offset, got, err, want)
				}
			}
		})
	}
	wg.Wait()
	size := f.Size()
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || int64(len(content)) != size || !bytes.HasPrefix(content, []byte("old.<")) {
		t.Errorf("%d bytes, want %d behind the old ones, %v", len(content), size, err)
	}
	if n := syncs.Load(); n == 0 || n > 400 {
		t.Errorf("%d syncs for 400 appends", n)
	}
}

// TestCloseWritesWhatWaits and refuses what comes later.
func TestCloseWritesWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segment")
	f, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, b := f.Enqueue([]byte("waiting"))
	if err := errors.Join(f.Close(), b.Wait()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != "waiting" {
		t.Errorf("file holds %q, %v", got, err)
	}
	if _, err := f.Append([]byte("late")); !errors.Is(err, ErrBroken) {
		t.Errorf("appending after Close: got %v", err)
	}
}

func TestOverwriteDestroysInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segment")
	f, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Append([]byte("key=secret;body")); err != nil {
		t.Fatal(err)
	}
	if err := f.Overwrite(make([]byte, 6), 4); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append([]byte(".")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != "key=\x00\x00\x00\x00\x00\x00;body." {
		t.Errorf("file holds %q, %v", got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	record := bytes.Repeat([]byte("x"), 300)
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j, _, _ := open(b, b.TempDir())
			var next atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := j.Append(Entry{Desk: "XA-1", Seq: uint64(n), Record: record}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
