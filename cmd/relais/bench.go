package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
)

// benchSize is the size of the text of a message, in bytes.
const benchSize = 8 << 10

func newBenchCommand() *cobra.Command {
	var redisURL string
	var messages int
	var algorithms []string
	var senders []int
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a message costs, beside its decryption and verification alone",
		Long: `Measures, in one run on this machine, with messages of 8 KiB:
(a) opening a message alone: decryption and signature check;
(b) the whole way over SMTP to a durable 250, in a gateway of its own.
The ratio is CPU time of the gateway process per message in (b) over (a).
Redis, the senders and the gateway share the machine. Acknowledgements are off.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBench(cmd.Context(), cmd.OutOrStdout(), redisURL, algorithms, senders, messages)
		},
	}
	f := cmd.Flags()
	f.StringVar(&redisURL, "redis", "auto", "URL of a Redis to use; auto: start redis-server if it is installed; embedded: none")
	f.StringSliceVar(&algorithms, "algorithm", []string{"curve25519", "rsa4096"}, "keys of desk and sender")
	f.IntSliceVar(&senders, "senders", []int{1, 10, 50}, "connections that send at the same time")
	f.IntVar(&messages, "messages", 3000, "messages for each figure (a tenth with RSA)")
	return cmd
}

// result is one line of the table.
type result struct {
	rate     float64 // messages per second
	p50, p99 time.Duration
	cpu      time.Duration // of the gateway, per message
}

func runBench(ctx context.Context, w io.Writer, redisURL string, algorithms []string, senders []int, messages int) error {
	dir, err := os.MkdirTemp("", "relais-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	redisURL, stop, err := benchRedis(dir, redisURL)
	if err != nil {
		return err
	}
	defer stop()
	kind := "embedded queue"
	if redisURL != "" {
		kind = "redis-server on the same machine"
	}
	fmt.Fprintf(w, "%s, %d processors, %s, messages of %d KiB, acknowledgements off\n\n", runtime.Version(), runtime.NumCPU(), kind, benchSize>>10)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "keys\t(a) alone, CPU\tsenders\t(b) messages/s\tp50\tp99\t(b) CPU\tratio (b)/(a)\t")
	for _, name := range algorithms {
		algorithm, err := parseAlgorithm(name)
		if err != nil {
			return err
		}
		n := messages
		if algorithm != pgp.Curve25519 {
			n = max(messages/10, 50)
		}
		if err := benchAlgorithm(ctx, table, filepath.Join(dir, name), redisURL, algorithm, senders, n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return table.Flush()
}

func benchAlgorithm(ctx context.Context, w io.Writer, dir, redisURL string, algorithm pgp.Algorithm, senders []int, n int) error {
	d := &demo{dir: dir, algorithm: algorithm, redis: redisURL, quiet: true}
	if err := d.build(); err != nil {
		return err
	}
	defer d.other.close()
	batches := make([][][]byte, len(senders))
	for i := range senders {
		var err error
		if batches[i], err = benchMessages(d, n); err != nil {
			return err
		}
	}
	alone, err := openAlone(d, batches[0])
	if err != nil {
		return err
	}
	gateway := exec.CommandContext(ctx, os.Args[0], "serve", "--config", d.in.Config)
	gateway.Stderr, _ = os.Create(filepath.Join(dir, "relais.log"))
	if err := gateway.Start(); err != nil {
		return err
	}
	defer func() { gateway.Process.Signal(syscall.SIGTERM); gateway.Wait() }()
	if err := until(ctx, "the gateway", func() (bool, error) { up, err := d.metric("relais_redis_up"); return up == 1, err }); err != nil {
		return err
	}
	for i, s := range senders {
		r, err := benchSend(d, batches[i], s)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%s\t%s\t%s\t%.2f\t\n", algorithm, ms(alone), s, r.rate, ms(r.p50), ms(r.p99), ms(r.cpu), float64(r.cpu)/float64(alone))
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

// benchMessages seals n different requests.
func benchMessages(d *demo, n int) ([][]byte, error) {
	filler := strings.Repeat("The provider keeps connection logs for fourteen days only, and they are needed as evidence.\n", benchSize/92+1)
	out := make([][]byte, n)
	var firstErr error
	var mu sync.Mutex
	parallel(runtime.NumCPU(), n, func(i int) {
		text := fmt.Sprintf("Case %d. Under Article 29 of the Convention on Cybercrime please preserve the following data.\n%s", i, filler)[:benchSize]
		raw, err := d.sealAs("XB-2", gamma, fmt.Sprintf("Preservation, case %d", i), text)
		mu.Lock()
		defer mu.Unlock()
		out[i], firstErr = raw, errors.Join(firstErr, err)
	})
	return out, firstErr
}

// openAlone returns the CPU time of decrypting and verifying one message.
func openAlone(d *demo, messages [][]byte) (time.Duration, error) {
	keys := []*pgp.Key{d.in.Keys["XA-1"]}
	ring := pgp.NewRing(d.in.Keys["XB-2"].Certificate())
	var armored [][]byte
	for _, m := range messages {
		i := strings.Index(string(m), "-----BEGIN PGP MESSAGE-----")
		j := strings.Index(string(m), "-----END PGP MESSAGE-----")
		if i < 0 || j < 0 {
			return 0, errors.New("not a sealed message")
		}
		armored = append(armored, m[i:j+len("-----END PGP MESSAGE-----\r\n")])
	}
	start := cpuTime()
	for _, m := range armored {
		r, err := pgp.Decrypt(m, keys, ring, pgp.DefaultPolicy(), pgp.Limits{MaxPlaintext: pgpmime.DefaultLimits().MaxPlaintext}, time.Now())
		if err != nil || r.Signature.State != pgp.SignatureGood {
			return 0, fmt.Errorf("opening alone: %w", err)
		}
	}
	return (cpuTime() - start) / time.Duration(len(messages)), nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchSend sends the messages over so many connections.
func benchSend(d *demo, messages [][]byte, connections int) (result, error) {
	var r result
	before, err := d.metric("process_cpu_seconds_total")
	if err != nil {
		return r, err
	}
	times := make([]time.Duration, len(messages))
	var mu sync.Mutex
	var failed error
	next := make(chan int)
	start := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			if err := benchConnection(d, messages, next, times); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				for range next { // let the others finish
				}
			}
		})
	}
	for i := range messages {
		next <- i
	}
	close(next)
	wg.Wait()
	took := time.Since(start)
	if failed != nil {
		return r, failed
	}
	after, err := d.metric("process_cpu_seconds_total")
	if err != nil {
		return r, err
	}
	slices.Sort(times)
	r.rate = float64(len(messages)) / took.Seconds()
	r.p50, r.p99 = times[len(times)/2], times[len(times)*99/100]
	r.cpu = time.Duration((after - before) / float64(len(messages)) * float64(time.Second))
	return r, nil
}

// benchConnection sends what it is handed over one connection with TLS, which
// it renews before the server's limit of messages.
func benchConnection(d *demo, messages [][]byte, next <-chan int, times []time.Duration) error {
	var c *smtp.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	sent := 0
	for i := range next {
		if c == nil || sent%90 == 0 {
			if c != nil {
				c.Quit()
			}
			var err error
			if c, err = smtp.DialStartTLS(d.c.Listen.MX, d.tls); err != nil {
				return err
			}
		}
		sent++
		start := time.Now()
		if err := benchTransfer(c, messages[i]); err != nil {
			return err
		}
		times[i] = time.Since(start)
	}
	return nil
}

func benchTransfer(c *smtp.Client, raw []byte) error {
	if err := c.Mail(gamma, nil); err != nil {
		return err
	}
	if err := c.Rcpt(alpha, nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}

// benchRedis starts a redis-server with a socket in dir if one is installed.
func benchRedis(dir, url string) (string, func(), error) {
	none := func() {}
	switch url {
	case "embedded":
		return "", none, nil
	case "auto":
	default:
		return url, none, nil
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", none, nil
	}
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec")
	if err := cmd.Start(); err != nil {
		return "", none, err
	}
	stop := func() { cmd.Process.Kill(); cmd.Wait() }
	err = until(context.Background(), "redis-server", func() (bool, error) { _, err := os.Stat(socket); return err == nil, nil })
	return "unix://" + socket, stop, err
}

// parallel calls f for 0 to n-1 on so many goroutines.
func parallel(workers, n int, f func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
