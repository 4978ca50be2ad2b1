package crash

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"relais.example/crypto/pgpmime"
	"relais.example/test/gateway"
)

const (
	connections = 8  // at a time
	batch       = 80 // messages per round
)

// post is one message on its way in.
type post struct {
	id  string // Message-ID
	raw []byte
	ref string // set once it was answered 250
	uid uint32 // set once it was seen in INBOX
}

// posts makes requests of XB-2 to XA-1.
func posts(g *gateway.Gateway, n int) []*post {
	var out []*post
	for range n {
		p := &post{id: gateway.MessageID()}
		p.raw = g.SealedFor("XA-1", gateway.AlphaAddress, "XB-2", pgpmime.Draft{
			From: gateway.ProsecutorAddress, Subject: "Case " + gateway.SecretSubject, MessageID: p.id, Body: []byte(gateway.Preservation),
		})
		out = append(out, p)
	}
	return out
}

// flood sends what was not confirmed yet over several connections, and again
// after every trouble, until all is confirmed or stop is closed. confirmed is
// called, from many goroutines, with the number of messages confirmed so far.
func flood(t *testing.T, g *gateway.Gateway, all []*post, stop <-chan struct{}, confirmed func(n int64)) {
	t.Helper()
	queue := make(chan *post, len(all))
	for _, p := range all {
		if p.ref == "" {
			queue <- p
		}
	}
	close(queue)
	var n atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			s := sender{g: g}
			defer s.hangUp()
			for p := range queue {
				reply, ok := s.deliver(p.raw, stop)
				switch {
				case !ok:
					return
				case reply.Code == 250:
					p.ref = reply.Reference()
					confirmed(n.Add(1))
				default:
					t.Errorf("a good message was answered %v", reply)
				}
			}
		})
	}
	wg.Wait()
}

// sender is a mail server that tries again for as long as it is told to.
type sender struct {
	g *gateway.Gateway
	c *smtp.Client
}

func (s *sender) hangUp() {
	if s.c != nil {
		s.c.Close()
		s.c = nil
	}
}

func (s *sender) deliver(raw []byte, stop <-chan struct{}) (reply gateway.Reply, ok bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.c == nil {
			s.c, _ = s.g.DialMX()
		}
		if s.c != nil {
			reply = gateway.Transfer(s.c, gateway.ProsecutorAddress, gateway.AlphaAddress, raw)
			if reply.Code/100 == 2 || reply.Code/100 == 5 {
				return reply, true
			}
			s.hangUp()
		}
		select {
		case <-stop:
			return reply, false
		case <-tick.C:
		}
	}
}

// checkInbox compares INBOX with what was confirmed: each message once, under
// the reference that its sender was told, with the UID it always had.
func checkInbox(t *testing.T, g *gateway.Gateway, all []*post, validity *uint32) {
	t.Helper()
	staff := g.IMAP(gateway.Olga)
	defer staff.Close()
	found := map[string][]gateway.Mail{}
	for _, m := range staff.List("INBOX") {
		found[m.Header.Get("Message-Id")] = append(found[m.Header.Get("Message-Id")], m)
	}
	known := map[string]bool{}
	for _, p := range all {
		known[p.id] = true
		mails := found[p.id]
		switch {
		case len(mails) > 1:
			t.Errorf("%s stands %d times in INBOX", p.ref, len(mails))
		case len(mails) == 0 && p.ref != "":
			t.Errorf("%s was confirmed and is lost", p.ref)
		case len(mails) == 1 && p.ref != "" && mails[0].Header.Get("X-Relais-Reference") != p.ref:
			t.Errorf("%s was confirmed, INBOX says %s", p.ref, mails[0].Header.Get("X-Relais-Reference"))
		case len(mails) == 1 && p.uid != 0 && uint32(mails[0].UID) != p.uid:
			t.Errorf("%s had UID %d, has %d", p.ref, p.uid, mails[0].UID)
		case len(mails) == 1:
			p.uid = uint32(mails[0].UID)
		}
	}
	for id := range found {
		if !known[id] {
			t.Errorf("INBOX holds a message that nobody sent: %s", id)
		}
	}
	selected, err := staff.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if *validity != 0 && selected.UIDValidity != *validity {
		t.Errorf("UIDVALIDITY was %d, is %d", *validity, selected.UIDValidity)
	}
	*validity = selected.UIDValidity
}

