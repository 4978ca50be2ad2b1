package intake

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestRationComesBackEvenly(t *testing.T) {
	r := newRation(4)
	now := time.Now()
	spend := func(n int) (spent int) {
		for range n {
			if r.spend(at("192.0.2.1"), now) {
				spent++
			}
		}
		return spent
	}
	if got := spend(6); got != 4 || r.left(at("192.0.2.1"), now) || !r.left(at("192.0.2.2"), now) {
		t.Errorf("spent %d of 4", got)
	}
	now = now.Add(30 * time.Minute)
	if got := spend(6); got != 2 {
		t.Errorf("after half an hour: %d, want 2", got)
	}
	now = now.Add(24 * time.Hour)
	if got := spend(6); got != 4 {
		t.Errorf("a day later: %d, want 4, not more", got)
	}
}

func TestRationCountsNetworks(t *testing.T) {
	now := time.Now()
	for same, pair := range map[string][2]string{
		"one IPv6 network":     {"2001:db8::1", "2001:db8::ffff:1"},
		"IPv4, mapped or not":  {"192.0.2.1", "::ffff:192.0.2.1"},
		"what is no address":   {"", "unix"},
		"an address in a zone": {"fe80::1%eth0", "fe80::2%eth1"},
	} {
		r := newRation(1)
		if r.spend(at(pair[0]), now); r.left(at(pair[1]), now) {
			t.Errorf("%s: %v count apart", same, pair)
		}
	}
	r := newRation(1)
	if r.spend(at("2001:db8::1"), now); !r.left(at("2001:db8:0:1::1"), now) || !r.left(at("192.0.2.1"), now) {
		t.Error("other networks count together")
	}
	var without *ration = newRation(0)
	if !without.spend(at("192.0.2.1"), now) || !without.left(at("192.0.2.1"), now) {
		t.Error("0 is without limit")
	}
}

func TestRationHoldsABoundedNumberOfAddresses(t *testing.T) {
	r := newRation(2)
	now := time.Now()
	r.spend(at("192.0.2.1"), now)
	r.spend(at("192.0.2.1"), now)
	for i := range 3 * maxRationed {
		r.spend(at(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), now)
	}
	if len(r.used) > maxRationed || r.left(at("192.0.2.1"), now) {
		t.Errorf("%d addresses; what was used up is forgotten: %t", len(r.used), r.left(at("192.0.2.1"), now))
	}
}

func TestLargeTurnIsNotOvertaken(t *testing.T) {
	b := newBudget(10)
	ctx := t.Context()
	first, err := b.take(ctx, 6)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int64, 2)
	queue := func(bytes int64, waiting int) {
		go func() {
			s, err := b.take(ctx, bytes)
			if err != nil {
				t.Error(err)
			}
			got <- bytes
			s.release()
		}()
		for n := 0; n != waiting; {
			b.mu.Lock()
			n = b.waiting.Len()
			b.mu.Unlock()
		}
	}
	queue(9, 1)
	queue(2, 2) // there is room for it, but it came later
	first.release()
	if a, b := <-got, <-got; a != 9 || b != 2 {
		t.Errorf("%d came before %d", a, b)
	}
}

func TestWhoGivesUpWaitingBlocksNobody(t *testing.T) {
	b := newBudget(10)
	first, _ := b.take(t.Context(), 8)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.take(ctx, 9); err == nil {
		t.Fatal("there is no room")
	}
	second, err := b.take(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	first.hold()
	first.release()
	second.release()
	if b.left != 2 {
		t.Errorf("%d left while somebody still works with 8", b.left)
	}
	if first.release(); b.left != 10 || b.waiting.Len() != 0 {
		t.Errorf("%d left, %d wait", b.left, b.waiting.Len())
	}
}

func at(remote string) peer { return peer{network: network(remote)} }

// What was compressed takes its real size of the budget, or waits outside.
func TestShareGrowsWithWhatComesOutOfIt(t *testing.T) {
	b := newBudget(100)
	first, err := b.take(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.take(t.Context(), 30)
	if err != nil {
		t.Fatal(err)
	}
	if !first.grow(-5) || !first.grow(50) || b.left != 10 {
		t.Errorf("%d left, want 10", b.left)
	}
	if second.grow(11) || b.left != 10 {
		t.Errorf("more was taken than there is: %d left", b.left)
	}
	second.release()
	if !first.grow(1000) || b.left != 0 {
		t.Errorf("%d left; what is larger than all goes alone", b.left)
	}
	if first.release(); b.left != 100 {
		t.Errorf("%d left at the end", b.left)
	}
}
