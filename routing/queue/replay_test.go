package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"relais.example/routing/journal"
	"relais.example/routing/request"
)

// stopped is a queue with one request of several events whose follower was
// ended, so that the test alone speaks to Redis.
func stopped(t *testing.T) (*Desk, request.Reference) {
	t.Helper()
	client, stop := Embedded()
	t.Cleanup(stop)
	q, err := Open(Options{Client: client, JournalDir: t.TempDir(), Desks: []string{"XA-1"}, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	d := q.desks["XA-1"]
	for deadline := time.Now().Add(10 * time.Second); q.Ready() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("queue not ready within 10 s")
		}
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(time.Second):
		}
	}
	ref := request.NewReference("XA-1", 2026, 1)
	do := func(f func(tx *Tx) error) {
		if _, err := d.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	do(func(tx *Tx) error {
		return tx.Open(request.Open{Ref: ref, At: tx.At(), Direction: request.Received, Kind: request.Preservation, Peer: "XB-1", Message: "m"})
	})
	for i := range 6 {
		do(func(tx *Tx) error {
			if i%2 == 0 {
				return tx.Do(ref, request.Claim{At: tx.At(), By: "officer"})
			}
			return tx.Do(ref, request.Unclaim{At: tx.At(), By: "officer"})
		})
	}
	q.stop()
	q.wg.Wait()
	return d, ref
}

func TestReplayGoesOnWhereAnotherGatewayStopped(t *testing.T) {
	d, ref := stopped(t)
	ctx := context.Background()
	want, err := d.State(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.q.client.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	// The other gateway puts back four records and dies. This one had looked
	// when there was one.
	theirs := map[request.Reference]request.State{}
	var first string
	err = d.q.journal.Each(func(e journal.Entry) error {
		if e.Seq > 4 {
			return nil
		}
		r, err := decode(e.Record)
		if err != nil {
			return err
		}
		if e.Seq == 1 {
			first = r.ID
		}
		_, _, err = d.putBack(ctx, e, r, theirs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.replay(ctx, 1, first); err != nil {
		t.Fatal(err)
	}
	if got, err := d.State(ctx, ref); err != nil || got.Version != want.Version || got.Owner != want.Owner {
		t.Errorf("state is %+v, %v; was %+v", got, err, want)
	}
}

func TestReplayNoticesAnotherHistory(t *testing.T) {
	d, _ := stopped(t)
	ctx := context.Background()
	if err := d.q.client.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	// Another gateway, whose journal lacks the last record, has written
	// another one in its place.
	theirs := map[request.Reference]request.State{}
	last := d.applied
	err := d.q.journal.Each(func(e journal.Entry) error {
		r, err := decode(e.Record)
		if err != nil {
			return err
		}
		if e.Seq == last {
			r = Record{ID: NewID(), At: now(), By: "other"}
			if e.Record, err = encode(r); err != nil {
				return err
			}
		}
		_, _, err = d.putBack(ctx, e, r, theirs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.replay(ctx, 0, ""); !errors.Is(err, ErrForked) {
		t.Errorf("got %v, want ErrForked", err)
	}
}

func TestWaitingCommitEndsWithTheQueue(t *testing.T) {
	d, _ := stopped(t)
	done := make(chan error, 1)
	go func() { done <- d.waitApplied(context.Background(), d.Applied()+1) }()
	select {
	case err := <-done:
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want unavailable", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("still waiting after 10 s")
	}
}
