package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/journal"
	"relais.example/routing/mailbox"
	"relais.example/routing/request"
)

// Desk is the queue, the outbox, the timers and the folders of one contact
// point that this gateway serves.
type Desk struct {
	q         *Queue
	id        string
	prefix    string // of all its keys; holds the hash tag that keeps them in one slot
	mailboxes map[string]*mailbox.Mailbox

	mu       sync.Mutex
	where    map[string][]Location // where the messages of a request are
	applied  uint64                // last record in the journal and in the folders
	lastID   string                // its id
	changed  chan struct{}         // closed when applied or trouble changes
	trouble  error                 // why commits cannot work now; nil: they can
	validity uint32
}

func newDesk(q *Queue, id string) *Desk {
	return &Desk{
		q: q, id: id, prefix: "relais:{" + id + "}:", changed: make(chan struct{}), where: map[string][]Location{},
		trouble: unavailable("starting", errors.New("Redis was not reached yet")),
	}
}

// ID returns the contact point that the desk works for.
func (d *Desk) ID() string { return d.id }

// Mailbox returns one of the desk's folders. There is none before the desk
// was reached for the first time.
func (d *Desk) Mailbox(name string) (*mailbox.Mailbox, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := d.mailboxes[name]
	return m, ok
}

// Applied returns the sequence number of the last record that is durable here.
func (d *Desk) Applied() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.applied
}

func (d *Desk) key(name string) string { return d.prefix + name }

func (d *Desk) ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trouble
}

func (d *Desk) setTrouble(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble = err
	d.wake()
}

// wake must be called with d.mu held.
func (d *Desk) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// waitApplied returns when record seq is durable and applied.
func (d *Desk) waitApplied(ctx context.Context, seq uint64) error {
	for {
		d.mu.Lock()
		applied, changed := d.applied, d.changed
		d.mu.Unlock()
		if applied >= seq {
			return nil
		}
		if err := d.q.journal.Err(); err != nil {
			return unavailable("writing the journal", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return unavailable("waiting for the journal", ctx.Err())
		}
	}
}

// load applies a journal entry at start, before anything follows the stream.
func (d *Desk) load(e journal.Entry) error {
	if e.Seq != d.applied+1 {
		return fmt.Errorf("desk %s: record %d follows record %d; records are missing", d.id, e.Seq, d.applied)
	}
	r, err := decode(e.Record)
	if err != nil {
		return fmt.Errorf("desk %s: record %d: %w", d.id, e.Seq, err)
	}
	d.project(e.Seq, r, parseUIDs(e.UIDs))
	return nil
}

// project applies a durable record to what the gateway holds in memory.
func (d *Desk) project(seq uint64, r Record, uids []uint32) {
	if r.Validity != 0 {
		d.openFolders(r.Validity)
	}
	for _, m := range r.Mail {
		box := d.mailboxes[m.Folder]
		if box == nil {
			continue
		}
		switch m.Op {
		case MailAdd:
			if len(uids) == 0 {
				continue
			}
			box.Add(mailbox.Entry{UID: uids[0], Item: m.Item, Size: m.Size, Received: m.Received, Flags: m.Flags, Request: m.Request})
			d.place(m.Request, Location{m.Folder, uids[0]})
			uids = uids[1:]
		case MailRemove:
			if e, ok := box.Entry(m.UID); ok {
				d.unplace(e.Request, Location{m.Folder, m.UID})
			}
			box.Expunge(m.UID)
		case MailFlag:
			box.SetFlags(m.UID, m.Flags, m.Clear)
		}
	}
	d.mu.Lock()
	d.applied, d.lastID = seq, r.ID
	d.wake()
	d.mu.Unlock()
}

// Location is a message in a folder.
type Location struct {
	Folder string
	UID    uint32
}

// Where returns where the messages of a request are.
func (d *Desk) Where(ref request.Reference) []Location {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.where[string(ref)])
}

func (d *Desk) place(ref string, l Location) {
	if ref == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.where[ref], l) {
		d.where[ref] = append(d.where[ref], l)
	}
}

func (d *Desk) unplace(ref string, l Location) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(d.where[ref]), func(x Location) bool { return x == l })
	if d.where[ref] = left; len(left) == 0 {
		delete(d.where, ref)
	}
}

func (d *Desk) openFolders(validity uint32) {
	boxes := map[string]*mailbox.Mailbox{}
	for _, name := range mailbox.Names() {
		boxes[name] = mailbox.New(name, validity)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mailboxes == nil {
		d.mailboxes, d.validity = boxes, validity
	}
}

// State returns the request, or ErrNotFound.
func (d *Desk) State(ctx context.Context, ref request.Reference) (request.State, error) {
	var s request.State
	raw, err := d.q.client.HGet(ctx, d.key("requests"), string(ref)).Bytes()
	if errors.Is(err, redis.Nil) {
		return s, fmt.Errorf("request %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return s, unavailable("reading request", err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("reading request %s: %w", ref, err)
	}
	return s, nil
}

// Found is what Arrive looked up.
type Found struct {
	Seen    []string            // values of the once names, "" where not seen
	Threads []request.Reference // of the thread names that are known
	Number  uint64              // the next running number of the year
}

// Arrive looks up, in one round trip, what is known about an incoming message
// and reserves a running number of the year for the request that it may open.
// A number that is not used leaves a gap; year 0 reserves none.
func (d *Desk) Arrive(ctx context.Context, year int, once, threads []string) (Found, error) {
	var f Found
	if year == 0 && len(once) == 0 && len(threads) == 0 {
		return f, nil
	}
	pipe := d.q.client.Pipeline()
	var seen []*redis.StringCmd
	for _, name := range once {
		seen = append(seen, pipe.Get(ctx, d.key("once:"+name)))
	}
	var refs *redis.SliceCmd
	if len(threads) > 0 {
		refs = pipe.HMGet(ctx, d.key("threads"), threads...)
	}
	var number *redis.IntCmd
	if year != 0 {
		number = pipe.HIncrBy(ctx, d.key("numbers"), strconv.Itoa(year), 1)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return f, unavailable("looking up message", err)
	}
	for _, s := range seen {
		f.Seen = append(f.Seen, s.Val())
	}
	if refs != nil {
		for _, v := range refs.Val() {
			if s, ok := v.(string); ok {
				f.Threads = append(f.Threads, request.Reference(s))
			}
		}
	}
	if number != nil {
		f.Number = uint64(number.Val())
	}
	return f, nil
}

// NewID returns 128 random bits in hex.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func encode(r Record) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding record: %w", err)
	}
	return b, nil
}

func decode(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("decoding record: %w", err)
	}
	return r, nil
}

// now is rounded to microseconds, which survive JSON and stay readable.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
