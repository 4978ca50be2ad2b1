package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/journal"
	"relais.example/routing/request"
)

const (
	followBatch = 256         // records read, and made durable, at once
	followBlock = time.Second // how long a read waits; also how often a silent loss is looked for
	retryPause  = 200 * time.Millisecond

	// A read and a sync cost as much for one record as for many. When several
	// came at once, more will, and may gather.
	manyRecords = 2
	gatherTime  = 2 * time.Millisecond
)

// follow keeps the journal and the folders of the desk in step with its
// stream until ctx ends. It is the only goroutine that does.
func (d *Desk) follow(ctx context.Context) {
	var last string
	for ctx.Err() == nil {
		err := d.reconcile(ctx)
		if err == nil {
			d.setTrouble(nil)
			if last != "" {
				d.q.o.Log.Info("queue is available again", "desk", d.id)
				last = ""
			}
			err = d.tail(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		d.setTrouble(unavailable("following Redis", err))
		if text := err.Error(); text != last { // say each trouble once
			d.q.o.Log.Error("queue is not available; senders are asked to try again later", "desk", d.id, "error", err)
			last = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// head returns the last sequence number and record id that Redis knows.
func (d *Desk) head(ctx context.Context) (seq uint64, id string, err error) {
	v, err := d.q.client.HMGet(ctx, d.key("head"), "seq", "id").Result()
	if err != nil {
		return 0, "", err
	}
	s, _ := v[0].(string)
	id, _ = v[1].(string)
	if s == "" {
		return 0, "", nil
	}
	seq, err = strconv.ParseUint(s, 10, 64)
	return seq, id, err
}

// reconcile brings Redis and the journal to the same history: records that
// Redis lost are put back, in order; then what the journal lacks is read.
func (d *Desk) reconcile(ctx context.Context) error {
	seq, id, err := d.head(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	applied, lastID := d.applied, d.lastID
	d.mu.Unlock()
	switch {
	case seq == applied && seq > 0 && id != lastID:
		return fmt.Errorf("%w at record %d", ErrForked, seq)
	case seq < applied:
		if err := d.replay(ctx, seq, id); err != nil {
			return err
		}
	case seq > applied:
		if err := d.checkCommon(ctx, applied, lastID); err != nil {
			return err
		}
		if err := d.catchUp(ctx, seq); err != nil {
			return err
		}
	}
	return d.ensureFolders(ctx)
}

// replay puts the records after seq back into Redis.
func (d *Desk) replay(ctx context.Context, seq uint64, id string) error {
	level := slog.LevelWarn
	if d.q.o.Embedded { // it begins empty at each start
		level = slog.LevelDebug
	}
	d.q.o.Log.Log(ctx, level, "Redis lacks records that the journal holds; putting them back", "desk", d.id, "redis", seq, "journal", d.Applied())
	states := map[request.Reference]request.State{}
	n := 0
	have := seq // what is in Redis, put there by us or by another gateway
	err := d.q.journal.Each(func(e journal.Entry) error {
		if e.Desk != d.id || e.Seq == 0 || e.Seq < seq {
			return nil
		}
		r, err := decode(e.Record)
		if err != nil {
			return err
		}
		if e.Seq == seq {
			if r.ID != id {
				return fmt.Errorf("%w at record %d", ErrForked, seq)
			}
			return nil
		}
		if e.Seq <= have {
			return nil
		}
		found, mine, err := d.putBack(ctx, e, r, states)
		if err != nil {
			return err
		}
		if mine {
			n++
		} else {
			clear(states) // what was folded may lack what the other gateway put back
		}
		have = found
		return nil
	})
	if err != nil {
		return fmt.Errorf("putting records back: %w", err)
	}
	d.mu.Lock()
	applied, lastID := d.applied, d.lastID
	d.mu.Unlock()
	if err := d.checkCommon(ctx, applied, lastID); err != nil {
		return err
	}
	if d.q.o.OnReplayed != nil {
		d.q.o.OnReplayed(d.id, n)
	}
	d.q.o.Log.Info("Redis has all records again", "desk", d.id, "records", n)
	return nil
}

// putBack applies one journal entry to Redis. states holds the requests that
// were folded so far. It returns the last record that Redis has then; mine is
// false if another gateway was faster.
func (d *Desk) putBack(ctx context.Context, e journal.Entry, r Record, states map[request.Reference]request.State) (have uint64, mine bool, err error) {
	var changes []change
	tx := &Tx{}
	for _, ev := range r.Events {
		s, ok := states[ev.Ref]
		if !ok {
			if s, err = d.stateNow(ctx, ev.Ref); err != nil && !errors.Is(err, ErrNotFound) {
				return 0, false, err
			}
		}
		tx.changes = changes
		i := tx.find(ev.Ref)
		if i < 0 {
			changes = append(changes, change{ref: ev.Ref, before: s})
			i = len(changes) - 1
		}
		s = request.Fold(s, ev)
		changes[i].after = s
		states[ev.Ref] = s
	}
	ops, err := operations(r, changes)
	if err != nil {
		return 0, false, err
	}
	answer, err := d.run(ctx, 0, r.ID, e.Record, e.Seq, e.UIDs, ops)
	if err != nil {
		return 0, false, err
	}
	switch answer[0] {
	case "OK":
		return e.Seq, true, nil
	case "OLD":
		have, err = strconv.ParseUint(answer[1], 10, 64)
		return have, false, err
	}
	return 0, false, fmt.Errorf("record %d: %s at %s", e.Seq, answer[0], answer[1])
}

// checkCommon compares our last record with the one of the same number in
// Redis, as far as the stream still holds it.
func (d *Desk) checkCommon(ctx context.Context, seq uint64, id string) error {
	if seq == 0 {
		return nil
	}
	at := strconv.FormatUint(seq, 10)
	found, err := d.q.client.XRange(ctx, d.key("stream"), at, at).Result()
	if err != nil || len(found) == 0 {
		return err
	}
	_, line, err := entry(found[0])
	if err != nil {
		return err
	}
	r, err := decode([]byte(line))
	if err == nil && r.ID != id {
		err = fmt.Errorf("%w at record %d", ErrForked, seq)
	}
	return err
}

// catchUp reads the stream up to record seq.
func (d *Desk) catchUp(ctx context.Context, seq uint64) error {
	for d.Applied() < seq {
		from := strconv.FormatUint(d.Applied()+1, 10)
		found, err := d.q.client.XRangeN(ctx, d.key("stream"), from, "+", followBatch).Result()
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("stream of desk %s ends before record %d", d.id, seq)
		}
		if err := d.take(found); err != nil {
			return err
		}
	}
	return nil
}

// ensureFolders writes the first record of a new desk.
func (d *Desk) ensureFolders(ctx context.Context) error {
	d.mu.Lock()
	done := d.mailboxes != nil
	d.mu.Unlock()
	if done {
		return nil
	}
	at := now()
	r := Record{ID: NewID(), At: at, By: "gateway", Validity: uint32(at.Unix())}
	ops, err := operations(r, nil)
	if err != nil {
		return err
	}
	line, err := encode(r)
	if err != nil {
		return err
	}
	if _, err := d.run(ctx, d.Applied(), r.ID, line, 0, "", ops); err != nil {
		return err
	}
	// OK, or SEEN because another gateway was first: the record is in the
	// stream either way.
	seq, _, err := d.head(ctx)
	if err != nil {
		return err
	}
	return d.catchUp(ctx, seq)
}

// tail follows the stream. It returns when Redis is not reached, has lost
// records, or the journal cannot be written.
func (d *Desk) tail(ctx context.Context) error {
	for {
		if err := d.ready(); err != nil {
			return err // a commit found Redis behind
		}
		applied := d.Applied()
		streams, err := d.news(ctx, applied)
		if errors.Is(err, redis.Nil) {
			seq, _, err := d.head(ctx)
			if err != nil {
				return err
			}
			if seq < applied {
				return errors.New("Redis has lost records")
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, s := range streams {
			if err := d.take(s.Messages); err != nil {
				return err
			}
			if len(s.Messages) >= manyRecords {
				time.Sleep(gatherTime)
			}
		}
	}
}

// news waits a while for records after seq. A server that neither answers nor
// closes the connection is noticed soon after. When ctx ends, it returns at
// once, and the read ends by itself.
func (d *Desk) news(ctx context.Context, seq uint64) ([]redis.XStream, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*followBlock)
	defer cancel()
	answer := make(chan *redis.XStreamSliceCmd, 1)
	go func() {
		answer <- d.q.client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{d.key("stream"), strconv.FormatUint(seq, 10)},
			Count:   followBatch, Block: followBlock,
		})
	}()
	select {
	case a := <-answer:
		return a.Result()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take makes stream entries durable, then visible, then tells who waits for
// them.
func (d *Desk) take(found []redis.XMessage) error {
	entries := make([]journal.Entry, len(found))
	records := make([]Record, len(found))
	next := d.Applied() + 1
	for i, m := range found {
		e, line, err := entry(m)
		if err != nil {
			return err
		}
		if e.Seq != next+uint64(i) {
			return fmt.Errorf("stream of desk %s: record %d is missing", d.id, next+uint64(i))
		}
		if records[i], err = d.read(line); err != nil {
			return err
		}
		e.Desk = d.id
		entries[i] = e
	}
	if err := d.q.journal.Append(entries...); err != nil {
		return err
	}
	for i, r := range records {
		d.project(r, parseUIDs(entries[i].UIDs))
		if d.q.o.OnApplied != nil {
			d.q.o.OnApplied(d.id, r)
		}
	}
	d.advance(next, records...)
	return nil
}

// entry reads one stream message. line is its record.
func entry(m redis.XMessage) (e journal.Entry, line string, err error) {
	line, _ = m.Values["r"].(string)
	e.UIDs, _ = m.Values["u"].(string)
	e.Record = []byte(line)
	seq, ours := strings.CutSuffix(m.ID, "-0")
	if e.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || !ours {
		return e, "", fmt.Errorf("stream entry %q: not one of ours", m.ID)
	}
	return e, line, nil
}
