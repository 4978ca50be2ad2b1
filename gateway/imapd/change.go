package imapd

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

var (
	errReadOnly = &Refused{imap.ResponseCodeNoPerm, "the folder was opened read-only with EXAMINE"}
	errSameBox  = &Refused{imap.ResponseCodeCannot, "source and destination are the same folder"}
)

// Append stores a message of the client, a draft or a copy of what it sent.
func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (data *imap.AppendData, err error) {
	defer s.track("APPEND", &err)()
	m, err := s.mailbox(name)
	if err != nil {
		return nil, err
	}
	flags, err := s.settable(options.Flags)
	if err != nil {
		return nil, err
	}
	if r.Size() == 0 {
		return nil, &Refused{imap.ResponseCodeCannot, "an empty message cannot be stored"}
	}
	// The buffer grows with what arrives, not with what was announced.
	body, err := io.ReadAll(io.LimitReader(r, s.server.o.MaxMessageBytes))
	if err != nil || int64(len(body)) != r.Size() {
		return nil, errWire
	}
	received := options.Time
	if received.IsZero() {
		received = time.Now()
	}
	ctx, cancel := s.commandContext()
	defer cancel()
	uid, err := s.account.Append(ctx, m.Name(), NewMessage{Flags: flags, Received: received, Body: withCRLF(body)})
	if err != nil {
		return nil, fmt.Errorf("appending to %s: %w", m.Name(), err)
	}
	if s.box != nil && s.box.mbox == m {
		s.box.await(ctx, []uint32{uid}, false)
	}
	return &imap.AppendData{UID: imap.UID(uid), UIDValidity: m.UIDValidity()}, nil
}

// withCRLF turns bare line feeds into CRLF. Clients must not send them, some
// scripts do.
func withCRLF(b []byte) []byte {
	bare := 0
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			bare++
		}
	}
	if bare == 0 {
		return b
	}
	var out bytes.Buffer
	out.Grow(len(b) + bare)
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			out.WriteByte('\r')
		}
		out.WriteByte(c)
	}
	return out.Bytes()
}

// Store changes flags.
func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) (err error) {
	defer s.track("STORE", &err)()
	if s.box.readOnly {
		return errReadOnly
	}
	given, err := s.settable(flags.Flags)
	if err != nil {
		return err
	}
	list := s.box.resolve(set, s.saved)
	if len(list) == 0 {
		return nil
	}
	before := s.flagsOf(list)
	pending := s.box.pendingFlags(list)
	add, remove := given, []string(nil)
	switch flags.Op {
	case imap.StoreFlagsDel:
		add, remove = nil, given
	case imap.StoreFlagsSet:
		// A program that repeats the flags it knows sets none of them anew.
		add, remove = missing(before, given), s.replaced(before, given)
	}
	if len(add)+len(remove) > 0 {
		ctx, cancel := s.commandContext()
		defer cancel()
		if err := s.account.Store(ctx, s.box.mbox.Name(), uidsOf(list), add, remove); err != nil {
			return fmt.Errorf("changing flags: %w", err)
		}
	}
	for _, m := range list {
		if flags.Silent {
			if !pending[m.uid] {
				s.box.forget(m.uid, changed(before[m.uid], add, remove))
			}
			continue
		}
		entry, ok := s.box.mbox.Entry(m.uid)
		if !ok {
			continue
		}
		s.box.forget(m.uid, entry.Flags)
		if err := s.respond(w, m.seq, func(r *imapserver.FetchResponseWriter) {
			r.WriteUID(imap.UID(m.uid))
			r.WriteFlags(wireFlags(entry.Flags))
		}); err != nil {
			return err
		}
	}
	return nil
}

// flagsOf returns the present flags per UID.
func (s *session) flagsOf(list []numbered) map[uint32][]string {
	flags := make(map[uint32][]string, len(list))
	for _, m := range list {
		if e, ok := s.box.mbox.Entry(m.uid); ok {
			flags[m.uid] = e.Flags
		}
	}
	return flags
}

// replaced returns the flags that `STORE FLAGS given` takes away.
func (s *session) replaced(before map[uint32][]string, given []string) []string {
	var remove []string
	for _, flags := range before {
		for _, f := range flags {
			if !slices.Contains(given, f) && !slices.Contains(remove, f) && !s.reserved(f) {
				remove = append(remove, f)
			}
		}
	}
	return remove
}

