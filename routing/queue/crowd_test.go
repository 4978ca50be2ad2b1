package queue_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
)

func TestManyCommitAtTheSameTime(t *testing.T) {
	backends(t, func(t *testing.T, client redis.UniversalClient) {
		q := openQueue(t, client, t.TempDir(), func(o *queue.Options) { o.Embedded = strings.HasSuffix(t.Name(), "/embedded") })
		defer q.Close()
		d := desk(t, q, "XA-1")
		const senders, each = 50, 10
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for j := range each {
					if _, _, err := receive(t.Context(), d, fmt.Sprint("m", i, ".", j)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if box, _ := d.Mailbox(mailbox.Inbox); box.Len() != senders*each {
			t.Errorf("%d messages, want %d", box.Len(), senders*each)
		}
	})
}
