package crash

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"relais.example/test/gateway"
)

// TestKillKeyholderWhileMailComes: no sender may notice more than a 451, and no
// message may be called one that cannot be opened. The acknowledgements, which
// it must sign, all arrive.
func TestKillKeyholderWhileMailComes(t *testing.T) {
	t.Parallel()
	random := chance(t)
	g := gateway.Run(t, gateway.Options{Keyholder: true, Acknowledge: true})
	all := posts(g, batch*rounds(t))
	var moments []int64
	for range 3 * rounds(t) {
		moments = append(moments, 1+random.Int64N(int64(len(all)-1)))
	}
	var mu sync.Mutex
	flood(t, g, all, make(chan struct{}), func(n int64) {
		if slices.Contains(moments, n) {
			mu.Lock()
			defer mu.Unlock()
			g.Keyholder.Kill()
			g.Keyholder.Start()
		}
	})
	var validity uint32
	checkAll(t, g, all, &validity)
	gateway.WaitFor(t, "every acknowledgement to arrive", func() error {
		arrived := answered(t, g)
		for _, p := range all {
			if len(arrived[p.ref]) == 0 {
				return fmt.Errorf("that of %s did not", p.ref)
			}
		}
		return nil
	})
	g.WaitMetric(`relais_outbox_messages{desk="XA-1"}`, 0)
	for _, e := range g.Journal() {
		if e.Refuse != nil {
			t.Errorf("a message was refused: %s", e.Refuse.Reason)
		}
	}
	if !strings.Contains(g.Log(), "keyholder does not answer") {
		t.Error("the keyholder was killed and nobody noticed: this test tested nothing")
	}
}
