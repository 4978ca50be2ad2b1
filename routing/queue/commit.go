package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/request"
)

// maxRecord bounds what one commit may say, in bytes of JSON. What is larger
// would not fit into a line of the journal: it must not get into the stream,
// where every gateway would stop at it for ever.
const maxRecord = 2 << 20

// maxTries bounds how often a commit is decided again after a conflict.
const maxTries = 10

// Tx collects what one commit will do. It is valid only inside the function
// given to Commit, which may run several times: it must not have effects of
// its own.
type Tx struct {
	ctx     context.Context
	d       *Desk
	r       Record
	changes []change
}

// At returns the time of the commit, in UTC.
func (tx *Tx) At() time.Time { return tx.r.At }

// By says who commits.
func (tx *Tx) By(who string) { tx.r.By = who }

// Request returns the state of a request as this commit sees it, with what
// it has already decided; a request that does not exist has StatusNone.
func (tx *Tx) Request(ref request.Reference) (request.State, error) {
	if i := tx.find(ref); i >= 0 {
		return tx.changes[i].after, nil
	}
	s, err := tx.d.State(tx.ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return request.State{}, nil
	}
	return s, err
}

// Do runs a command against a request and collects its events. The error
// wraps request.ErrNotAllowed if the state machine forbids it.
func (tx *Tx) Do(ref request.Reference, c request.Command) error {
	before, err := tx.Request(ref)
	if err != nil {
		return err
	}
	return tx.apply(ref, before, c)
}

// Open opens a request that did not exist, without looking for it first: the
// commit itself refuses a reference that is taken.
func (tx *Tx) Open(c request.Open) error {
	return tx.apply(c.Ref, request.State{}, c)
}

func (tx *Tx) apply(ref request.Reference, before request.State, c request.Command) error {
	events, err := request.Decide(before, c)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	after := before
	for _, e := range events {
		after = request.Fold(after, e)
	}
	tx.r.Events = append(tx.r.Events, events...)
	if i := tx.find(ref); i >= 0 {
		tx.changes[i].after = after
	} else {
		tx.changes = append(tx.changes, change{ref, before, after})
	}
	return nil
}

func (tx *Tx) find(ref request.Reference) int {
	return slices.IndexFunc(tx.changes, func(c change) bool { return c.ref == ref })
}

// Mail changes folders.
func (tx *Tx) Mail(m ...Mail) { tx.r.Mail = append(tx.r.Mail, m...) }

// Where returns where the messages of a request are. The folders here may lag
// behind what Redis said of the request: it waits until they show that, too.
func (tx *Tx) Where(ref request.Reference) ([]Location, error) {
	if err := tx.d.waitForHead(tx.ctx); err != nil {
		return nil, err
	}
	return tx.d.Where(ref), nil
}

// Move takes a message into another folder, where it gets a new UID. A message
// that is no longer there is left alone.
func (tx *Tx) Move(from Location, to string) {
	box, ok := tx.d.Mailbox(from.Folder)
	if !ok {
		return
	}
	e, ok := box.Entry(from.UID)
	if !ok {
		return
	}
	flags := e.Flags
	for _, m := range tx.r.Mail { // what this commit does to them already
		if m.Op == MailFlag && m.Folder == from.Folder && m.UID == from.UID {
			flags = slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return slices.Contains(m.Clear, f) })
			flags = append(flags, m.Flags...)
		}
	}
	tx.Mail(Mail{Op: MailRemove, Folder: from.Folder, UID: from.UID},
		Mail{Op: MailAdd, Folder: to, Item: e.Item, Size: e.Size, Received: e.Received, Flags: flags, Request: e.Request})
}

// Out changes the outbox.
func (tx *Tx) Out(o ...Out) { tx.r.Out = append(tx.r.Out, o...) }

// Once makes the commit fail with a *SeenError if name was seen before.
func (tx *Tx) Once(name, value string, expires time.Time) {
	tx.r.Once = append(tx.r.Once, Once{name, value, expires})
}

// Installed notes which Directory a contact point has.
func (tx *Tx) Installed(i Installed) { tx.r.Installed = &i }

// Thread ties the keyed hash of a Message-ID to a request.
func (tx *Tx) Thread(name string, ref request.Reference) {
	tx.r.Thread = append(tx.r.Thread, Thread{name, ref})
}

// Number records that a running number from Arrive is used.
func (tx *Tx) Number(year int, n uint64) { tx.r.Number = &Number{year, n} }

// Receipt says what a commit did.
type Receipt struct {
	Seq  uint64
	UIDs []uint32 // of the added mails, in their order
}

// Commit runs decide and commits what it collected, atomically. It returns
// when the record is in this gateway's journal and in its folders. After a
// conflict with another commit it runs decide again. Errors: what decide
// returned; *SeenError; ErrConflict if a message is not where it was, or an
// outgoing one no longer in the outbox; ErrFull;
// ErrUnavailable, after which the commit may or may not have happened, so that
// the caller must not confirm it.
func (d *Desk) Commit(ctx context.Context, decide func(*Tx) error) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, d.q.o.Timeout)
	defer cancel()
	if err := d.ready(); err != nil {
		return Receipt{}, err
	}
	id := NewID() // one id for all tries: a lost answer must not commit twice
	var last string
	for range maxTries {
		tx := &Tx{ctx: ctx, d: d, r: Record{ID: id, At: now()}}
		if err := decide(tx); err != nil {
			if !errors.Is(err, request.ErrNotAllowed) {
				return Receipt{}, err
			}
			if lost := d.checkWhole(ctx); lost != nil {
				return Receipt{}, lost // it was refused for what Redis no longer knows
			}
			return Receipt{}, err
		}
		if tx.r.empty() {
			return Receipt{Seq: d.Applied()}, nil
		}
		if err := d.checkRoom(ctx, tx); err != nil {
			return Receipt{}, err
		}
		receipt, conflict, err := d.try(ctx, tx)
		if err != nil || conflict == "" {
			return receipt, err
		}
		last = conflict
	}
	return Receipt{}, fmt.Errorf("%s: %w", last, ErrConflict)
}

