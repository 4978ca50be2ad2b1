package mailbox

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)

func mail(uid uint32, flags ...string) Entry {
	return Entry{UID: uid, Item: fmt.Sprintf("item-%d", uid), Size: 100 + int64(uid), Received: noon, Flags: flags, Request: "XA-1-2026-000123-Z"}
}

func uids(entries []Entry) []uint32 {
	var out []uint32
	for _, e := range entries {
		out = append(out, e.UID)
	}
	return out
}

// follow is what a client's session keeps: the snapshot and every change.
type follow struct {
	entries []Entry
	uidNext uint32
	changes []Change
	cancel  func()
}

func subscribe(m *Mailbox) *follow {
	f := &follow{}
	f.entries, f.uidNext, f.cancel = m.Subscribe(func(c Change) { f.changes = append(f.changes, c) })
	return f
}

// replay applies the changes to the snapshot. It fails if a change does not
// fit what went before.
func (f *follow) replay() (entries []Entry, uidNext uint32, err error) {
	entries, uidNext = slices.Clone(f.entries), f.uidNext
	for n, c := range f.changes {
		i := slices.IndexFunc(entries, func(e Entry) bool { return e.UID == c.Entry.UID })
		switch {
		case c.Op == Added && i < 0:
			at, _ := slices.BinarySearchFunc(entries, c.Entry.UID, func(e Entry, uid uint32) int { return int(e.UID) - int(uid) })
			entries = slices.Insert(entries, at, c.Entry)
			uidNext = max(uidNext, c.Entry.UID+1)
		case c.Op == Flagged && i >= 0 && !slices.Equal(entries[i].Flags, c.Entry.Flags):
			entries[i] = c.Entry
		case c.Op == Expunged && i >= 0 && reflect.DeepEqual(entries[i], c.Entry):
			entries = slices.Delete(entries, i, i+1)
		default:
			return nil, 0, fmt.Errorf("change %d (%s %+v) does not fit", n, c.Op, c.Entry)
		}
	}
	return entries, uidNext, nil
}

func TestNewFolder(t *testing.T) {
	m := New(Triage, 42)
	entries, next := m.Snapshot()
	if m.Name() != Triage || m.UIDValidity() != 42 || len(entries) != 0 || next != 1 || m.Len() != 0 {
		t.Errorf("%s %d: %v, next %d", m.Name(), m.UIDValidity(), entries, next)
	}
	if names := Names(); names[0] != Inbox || len(slices.Compact(slices.Sorted(slices.Values(names)))) != 9 {
		t.Errorf("folders %v", names)
	}
}

// TestTheStreamMayBeReadTwice: adding what is there changes and tells nothing.
func TestTheStreamMayBeReadTwice(t *testing.T) {
	m := New(Inbox, 1)
	m.Add(mail(1, `\Seen`))
	m.Add(mail(2))
	f := subscribe(m)
	m.Add(mail(1, `\Flagged`))
	m.Add(Entry{UID: 2})
	m.Expunge(9)
	m.SetFlags(9, []string{`\Seen`}, nil)
	m.SetFlags(1, []string{`\Seen`}, []string{`\Flagged`})
	entries, next := m.Snapshot()
	if !reflect.DeepEqual(entries, []Entry{mail(1, `\Seen`), mail(2)}) || next != 3 || len(f.changes) != 0 {
		t.Errorf("%+v, next %d, told %v", entries, next, f.changes)
	}
}

func TestUIDsAscendAndAreNotUsedAgain(t *testing.T) {
	m := New(Inbox, 1)
	for _, uid := range []uint32{3, 1, 7, 2} { // a replay may bring older ones later
		m.Add(mail(uid))
	}
	m.Expunge(7)
	entries, next := m.Snapshot()
	if !slices.Equal(uids(entries), []uint32{1, 2, 3}) || next != 8 {
		t.Errorf("UIDs %v, next %d; want the next one above the one that was expunged", uids(entries), next)
	}
	if _, ok := m.Entry(7); ok {
		t.Error("the expunged entry is still found")
	}
	if e, ok := m.Entry(2); !ok || !reflect.DeepEqual(e, mail(2)) {
		t.Errorf("entry 2: %+v, %v", e, ok)
	}
}

func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		before, add, clear, want []string
	}{
		{"added, in order, each once", []string{`\Seen`}, []string{"work", `\Flagged`, "work"}, nil, []string{`\Flagged`, `\Seen`, "work"}},
		{"cleared", []string{`\Flagged`, `\Seen`}, nil, []string{`\Flagged`, "none"}, []string{`\Seen`}},
		{"all cleared", []string{`\Seen`}, nil, []string{`\Seen`}, nil},
		{"replaced", []string{`\Seen`}, []string{`\Draft`}, []string{`\Seen`}, []string{`\Draft`}},
		{"initial ones are sorted", []string{"b", "a", "b"}, nil, nil, []string{"a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New(Inbox, 1)
			given := slices.Clone(tt.before)
			m.Add(mail(1, given...))
			m.SetFlags(1, tt.add, tt.clear)
			if len(given) > 0 {
				given[0] = "changed by the caller"
			}
			if e, _ := m.Entry(1); !slices.Equal(e.Flags, tt.want) {
				t.Errorf("got %q, want %q", e.Flags, tt.want)
			}
		})
	}
}

