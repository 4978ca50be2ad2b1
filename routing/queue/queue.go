// Package queue keeps the requests of the desks in Redis, ordered by deadline,
// and their history in the journal. It is the only package that speaks Redis,
// and Desk.Commit is the only way anything changes.
//
// A commit goes: decide in Go, apply in one Lua script, read back from the
// desk's stream, append to the journal, apply to the folders in memory; only
// then Commit returns. All gateways follow the streams of all their desks, so
// each holds the whole history, in the same order.
package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/journal"
	"relais.example/routing/mailbox"
)

//go:embed apply.lua
var applySource string

//go:embed lease.lua
var leaseSource string

// Errors that callers tell apart.
var (
	ErrUnavailable = errors.New("queue: temporarily unavailable")
	ErrConflict    = errors.New("queue: somebody else changed it at the same time")
	ErrFull        = errors.New("queue: the embedded queue is full; configure redis.url")
	ErrForked      = errors.New("queue: Redis and the journal hold different histories")
	ErrNotFound    = errors.New("queue: not found")
)

// SeenError says that something that may happen once has happened before.
type SeenError struct{ Value string }

func (e *SeenError) Error() string { return "queue: seen before" }

const quarantine = mailbox.Quarantine

// Options configure Open.
type Options struct {
	Client      redis.UniversalClient
	Embedded    bool   // the Client speaks to a server in this process, which forgets everything at exit
	MaxOpen     int    // embedded only: more open requests are refused with ErrFull; 0: no limit
	JournalDir  string //
	Desks       []string
	StreamKeep  int64         // records that a stream keeps, about
	Timeout     time.Duration // one commit, waiting included
	Log         *slog.Logger
	ObserveSync func(time.Duration)            // each sync of the journal
	OnApplied   func(desk string, r Record)    // every record, in order, after it is durable
	OnReplayed  func(desk string, records int) // records put back into a Redis that had lost them
}

// Queue holds all desks of a gateway.
type Queue struct {
	o       Options
	client  redis.UniversalClient
	apply   *redis.Script
	lease   *redis.Script
	trips   *trips
	journal *journal.Journal
	desks   map[string]*Desk
	stop    context.CancelFunc
	stopped <-chan struct{} // closed by stop
	wg      sync.WaitGroup
}

// Open reads the journal, fills the folders from it, and starts to follow the
// desks' streams. It does not wait for Redis: until Redis answers, commits
// fail with ErrUnavailable and Ready says why. The error is about the journal.
func Open(o Options) (*Queue, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.StreamKeep == 0 {
		o.StreamKeep = 1_000_000
	}
	if o.Embedded {
		o.StreamKeep = min(o.StreamKeep, 10_000) // nobody else reads it, and it is all in memory
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{o: o, client: o.Client, apply: redis.NewScript(applySource), lease: redis.NewScript(leaseSource), trips: newTrips(o.Client, o.Timeout), desks: map[string]*Desk{}}
	for _, id := range o.Desks {
		q.desks[id] = newDesk(q, id)
	}
	j, torn, err := journal.Open(o.JournalDir, o.ObserveSync, q.load)
	if err != nil {
		return nil, err
	}
	if torn > 0 {
		o.Log.Warn("the last line of the journal was cut short by a crash; it was confirmed to nobody and is kept beside the journal", "bytes", torn)
	}
	q.journal = j
	ctx, stop := context.WithCancel(context.Background())
	q.stop, q.stopped = stop, ctx.Done()
	for _, d := range q.desks {
		q.wg.Go(func() { d.follow(ctx) })
	}
	return q, nil
}

// load takes one journal entry at start.
func (q *Queue) load(e journal.Entry) error {
	d := q.desks[e.Desk]
	if d == nil || e.Seq == 0 {
		return nil // a desk that is no longer served here, or a local note
	}
	return d.load(e)
}

// Desk returns the desk of that contact point.
func (q *Queue) Desk(id string) (*Desk, bool) {
	d, ok := q.desks[id]
	return d, ok
}

// Desks lists the desks in the order of the configuration.
func (q *Queue) Desks() []*Desk {
	var out []*Desk
	for _, id := range q.o.Desks {
		out = append(out, q.desks[id])
	}
	return out
}

// Ready returns nil when every desk can commit, and otherwise what is wrong.
func (q *Queue) Ready() error {
	if err := q.journal.Err(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for _, id := range q.o.Desks {
		if err := q.desks[id].ready(); err != nil {
			return fmt.Errorf("desk %s: %w", id, err)
		}
	}
	return nil
}

// Note appends a line about something that changed nothing, such as a
// rejected message. It does not need Redis.
func (q *Queue) Note(desk string, r Record) error {
	line, err := encode(r)
	if err != nil {
		return err
	}
	return q.journal.Append(journal.Entry{Desk: desk, Record: line})
}

// Close stops following the streams and closes the journal. The Client stays
// open; it is the caller's.
func (q *Queue) Close() error {
	q.stop()
	q.wg.Wait()
	q.trips.close()
	return q.journal.Close()
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}
