package journal

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk: nothing that could not be written is confirmed, and nothing
// after it either.
func TestFullDisk(t *testing.T) {
	f, err := OpenFile("/dev/full", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 3 {
		if _, err := f.Append([]byte("x")); !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("append %d: got %v, want ErrBroken because the disk is full", i, err)
		}
	}
	if !errors.Is(f.Err(), syscall.ENOSPC) {
		t.Errorf("Err: got %v", f.Err())
	}
}

// TestFailedSync: /dev/null takes every write and cannot be synced.
func TestFailedSync(t *testing.T) {
	f, err := OpenFile("/dev/null", func(time.Duration) { t.Error("a failed sync was observed as done") })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 3 {
		if _, err := f.Append([]byte("x")); !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("append %d: got %v, want ErrBroken because of the sync", i, err)
		}
	}
}

// TestAJournalThatFailedOnceStaysBroken even if the disk works again: only
// opening, which checks the file, mends it. Everybody who waits is told.
func TestAJournalThatFailedOnceStaysBroken(t *testing.T) {
	for _, device := range []string{"/dev/full", "/dev/null"} { // fails to write; fails to sync
		t.Run(device, func(t *testing.T) {
			dir := t.TempDir()
			j, _, _ := open(t, dir)
			if err := j.Append(entry(0)); err != nil {
				t.Fatal(err)
			}
			bad, err := os.OpenFile(device, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer bad.Close()
			good := j.file.f
			j.file.f = bad // no append is under way: the writer reads it behind the next one's lock
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					if err := j.Append(entry(i)); !errors.Is(err, ErrBroken) {
						t.Errorf("got %v, want ErrBroken", err)
					}
				})
			}
			wg.Wait()
			j.file.f = good
			if err := j.Append(entry(1)); !errors.Is(err, ErrBroken) {
				t.Errorf("after the disk works again: got %v, want ErrBroken", err)
			}
			if !errors.Is(j.Err(), ErrBroken) {
				t.Errorf("Err: got %v", j.Err())
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j, held, torn := open(t, dir)
			if len(held) != 1 || torn != 0 {
				t.Errorf("%d entries and %d torn bytes after reopening, want the one that was confirmed", len(held), torn)
			}
			if err := j.Append(entry(1)); err != nil {
				t.Errorf("after reopening: %v", err)
			}
		})
	}
}