// checkAll is checkInbox after everything was confirmed, with the journal.
func checkAll(t *testing.T, g *gateway.Gateway, all []*post, validity *uint32) {
	t.Helper()
	checkInbox(t, g, all, validity)
	refs := map[string]bool{}
	for _, p := range all {
		if p.ref == "" || refs[p.ref] {
			t.Errorf("message %s has the reference %q, which is empty or taken", p.id, p.ref)
		}
		refs[p.ref] = true
	}
	g.WaitMetric(`relais_requests_open{desk="XA-1",kind="PRESERVATION"}`, float64(len(all)))
	g.WaitMetric(`relais_journal_lag_events{desk="XA-1"}`, 0)
}

func TestKillGatewayRightAfter250LosesNothing(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, redis *gateway.Redis) {
		random := chance(t)
		g := gateway.Run(t, gateway.Options{Redis: redis})
		var all []*post
		var validity uint32
		for range rounds(t) {
			fresh := posts(g, batch)
			all = append(all, fresh...)
			moment := 1 + random.Int64N(batch-1)
			stop := make(chan struct{})
			flood(t, g, fresh, stop, func(n int64) {
				if n == moment {
					g.Kill()
					close(stop)
				}
			})
			g.Start()
			checkInbox(t, g, all, &validity)
			flood(t, g, fresh, make(chan struct{}), func(int64) {})
			checkAll(t, g, all, &validity)
		}
	})
}

func TestKillRedisWithoutPersistenceLosesNothing(t *testing.T) {
	t.Parallel()
	loseRedis(t, func(redis *gateway.Redis) {
		redis.Kill()
		redis.Start()
	})
}

func TestCrashOfAllThatRedisHolds(t *testing.T) {
	t.Parallel()
	loseRedis(t, (*gateway.Redis).FlushAll)
}

// TestCrashOfRedisBackToAnOlderState: what a failover to a replica that lags
// behind does.
func TestCrashOfRedisBackToAnOlderState(t *testing.T) {
	t.Parallel()
	saved := false
	loseRedis(t, func(redis *gateway.Redis) {
		if !saved {
			redis.Save()
			saved = true
			return
		}
		redis.Kill()
		redis.Start()
	})
}

// loseRedis lets Redis lose everything several times while mail comes in. No
// sender may notice more than a 451.
func loseRedis(t *testing.T, lose func(*gateway.Redis)) {
	t.Helper()
	random := chance(t)
	redis := gateway.StartRedis(t)
	g := gateway.Run(t, gateway.Options{Redis: redis})
	all := posts(g, batch*rounds(t))
	var moments []int64
	for range 3 * rounds(t) {
		moments = append(moments, 1+random.Int64N(int64(len(all)-1)))
	}
	var mu sync.Mutex
	flood(t, g, all, make(chan struct{}), func(n int64) {
		if slices.Contains(moments, n) {
			mu.Lock()
			defer mu.Unlock()
			lose(redis)
		}
	})
	var validity uint32
	checkAll(t, g, all, &validity)
	if n, err := g.Metric(`relais_journal_replayed_events_total{desk="XA-1"}`); err != nil || n == 0 {
		t.Errorf("relais_journal_replayed_events_total is %v, %v", n, err)
	}
	// The journal alone tells the same story.
	g.Stop()
	redis.FlushAll()
	g.Start()
	checkAll(t, g, all, &validity)
}

// TestKillBothAtOnceLosesNothing: what a power cut does.
func TestKillBothAtOnceLosesNothing(t *testing.T) {
	t.Parallel()
	random := chance(t)
	redis := gateway.StartRedis(t)
	g := gateway.Run(t, gateway.Options{Redis: redis})
	var all []*post
	var validity uint32
	for range rounds(t) {
		fresh := posts(g, batch)
		all = append(all, fresh...)
		moment := 1 + random.Int64N(batch-1)
		stop := make(chan struct{})
		flood(t, g, fresh, stop, func(n int64) {
			if n == moment {
				g.Kill()
				redis.Kill()
				close(stop)
			}
		})
		redis.Start()
		g.Start()
		checkInbox(t, g, all, &validity)
		flood(t, g, fresh, make(chan struct{}), func(int64) {})
		checkAll(t, g, all, &validity)
	}
}
