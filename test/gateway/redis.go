package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Redis is a real redis-server on a socket of its own.
type Redis struct {
	t      testing.TB
	dir    string
	server *process // nil: does not run
	client *redis.Client
}

// NewRedis prepares a redis-server that keeps nothing on disk. It does not run
// before Start.
func NewRedis(t testing.TB) *Redis {
	t.Helper()
	Need(t, "redis-server")
	dir, err := os.MkdirTemp("", "rr") // short: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	r := &Redis{t: t, dir: dir}
	r.client = redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket(), MaxRetries: -1, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() {
		r.client.Close()
		r.Kill()
		os.RemoveAll(dir)
	})
	return r
}

// StartRedis is NewRedis and Start.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	r := NewRedis(t)
	r.Start()
	return r
}

func (r *Redis) socket() string { return filepath.Join(r.dir, "s") }

// URL is what the gateway is configured with.
func (r *Redis) URL() string { return "unix://" + r.socket() }

// Start runs the server, empty unless Save was called, and waits until it answers.
func (r *Redis) Start() {
	r.t.Helper()
	r.server = start(r.t, io.Discard, "redis-server", "--port", "0", "--unixsocket", r.socket(), "--dir", r.dir,
		"--save", "", "--appendonly", "no", "--rdbcompression", "no")
	WaitFor(r.t, "redis-server", func() error {
		c, err := net.Dial("unix", r.socket())
		if err == nil {
			c.Close()
		}
		return err
	})
}

// Kill ends the server with SIGKILL; everything in it is gone.
func (r *Redis) Kill() {
	if r.server == nil {
		return
	}
	r.server.kill()
	r.server = nil
	os.Remove(r.socket())
}

// Save makes the server come back with what it holds now, and not later than
// that, after the next Kill and Start.
func (r *Redis) Save() {
	r.t.Helper()
	if err := r.client.Save(context.Background()).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// FlushAll takes everything out of the server while it runs.
func (r *Redis) FlushAll() {
	r.t.Helper()
	if err := r.client.FlushAll(context.Background()).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// Contents returns every key with its serialised value.
func (r *Redis) Contents() map[string]string {
	r.t.Helper()
	ctx := context.Background()
	out := map[string]string{}
	keys := r.client.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		value, err := r.client.Dump(ctx, keys.Val()).Result()
		if errors.Is(err, redis.Nil) {
			continue // expired meanwhile
		}
		if err != nil {
			r.t.Fatal(err)
		}
		out[keys.Val()] = value
	}
	if err := keys.Err(); err != nil {
		r.t.Fatal(err)
	}
	return out
}
