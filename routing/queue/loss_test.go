package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// deaf loses the answers to scripts while it is on: they are done, but the
// gateway does not learn it.
type deaf struct{ on atomic.Bool }

func (h *deaf) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h *deaf) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			h.lose(cmd)
		}
		return err
	}
}
func (h *deaf) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		h.lose(cmd)
		return cmp.Or(err, cmd.Err())
	}
}
func (h *deaf) lose(cmd redis.Cmder) {
	if h.on.Load() && strings.HasPrefix(cmd.Name(), "eval") && cmd.Err() == nil {
		cmd.SetErr(errors.New("connection reset by peer"))
	}
}

func TestCommitWhoseAnswerWasLostIsSeenAtTheNextTry(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		h := &deaf{}
		client.AddHook(h)
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		h.on.Store(true)
		if _, _, err := receive(t.Context(), d, "m"); !errors.Is(err, queue.ErrUnavailable) {
			t.Fatalf("got %v, want unavailable", err)
		}
		h.on.Store(false)
		waitFor(t, "recovery", func() bool { return q.Ready() == nil })
		_, _, err := receive(t.Context(), d, "m")
		var seen *queue.SeenError
		if !errors.As(err, &seen) || seen.Value != string(request.NewReference("XA-1", 2026, 1)) {
			t.Errorf("second try: %v, want that the first one is named", err)
		}
		if box, _ := d.Mailbox(mailbox.Inbox); box.Len() != 1 {
			t.Errorf("%d messages, want 1", box.Len())
		}
	})
}

// dump is everything that Redis holds of the desks, but for the streams.
func dump(t *testing.T, c redis.UniversalClient) map[string]string {
	t.Helper()
	keys, err := c.Keys(t.Context(), "relais:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, k := range keys {
		kind, _ := c.Type(t.Context(), k).Result()
		switch kind {
		case "hash":
			out[k] = fmt.Sprint(c.HGetAll(t.Context(), k).Val()) // fmt sorts maps
		case "zset":
			out[k] = fmt.Sprint(c.ZRangeWithScores(t.Context(), k, 0, -1).Val())
		case "set":
			members := c.SMembers(t.Context(), k).Val()
			slices.Sort(members)
			out[k] = fmt.Sprint(members)
		case "string":
			out[k] = c.Get(t.Context(), k).Val()
		}
	}
	return out
}

// busyDay does everything once that a desk can do.
func busyDay(t *testing.T, d *queue.Desk) {
	t.Helper()
	var refs []request.Reference
	for i := range 6 {
		ref, _, err := receive(t.Context(), d, fmt.Sprint("m", i))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	commit := func(f func(tx *queue.Tx) error) {
		t.Helper()
		if _, err := d.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	out := func(id string, ref request.Reference) queue.Out {
		return queue.Out{Op: queue.OutQueue, ID: id, Item: "x", To: "XB-1", Request: ref, Purpose: queue.PurposeReply, Since: due, At: due}
	}
	commit(func(tx *queue.Tx) error {
		tx.Thread("t1", refs[0])
		tx.Move(queue.Location{Folder: mailbox.Inbox, UID: 2}, mailbox.Quarantine)
		return tx.Do(refs[0], request.Claim{At: tx.At(), By: "officer"})
	})
	commit(func(tx *queue.Tx) error {
		tx.Out(out("o1", refs[0]), out("o2", refs[2]), out("o3", refs[3]))
		if err := tx.Do(refs[2], request.Reply{At: tx.At(), By: "officer", Final: true, Out: "o2", Message: "x"}); err != nil {
			return err
		}
		return tx.Do(refs[0], request.Reply{At: tx.At(), By: "officer", Final: true, Out: "o1", Message: "x"})
	})
	commit(func(tx *queue.Tx) error {
		tx.Out(queue.Out{Op: queue.OutDone, ID: "o1"})
		return tx.Do(refs[0], request.Delivered{At: tx.At(), Out: "o1", Final: true, Ack: true})
	})
	commit(func(tx *queue.Tx) error {
		o := out("o2", refs[2])
		o.Op, o.Attempts = queue.OutDefer, 1
		tx.Out(o)
		return nil
	})
	commit(func(tx *queue.Tx) error {
		tx.Move(queue.Location{Folder: mailbox.Inbox, UID: 4}, mailbox.Archive)
		tx.Mail(queue.Mail{Op: queue.MailFlag, Folder: mailbox.Inbox, UID: 5, Flags: []string{`\Seen`}})
		return tx.Do(refs[3], request.Close{At: tx.At(), By: "officer"})
	})
	commit(func(tx *queue.Tx) error {
		return tx.Do(refs[4], request.Tick{At: due, Clock: "acknowledge", What: request.TimerDue})
	})
}

func TestReplayGivesRedisBackAsItWas(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		busyDay(t, d)
		before, head := dump(t, client), d.Applied()
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "replay", func() bool {
			n, _ := client.HGet(t.Context(), "relais:{XA-1}:head", "seq").Uint64()
			b, _ := client.HGet(t.Context(), "relais:{XB-1}:head", "seq").Uint64()
			return n == head && b == 1 && q.Ready() == nil
		})
		after := dump(t, client)
		for k, v := range before {
			if after[k] != v {
				t.Errorf("%s is\n%s\nwas\n%s", k, after[k], v)
			}
			delete(after, k)
		}
		for k := range after {
			t.Errorf("%s was not there before", k)
		}
	})
}

