package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
)

// benchSize is the size of the text of a message, in bytes.
const benchSize = 8 << 10

// bench says what is measured.
type bench struct {
	redisURL   string
	algorithms []string
	senders    []int
	messages   int // of one run; a tenth with RSA
	repeat     int
	pipelining bool
}

func newBenchCommand() *cobra.Command {
	var b bench
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a message costs, beside its decryption and verification alone",
		Long: `Measures on this machine, with messages of 8 KiB that are all different:
(a) opening a message alone: its decryption and signature check, in processor time;
(b) the whole way over SMTP with TLS to a durable 250, in a gateway of its own.
The ratio is processor time of the gateway process per message in (b) over (a),
both taken in the same run: (a) right before and right after (b). Each line shows the
medians of several runs, and the lowest and highest ratio of them; the times of
the senders are of all runs together. Redis, the senders and the gateway share
the machine. Acknowledgements are off. Other programs that run meanwhile make
everything dearer: the last column says how much of the processors they used.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVar(&b.redisURL, "redis", "auto", "URL of a Redis to use; auto: start redis-server if it is installed; embedded: none")
	f.StringSliceVar(&b.algorithms, "algorithm", []string{"curve25519", "rsa4096"}, "keys of desk and sender")
	f.IntSliceVar(&b.senders, "senders", []int{1, 10, 50}, "connections that send at the same time")
	f.IntVar(&b.messages, "messages", 3000, "messages in each run (a tenth with RSA)")
	f.IntVar(&b.repeat, "repeat", 3, "runs for each figure")
	f.BoolVar(&b.pipelining, "pipelining", true, "send MAIL, RCPT and DATA together (RFC 2920), as mail servers do")
	return cmd
}

func (b bench) run(ctx context.Context, w io.Writer) error {
	if b.messages < 10 || b.repeat < 1 || slices.Min(append(b.senders, 1)) < 1 {
		return fmt.Errorf("at least 10 messages, 1 run and 1 sender are needed")
	}
	dir, err := os.MkdirTemp("", "relais-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := startBenchRedis(ctx, dir, b.redisURL)
	if err != nil {
		return err
	}
	defer store.stop()
	how := "MAIL, RCPT and DATA sent together"
	if !b.pipelining {
		how = "each command waits for its reply"
	}
	fmt.Fprintf(w, "%s, %d processors, %s, messages of %d KiB, %s, acknowledgements off, median of %d\n\n",
		runtime.Version(), runtime.NumCPU(), store.name, benchSize>>10, how, b.repeat)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "keys\tsenders\t(a) alone, CPU\t(b) gateway, CPU\tratio (b)/(a)\tlowest-highest\tRedis, CPU\tmessages/s\tp50\tp99\tother load\t")
	busiest := 0.0
	for _, name := range b.algorithms {
		others, err := b.algorithm(ctx, table, filepath.Join(dir, name), store, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		busiest = max(busiest, others)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if busiest > 0.1 {
		fmt.Fprintf(w, "\nOther programs used up to %.0f %% of the processors: on a quiet machine the figures are better.\n", 100*busiest)
	}
	return nil
}

// algorithm writes the lines for one kind of keys. It returns the highest load
// by other programs.
func (b bench) algorithm(ctx context.Context, w io.Writer, dir string, store *benchRedis, name string) (busiest float64, err error) {
	algorithm, err := parseAlgorithm(name)
	if err != nil {
		return 0, err
	}
	n := b.messages
	if algorithm != pgp.Curve25519 {
		n = max(n/10, 10)
	}
	d := &demo{dir: dir, algorithm: algorithm, redis: store.url, quiet: true, more: map[string]any{"limits": map[string]int{"connections_per_ip": 1000}}}
	if err := d.build(); err != nil {
		return 0, err
	}
	defer d.other.close()
	stop, err := startBenchGateway(ctx, d)
	if err != nil {
		return 0, err
	}
	defer stop()
	if _, err := b.once(ctx, d, store, max(n/10, 10), 10); err != nil { // to warm up
		return 0, err
	}
	for _, senders := range b.senders {
		runs := make([]benchRun, b.repeat)
		for i := range runs {
			if runs[i], err = b.once(ctx, d, store, n, senders); err != nil {
				return 0, err
			}
			busiest = max(busiest, runs[i].others)
		}
		writeRuns(w, name, senders, runs)
	}
	return busiest, nil
}

// benchRun is what one run measured.
type benchRun struct {
	alone   time.Duration // processor time of opening one message
	gateway time.Duration // of the gateway, per message
	redis   time.Duration // of Redis, per message
	others  float64       // share of the processors that other programs used
	rate    float64       // messages per second
	times   []time.Duration
}

func (r benchRun) ratio() float64 { return float64(r.gateway) / float64(r.alone) }

// once makes n messages, sends them, and opens half of them alone before that
// and the other half after it: processors change their speed.
func (b bench) once(ctx context.Context, d *demo, store *benchRedis, n, senders int) (r benchRun, err error) {
	messages, err := benchMessages(d, n)
	if err != nil {
		return r, err
	}
	before, err := openAlone(d, messages[:n/2])
	if err != nil {
		return r, err
	}
	usage := benchUsage{d: d, store: store}
	if err := usage.begin(ctx); err != nil {
		return r, err
	}
	start := time.Now()
	if r.times, err = b.send(d, messages, senders); err != nil {
		return r, err
	}
	r.rate = float64(n) / time.Since(start).Seconds()
	if err := usage.end(ctx); err != nil {
		return r, err
	}
	after, err := openAlone(d, messages[n/2:])
	if err != nil {
		return r, err
	}
	r.alone = (before + after) / 2
	r.gateway, r.redis, r.others = usage.gateway/time.Duration(n), usage.redis/time.Duration(n), usage.others
	return r, nil
}

func writeRuns(w io.Writer, keys string, senders int, runs []benchRun) {
	var ratios []float64
	var times []time.Duration
	for _, r := range runs {
		ratios, times = append(ratios, r.ratio()), append(times, r.times...)
	}
	slices.Sort(times)
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.2f\t%.2f-%.2f\t%s\t%.0f\t%s\t%s\t%.0f %%\t\n", keys, senders,
		ms(median(runs, func(r benchRun) time.Duration { return r.alone })), ms(median(runs, func(r benchRun) time.Duration { return r.gateway })),
		median(runs, benchRun.ratio), slices.Min(ratios), slices.Max(ratios),
		ms(median(runs, func(r benchRun) time.Duration { return r.redis })), median(runs, func(r benchRun) float64 { return r.rate }),
		ms(times[len(times)/2]), ms(times[len(times)*99/100]), 100*median(runs, func(r benchRun) float64 { return r.others }))
}

func median[T cmp.Ordered](runs []benchRun, figure func(benchRun) T) T {
	var all []T
	for _, r := range runs {
		all = append(all, figure(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3f ms", float64(d.Microseconds())/1000) }

// startBenchGateway runs a gateway in a process of its own.
func startBenchGateway(ctx context.Context, d *demo) (stop func(), err error) {
	log, err := os.Create(filepath.Join(d.dir, "relais.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	gateway := exec.CommandContext(ctx, os.Args[0], "serve", "--config", d.in.Config)
	gateway.Stderr = log
	if err := gateway.Start(); err != nil {
		return nil, err
	}
	stop = func() { gateway.Process.Signal(syscall.SIGTERM); gateway.Wait() }
	err = until(ctx, "the gateway", func() (bool, error) { up, err := d.metric("relais_redis_up"); return up == 1, err })
	if err != nil {
		stop()
	}
	return stop, err
}
