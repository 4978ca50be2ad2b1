package pending

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Bounds: what others may make us keep. Closed changes count too, for they
// stay as a record.
const (
	MaxOpen  = 20       // open changes of one contact point
	MaxOf    = 200      // all changes of one contact point
	MaxAll   = 5000     // all changes
	maxValue = 96 << 10 // bytes of all old and new values together
	maxFile  = 512 << 10
	maxNote  = 1000 // bytes
)

// Store is a folder of changes. It is safe for concurrent use, by several
// processes too.
type Store struct{ dir string }

// OpenStore opens the folder, which is made when missing.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening pending changes: %w", err)
	}
	return &Store{dir}, nil
}

// Propose keeps a proposal. It returns when the change is durable. added is
// false if the same change was proposed before, whatever became of it. The
// error wraps [ErrFull] when the contact point, or all together, have too many.
func (s *Store) Propose(p Proposal) (c Change, added bool, err error) {
	p = p.clean()
	if err := p.valid(); err != nil {
		return c, false, fmt.Errorf("proposing a change of %s: %w", p.ContactPoint, err)
	}
	err = s.locked(func() error {
		known, err := s.Get(p.identity())
		if err == nil || !errors.Is(err, ErrNotFound) {
			c = known
			return err
		}
		if err := s.room(p.ContactPoint); err != nil {
			return fmt.Errorf("proposing a change of %s: %w", p.ContactPoint, err)
		}
		c = Change{ID: p.identity(), Proposal: p}
		c.append(Entry{At: p.Seen, By: "gateway", Act: Proposed})
		added = true
		return s.write(c)
	})
	return c, added && err == nil, err
}

// room refuses what goes beyond the bounds.
func (s *Store) room(contactPoint string) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	if len(names) >= MaxAll {
		return ErrFull
	}
	total, open := 0, 0
	for _, id := range names {
		if !strings.HasPrefix(id, contactPoint+"-") {
			continue
		}
		total++
		if c, err := s.Get(id); err != nil || c.Status() == Open {
			open++ // one that cannot be read counts, too
		}
	}
	if total >= MaxOf || open >= MaxOpen {
		return ErrFull
	}
	return nil
}

// Confirmation is that a person has reached the contact point and heard it
// from there.
type Confirmation struct {
	By      string    // staff account
	How     string    // such as "call-back to +999 1 555 0100"
	Reached time.Time // when
	Note    string    // with whom
	At      time.Time // now
}

// Confirm adds one person's confirmation; with the second one the change is
// confirmed. Errors: ErrNotFound, ErrSamePerson, ErrClosed.
func (s *Store) Confirm(id string, by Confirmation) (Change, error) {
	switch {
	case by.By == "" || by.How == "":
		return Change{}, fmt.Errorf("confirming %s: say who confirms, and how the contact point was reached", id)
	case by.Reached.IsZero() || by.Reached.After(by.At.Add(time.Minute)) || by.Reached.Before(by.At.Add(-reachedBack)):
		return Change{}, fmt.Errorf("confirming %s: say when the contact point was reached, within the last 90 days", id)
	}
	return s.change(id, func(c *Change) error {
		if c.Status() != Open {
			return fmt.Errorf("%w: %s", ErrClosed, c.Status())
		}
		if by.Reached.Before(c.Proposal.Seen) {
			return errors.New("the contact point was reached before the change was proposed; ask it again")
		}
		if slices.ContainsFunc(c.ConfirmedBy(), func(who string) bool { return strings.EqualFold(who, by.By) }) {
			return ErrSamePerson
		}
		c.append(Entry{At: by.At, By: by.By, Act: Confirms, How: cut(by.How), Reached: by.Reached, Note: cut(by.Note)})
		return nil
	})
}

// Reject ends a change. why is for the record; told, which may be empty, is what
// a contact point that asked for the change is told. Errors: ErrNotFound;
// ErrClosed if it was rejected before.
func (s *Store) Reject(id, by, why, told string, at time.Time) (Change, error) {
	if by == "" || why == "" {
		return Change{}, fmt.Errorf("rejecting %s: say who rejects it and why", id)
	}
	return s.change(id, func(c *Change) error {
		if c.Status() == Rejected {
			return fmt.Errorf("%w: %s", ErrClosed, c.Status())
		}
		c.append(Entry{At: at, By: by, Act: Rejects, Note: cut(why), Told: cut(told)})
		return nil
	})
}

// HandOver records that a confirmed change was given to the authority.
func (s *Store) HandOver(id, by, note string, at time.Time) (Change, error) {
	return s.change(id, func(c *Change) error {
		if c.Status() != Confirmed {
			return fmt.Errorf("it is %s; two people must have confirmed it", c.Status())
		}
		c.append(Entry{At: at, By: by, Act: HandedOver, Note: cut(note)})
		return nil
	})
}

func (s *Store) change(id string, act func(*Change) error) (c Change, err error) {
	err = s.locked(func() error {
		if c, err = s.Get(id); err != nil {
			return err
		}
		if err := act(&c); err != nil {
			return fmt.Errorf("pending change %s: %w", id, err)
		}
		return s.write(c)
	})
	return c, err
}

// Get returns one change. Errors: ErrNotFound, ErrAltered.
func (s *Store) Get(id string) (Change, error) {
	var c Change
	if !idForm.MatchString(id) {
		return c, fmt.Errorf("pending change %q: %w", cut(id), ErrNotFound)
	}
	f, err := os.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("pending change %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return c, fmt.Errorf("reading pending change: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return c, fmt.Errorf("reading pending change: %w", err)
	}
	if len(b) > maxFile || json.Unmarshal(b, &c) != nil || c.ID != id || c.Check() != nil {
		return Change{}, fmt.Errorf("pending change %s: %w", id, ErrAltered)
	}
	return c, nil
}

// List returns all changes, the oldest first. Changes that cannot be read are
// named in the error; the others are returned beside it.
func (s *Store) List() ([]Change, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var list []Change
	var wrong []error
	for _, id := range names {
		c, err := s.Get(id)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b Change) int { return a.Proposal.Seen.Compare(b.Proposal.Seen) })
	return list, errors.Join(wrong...)
}

func (s *Store) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("listing pending changes: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && idForm.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id+".json") }

// write replaces the file of a change durably: temporary file, fsync, rename,
// fsync of the folder. Owner and group become those of the folder, for root may
// confirm for a gateway that runs as another user.
func (s *Store) write(c Change) (err error) {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fmt.Errorf("pending change %s: its history is full", c.ID)
	}
	f, err := os.CreateTemp(s.dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing pending change: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("writing pending change: %w", err)
		}
	}()
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = likeFolder(f, s.dir)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), s.path(c.ID)); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func likeFolder(f *os.File, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// locked runs f while no other process changes the folder.
func (s *Store) locked(f func() error) error {
	d, err := os.Open(s.dir)
	if err != nil {
		return fmt.Errorf("locking pending changes: %w", err)
	}
	defer d.Close() // unlocks
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking pending changes: %w", err)
	}
	return f()
}

func cut(s string) string {
	if len(s) > maxNote {
		s = s[:maxNote]
	}
	return strings.ToValidUTF8(s, "")
}