func TestNothingIsToldAfterCancel(t *testing.T) {
	m := New(Inbox, 1)
	first, second := subscribe(m), subscribe(m)
	m.Add(mail(1))
	first.cancel()
	first.cancel()
	m.Add(mail(2))
	if len(first.changes) != 1 || len(second.changes) != 2 {
		t.Errorf("told %d and %d changes, want 1 and 2", len(first.changes), len(second.changes))
	}
}

// TestLikeAModel compares the folder with a plain map under random changes.
// Snapshots that were taken before never change.
func TestLikeAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(Inbox, 1)
		model := map[uint32]Entry{}
		next := uint32(1)
		type snapshot struct{ taken, copied []Entry }
		var past []snapshot
		sessions := []*follow{subscribe(m)}
		flag := rapid.SampledFrom([]string{`\Seen`, `\Flagged`, `\Deleted`, "work"})
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			uid := rapid.Uint32Range(1, 12).Draw(t, "uid")
			e, there := model[uid]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				given := mail(uid, rapid.SliceOfN(flag, 0, 3).Draw(t, "flags")...)
				m.Add(given)
				if !there {
					given.Flags = set(given.Flags, nil)
					model[uid], next = given, max(next, uid+1)
				}
			case 1:
				add, clear := rapid.SliceOfN(flag, 0, 2).Draw(t, "add"), rapid.SliceOfN(flag, 0, 2).Draw(t, "clear")
				m.SetFlags(uid, add, clear)
				if there {
					kept := slices.DeleteFunc(slices.Clone(e.Flags), func(f string) bool { return slices.Contains(clear, f) })
					e.Flags = set(kept, add)
					model[uid] = e
				}
			case 2:
				m.Expunge(uid)
				delete(model, uid)
			case 3:
				sessions = append(sessions, subscribe(m))
			}
			got, gotNext := m.Snapshot()
			want := sorted(model)
			if !same(got, want) || gotNext != next || m.Len() != len(want) {
				t.Fatalf("got %+v, next %d\nwant %+v, next %d", got, gotNext, want, next)
			}
			if e, ok := m.Entry(uid); ok != containsUID(want, uid) || ok && !same([]Entry{e}, []Entry{model[uid]}) {
				t.Fatalf("entry %d: %+v, %v", uid, e, ok)
			}
			past = append(past, snapshot{got, deepCopy(got)})
		}
		for _, p := range past {
			if !reflect.DeepEqual(p.taken, p.copied) {
				t.Fatalf("a snapshot changed from %+v to %+v", p.copied, p.taken)
			}
		}
		for i, s := range sessions {
			entries, uidNext, err := s.replay()
			if err != nil || !same(entries, sorted(model)) || uidNext != next {
				t.Fatalf("session %d sees %+v, next %d, %v", i, entries, uidNext, err)
			}
		}
	})
}

// set returns the flags of both lists, sorted, each once.
func set(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

func sorted(model map[uint32]Entry) []Entry {
	var out []Entry
	for _, e := range model {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return int(a.UID) - int(b.UID) })
	return out
}

func containsUID(entries []Entry, uid uint32) bool { return slices.Contains(uids(entries), uid) }

// same compares entries; no flags are the same as an empty list.
func same(a, b []Entry) bool {
	return slices.EqualFunc(a, b, func(a, b Entry) bool {
		flags := slices.Equal(a.Flags, b.Flags)
		a.Flags, b.Flags = nil, nil
		return flags && reflect.DeepEqual(a, b)
	})
}

func deepCopy(entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		out[i].Flags = slices.Clone(out[i].Flags)
	}
	return out
}

// TestSessionsMissNothing: sessions come and go while several writers change
// the folder and readers look at it; each session's snapshot and changes add
// up to what the folder is when it leaves.
func TestSessionsMissNothing(t *testing.T) {
	const writers, steps = 4, 400
	m := New(Inbox, 1)
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range steps {
				uid := uint32(i*writers + w + 1)
				m.Add(mail(uid))
				old := random.Uint32N(uid) + 1
				m.SetFlags(old, []string{fmt.Sprint("by-", w)}, []string{fmt.Sprint("by-", (w+1)%writers)})
				if i%3 == 0 {
					m.Expunge(random.Uint32N(uid) + 1)
				}
			}
		})
	}
	for range 3 {
		reading.Go(func() {
			for running := true; running; {
				select {
				case <-stop:
					running = false // once more, with the folder at rest
				default:
				}
				s := subscribe(m)
				if !slices.IsSorted(uids(s.entries)) {
					t.Error("UIDs of a snapshot do not ascend")
				}
				for range 20 {
					entries, next := m.Snapshot()
					for i, e := range entries {
						if e.UID >= next || i > 0 && e.UID <= entries[i-1].UID || len(e.Flags) > writers {
							t.Errorf("entry %+v of %d, next %d", e, i, next)
						}
					}
				}
				s.cancel()
				if _, _, err := s.replay(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	whole := subscribe(m)
	writing.Wait()
	close(stop)
	reading.Wait()
	whole.cancel()
	entries, next, err := whole.replay()
	want, wantNext := m.Snapshot()
	if err != nil || !same(entries, want) || next != wantNext || wantNext != writers*steps+1 {
		t.Errorf("the session adds up to %d entries, next %d, %v; the folder has %d, next %d", len(entries), next, err, len(want), wantNext)
	}
}
