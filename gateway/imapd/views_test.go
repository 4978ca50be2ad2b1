package imapd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"relais.example/routing/mailbox"
)

// clientModel is what a client believes, from nothing but what it is told.
type clientModel struct {
	known   int // messages
	flags   map[uint32]string
	problem string
}

func (c *clientModel) WriteExpunge(seq uint32) error {
	if seq == 0 || int(seq) > c.known {
		c.problem = fmt.Sprintf("EXPUNGE %d with %d messages", seq, c.known)
	}
	c.known--
	return nil
}

func (c *clientModel) WriteNumMessages(n uint32) error {
	if int(n) < c.known {
		c.problem = fmt.Sprintf("EXISTS %d with %d messages", n, c.known)
	}
	c.known = int(n)
	return nil
}

func (c *clientModel) WriteMessageFlags(seq uint32, uid imap.UID, flags []imap.Flag) error {
	if seq == 0 || int(seq) > c.known {
		c.problem = fmt.Sprintf("FETCH %d with %d messages", seq, c.known)
	}
	c.flags[uint32(uid)] = fmt.Sprint(flags)
	return nil
}

// TestEveryViewIsRight: whatever happens in a folder, and whenever the clients
// are told, what they are told is possible at that time, their sequence
// numbers name the messages that they believe, and in the end all agree.
func TestEveryViewIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := mailbox.New("INBOX", 1)
		next := uint32(1)
		type follower struct {
			view   *view
			client clientModel
			uids   []uint32 // by position, as the client could have learned
		}
		var all []*follower
		fail := func() { t.Error("a view broke") }
		tell := func(f *follower, allowExpunge bool) {
			before := slices.Clone(f.view.uids)
			if !slices.Equal(before, f.uids) {
				t.Fatalf("the view changed unheard: %v, was %v", before, f.uids)
			}
			if err := f.view.tell(&f.client, allowExpunge); err != nil {
				t.Fatal(err)
			}
			f.uids = slices.Clone(f.view.uids)
			if f.client.problem != "" || f.client.known != len(f.uids) {
				t.Fatalf("%s; believes in %d messages, has %d", f.client.problem, f.client.known, len(f.uids))
			}
			if !allowExpunge && len(f.uids) < len(before) {
				t.Fatal("messages vanished where EXPUNGE is not allowed")
			}
		}
		steps := rapid.SliceOfN(rapid.IntRange(0, 99), 1, 80).Draw(t, "steps")
		for i, step := range steps {
			entries, _ := m.Snapshot()
			switch {
			case step < 35:
				m.Add(mailbox.Entry{UID: next})
				next += uint32(1 + i%3)
			case step < 55 && len(entries) > 0:
				m.Expunge(entries[step%len(entries)].UID)
			case step < 70 && len(entries) > 0:
				m.SetFlags(entries[step%len(entries)].UID, []string{`\Seen`, "k" + strconv.Itoa(i)}, nil)
			case step < 75 && len(all) < 4:
				f := &follower{client: clientModel{flags: map[uint32]string{}}}
				var entries []mailbox.Entry
				f.view, entries, _ = openView(m, false, fail)
				f.client.known, f.uids = len(entries), slices.Clone(f.view.uids)
				all = append(all, f)
			case len(all) > 0:
				tell(all[step%len(all)], step%2 == 0)
			}
		}
		entries, _ := m.Snapshot()
		want := []uint32{}
		for _, e := range entries {
			want = append(want, e.UID)
		}
		for _, f := range all {
			tell(f, true)
			if !slices.Equal(f.view.uids, want) {
				t.Fatalf("a client has %v, the folder %v", f.view.uids, want)
			}
			for _, e := range entries {
				if told, ok := f.client.flags[e.UID]; ok && told != fmt.Sprint(wireFlags(e.Flags)) {
					t.Fatalf("a client has flags %s, the folder %v", told, e.Flags)
				}
			}
			f.view.close()
		}
	})
}

// TestSessionsAgree lets several connections work on one folder at once and
// compares what they see in the end with what the store has.
func TestSessionsAgree(t *testing.T) {
	r := newRig(t)
	const sessions, rounds = 4, 60
	var wg sync.WaitGroup
	views := make([]*wire, sessions)
	for i := range views {
		views[i] = r.loggedIn(t)
		views[i].must("SELECT INBOX")
	}
	for i, w := range views {
		wg.Go(func() {
			for n := range rounds {
				switch (n*7 + i) % 5 {
				case 0, 1:
					w.command("APPEND INBOX {%d+}\r\n%s", len(simple), simple)
				case 2:
					w.command(`STORE %d +FLAGS (\Deleted k%d)`, 1+n%3, n)
				case 3:
					w.command("EXPUNGE")
				case 4:
					w.command("MOVE %d Archive", 1+n%4)
				}
			}
		})
	}
	wg.Wait()
	want := r.view("INBOX")
	for i, w := range views {
		w.must("NOOP")
		got := []uint32{}
		for _, line := range w.must("FETCH 1:* (UID)") {
			var seq, uid uint32
			if _, err := fmt.Sscanf(line, "* %d FETCH (UID %d)", &seq, &uid); err != nil || int(seq) != len(got)+1 {
				t.Fatalf("session %d was told %q", i, line)
			}
			got = append(got, uid)
		}
		if !slices.Equal(got, want) {
			t.Errorf("session %d sees %v, the store has %v", i, got, want)
		}
		if search := w.must("UID SEARCH ALL"); len(strings.Fields(search[0])) != len(want)+2 {
			t.Errorf("session %d finds %q", i, search)
		}
	}
}

// TestAChangeIsVisibleBeforeItsCommandIsAnswered holds back the feed of the
// folder, as a remote gateway's stream would.
func TestAChangeIsVisibleBeforeItsCommandIsAnswered(t *testing.T) {
	m := mailbox.New("INBOX", 1)
	m.Add(mailbox.Entry{UID: 1})
	v, _, _ := openView(m, false, func() {})
	defer v.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		v.await(ctx, []uint32{1}, true)
		v.await(ctx, []uint32{2}, false)
		close(done)
	}()
	m.Expunge(1)
	select {
	case <-done:
		t.Fatal("did not wait for UID 2")
	default:
	}
	m.Add(mailbox.Entry{UID: 2})
	receive(t, done)
}
