package imapd

import (
	"context"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"relais.example/routing/mailbox"
)

// view is a folder as one client knows it. Sequence numbers are positions in
// uids, which changes only when the client is told so; what happened since is
// kept apart, in a form that can never outgrow the folder.
//
// Lock order: the mailbox calls apply with its own lock held, so no method of
// the mailbox is called with mu held.
type view struct {
	mbox     *mailbox.Mailbox
	cancel   func()
	readOnly bool
	broken   func() // called once when the folder can no longer be followed

	telling sync.Mutex // one answer after the other: IDLE ends while commands begin

	mu    sync.Mutex
	uids  []uint32            // what the client was told, ascending
	added []uint32            // arrived since, ascending
	gone  map[uint32]bool     // expunged since, all in uids
	flags map[uint32][]string // changed since, all in uids
	wake  chan struct{}       // holds a token after every change
}

// openView starts following m.
func openView(m *mailbox.Mailbox, readOnly bool, broken func()) (v *view, entries []mailbox.Entry, uidNext uint32) {
	v = &view{
		mbox:     m,
		readOnly: readOnly,
		broken:   sync.OnceFunc(broken),
		gone:     map[uint32]bool{},
		flags:    map[uint32][]string{},
		wake:     make(chan struct{}, 1),
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	entries, uidNext, v.cancel = m.Subscribe(v.apply)
	v.uids = make([]uint32, len(entries))
	for i, e := range entries {
		v.uids[i] = e.UID
	}
	return v, entries, uidNext
}

func (v *view) close() { v.cancel() }

// apply takes note of one change. It runs on the goroutine that feeds all
// gateways' folders: it neither blocks nor panics.
func (v *view) apply(c mailbox.Change) {
	defer func() {
		if recover() != nil {
			v.broken()
		}
	}()
	v.mu.Lock()
	defer v.mu.Unlock()
	uid := c.Entry.UID
	switch c.Op {
	case mailbox.Added:
		if last := v.last(); uid <= last {
			v.broken() // UIDs must ascend: the client has to start afresh
			return
		}
		v.added = append(v.added, uid)
	case mailbox.Flagged:
		if _, known := slices.BinarySearch(v.uids, uid); known && !v.gone[uid] {
			v.flags[uid] = c.Entry.Flags
		}
	case mailbox.Expunged:
		if i, found := slices.BinarySearch(v.added, uid); found {
			v.added = slices.Delete(v.added, i, i+1)
		} else if _, known := slices.BinarySearch(v.uids, uid); known {
			v.gone[uid] = true
			delete(v.flags, uid)
		}
	}
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// last needs mu.
func (v *view) last() uint32 {
	if n := len(v.added); n > 0 {
		return v.added[n-1]
	}
	if n := len(v.uids); n > 0 {
		return v.uids[n-1]
	}
	return 0
}

// teller is what tell writes to: imapserver.UpdateWriter.
type teller interface {
	WriteExpunge(seqNum uint32) error
	WriteNumMessages(n uint32) error
	WriteMessageFlags(seqNum uint32, uid imap.UID, flags []imap.Flag) error
}

// flagChange is one pending FETCH response.
type flagChange struct {
	seq   uint32
	uid   uint32
	flags []string
}

// tell writes what happened since the client was last told. Expunges wait
// when they are not allowed (RFC 9051, section 7.5.1).
func (v *view) tell(w teller, allowExpunge bool) error {
	v.telling.Lock()
	defer v.telling.Unlock()
	expunged, exists, flags := v.advance(allowExpunge)
	for _, seq := range expunged {
		if err := w.WriteExpunge(seq); err != nil {
			return err
		}
	}
	if exists > 0 {
		if err := w.WriteNumMessages(exists); err != nil {
			return err
		}
	}
	for _, f := range flags {
		if err := w.WriteMessageFlags(f.seq, imap.UID(f.uid), wireFlags(f.flags)); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the pending changes into uids. The expunged sequence numbers
// are descending, so that each is right when the client hears it.
func (v *view) advance(allowExpunge bool) (expunged []uint32, exists uint32, flags []flagChange) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if allowExpunge && len(v.gone) > 0 {
		kept := v.uids[:0]
		for i, uid := range v.uids {
			if v.gone[uid] {
				expunged = append(expunged, uint32(i+1))
			} else {
				kept = append(kept, uid)
			}
		}
		v.uids = kept
		slices.Reverse(expunged)
		clear(v.gone)
	}
	for uid, f := range v.flags {
		if seq := v.seq(uid); seq > 0 {
			flags = append(flags, flagChange{seq, uid, f})
		}
	}
	slices.SortFunc(flags, func(a, b flagChange) int { return int(a.seq) - int(b.seq) })
	clear(v.flags)
	if len(v.added) > 0 {
		v.uids = append(v.uids, v.added...)
		v.added = nil
		exists = uint32(len(v.uids))
	}
	return expunged, exists, flags
}

// seq needs mu. It returns 0 when the client does not know uid.
func (v *view) seq(uid uint32) uint32 {
	i, ok := slices.BinarySearch(v.uids, uid)
	if !ok {
		return 0
	}
	return uint32(i + 1)
}

// numbered is a message with the sequence number that the client knows it by.
type numbered struct {
	seq uint32
	uid uint32
}

// resolve returns the messages that set names, in order. Numbers that do not
// exist are left out. saved is what `$` stands for (RFC 5182).
func (v *view) resolve(set imap.NumSet, saved []uint32) []numbered {
	v.mu.Lock()
	defer v.mu.Unlock()
	picked := make([]bool, len(v.uids))
	count := 0
	pick := func(from, to int) { // positions, to exclusive
		for i := from; i < to; i++ {
			if !picked[i] {
				picked[i] = true
				count++
			}
		}
	}
	n := uint32(len(v.uids))
	switch set := set.(type) {
	case imap.SeqSet:
		for _, r := range set {
			if from, to, ok := bounds(r.Start, r.Stop, n); ok {
				pick(int(min(from, n+1))-1, int(min(to, n)))
			}
		}
	case imap.UIDSet:
		if imap.IsSearchRes(set) {
			for _, uid := range saved {
				if i := v.seq(uid); i > 0 {
					pick(int(i-1), int(i))
				}
			}
			break
		}
		for _, r := range set {
			if n == 0 {
				break
			}
			if from, to, ok := bounds(uint32(r.Start), uint32(r.Stop), v.uids[n-1]); ok {
				i, _ := slices.BinarySearch(v.uids, from)
				j, found := slices.BinarySearch(v.uids, to)
				if found {
					j++
				}
				pick(i, j)
			}
		}
	}
	list := make([]numbered, 0, count)
	for i, ok := range picked {
		if ok {
			list = append(list, numbered{uint32(i + 1), v.uids[i]})
		}
	}
	return list
}

// bounds replaces `*`, which is 0, by the highest number. `n:*` with n beyond
// it means the highest alone.
func bounds(start, stop, highest uint32) (from, to uint32, ok bool) {
	if start == 0 {
		start = highest
	}
	if stop == 0 {
		stop = highest
	}
	return min(start, stop), max(start, stop), highest > 0
}

// all returns every message the client knows.
func (v *view) all() []numbered {
	return v.resolve(imap.SeqSet{{Start: 1, Stop: 0}}, nil)
}

// pendingFlags returns which of the messages have a change that the client
// was not told yet.
func (v *view) pendingFlags(list []numbered) map[uint32]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	pending := map[uint32]bool{}
	for _, m := range list {
		if _, ok := v.flags[m.uid]; ok {
			pending[m.uid] = true
		}
	}
	return pending
}

// forget drops the pending change of uid when it is exactly flags: the client
// asked for it and does not want to hear it again.
func (v *view) forget(uid uint32, flags []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if pending, ok := v.flags[uid]; ok && slices.Equal(pending, flags) {
		delete(v.flags, uid)
	}
}

// await returns when all uids have arrived here, or have left when gone. A
// command waits for its own change so that the client sees it before the
// command is answered.
func (v *view) await(ctx context.Context, uids []uint32, gone bool) {
	for !v.applied(uids, gone) {
		select {
		case <-v.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (v *view) applied(uids []uint32, gone bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, uid := range uids {
		_, known := slices.BinarySearch(v.uids, uid)
		if gone && known && !v.gone[uid] {
			return false
		}
		if !gone && uid > v.last() {
			return false
		}
	}
	return true
}
