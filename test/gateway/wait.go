package gateway

import (
	"testing"
	"time"
)

// patience is how long a condition may take on a busy machine.
const patience = 30 * time.Second

// WaitFor looks until ok returns nil and fails the test with its last error
// after half a minute.
func WaitFor(t testing.TB, what string, ok func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited for %s in vain: %v", what, err)
		}
	}
}
