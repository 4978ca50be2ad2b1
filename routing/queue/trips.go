package queue

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// trips carries the commands of goroutines that wait at the same time in one
// round trip to Redis. Alone, a command leaves at once; under load the cost of
// writing to the network, reading from it and waking up is shared by many.
type trips struct {
	client  redis.UniversalClient
	timeout time.Duration // of one trip
	alone   bool          // each goroutine makes trips of its own

	mu     sync.Mutex
	some   *sync.Cond
	next   *trip // takes commands until it leaves; nil: none waits
	closed bool
	ended  chan struct{}
}

type trip struct {
	commands []redis.Cmder
	back     chan struct{} // closed when each has its answer or its error
}

// newTrips returns trips that must be closed.
func newTrips(client redis.UniversalClient, timeout time.Duration) *trips {
	// The pipe to an embedded server holds no bytes: there is nothing to save,
	// and it would not read on before its first answer was taken.
	t := &trips{client: client, timeout: timeout, alone: isEmbedded(client), ended: make(chan struct{})}
	t.some = sync.NewCond(&t.mu)
	go t.run()
	return t
}

// send returns when each command has its answer or its error; they are sent in
// their order. The error is about ctx only: then the commands must not be
// looked at, and may or may not have been carried out.
func (t *trips) send(ctx context.Context, commands ...redis.Cmder) error {
	if t.alone {
		t.travel(ctx, commands)
		return nil
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return redis.ErrClosed
	}
	if t.next == nil {
		t.next = &trip{back: make(chan struct{})}
		t.some.Signal()
	}
	mine := t.next
	mine.commands = append(mine.commands, commands...)
	t.mu.Unlock()
	select {
	case <-mine.back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run makes one trip after the other until close.
func (t *trips) run() {
	defer close(t.ended)
	for {
		t.mu.Lock()
		for t.next == nil && !t.closed {
			t.some.Wait()
		}
		now := t.next
		t.next = nil
		t.mu.Unlock()
		if now == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
		t.travel(ctx, now.commands)
		cancel()
		close(now.back)
	}
}

// travel makes one trip; each command holds its own error.
func (t *trips) travel(ctx context.Context, commands []redis.Cmder) {
	pipe := t.client.Pipeline()
	for _, c := range commands {
		pipe.Process(ctx, c)
	}
	pipe.Exec(ctx)
}

// close returns when all commands were sent. Later ones are refused.
func (t *trips) close() {
	t.mu.Lock()
	t.closed = true
	t.some.Signal()
	t.mu.Unlock()
	<-t.ended
}