func TestTwoGatewaysPutRecordsBackTogether(t *testing.T) {
	server := startRedis(t)
	client := dial(t, server.url())
	a := openQueue(t, client, t.TempDir())
	defer a.Close()
	b := openQueue(t, dial(t, server.url()), t.TempDir())
	defer b.Close()
	da, db := desk(t, a, "XA-1"), desk(t, b, "XA-1")
	busyDay(t, da)
	waitFor(t, "both to know it", func() bool { return db.Applied() == da.Applied() })
	before := dump(t, client)
	for range 3 {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "replay", func() bool {
			n, _ := client.HGet(t.Context(), "relais:{XA-1}:head", "seq").Uint64()
			return n == da.Applied() && a.Ready() == nil && b.Ready() == nil
		})
		if after := dump(t, client); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("Redis is\n%v\nwas\n%v", after, before)
		}
	}
}

func TestFirstMessageOfAThreadCounts(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		for _, ref := range []request.Reference{"XA-1-2026-000001-A", "XA-1-2026-000002-B"} {
			if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error { tx.Thread("id", ref); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		found, err := d.Arrive(t.Context(), 0, nil, []string{"id"})
		if err != nil || len(found.Threads) != 1 || found.Threads[0] != "XA-1-2026-000001-A" {
			t.Errorf("found %+v, %v; want the first request", found, err)
		}
	})
}

func TestLateAttemptDoesNotBringBackWhatWasDelivered(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		out := queue.Out{Op: queue.OutQueue, ID: "o", Item: "x", To: "XB-1", Since: time.Now(), At: time.Now()}
		say := func(op queue.OutOp) error {
			_, err := d.Commit(t.Context(), func(tx *queue.Tx) error { out.Op = op; tx.Out(out); return nil })
			return err
		}
		if err := errors.Join(say(queue.OutQueue), say(queue.OutDone)); err != nil {
			t.Fatal(err)
		}
		for _, op := range []queue.OutOp{queue.OutDefer, queue.OutFail, queue.OutDone} {
			if err := say(op); !errors.Is(err, queue.ErrConflict) {
				t.Errorf("%s after it was delivered: %v, want a conflict", op, err)
			}
		}
		if s, err := d.Stats(t.Context()); err != nil || s.Outbox != 0 {
			t.Errorf("outbox %+v, %v; want it empty", s, err)
		}
	})
}

func TestCommitTooLargeForTheJournalIsRefused(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		before := d.Applied()
		_, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
			for range 100_000 {
				tx.Mail(queue.Mail{Op: queue.MailFlag, Folder: mailbox.Inbox, UID: 1, Flags: []string{`\Seen`}})
			}
			return nil
		})
		if err == nil || d.Applied() != before {
			t.Fatalf("got %v at record %d, want a refusal at %d", err, d.Applied(), before)
		}
		if _, _, err := receive(t.Context(), d, "next"); err != nil {
			t.Errorf("the next commit: %v", err)
		}
	})
}

func TestCommitOfNothingLeavesNoTrace(t *testing.T) {
	c, stop := queue.Embedded()
	defer stop()
	q := openQueue(t, c, t.TempDir())
	defer q.Close()
	d := desk(t, q, "XA-1")
	before := d.Applied()
	if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error { tx.By("gateway"); return nil }); err != nil || d.Applied() != before {
		t.Errorf("error %v, record %d; want none and %d", err, d.Applied(), before)
	}
}

func TestRefusedWriteIsNotTakenForAFreeNumber(t *testing.T) {
	client := dial(t, startRedis(t).url())
	q := openQueue(t, client, t.TempDir())
	defer q.Close()
	d := desk(t, q, "XA-1")
	if err := client.SlaveOf(t.Context(), "127.0.0.1", "1").Err(); err != nil { // reads go on, writes are refused
		t.Fatal(err)
	}
	if found, err := d.Arrive(t.Context(), 2026, []string{"new"}, nil); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("got %+v, %v; want unavailable", found, err)
	}
}

