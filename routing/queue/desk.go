package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/journal"
	"relais.example/routing/mailbox"
	"relais.example/routing/request"
)

// remembered is how many records may become durable between a commit and the
// moment its caller looks whether its own is among them.
const remembered = 4096

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
	recent   [remembered]string    // ids of the last records, by their numbers
	own      map[string]Record     // by their line: commits of this gateway that are under way
	changed  chan struct{}         // closed when applied or trouble changes
	trouble  error                 // why commits cannot work now; nil: they can
	validity uint32
}

func newDesk(q *Queue, id string) *Desk {
	return &Desk{
		q: q, id: id, prefix: "relais:{" + id + "}:", changed: make(chan struct{}), where: map[string][]Location{}, own: map[string]Record{},
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
		case <-d.q.stopped:
			return unavailable("waiting for the journal", errors.New("the gateway stops"))
		case <-ctx.Done():
			return unavailable("waiting for the journal", ctx.Err())
		}
	}
}

// waitForHead returns when all that Redis holds now is durable here.
func (d *Desk) waitForHead(ctx context.Context) error {
	seq, id, err := d.head(ctx)
	if err != nil {
		return unavailable("reading head", err)
	}
	return d.waitRecord(ctx, seq, id)
}

// waitRecord is waitApplied for that very record: Redis may lose a record
// before it was read from the stream, and give its number to another.
func (d *Desk) waitRecord(ctx context.Context, seq uint64, id string) error {
	if err := d.waitApplied(ctx, seq); err != nil || seq == 0 {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.recent[seq%remembered] != id {
		return unavailable("waiting for the journal", fmt.Errorf("Redis lost record %d before it was durable", seq))
	}
	return nil
}

// checkWhole returns an error if Redis lacks records that are durable here: what
// it says of a request, or that it knows of none, means nothing then.
func (d *Desk) checkWhole(ctx context.Context) error {
	applied := d.Applied() // before head, which only grows
	seq, _, err := d.head(ctx)
	if err != nil {
		return unavailable("reading head", err)
	}
	if seq < applied {
		return d.behind()
	}
	return nil
}

// behind makes follow put back what Redis has lost. It returns the error for
// whoever noticed it, even if follow is done already.
func (d *Desk) behind() error {
	err := unavailable("checking Redis", errors.New("Redis has lost records; they are being put back from the journal"))
	d.setTrouble(err)
	return err
}

// expect notes a record that will soon come back in the stream, so that it need
// not be decoded again. It returns the last record that is durable here.
func (d *Desk) expect(line string, r Record) (applied uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.own[line] = r
	return d.applied
}

func (d *Desk) forget(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.own, line)
}

// read returns the record of a line.
func (d *Desk) read(line string) (Record, error) {
	d.mu.Lock()
	r, ok := d.own[line]
	d.mu.Unlock()
	if ok {
		return r, nil
	}
	return decode([]byte(line))
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
	d.project(r, parseUIDs(e.UIDs))
	d.advance(e.Seq, r)
	return nil
}

// advance says that the records from number first on are durable and applied.
func (d *Desk) advance(first uint64, records ...Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range records {
		d.applied, d.lastID = first+uint64(i), r.ID
		d.recent[d.applied%remembered] = r.ID
	}
	d.wake()
}

// project applies a durable record to what the gateway holds in memory.
func (d *Desk) project(r Record, uids []uint32) {
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
	s, err := d.stateNow(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		if lost := d.checkWhole(ctx); lost != nil {
			return s, lost
		}
	}
	return s, err
}

// stateNow is State for a Redis that may lack records.
func (d *Desk) stateNow(ctx context.Context, ref request.Reference) (request.State, error) {
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
	Threads []request.Reference // of each thread name, "" where not known
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
	var commands []redis.Cmder
	seen := make([]*redis.StringCmd, len(once))
	for i, name := range once {
		seen[i] = redis.NewStringCmd(ctx, "get", d.key("once:"+name))
		commands = append(commands, seen[i])
	}
	refs := redis.NewSliceCmd(ctx, append([]any{"hmget", d.key("threads")}, anys(threads)...)...)
	if len(threads) > 0 {
		commands = append(commands, refs)
	}
	number := redis.NewIntCmd(ctx, "hincrby", d.key("numbers"), year, 1)
	if year != 0 {
		commands = append(commands, number)
	}
	if err := d.q.trips.send(ctx, commands...); err != nil {
		return f, unavailable("looking up message", err)
	}
	for _, c := range commands {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return f, unavailable("looking up message", err)
		}
	}
	for _, s := range seen {
		f.Seen = append(f.Seen, s.Val())
		if s.Val() != "" {
			if err := d.waitForHead(ctx); err != nil {
				return f, err
			}
		}
	}
	for _, v := range refs.Val() {
		s, _ := v.(string)
		f.Threads = append(f.Threads, request.Reference(s))
	}
	f.Number = uint64(number.Val())
	return f, nil
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// execute runs a pipeline and returns the first error of any of its commands.
// Exec alone would hide a refused write behind a key that is not there.
func execute(ctx context.Context, pipe redis.Pipeliner) error {
	commands, err := pipe.Exec(ctx)
	for _, c := range commands {
		if e := c.Err(); e != nil && !errors.Is(e, redis.Nil) {
			return e
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
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
