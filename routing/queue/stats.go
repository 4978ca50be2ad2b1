package queue

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/request"
)

// Stats are the figures of a desk. Reading them costs the same whatever the
// number of requests.
type Stats struct {
	Open         map[request.Kind]int64 // received requests still to be answered
	Overdue      int64                  // requests whose next deadline has passed
	NextDeadline time.Time              // zero if none runs
	Quarantine   int64                  // messages held
	Head         uint64                 // records in Redis; Applied tells how many the journal here holds
	Outbox       int64                  // outgoing messages
	OutboxSince  time.Time              // when the oldest of them was queued; zero if none
}

// Stats reads the figures of the desk from Redis.
func (d *Desk) Stats(ctx context.Context) (Stats, error) {
	pipe := d.q.client.Pipeline()
	head := pipe.HGet(ctx, d.key("head"), "seq")
	counts := pipe.HGetAll(ctx, d.key("counts"))
	overdue := pipe.ZCount(ctx, d.key("deadlines"), "-inf", strconv.FormatInt(time.Now().UnixMilli(), 10))
	next := pipe.ZRangeWithScores(ctx, d.key("deadlines"), 0, 0)
	outbox := pipe.ZCard(ctx, d.key("outbox"))
	oldest := pipe.ZRangeWithScores(ctx, d.key("outbox:since"), 0, 0)
	if err := execute(ctx, pipe); err != nil {
		return Stats{}, unavailable("reading figures", err)
	}
	seq, _ := head.Uint64()
	s := Stats{Head: seq, Open: map[request.Kind]int64{}, Overdue: overdue.Val(), Outbox: outbox.Val()}
	for field, v := range counts.Val() {
		n, _ := strconv.ParseInt(v, 10, 64)
		if kind, ok := strings.CutPrefix(field, "open:"); ok && n != 0 {
			s.Open[request.Kind(kind)] = n
		}
		if field == "quarantine" {
			s.Quarantine = n
		}
	}
	s.NextDeadline = firstScore(next)
	s.OutboxSince = firstScore(oldest)
	return s, nil
}

func firstScore(z *redis.ZSliceCmd) time.Time {
	if len(z.Val()) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(z.Val()[0].Score)).UTC()
}
