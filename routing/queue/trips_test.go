package queue

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slowServer answers pipelines in place of a server, each when told to.
type slowServer struct {
	arrived chan int      // how many commands a trip carries
	answer  chan struct{} // lets it return
}

func (s slowServer) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (s slowServer) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (s slowServer) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		s.arrived <- len(cmds)
		<-s.answer
		for _, c := range cmds {
			c.(*redis.StringCmd).SetVal("answer")
		}
		return nil
	}
}

func slowTrips(t *testing.T) (*trips, slowServer) {
	s := slowServer{make(chan int), make(chan struct{})}
	client := redis.NewClient(&redis.Options{Addr: "192.0.2.1:6379"})
	client.AddHook(s)
	t.Cleanup(func() { client.Close() })
	return newTrips(client, time.Minute), s
}

func TestWhoWaitsSharesTheNextTrip(t *testing.T) {
	trips, server := slowTrips(t)
	var wg sync.WaitGroup
	send := func() {
		wg.Go(func() {
			c := redis.NewStringCmd(t.Context(), "get", "x")
			if err := trips.send(t.Context(), c); err != nil || c.Val() != "answer" {
				t.Errorf("got %q, %v", c.Val(), err)
			}
		})
	}
	send()
	if n := <-server.arrived; n != 1 {
		t.Errorf("the first trip carries %d commands, want 1", n)
	}
	const waiting = 10
	for range waiting {
		send()
	}
	for there := 0; there < waiting; runtime.Gosched() {
		trips.mu.Lock()
		if trips.next != nil {
			there = len(trips.next.commands)
		}
		trips.mu.Unlock()
	}
	server.answer <- struct{}{}
	if n := <-server.arrived; n != waiting {
		t.Errorf("the second trip carries %d commands, want %d", n, waiting)
	}
	server.answer <- struct{}{}
	wg.Wait()
	trips.close()
	if err := trips.send(t.Context(), redis.NewStringCmd(t.Context(), "get", "x")); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestWhoGivesUpDoesNotWaitForTheTrip(t *testing.T) {
	trips, server := slowTrips(t)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() { given <- trips.send(ctx, redis.NewStringCmd(ctx, "get", "x")) }()
	<-server.arrived
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	server.answer <- struct{}{}
	trips.close()
}
