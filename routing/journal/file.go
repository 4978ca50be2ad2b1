package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrBroken is wrapped by every append after a write or a sync failed once:
// what the kernel kept of the failed write is unknown, so nothing more may be
// confirmed until the file was opened, and checked, again.
var ErrBroken = errors.New("file is no longer safe to append to")

// File is an append-only file whose writers share their syncs (group commit):
// while one sync runs, further appends gather and go out with the next one. A
// file with many writers waits a moment before the next sync, because a sync
// costs the processor as much as hundreds of kilobytes written.
type File struct {
	f        *os.File
	observe  func(time.Duration)
	mu       sync.Mutex
	cond     *sync.Cond
	size     int64 // bytes written or waiting to be
	waiting  *Batch
	closed   bool
	broken   error
	finished chan struct{}
}

// Batch is a set of appends that become durable together.
type Batch struct {
	parts [][]byte
	done  chan struct{}
	err   error
}

const (
	manyWriters = 2                    // appends in one batch
	gatherTime  = 2 * time.Millisecond // how long the next batch then gathers
)

// Wait returns when the batch is durable, or with the error that broke the
// file.
func (b *Batch) Wait() error {
	<-b.done
	return b.err
}

// OpenFile opens or creates the file at path for appending at its end.
// observe, if not nil, is told how long each sync took.
func OpenFile(path string, observe func(time.Duration)) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening journal file: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		err = syncDir(filepath.Dir(path)) // the name itself must survive, too
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening journal file: %w", err)
	}
	w := &File{f: f, observe: observe, size: size, finished: make(chan struct{})}
	w.cond = sync.NewCond(&w.mu)
	go w.write(size)
	return w, nil
}

// Enqueue adds p to the batch that will be written next and returns the
// offset p will have. Calls that must keep an order have to be ordered by the
// caller. p belongs to the file from then on.
func (w *File) Enqueue(p []byte) (offset int64, b *Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.broken != nil {
		b = &Batch{done: make(chan struct{}), err: w.broken}
		if b.err == nil {
			b.err = fmt.Errorf("%w: closed", ErrBroken)
		}
		close(b.done)
		return 0, b
	}
	if w.waiting == nil {
		w.waiting = &Batch{done: make(chan struct{})}
		w.cond.Signal()
	}
	offset = w.size
	w.size += int64(len(p))
	w.waiting.parts = append(w.waiting.parts, p)
	return offset, w.waiting
}

// Append adds p and returns when it is durable.
func (w *File) Append(p []byte) (offset int64, err error) {
	offset, b := w.Enqueue(p)
	return offset, b.Wait()
}

// Size returns the size in bytes, appends that are not yet durable included.
func (w *File) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

// ReadAt reads what was appended; see [io.ReaderAt].
func (w *File) ReadAt(p []byte, off int64) (int, error) { return w.f.ReadAt(p, off) }

// Overwrite replaces durable bytes in place, durably. It exists to destroy
// keys; everything else only appends.
func (w *File) Overwrite(p []byte, off int64) error {
	if _, err := w.f.WriteAt(p, off); err != nil {
		return fmt.Errorf("overwriting in %s: %w", w.f.Name(), err)
	}
	return w.f.Sync()
}

// Err returns what broke the file, or nil.
func (w *File) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Close writes what is waiting and closes the file.
func (w *File) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		<-w.finished
		return nil
	}
	w.closed = true
	w.cond.Signal()
	w.mu.Unlock()
	<-w.finished
	return w.f.Close()
}

// write is the one goroutine that touches the end of the file, which is at
// byte end when it starts.
func (w *File) write(end int64) {
	defer close(w.finished)
	for many := false; ; {
		if many {
			time.Sleep(gatherTime)
		}
		b, broken := w.take()
		if b == nil {
			return
		}
		many = len(b.parts) >= manyWriters
		if b.err = broken; b.err == nil {
			end, b.err = w.flush(b.parts, end)
		}
		if b.err != nil {
			w.mu.Lock()
			w.broken = b.err
			w.mu.Unlock()
		}
		b.parts = nil
		close(b.done)
	}
}

// take waits for the next batch. There is none, nil, once the file was closed.
func (w *File) take() (b *Batch, broken error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.waiting == nil && !w.closed {
		w.cond.Wait()
	}
	b, w.waiting = w.waiting, nil
	return b, w.broken
}

// flush writes the parts one behind the other, makes them durable and returns
// where they end.
func (w *File) flush(parts [][]byte, at int64) (end int64, err error) {
	for _, p := range parts {
		if _, err := w.f.WriteAt(p, at); err != nil {
			return at, fmt.Errorf("%w: writing %s: %w", ErrBroken, w.f.Name(), err)
		}
		at += int64(len(p))
	}
	start := time.Now()
	if err := datasync(w.f); err != nil {
		return at, fmt.Errorf("%w: syncing %s: %w", ErrBroken, w.f.Name(), err)
	}
	if w.observe != nil {
		w.observe(time.Since(start))
	}
	return at, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
