package crash

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"relais.example/test/gateway"
)

// place is where a message is and how it is marked.
type place struct {
	folder string
	marked bool
}

// letter is one message that staff work on. While a command is under way, next
// is what it would lead to; if it was not confirmed, both are right.
type letter struct {
	id     string
	uid    imap.UID
	now    place
	next   place
	unsure bool
}

// keyword is what staff mark messages with.
const keyword = "Checked"

// ways are the folders into which a request can be moved from a folder.
var ways = map[string][]string{
	"INBOX": {"Waiting", "Archive"}, "Waiting": {"INBOX"}, "Archive": {"INBOX"},
}

// desk is what several people do at once, each with messages of their own.
type desk struct {
	g       *gateway.Gateway
	done    atomic.Int64
	at      func(done int64) // called after each confirmed command
	mu      sync.Mutex
	letters []*letter
	drafts  map[string]bool // by Message-ID: whether saving it was confirmed
}

// work lets one person work until the connection breaks or steps are done.
func (d *desk) work(t *testing.T, user string, own []*letter, steps int, random *rand.Rand) {
	staff, err := d.g.TryIMAP(user, nil)
	if err != nil {
		return
	}
	defer staff.Close()
	for range steps {
		var err error
		if random.IntN(4) == 0 {
			err = d.saveDraft(staff)
		} else {
			err = d.touch(staff, own[random.IntN(len(own))], random)
		}
		var no *imap.Error
		switch {
		case err == nil:
			d.at(d.done.Add(1))
		case !errors.As(err, &no):
			return // the connection broke
		case no.Code != imap.ResponseCodeUnavailable:
			t.Errorf("refused: %v", err)
		}
	}
}

func (d *desk) saveDraft(staff *gateway.Staff) error {
	id := gateway.MessageID()
	d.mu.Lock()
	d.drafts[id] = false
	d.mu.Unlock()
	body := gateway.Letter([][2]string{{"Message-ID", id}, {"Subject", gateway.SecretSubject}}, gateway.SecretBody)
	c := staff.Append("Drafts", int64(len(body)), nil)
	if _, err := c.Write(body); err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	if _, err := c.Wait(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drafts[id] = true
	return nil
}

// touch marks, unmarks or moves a message. One whose last command was not
// confirmed is left alone.
func (d *desk) touch(staff *gateway.Staff, l *letter, random *rand.Rand) error {
	if l.unsure {
		return nil
	}
	l.next = l.now
	if _, err := staff.Select(l.now.folder, nil).Wait(); err != nil {
		return err // nothing was asked to change
	}
	m := gateway.Mail{Folder: l.now.folder, UID: l.uid}
	var err error
	l.unsure = true
	switch to := ways[l.now.folder]; random.IntN(2) {
	case 0:
		l.next.marked = !l.now.marked
		if l.next.marked {
			err = staff.Flag(m, keyword)
		} else {
			err = staff.Unflag(m, keyword)
		}
	case 1:
		l.next.folder = to[random.IntN(len(to))]
		data, moveErr := staff.Client.Move(imap.UIDSetNum(l.uid), l.next.folder).Wait()
		if err = moveErr; err == nil {
			uids, _ := data.DestUIDs.(imap.UIDSet).Nums()
			l.uid = uids[0]
		}
	}
	if err == nil {
		l.now, l.unsure = l.next, false
	}
	return err
}

// check compares the folders with what was confirmed.
func (d *desk) check(t *testing.T) {
	t.Helper()
	staff := d.g.IMAP(gateway.Sven)
	defer staff.Close()
	found := map[string][]gateway.Mail{}
	for _, folder := range []string{"INBOX", "Waiting", "Archive", "Drafts"} {
		for _, m := range staff.List(folder) {
			id := m.Header.Get("Message-Id")
			found[id] = append(found[id], m)
		}
	}
	for _, l := range d.letters {
		mails := found[l.id]
		if len(mails) != 1 {
			t.Errorf("a request stands %d times in the folders", len(mails))
			continue
		}
		is := place{mails[0].Folder, mails[0].Has(keyword)}
		switch {
		case is == l.now && mails[0].UID == l.uid:
		case l.unsure && is == l.next:
			l.now, l.uid = is, mails[0].UID
		default:
			t.Errorf("a request is %+v with UID %d; confirmed was %+v with UID %d, under way (%v) was %+v", is, mails[0].UID, l.now, l.uid, l.unsure, l.next)
		}
		l.unsure = false
	}
	for id, confirmed := range d.drafts {
		if n := len(found[id]); n > 1 || n == 0 && confirmed {
			t.Errorf("a draft (confirmed: %v) stands %d times in Drafts", confirmed, n)
		}
	}
}

// newDesk delivers the requests that staff will work on.
func newDesk(t *testing.T, g *gateway.Gateway) *desk {
	t.Helper()
	d := &desk{g: g, drafts: map[string]bool{}}
	all := posts(g, 9)
	flood(t, g, all, make(chan struct{}), func(int64) {})
	var validity uint32
	checkInbox(t, g, all, &validity)
	for _, p := range all {
		d.letters = append(d.letters, &letter{id: p.id, uid: imap.UID(p.uid), now: place{folder: "INBOX"}})
	}
	return d
}

// shift lets three people work at once; at is called after each confirmed
// command.
func (d *desk) shift(t *testing.T, steps int, random *rand.Rand, at func(done int64)) {
	t.Helper()
	d.done.Store(0)
	d.at = at
	var wg sync.WaitGroup
	for i, own := range slices.Collect(slices.Chunk(d.letters, 3)) {
		user := []string{gateway.Olga, gateway.Sven}[i%2]
		r := rand.New(rand.NewPCG(random.Uint64(), 0))
		wg.Go(func() { d.work(t, user, own, steps, r) })
	}
	wg.Wait()
}

func TestKillGatewayWhileStaffWorkKeepsWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, redis *gateway.Redis) {
		random := chance(t)
		g := gateway.Run(t, gateway.Options{Redis: redis})
		d := newDesk(t, g)
		for range rounds(t) {
			moment := 10 + random.Int64N(50)
			d.shift(t, 1000, random, func(done int64) {
				if done == moment {
					g.Kill()
				}
			})
			g.Start()
			d.check(t)
		}
	})
}

func TestCrashOfRedisWhileStaffWorkKeepsWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*gateway.Redis){
		"killed": func(r *gateway.Redis) { r.Kill(); r.Start() }, "emptied": (*gateway.Redis).FlushAll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := chance(t)
			redis := gateway.StartRedis(t)
			g := gateway.Run(t, gateway.Options{Redis: redis})
			d := newDesk(t, g)
			for range rounds(t) {
				moment := 5 + random.Int64N(20)
				d.shift(t, 30, random, func(done int64) {
					if done == moment {
						lose(redis)
					}
				})
				g.WaitReady()
				g.WaitMetric(`relais_journal_lag_events{desk="XA-1"}`, 0)
				d.check(t)
			}
		})
	}
}