func TestSilentRedisIsNoticed(t *testing.T) {
	server := startRedis(t)
	q := openQueue(t, dial(t, server.url()), t.TempDir())
	defer q.Close()
	if err := server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the silence to be noticed", func() bool { return q.Ready() != nil })
	if err := server.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "recovery", func() bool { return q.Ready() == nil })
}

// What was remembered must not slow down what comes.
func TestEmbeddedQueueDoesNotSlowDownWithItsMemory(t *testing.T) {
	c, stop := queue.Embedded()
	defer stop()
	q := openQueue(t, c, t.TempDir())
	defer q.Close()
	d := desk(t, q, "XA-1")
	took := func() time.Duration {
		start := time.Now()
		for range 300 {
			if _, err := d.Arrive(t.Context(), 0, []string{"x"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(start)
	}
	few := took()
	for i := range 50_000 {
		if err := c.Set(t.Context(), fmt.Sprint("relais:{XA-1}:once:sig:", i), "v", 9000*time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if many := took(); many > 20*few+time.Second {
		t.Errorf("300 look-ups took %v beside nothing and %v beside 50,000 remembered signatures", few, many)
	}
}

// Names that may come once are forgotten after a time; their records stay in
// the journal.
func TestReplayGetsPastNamesThatHaveExpired(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error { tx.Once("old", "v", tx.At().Add(50*time.Millisecond)); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, _, err := receive(t.Context(), d, "m"); err != nil {
			t.Fatal(err)
		}
		head := d.Applied()
		past := time.Now().Add(100 * time.Millisecond)
		waitFor(t, "the name to expire", func() bool { return time.Now().After(past) })
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "replay", func() bool {
			n, _ := client.HGet(t.Context(), "relais:{XA-1}:head", "seq").Uint64()
			return n == head && q.Ready() == nil
		})
		if found, err := d.Arrive(t.Context(), 0, []string{"old", "m"}, nil); err != nil || found.Seen[0] != "" || found.Seen[1] == "" {
			t.Errorf("found %+v, %v", found, err)
		}
	})
}

// A commit may stop and start thousands of timers at once.
func TestManyTimersInOneCommit(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		const requests, timers = 100, 100
		var clock request.Deadline
		clock.Clock, clock.At, clock.StopsOn = "c", due, "closed"
		for i := range timers {
			clock.Timers = append(clock.Timers, request.Timer{What: request.TimerRemind, At: due.Add(time.Duration(-i) * time.Second)})
		}
		each := func(do func(tx *queue.Tx, ref request.Reference) error) {
			t.Helper()
			if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
				for n := range uint64(requests) {
					if err := do(tx, request.NewReference("XA-1", 2026, n+1)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		each(func(tx *queue.Tx, ref request.Reference) error {
			return tx.Open(request.Open{Ref: ref, At: tx.At(), Direction: request.Received, Kind: request.Ping, Peer: "XB-1", Message: "m", Deadlines: []request.Deadline{clock}})
		})
		if n := client.ZCard(t.Context(), "relais:{XA-1}:timers").Val(); n != requests*timers {
			t.Errorf("%d timers, want %d", n, requests*timers)
		}
		each(func(tx *queue.Tx, ref request.Reference) error {
			return tx.Do(ref, request.Close{At: tx.At(), By: "amy"})
		})
		if n := client.ZCard(t.Context(), "relais:{XA-1}:timers").Val(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}

// While an empty Redis is filled again, what was delivered long ago passes
// through the outbox once more: it must not be sent again.
func TestNothingIsSentTwiceWhileRedisIsFilled(t *testing.T) {
	dir := t.TempDir()
	open := func() (*queue.Queue, func()) {
		client, stop := queue.Embedded()
		q, err := queue.Open(queue.Options{Client: client, Embedded: true, Log: slog.New(slog.DiscardHandler), JournalDir: dir, Desks: []string{"XA-1"}, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return q, func() { q.Close(); stop() }
	}
	q, stop := open()
	waitFor(t, "queue ready", func() bool { return q.Ready() == nil })
	d := desk(t, q, "XA-1")
	for range 300 {
		out := queue.Out{Op: queue.OutQueue, ID: queue.NewID(), To: "XB-1", Item: "i", Purpose: queue.PurposeMessage, At: time.Now().Add(-time.Hour), Since: time.Now()}
		for _, op := range []queue.OutOp{queue.OutQueue, queue.OutDone} {
			out.Op = op
			if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error { tx.Out(out); return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	q, stop = open()
	defer stop()
	d, _ = q.Desk("XA-1")
	looked := 0
	for q.Ready() != nil {
		looked++
		if outs, err := d.Lease(t.Context(), time.Minute, 100); len(outs) > 0 {
			t.Fatalf("%d delivered messages are handed out again (%v)", len(outs), err)
		}
	}
	if looked == 0 {
		t.Fatal("the queue was ready at once: nothing was shown")
	}
}
