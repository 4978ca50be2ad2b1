package imapd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"relais.example/gateway/mimeindex"
	"relais.example/routing/mailbox"
)

const (
	seenBatch   = 50 // messages whose \Seen is set by one change
	maxUnread   = 10 // messages that may fail to load before FETCH gives up
	unreadError = "some messages could not be read, try again later"
)

// message is an entry with what is known of its content. Content is loaded
// when asked for.
type message struct {
	session *session
	entry   mailbox.Entry
	body    []byte
	index   *mimeindex.Index
	texts   []string // decoded text parts in lower case, for SEARCH
}

// Fetch streams messages: nothing but the present one is held.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) (err error) {
	defer s.track("FETCH", &err)()
	var opened []uint32 // read without PEEK, not yet marked
	unread := 0
	for _, n := range s.box.resolve(set, s.saved) {
		entry, ok := s.box.mbox.Entry(n.uid)
		if !ok {
			continue // expunged meanwhile; the client will hear of it
		}
		m := &message{session: s, entry: entry}
		items, err := m.items(options)
		switch {
		case errors.Is(err, mimeindex.ErrUnknownEncoding):
			return no(imap.ResponseCodeUnknownCTE, "the part has an unknown transfer encoding")
		case err != nil:
			s.server.o.Log.Error("imap message cannot be read", "item", entry.Item, "error", err)
			if unread++; unread >= maxUnread || s.ctx.Err() != nil {
				return no(imap.ResponseCodeUnavailable, unreadError)
			}
			continue
		}
		if err := s.respond(w, n.seq, func(r *imapserver.FetchResponseWriter) { items.write(r, n.uid, entry, options) }); err != nil {
			return err
		}
		if opens(options) && !s.box.readOnly && !slices.Contains(entry.Flags, string(imap.FlagSeen)) {
			if opened = append(opened, n.uid); len(opened) >= seenBatch {
				s.markSeen(opened)
				opened = nil
			}
		}
	}
	s.markSeen(opened)
	if unread > 0 {
		return no(imap.ResponseCodeUnavailable, unreadError)
	}
	return nil
}

// respond writes one FETCH response. The library's lock is held inside.
func (s *session) respond(w *imapserver.FetchWriter, seq uint32, write func(*imapserver.FetchResponseWriter)) error {
	s.responding.Store(true)
	r := w.CreateMessage(seq)
	write(r)
	err := r.Close()
	s.responding.Store(false)
	if err != nil {
		return errWire
	}
	return nil
}

// opens reports whether a FETCH sets \Seen.
func opens(options *imap.FetchOptions) bool {
	return slices.ContainsFunc(options.BodySection, func(b *imap.FetchItemBodySection) bool { return !b.Peek }) ||
		slices.ContainsFunc(options.BinarySection, func(b *imap.FetchItemBinarySection) bool { return !b.Peek })
}

// markSeen records who opened messages. The client has the content already:
// a failure is logged, not told.
func (s *session) markSeen(uids []uint32) {
	if len(uids) == 0 {
		return
	}
	ctx, cancel := s.commandContext()
	defer cancel()
	if err := s.account.Store(ctx, s.box.mbox.Name(), uids, []string{string(imap.FlagSeen)}, nil); err != nil {
		s.server.o.Log.Error("marking messages as seen", "error", err)
	}
}

// content is everything of one FETCH response that may fail to load, loaded
// before the response begins.
type content struct {
	size        int64
	envelope    *imap.Envelope
	structure   imap.BodyStructure
	sections    [][]byte
	binaries    [][]byte
	binarySizes []uint32
}

func (m *message) items(options *imap.FetchOptions) (*content, error) {
	c := &content{size: m.entry.Size}
	ctx, cancel := m.session.commandContext()
	defer cancel()
	if options.Envelope || options.BodyStructure != nil || len(options.BodySection) > 0 {
		if err := m.loadIndex(ctx); err != nil {
			return nil, err
		}
		c.envelope = m.index.Envelope()
		if options.BodyStructure != nil {
			c.structure = m.index.BodyStructure()
		}
	}
	for _, section := range options.BodySection {
		b, ok := m.index.HeaderSection(section)
		if !ok {
			if err := m.loadBody(ctx); err != nil {
				return nil, err
			}
			b = m.index.Section(m.body, section)
		}
		c.sections = append(c.sections, b)
	}
	for _, section := range options.BinarySection {
		b, err := m.binary(ctx, section.Part)
		if err != nil {
			return nil, err
		}
		c.binaries = append(c.binaries, mimeindex.Partial(b, section.Partial))
	}
	for _, section := range options.BinarySectionSize {
		b, err := m.binary(ctx, section.Part)
		if err != nil {
			return nil, err
		}
		c.binarySizes = append(c.binarySizes, uint32(len(b)))
	}
	if m.index != nil {
		c.size = int64(m.index.Size())
	}
	return c, nil
}

// write writes the response. Nothing in it can fail but the connection.
func (c *content) write(r *imapserver.FetchResponseWriter, uid uint32, entry mailbox.Entry, options *imap.FetchOptions) {
	if options.UID {
		r.WriteUID(imap.UID(uid))
	}
	if options.Flags {
		r.WriteFlags(wireFlags(entry.Flags))
	}
	if options.InternalDate {
		r.WriteInternalDate(entry.Received)
	}
	if options.RFC822Size {
		r.WriteRFC822Size(c.size)
	}
	if options.Envelope {
		r.WriteEnvelope(c.envelope)
	}
	if options.BodyStructure != nil {
		r.WriteBodyStructure(c.structure)
	}
	for i, section := range options.BodySection {
		lit := r.WriteBodySection(section, int64(len(c.sections[i])))
		lit.Write(c.sections[i]) // an error shows at the end of the response
		lit.Close()
	}
	for i, section := range options.BinarySection {
		lit := r.WriteBinarySection(section, int64(len(c.binaries[i])))
		lit.Write(c.binaries[i])
		lit.Close()
	}
	for i, section := range options.BinarySectionSize {
		r.WriteBinarySectionSize(section, c.binarySizes[i])
	}
}

func (m *message) binary(ctx context.Context, part []int) ([]byte, error) {
	if err := m.loadBody(ctx); err != nil {
		return nil, err
	}
	return m.index.Binary(m.body, part)
}

// loadIndex takes the index from the cache or makes it from the body.
func (m *message) loadIndex(ctx context.Context) error {
	if m.index != nil {
		return nil
	}
	cache := m.session.server.cache
	if m.index = cache.get(m.entry.Item); m.index != nil {
		return nil
	}
	if err := m.loadBytes(ctx); err != nil {
		return err
	}
	m.index = mimeindex.Build(m.body)
	cache.put(m.entry.Item, m.index)
	return nil
}

// loadBody loads the bytes and their index.
func (m *message) loadBody(ctx context.Context) error {
	if err := m.loadBytes(ctx); err != nil {
		return err
	}
	return m.loadIndex(ctx)
}

func (m *message) loadBytes(ctx context.Context) (err error) {
	if m.body != nil {
		return nil
	}
	if m.body, err = m.session.account.Body(ctx, m.entry.Item); err != nil {
		return fmt.Errorf("loading message: %w", err)
	}
	return nil
}
