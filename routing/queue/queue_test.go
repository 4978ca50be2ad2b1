package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// redisServer is a real redis-server on a socket of its own.
type redisServer struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	args []string
}

func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: run make test, which installs what the tests need")
	}
	dir, err := os.MkdirTemp("", "rq") // short, because of the limit on socket paths
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, dir: dir, args: args}
	s.start()
	t.Cleanup(func() { s.kill(); os.RemoveAll(dir) })
	return s
}

func (s *redisServer) url() string { return "unix://" + filepath.Join(s.dir, "s") }

func (s *redisServer) start() {
	s.t.Helper()
	args := append([]string{"--port", "0", "--unixsocket", filepath.Join(s.dir, "s"), "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	waitFor(s.t, "redis-server", func() bool {
		c, err := net.Dial("unix", filepath.Join(s.dir, "s"))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill ends the server as a power cut would.
func (s *redisServer) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	os.Remove(filepath.Join(s.dir, "s"))
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func openQueue(t *testing.T, client redis.UniversalClient, dir string, set ...func(*queue.Options)) *queue.Queue {
	t.Helper()
	o := queue.Options{Client: client, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), JournalDir: dir, Desks: []string{"XA-1", "XB-1"}, Timeout: 5 * time.Second}
	for _, f := range set {
		f(&o)
	}
	q, err := queue.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "queue ready", func() bool { err = q.Ready(); return err == nil })
	return q
}

// backends runs f against the embedded server and against a real Redis.
func backends(t *testing.T, f func(t *testing.T, client redis.UniversalClient)) {
	t.Run("embedded", func(t *testing.T) {
		c, stop := queue.Embedded()
		t.Cleanup(stop)
		f(t, c)
	})
	t.Run("redis", func(t *testing.T) { f(t, dial(t, startRedis(t).url())) })
}

func dial(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	c, err := queue.Dial(url, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func desk(t *testing.T, q *queue.Queue, id string) *queue.Desk {
	t.Helper()
	d, ok := q.Desk(id)
	if !ok {
		t.Fatalf("no desk %s", id)
	}
	return d
}

var due = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

// receive opens a request as intake does.
func receive(ctx context.Context, d *queue.Desk, key string) (request.Reference, queue.Receipt, error) {
	found, err := d.Arrive(ctx, 2026, []string{key}, nil)
	if err != nil {
		return "", queue.Receipt{}, err
	}
	ref := request.NewReference(d.ID(), 2026, found.Number)
	r, err := d.Commit(ctx, func(tx *queue.Tx) error {
		tx.By("gateway")
		tx.Once(key, string(ref), due)
		tx.Number(2026, found.Number)
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: mailbox.Inbox, Item: key, Size: 7, Received: tx.At(), Request: string(ref)})
		return tx.Open(request.Open{
			Ref: ref, At: tx.At(), Direction: request.Received, Kind: request.Preservation, Peer: "XB-1", Message: key,
			Deadlines: []request.Deadline{{Clock: "acknowledge", At: due, StopsOn: "acknowledged", Timers: []request.Timer{{What: request.TimerDue, At: due}}}},
		})
	})
	return ref, r, err
}

func TestCommittedRequestIsThere(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		ref, r, err := receive(t.Context(), d, "a")
		if err != nil {
			t.Fatal(err)
		}
		if ref != "XA-1-2026-000001-"+ref[len(ref)-1:] || len(r.UIDs) != 1 || r.UIDs[0] != 1 {
			t.Errorf("got reference %s, UIDs %v", ref, r.UIDs)
		}
		s, err := d.State(t.Context(), ref)
		if err != nil || s.Status != request.StatusOpen || s.Version != 1 {
			t.Errorf("state %+v, error %v", s, err)
		}
		box, _ := d.Mailbox(mailbox.Inbox)
		if entries, next := box.Snapshot(); len(entries) != 1 || entries[0].Item != "a" || next != 2 {
			t.Errorf("inbox %+v, next UID %d", entries, next)
		}
		stats, err := d.Stats(t.Context())
		if err != nil || stats.Open[request.Preservation] != 1 || !stats.NextDeadline.Equal(due) || stats.Overdue != 0 {
			t.Errorf("stats %+v, error %v", stats, err)
		}
	})
}

func TestOnceIsOnce(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		ref, _, err := receive(t.Context(), d, "same")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = receive(t.Context(), d, "same")
		var seen *queue.SeenError
		if !errors.As(err, &seen) || seen.Value != string(ref) {
			t.Fatalf("second commit: %v, want the first reference %s", err, ref)
		}
		if box, _ := d.Mailbox(mailbox.Inbox); box.Len() != 1 {
			t.Errorf("%d messages, want 1", box.Len())
		}
	})
}

