package queue

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
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

// Embedded starts a Redis-compatible server inside this process, reachable
// only through the returned client. It keeps everything in memory; the journal
// makes it durable. stop ends it.
func Embedded() (client redis.UniversalClient, stop func()) {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	c := redis.NewClient(tune(&redis.Options{
		Addr:   "embedded",
		Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
	}))
	return c, func() { c.Close(); m.Close() }
}

func tune(o *redis.Options) *redis.Options {
	o.Protocol = 2
	o.MaxRetries = -1
	o.DialTimeout = 2 * time.Second
	o.ReadTimeout = 5 * time.Second
	o.WriteTimeout = 5 * time.Second
	o.PoolSize = 128
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	return o
}
