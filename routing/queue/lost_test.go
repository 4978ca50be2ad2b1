package queue

import (
	"context"
	"errors"
	"testing"
)

// TestACommitWhoseNumberWentToAnotherIsNotConfirmed: Redis may lose a record
// before the gateway has read it, and give its number to the next one.
func TestACommitWhoseNumberWentToAnotherIsNotConfirmed(t *testing.T) {
	d := newDesk(&Queue{}, "XA-1")
	d.advance(1, Record{ID: "a"}, Record{ID: "b"}, Record{ID: "c"})
	for _, c := range []struct {
		seq  uint64
		id   string
		lost bool
	}{{1, "a", false}, {2, "b", false}, {3, "c", false}, {2, "mine", true}, {3, "b", true}, {0, "", false}} {
		err := d.waitRecord(context.Background(), c.seq, c.id)
		if lost := errors.Is(err, ErrUnavailable); lost != c.lost || !lost && err != nil {
			t.Errorf("record %d as %q: %v", c.seq, c.id, err)
		}
	}
	for seq := uint64(4); seq <= remembered+2; seq++ {
		d.advance(seq, Record{ID: "later"})
	}
	if err := d.waitRecord(context.Background(), 1, "a"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a record too old to be known: %v", err)
	}
}