func TestConcurrentCommandsDecideOnWhatIsThere(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		ref, _, err := receive(t.Context(), d, "a")
		if err != nil {
			t.Fatal(err)
		}
		var won sync.Map
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				who := fmt.Sprintf("officer%d", i)
				_, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
					return tx.Do(ref, request.Claim{At: tx.At(), By: who})
				})
				if err == nil {
					won.Store(who, true)
				} else if !errors.Is(err, request.ErrNotAllowed) {
					t.Errorf("%s: %v", who, err)
				}
			})
		}
		wg.Wait()
		n := 0
		won.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("%d officers claimed the same request, want 1", n)
		}
	})
}

func TestMoveFailsWhenSomebodyWasFaster(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		_, r, err := receive(t.Context(), d, "a")
		if err != nil {
			t.Fatal(err)
		}
		move := func() error {
			_, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
				tx.Mail(queue.Mail{Op: queue.MailRemove, Folder: mailbox.Inbox, UID: r.UIDs[0]},
					queue.Mail{Op: queue.MailAdd, Folder: mailbox.Archive, Item: "a", Size: 7, Received: tx.At()})
				return nil
			})
			return err
		}
		if err := move(); err != nil {
			t.Fatal(err)
		}
		if err := move(); !errors.Is(err, queue.ErrConflict) {
			t.Errorf("second move: %v, want a conflict", err)
		}
		in, _ := d.Mailbox(mailbox.Inbox)
		out, _ := d.Mailbox(mailbox.Archive)
		if in.Len() != 0 || out.Len() != 1 {
			t.Errorf("%d left, %d moved; want 0 and 1", in.Len(), out.Len())
		}
	})
}

// picture is all that a client or an officer could see of a desk.
func picture(t *testing.T, d *queue.Desk) string {
	t.Helper()
	s, err := d.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%+v\n", s)
	for _, name := range mailbox.Names() {
		box, ok := d.Mailbox(name)
		if !ok {
			t.Fatalf("no folder %s", name)
		}
		entries, next := box.Snapshot()
		out += fmt.Sprintf("%s %d %d %+v\n", name, box.UIDValidity(), next, entries)
		for _, e := range entries {
			state, err := d.State(t.Context(), request.Reference(e.Request))
			out += fmt.Sprintf("  %+v %v\n", state, err)
		}
	}
	return out
}

func TestNothingIsLostWhenRedisForgets(t *testing.T) {
	server := startRedis(t)
	client := dial(t, server.url())
	q := openQueue(t, client, t.TempDir())
	defer q.Close()
	d := desk(t, q, "XA-1")
	for i := range 30 {
		if _, _, err := receive(t.Context(), d, fmt.Sprint("m", i)); err != nil {
			t.Fatal(err)
		}
	}
	before := picture(t, d)

	t.Run("FLUSHALL", func(t *testing.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "replay", func() bool { n, _ := client.XLen(t.Context(), "relais:{XA-1}:stream").Result(); return n >= 31 })
		if after := picture(t, d); after != before {
			t.Errorf("after FLUSHALL:\n%s\nbefore:\n%s", after, before)
		}
	})
	t.Run("kill -9 without persistence", func(t *testing.T) {
		server.kill()
		waitFor(t, "trouble to be noticed", func() bool { return q.Ready() != nil })
		if _, _, err := receive(t.Context(), d, "while away"); !errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("commit without Redis: %v, want unavailable", err)
		}
		server.start()
		waitFor(t, "recovery without restart", func() bool { return q.Ready() == nil })
		if after := picture(t, d); after != before {
			t.Errorf("after kill:\n%s\nbefore:\n%s", after, before)
		}
	})
	t.Run("numbers and UIDs go on", func(t *testing.T) {
		ref, r, err := receive(t.Context(), d, "next")
		if err != nil {
			t.Fatal(err)
		}
		if want := request.NewReference("XA-1", 2026, 31); ref != want || r.UIDs[0] != 31 {
			t.Errorf("reference %s, UID %d; want %s, 31", ref, r.UIDs[0], want)
		}
	})
}

