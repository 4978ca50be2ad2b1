package intake

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// errBusy says that too much is in flight; the sender tries again.
var errBusy = errors.New("too many messages at once")

// longestWait is how long a message waits for its turn. The peer would wait 10
// minutes for its reply (RFC 5321 section 4.5.3.2.6).
const longestWait = 2 * time.Minute

// busyUnlessEnded tells a wait that was too long from the end of the server.
func busyUnlessEnded(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errBusy
	}
	return ctx.Err()
}

// messageOverhead is what the smallest message takes, in bytes.
const messageOverhead = 32 << 10

// budget shares out bytes, first come, first served: a large message is not
// overtaken by small ones without end.
type budget struct {
	mu      sync.Mutex
	size    int64
	left    int64
	waiting list.List // of *turn
}

type turn struct {
	bytes int64
	come  chan struct{}
}

func newBudget(bytes int64) *budget { return &budget{size: bytes, left: bytes} }

// take waits for bytes, at most all there are, and returns the share. The
// error is that of ctx.
func (b *budget) take(ctx context.Context, bytes int64) (*share, error) {
	bytes = min(bytes, b.size)
	s := &share{from: b, bytes: bytes}
	s.holders.Store(1)
	b.mu.Lock()
	if b.left >= bytes && b.waiting.Len() == 0 {
		b.left -= bytes
		b.mu.Unlock()
		return s, nil
	}
	t := &turn{bytes, make(chan struct{})}
	at := b.waiting.PushBack(t)
	b.mu.Unlock()
	select {
	case <-t.come:
		return s, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-t.come: // at the same moment
		b.left += bytes
	default:
		b.waiting.Remove(at)
	}
	b.serve()
	return nil, ctx.Err()
}

func (b *budget) give(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += bytes
	b.serve()
}

// serve lets in who is next for as long as there is room.
func (b *budget) serve() {
	for e := b.waiting.Front(); e != nil; e = b.waiting.Front() {
		t := e.Value.(*turn)
		if t.bytes > b.left {
			return
		}
		b.left -= t.bytes
		b.waiting.Remove(e)
		close(t.come)
	}
}

// share is what one message has taken of the budget. It goes back when the
// last of those that work on the message lets go of it.
type share struct {
	from    *budget
	bytes   int64
	holders atomic.Int64
}

// grow takes more bytes if they are free at once. It does not wait: what waits
// with bytes in hand may wait for what waits for these.
func (s *share) grow(bytes int64) bool {
	b := s.from
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes = min(bytes, b.size-s.bytes)
	if bytes <= 0 {
		return true
	}
	if b.left < bytes {
		return false
	}
	b.left -= bytes
	s.bytes += bytes
	return true
}

func (s *share) hold() { s.holders.Add(1) }

func (s *share) release() {
	if s.holders.Add(-1) == 0 {
		s.from.give(s.bytes)
	}
}