// try runs the script once. conflict names what was not as expected.
func (d *Desk) try(ctx context.Context, tx *Tx) (r Receipt, conflict string, err error) {
	ops, err := operations(tx.r, tx.changes)
	if err != nil {
		return r, "", err
	}
	record, err := encode(tx.r)
	if err != nil {
		return r, "", err
	}
	if len(record) > maxRecord {
		return r, "", fmt.Errorf("queue: a commit of %d bytes; at most %d: do it in several steps", len(record), maxRecord)
	}
	known := d.expect(string(record), tx.r)
	defer d.forget(string(record))
	answer, err := d.run(ctx, known, tx.r.ID, record, 0, "", ops)
	if err != nil {
		return r, "", unavailable("committing", err)
	}
	switch answer[0] {
	case "OK":
		seq, _ := strconv.ParseUint(answer[1], 10, 64)
		r = Receipt{Seq: seq, UIDs: parseUIDs(answer[2])}
		return r, "", d.waitRecord(ctx, seq, tx.r.ID)
	case "SEEN":
		// Who is told that it was received must find it durable here.
		seq, _ := strconv.ParseUint(answer[2], 10, 64)
		if err := d.waitRecord(ctx, seq, answer[3]); err != nil {
			return r, "", err
		}
		return r, "", &SeenError{answer[1]}
	case "CONFLICT":
		// The next try must see at least what this one missed.
		seq, _ := strconv.ParseUint(answer[2], 10, 64)
		return r, answer[1], d.waitApplied(ctx, seq)
	case "BEHIND":
		return r, "", d.behind()
	}
	return r, "", fmt.Errorf("queue: unexpected answer %q", answer[0])
}

// run calls apply.lua.
func (d *Desk) run(ctx context.Context, known uint64, id string, record []byte, replay uint64, uids string, ops []any) ([]string, error) {
	args := append([]any{d.prefix, known, id, record, replay, uids, d.q.o.StreamKeep}, ops...)
	head := d.key("head")
	cmd := redis.NewCmd(ctx, append([]any{"evalsha", d.q.apply.Hash(), 1, head}, args...)...)
	cmd.SetFirstKeyPos(3) // the key by which a Redis Cluster finds the node
	if err := d.q.trips.send(ctx, cmd); err != nil {
		return nil, err
	}
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") { // Redis has just been started
		return d.q.apply.Run(ctx, d.q.client, []string{head}, args...).StringSlice()
	}
	return cmd.StringSlice()
}

// checkRoom keeps the embedded server, whose sorted sets are slow, small.
func (d *Desk) checkRoom(ctx context.Context, tx *Tx) error {
	if !d.q.o.Embedded || d.q.o.MaxOpen == 0 {
		return nil
	}
	opens := slices.ContainsFunc(tx.changes, func(c change) bool { return c.before.Status == request.StatusNone })
	if !opens {
		return nil
	}
	n, err := d.q.client.ZCard(ctx, d.key("deadlines")).Result()
	if err != nil {
		return unavailable("counting open requests", err)
	}
	if n >= int64(d.q.o.MaxOpen) {
		return ErrFull
	}
	return nil
}

// Lease hands out due outgoing messages; each comes back by itself after
// lease unless a commit removed or deferred it.
func (d *Desk) Lease(ctx context.Context, lease time.Duration, limit int) ([]Out, error) {
	ids, err := d.leaseFrom(ctx, "outbox", lease, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	payloads, err := d.q.client.HMGet(ctx, d.key("outgoing"), ids...).Result()
	if err != nil {
		return nil, unavailable("reading outbox", err)
	}
	var out []Out
	for _, p := range payloads {
		s, ok := p.(string)
		if !ok {
			continue // sent by another gateway meanwhile
		}
		var o Out
		if err := json.Unmarshal([]byte(s), &o); err != nil {
			return nil, fmt.Errorf("reading outbox: %w", err)
		}
		out = append(out, o)
	}
	return out, nil
}

// Timers hands out due timers, in the same way as Lease.
func (d *Desk) Timers(ctx context.Context, lease time.Duration, limit int) ([]Timer, error) {
	members, err := d.leaseFrom(ctx, "timers", lease, limit)
	if err != nil {
		return nil, err
	}
	var out []Timer
	for _, m := range members {
		if t, ok := parseTimer(m); ok {
			out = append(out, t)
		}
	}
	return out, nil
}

func (d *Desk) leaseFrom(ctx context.Context, set string, lease time.Duration, limit int) ([]string, error) {
	// While Redis is filled again, what was sent long ago passes through the
	// outbox once more.
	if err := d.ready(); err != nil {
		return nil, unavailable("reading "+set, err)
	}
	t := time.Now()
	ids, err := d.q.lease.Run(ctx, d.q.client, []string{d.key(set)}, t.UnixMilli(), t.Add(lease).UnixMilli(), limit).StringSlice()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable("reading "+set, err)
	}
	return ids, nil
}
