package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/routing/queue"
)

// benchUsage takes the processor time that everybody used between begin and
// end.
type benchUsage struct {
	d     *demo
	store *benchRedis

	gateway, redis time.Duration
	others         float64 // share of all processors used by other programs; 0 where it cannot be read

	started time.Time
	before  usageReading
}

type usageReading struct{ self, gateway, redis, machine time.Duration }

func (u *benchUsage) read(ctx context.Context) (r usageReading, err error) {
	seconds, err := u.d.metric("process_cpu_seconds_total")
	if err != nil {
		return r, err
	}
	r.gateway = time.Duration(seconds * float64(time.Second))
	if r.redis, err = u.store.cpu(ctx); err != nil {
		return r, err
	}
	r.self, r.machine = cpuTime(), machineTime()
	return r, nil
}

func (u *benchUsage) begin(ctx context.Context) (err error) {
	u.started = time.Now()
	u.before, err = u.read(ctx)
	return err
}

func (u *benchUsage) end(ctx context.Context) error {
	after, err := u.read(ctx)
	if err != nil {
		return err
	}
	b := u.before
	u.gateway, u.redis = after.gateway-b.gateway, after.redis-b.redis
	others := after.machine - b.machine - u.gateway - u.redis - (after.self - b.self)
	u.others = max(0, float64(others)/float64(time.Since(u.started))/float64(runtime.NumCPU()))
	return nil
}

// cpuTime is what this process used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// machineTime is what all programs used, and what the hypervisor took away, as
// Linux counts it in hundredths of a second; 0 elsewhere.
func machineTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var sum int64
	for i, f := range strings.Fields(string(line)) {
		// cpu user nice system idle iowait irq softirq steal guest...
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseInt(f, 10, 64)
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

// benchRedis is the Redis that is measured with.
type benchRedis struct {
	name, url string
	client    redis.UniversalClient // nil: embedded
	stop      func()
}

// startBenchRedis connects to the Redis at url. With "auto" it starts a
// redis-server with a socket in dir, if one is installed.
func startBenchRedis(ctx context.Context, dir, url string) (*benchRedis, error) {
	r := &benchRedis{name: "Redis at " + url, url: url, stop: func() {}}
	path, err := exec.LookPath("redis-server")
	switch {
	case url == "embedded", url == "auto" && err != nil:
		r.name, r.url = "embedded queue", ""
		return r, nil
	case url == "auto":
		if err := r.start(ctx, path, dir); err != nil {
			return nil, err
		}
	}
	if r.client, err = queue.Dial(r.url, "", "", nil); err != nil {
		r.stop()
	}
	return r, err
}

func (r *benchRedis) start(ctx context.Context, path, dir string) error {
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec")
	if err := cmd.Start(); err != nil {
		return err
	}
	r.name, r.url = "redis-server on the same machine", "unix://"+socket
	r.stop = func() { cmd.Process.Kill(); cmd.Wait() }
	err := until(ctx, "redis-server", func() (bool, error) { _, err := os.Stat(socket); return err == nil, nil })
	if err != nil {
		r.stop()
	}
	return err
}

// cpu is the processor time that Redis has used.
func (r *benchRedis) cpu(ctx context.Context) (time.Duration, error) {
	if r.client == nil {
		return 0, nil
	}
	info, err := r.client.Info(ctx, "cpu").Result()
	if err != nil {
		return 0, fmt.Errorf("asking Redis for its processor time: %w", err)
	}
	var sum time.Duration
	for lines := bufio.NewScanner(strings.NewReader(info)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, _ := strconv.ParseFloat(value, 64)
			sum += time.Duration(seconds * float64(time.Second))
		}
	}
	return sum, nil
}
