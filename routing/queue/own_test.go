package queue_test

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"relais.example/routing/queue"
)

// A gateway takes its own records from memory and those of others from the
// stream: both must be the same.
func TestOwnRecordsAreWhatOthersRead(t *testing.T) {
	url := startRedis(t).url()
	var mu sync.Mutex
	seen := make([]map[string]queue.Record, 2)
	open := func(i int) *queue.Queue {
		seen[i] = map[string]queue.Record{}
		return openQueue(t, dial(t, url), t.TempDir(), func(o *queue.Options) {
			o.OnApplied = func(_ string, r queue.Record) {
				mu.Lock()
				defer mu.Unlock()
				seen[i][r.ID] = r
			}
		})
	}
	a, b := open(0), open(1)
	defer a.Close()
	defer b.Close()
	da, db := desk(t, a, "XA-1"), desk(t, b, "XA-1")
	for i := range 10 {
		if _, _, err := receive(t.Context(), da, fmt.Sprint("m", i)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the other gateway", func() bool { return db.Applied() == da.Applied() })
	mu.Lock()
	defer mu.Unlock()
	n := 0
	for id, own := range seen[0] {
		if read, ok := seen[1][id]; ok {
			n++
			if !reflect.DeepEqual(own, read) {
				t.Errorf("own record %+v\nread by another gateway as %+v", own, read)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d records compared, want 10", n)
	}
}