// missing returns the flags that at least one message does not have yet.
func missing(before map[uint32][]string, given []string) []string {
	return slices.DeleteFunc(slices.Clone(given), func(f string) bool {
		for _, flags := range before {
			if !slices.Contains(flags, f) {
				return false
			}
		}
		return len(before) > 0
	})
}

// changed applies add and remove to flags, sorted as the mailbox keeps them.
func changed(flags, add, remove []string) []string {
	out := slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return slices.Contains(remove, f) })
	out = append(out, add...)
	slices.Sort(out)
	return slices.Compact(out)
}

func uidsOf(list []numbered) []uint32 {
	uids := make([]uint32, len(list))
	for i, m := range list {
		uids[i] = m.uid
	}
	return uids
}

// Expunge removes the messages with \Deleted; uids narrows it (UID EXPUNGE).
// CLOSE calls it with an empty writer and expects silence.
func (s *session) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) (err error) {
	defer s.track("EXPUNGE", &err)()
	if s.box.readOnly {
		if *w == (imapserver.ExpungeWriter{}) {
			return nil // CLOSE after EXAMINE removes nothing
		}
		return errReadOnly
	}
	list := s.box.all()
	if uids != nil {
		list = s.box.resolve(*uids, s.saved)
	}
	flags := s.flagsOf(list)
	list = slices.DeleteFunc(list, func(m numbered) bool {
		return !slices.Contains(flags[m.uid], string(imap.FlagDeleted))
	})
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := s.commandContext()
	defer cancel()
	if err := s.account.Expunge(ctx, s.box.mbox.Name(), uidsOf(list)); err != nil {
		return fmt.Errorf("expunging: %w", err)
	}
	s.box.await(ctx, uidsOf(list), true)
	return nil
}

// Copy copies messages into another folder.
func (s *session) Copy(set imap.NumSet, dest string) (data *imap.CopyData, err error) {
	defer s.track("COPY", &err)()
	m, err := s.mailbox(dest)
	if err != nil {
		return nil, err
	}
	list := s.box.resolve(set, s.saved)
	if len(list) == 0 {
		return nil, nil
	}
	ctx, cancel := s.commandContext()
	defer cancel()
	pairs, err := s.account.Copy(ctx, s.box.mbox.Name(), uidsOf(list), m.Name())
	if err != nil {
		return nil, fmt.Errorf("copying: %w", err)
	}
	if s.box.mbox == m {
		s.box.await(ctx, targets(pairs), false)
	}
	return copyData(m.UIDValidity(), pairs), nil
}

// Move moves messages into another folder (RFC 6851). The EXPUNGE responses
// come from the view, as for any other change.
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) (err error) {
	defer s.track("MOVE", &err)()
	m, err := s.mailbox(dest)
	if err != nil {
		return err
	}
	switch {
	case s.box.readOnly:
		return errReadOnly
	case s.box.mbox == m:
		return errSameBox
	}
	list := s.box.resolve(set, s.saved)
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := s.commandContext()
	defer cancel()
	pairs, err := s.account.Move(ctx, s.box.mbox.Name(), uidsOf(list), m.Name())
	if err != nil {
		return fmt.Errorf("moving: %w", err)
	}
	left := make([]uint32, len(pairs))
	for i, p := range pairs {
		left[i] = p.From
	}
	s.box.await(ctx, left, true)
	if data := copyData(m.UIDValidity(), pairs); data != nil && w.WriteCopyData(data) != nil {
		return errWire
	}
	return nil
}

func targets(pairs []UIDPair) []uint32 {
	uids := make([]uint32, len(pairs))
	for i, p := range pairs {
		uids[i] = p.To
	}
	return uids
}

// copyData builds COPYUID (RFC 4315). Its two sets correspond by position, so
// it is left out when the new UIDs do not ascend with the old ones.
func copyData(validity uint32, pairs []UIDPair) *imap.CopyData {
	if len(pairs) == 0 {
		return nil
	}
	data := &imap.CopyData{UIDValidity: validity}
	for i, p := range pairs {
		if i > 0 && (p.From <= pairs[i-1].From || p.To <= pairs[i-1].To) {
			return nil
		}
		data.SourceUIDs.AddNum(imap.UID(p.From))
		data.DestUIDs.AddNum(imap.UID(p.To))
	}
	return data
}
