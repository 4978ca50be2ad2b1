// Package mailbox is the in-memory view of one IMAP folder of a desk. It is
// fed, in order, from the desk's event stream and only from there, so that
// every gateway that follows the stream shows the same folder.
package mailbox

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// Folder names of a desk (the folder is the state of the request in it).
const (
	Inbox      = "INBOX"      // open, in order of arrival
	Emergency  = "Emergency"  // claimed emergencies
	Triage     = "Triage"     // kind unclear; a person decides
	Quarantine = "Quarantine" // held until a supervisor releases it
	Waiting    = "Waiting"    // the requester was asked something
	Sent       = "Sent"
	Drafts     = "Drafts"
	Archive    = "Archive" // closed
	Trash      = "Trash"
)

// Names lists the folders of a desk in the order in which clients show them.
func Names() []string {
	return []string{Inbox, Emergency, Triage, Quarantine, Waiting, Drafts, Sent, Archive, Trash}
}

// Entry is one message in a folder.
type Entry struct {
	UID      uint32    // never reused within the folder (RFC 9051, section 2.3.1.1)
	Item     string    // names the stored bytes in the vault
	Size     int64     // bytes of what BODY[] returns
	Received time.Time // INTERNALDATE
	Flags    []string  // sorted; system flags such as `\Seen` and keywords
	Request  string    // reference of the request it belongs to, or ""
}

// Op says how a folder changed.
type Op string

// The three changes that a folder knows.
const (
	Added    Op = "added"
	Flagged  Op = "flags"
	Expunged Op = "expunged"
)

// Change is one step of a folder's history.
type Change struct {
	Op    Op
	Entry Entry // as it is after the change; for Expunged as it was before
}

// Mailbox is the current content of one folder. It is safe for concurrent
// use. The zero value is not usable; call New.
type Mailbox struct {
	name     string
	validity uint32

	mu      sync.RWMutex
	entries []Entry // sorted by UID
	uidNext uint32
	subs    map[int]func(Change)
	nextSub int
}

// New returns an empty folder. validity is its UIDVALIDITY and must stay the
// same for as long as the UIDs mean the same messages.
func New(name string, validity uint32) *Mailbox {
	return &Mailbox{name: name, validity: validity, uidNext: 1, subs: map[int]func(Change){}}
}

// Name returns the folder's name as clients see it.
func (m *Mailbox) Name() string { return m.name }

// UIDValidity returns the value of RFC 9051, section 2.3.1.1.
func (m *Mailbox) UIDValidity() uint32 { return m.validity }

// Snapshot returns the entries sorted by UID, and the next UID. The caller
// must not modify the entries.
func (m *Mailbox) Snapshot() (entries []Entry, uidNext uint32) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.entries), m.uidNext
}

// Entry returns the entry with that UID.
func (m *Mailbox) Entry(uid uint32) (Entry, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i, ok := m.find(uid)
	if !ok {
		return Entry{}, false
	}
	return m.entries[i], true
}

// Len returns the number of entries.
func (m *Mailbox) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.entries)
}

// Subscribe returns a snapshot and calls f, in order and without gap, for
// every change after it. f runs on the goroutine that applies the stream; it
// must not block and must not call back into the Mailbox. cancel ends the
// subscription; f is not called after cancel returned.
func (m *Mailbox) Subscribe(f func(Change)) (entries []Entry, uidNext uint32, cancel func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.nextSub
	m.nextSub++
	m.subs[id] = f
	return slices.Clone(m.entries), m.uidNext, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subs, id)
	}
}

// Add puts a new entry into the folder. An entry whose UID is already there
// is ignored: the stream may be read twice after a restart.
func (m *Mailbox) Add(e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(e.UID)
	if ok {
		return
	}
	e.Flags = normalise(e.Flags)
	m.entries = slices.Insert(m.entries, i, e)
	if e.UID >= m.uidNext {
		m.uidNext = e.UID + 1
	}
	m.tell(Change{Added, e})
}

// SetFlags adds and removes flags of one entry. Unknown UIDs are ignored.
func (m *Mailbox) SetFlags(uid uint32, add, remove []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(uid)
	if !ok {
		return
	}
	var flags []string
	for _, f := range m.entries[i].Flags {
		if !slices.Contains(remove, f) {
			flags = append(flags, f)
		}
	}
	flags = normalise(append(flags, add...))
	if slices.Equal(flags, m.entries[i].Flags) {
		return
	}
	m.entries[i].Flags = flags
	m.tell(Change{Flagged, m.entries[i]})
}

// Expunge takes one entry out of the folder. Unknown UIDs are ignored.
func (m *Mailbox) Expunge(uid uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(uid)
	if !ok {
		return
	}
	e := m.entries[i]
	m.entries = slices.Delete(m.entries, i, i+1)
	m.tell(Change{Expunged, e})
}

func (m *Mailbox) tell(c Change) {
	for _, f := range m.subs {
		f(c)
	}
}

// find returns the index of uid, or the index where it would stand.
func (m *Mailbox) find(uid uint32) (int, bool) {
	// New mail has the highest UID: look there first.
	if n := len(m.entries); n == 0 || m.entries[n-1].UID < uid {
		return n, false
	}
	i := sort.Search(len(m.entries), func(i int) bool { return m.entries[i].UID >= uid })
	return i, m.entries[i].UID == uid
}

func normalise(flags []string) []string {
	flags = slices.Clone(flags)
	slices.Sort(flags)
	return slices.Compact(flags)
}
