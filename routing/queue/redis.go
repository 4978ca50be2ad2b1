package queue

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Dial returns a client for a Redis URL such as redis://host:6379/0,
// rediss://… or unix:///path. It does not connect yet. Commands are not
// retried: a commit whose answer was lost may have happened, and only the
// stream can tell.
func Dial(url, username, password string, tlsConfig *tls.Config) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis url: %w", err)
	}
	if username != "" {
		o.Username = username
	}
	if password != "" {
		o.Password = password
	}
	if o.TLSConfig != nil && tlsConfig != nil {
		o.TLSConfig = tlsConfig
	}
	return redis.NewClient(tune(o)), nil
}

// embedded stands for the address of a server in this process.
const embedded = "embedded"

func isEmbedded(client redis.UniversalClient) bool {
	c, ok := client.(*redis.Client)
	return ok && c.Options().Addr == embedded
}

// Embedded starts a Redis-compatible server inside this process, reachable
// only through the returned client. It keeps everything in memory; the journal
// makes it durable. stop ends it.
func Embedded() (client redis.UniversalClient, stop func()) {
	m := miniredis.NewMiniRedis()
	done := make(chan struct{})
	go expire(m, done)
	c := redis.NewClient(tune(&redis.Options{
		Addr:   embedded,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
	}))
	return c, sync.OnceFunc(func() { close(done); c.Close(); m.Close() })
}

// expire lets keys expire. The server could do so by itself, but would look at
// every key it holds before each command.
func expire(m *miniredis.Miniredis, done <-chan struct{}) {
	const every = time.Hour // names that may come once live for months
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			m.FastForward(every)
		}
	}
}

func tune(o *redis.Options) *redis.Options {
	o.Protocol = 2
	o.MaxRetries = -1
	o.DialTimeout = 2 * time.Second
	o.DialerRetries = 1 // who waits for an answer is told at once
	o.ReadTimeout = 5 * time.Second
	o.WriteTimeout = 5 * time.Second
	o.PoolSize = 1024 // each desk keeps one waiting for news
	o.MaxIdleConns = 128
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	return o
}