func TestGatewayRestartFindsItsHistory(t *testing.T) {
	dir := t.TempDir()
	c, stop := queue.Embedded()
	q := openQueue(t, c, dir)
	d := desk(t, q, "XA-1")
	for i := range 5 {
		if _, _, err := receive(t.Context(), d, fmt.Sprint("m", i)); err != nil {
			t.Fatal(err)
		}
	}
	before := picture(t, d)
	q.Close()
	stop() // the embedded server forgets everything

	c, stop = queue.Embedded()
	defer stop()
	q = openQueue(t, c, dir)
	defer q.Close()
	if after := picture(t, desk(t, q, "XA-1")); after != before {
		t.Errorf("after restart:\n%s\nbefore:\n%s", after, before)
	}
}

func TestTwoGatewaysShareADesk(t *testing.T) {
	url := startRedis(t).url()
	a := openQueue(t, dial(t, url), t.TempDir())
	defer a.Close()
	b := openQueue(t, dial(t, url), t.TempDir())
	defer b.Close()
	da, db := desk(t, a, "XA-1"), desk(t, b, "XA-1")
	var wg sync.WaitGroup
	for i := range 20 {
		d := []*queue.Desk{da, db}[i%2]
		wg.Go(func() {
			if _, _, err := receive(t.Context(), d, fmt.Sprint("m", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	waitFor(t, "both gateways to hold everything", func() bool { return da.Applied() == 21 && db.Applied() == 21 })
	if pa, pb := picture(t, da), picture(t, db); pa != pb {
		t.Errorf("the gateways differ:\n%s\n%s", pa, pb)
	}
}

func TestLeasesComeBackAndCommitsEndThem(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		ref, _, err := receive(t.Context(), d, "a")
		if err != nil {
			t.Fatal(err)
		}
		out := queue.Out{Op: queue.OutQueue, ID: "o1", Item: "x", To: "XB-1", Request: ref, Purpose: queue.PurposeReply}
		if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
			out.Since, out.At = tx.At(), tx.At()
			tx.Out(out)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		first, err := d.Lease(t.Context(), 50*time.Millisecond, 10)
		if err != nil || len(first) != 1 || first[0].ID != "o1" {
			t.Fatalf("lease: %+v, %v", first, err)
		}
		waitFor(t, "lease to run out", func() bool {
			again, err := d.Lease(t.Context(), time.Hour, 10)
			return err == nil && len(again) == 1
		})
		if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
			tx.Out(queue.Out{Op: queue.OutDone, ID: "o1"})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if s, err := d.Stats(t.Context()); err != nil || s.Outbox != 0 {
			t.Errorf("outbox %+v, %v; want empty", s, err)
		}
	})
}

func TestTimersFireOnceTheyAreDue(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir())
		defer q.Close()
		d := desk(t, q, "XA-1")
		past := time.Now().Add(-time.Minute).UTC()
		ref := request.NewReference("XA-1", 2026, 7)
		if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
			return tx.Open(request.Open{Ref: ref, At: past, Direction: request.Received, Kind: request.Ping, Peer: "XB-1",
				Deadlines: []request.Deadline{{Clock: "acknowledge", At: past, StopsOn: "acknowledged", Timers: []request.Timer{{What: request.TimerDue, At: past}}}}})
		}); err != nil {
			t.Fatal(err)
		}
		timers, err := d.Timers(t.Context(), time.Hour, 10)
		if err != nil || len(timers) != 1 || timers[0] != (queue.Timer{Ref: ref, Clock: "acknowledge", What: request.TimerDue}) {
			t.Fatalf("timers %+v, %v", timers, err)
		}
		for range 2 { // the second time nothing is left to fire
			if _, err := d.Commit(t.Context(), func(tx *queue.Tx) error {
				return tx.Do(ref, request.Tick{At: tx.At(), Clock: timers[0].Clock, What: timers[0].What})
			}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := d.State(t.Context(), ref)
		if err != nil || len(s.Overdue) != 1 || s.Version != 2 {
			t.Errorf("state %+v, %v; want it overdue once", s, err)
		}
		if st, _ := d.Stats(t.Context()); st.Overdue != 1 {
			t.Errorf("%d overdue, want 1", st.Overdue)
		}
	})
}

func TestEmbeddedQueueRefusesWhenFull(t *testing.T) {
	c, stop := queue.Embedded()
	defer stop()
	q := openQueue(t, c, t.TempDir(), func(o *queue.Options) { o.Embedded, o.MaxOpen = true, 2 })
	defer q.Close()
	d := desk(t, q, "XA-1")
	for i := range 2 {
		if _, _, err := receive(t.Context(), d, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := receive(t.Context(), d, "one more"); !errors.Is(err, queue.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
}
