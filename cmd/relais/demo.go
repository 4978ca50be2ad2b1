package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
	"relais.example/gateway/server"
	"relais.example/gateway/setup"
	"relais.example/routing/directory"
)

func newDemoCommand() *cobra.Command {
	var keep bool
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the main job once, from a request to its answer, and show each step",
		Long: `Creates two invented Parties in a temporary folder, starts a gateway that serves
a desk of each, sends a request from one to the other over SMTP, reads it over
IMAP, answers it over submission, and shows that the answer arrived. Everything
goes through the ports that mail programs use. The exit status is 0 only if
every step was verified.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd.OutOrStdout(), dir, keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the gateway running and print what to put into a mail program")
	cmd.Flags().StringVar(&dir, "dir", "", "folder for the demo (default: a temporary one, removed at the end)")
	return cmd
}

// runDemo sets the stage, plays, and cleans up.
func runDemo(ctx context.Context, w io.Writer, dir string, keep bool) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "relais-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	d := &demo{w: w, dir: dir, algorithm: pgp.Curve25519}
	if err := d.build(); err != nil {
		return fmt.Errorf("preparing the demo: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	if err := d.start(ctx, ended); err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	playErr := d.play(ctx)
	if playErr == nil && keep {
		d.invite()
		select {
		case <-ctx.Done():
		case err := <-ended:
			return err
		}
	}
	cancel()
	if err := <-ended; playErr == nil && err != nil {
		return err
	}
	return playErr
}

// demo is one run of the demo.
type demo struct {
	w    io.Writer
	dir  string
	step int
	// For measuring: other keys, another queue, no acknowledgements.
	algorithm pgp.Algorithm
	redis     string
	quiet     bool
	more      map[string]any

	in    *setup.Written
	c     *config.Config
	s     *server.Server
	tls   *tls.Config
	other *mailbox // of the contact point that has no Relais
}

// build writes an installation with two Parties.
func (d *demo) build() error {
	ports, err := freePorts(8)
	if err != nil {
		return err
	}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	pinned := func(cp, address string) map[string]string {
		return map[string]string{"contact_point": cp, "address": address, "tls": "pinned", "ca_file": "tls/ca.pem"}
	}
	in := setup.Installation{
		Hostname: "localhost", Algorithm: d.algorithm, RedisURL: d.redis, Quiet: d.quiet, More: d.more, Retry: []string{"2s", "10s", "1m"}, Desks: []string{"XA-1", "XB-1"},
		Listen: map[string]string{"mx": at(0), "submission": at(1), "submissions": at(2), "imap": at(3), "imaps": at(4), "http": at(5), "https": at(7)},
		Parties: []directory.Party{
			{Code: "XA", Names: map[string]string{"en": "Alphaland", "fr": "Alphalande"}, ContactPoints: []directory.ContactPoint{{
				ID: "XA-1", Role: directory.Police, Institution: "Alphaland National Cybercrime Unit",
				Addresses: []string{"cp247@police.alphaland.example"}, LanguagesIn: []string{"en", "fr"}, Hours: "24/7", Zone: "UTC"}}},
			{Code: "XB", Names: map[string]string{"en": "Betaland", "fr": "Bétalande"}, ContactPoints: []directory.ContactPoint{
				{ID: "XB-1", Role: directory.Police, Institution: "Betaland Federal Police, High-Tech Crime",
					Addresses: []string{"cp247@police.betaland.example"}, LanguagesIn: []string{"en"}, Hours: "24/7", Zone: "UTC"},
				{ID: "XB-2", Role: directory.Prosecutor, Institution: "Betaland Prosecutor General, Cyber Section",
					Addresses: []string{"cyber@prosecutor.betaland.example"}, LanguagesIn: []string{"en"}, Hours: "Mo-Fr 08:00-18:00", Zone: "UTC"}}},
		},
		Staff: []accounts.Account{
			{User: "alice", Desk: "XA-1", Role: accounts.Supervisor, Name: "Alice (officer on duty, Alphaland)"},
			{User: "bob", Desk: "XB-1", Role: accounts.Supervisor, Name: "Bob (officer on duty, Betaland)"},
		},
		NextHops: []map[string]string{pinned("XA-1", at(0)), pinned("XB-1", at(0)), pinned("XB-2", at(6))},
	}
	if d.in, err = in.Write(d.dir); err != nil {
		return err
	}
	if d.c, err = config.Load(d.in.Config); err != nil {
		return err
	}
	pem, err := os.ReadFile(filepath.Join(d.dir, "tls", "ca.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	d.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	d.other, err = newMailbox(at(6), d.c, filepath.Join(d.dir, "mailbox-of-XB-2"))
	return err
}

// start runs the gateway as 'relais serve' does and waits until it is ready.
func (d *demo) start(ctx context.Context, ended chan<- error) error {
	logFile, err := os.OpenFile(filepath.Join(d.dir, "relais.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(logFile, nil))
	bound := make(chan *server.Server, 1)
	result := make(chan error, 1)
	go func() {
		err := serve(ctx, d.c, log, func(s *server.Server) { bound <- s })
		d.other.close()
		logFile.Close()
		result <- err
		ended <- err
	}()
	select {
	case d.s = <-bound:
	case err := <-result:
		return err
	}
	return until(ctx, "the gateway to be ready", func() (bool, error) { return d.s.Ready() == nil, nil })
}

// until waits for a condition, at most 30 seconds.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited for %s in vain", what), err)
		case <-tick.C:
		}
	}
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Output. Each step has a title, facts, and checks that must hold.

func (d *demo) title(format string, args ...any) {
	d.step++
	fmt.Fprintf(d.w, "\n%d. %s\n", d.step, fmt.Sprintf(format, args...))
}

func (d *demo) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(d.w, "   %s\n", line)
	}
}

// check says what was verified, or ends the demo with an error.
func (d *demo) check(ok bool, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if !ok {
		fmt.Fprintf(d.w, "   [FAILED] %s\n", text)
		return fmt.Errorf("the demo failed at step %d: not true: %s", d.step, text)
	}
	fmt.Fprintf(d.w, "   [ok] %s\n", text)
	return nil
}

// invite prints what a person needs to try it with a mail program.
func (d *demo) invite() {
	_, mx, _ := net.SplitHostPort(d.c.Listen.MX)
	_, smtps, _ := net.SplitHostPort(d.c.Listen.Submissions)
	_, smtp, _ := net.SplitHostPort(d.c.Listen.Submission)
	_, imaps, _ := net.SplitHostPort(d.c.Listen.IMAPS)
	_, imap, _ := net.SplitHostPort(d.c.Listen.IMAP)
	fmt.Fprintf(d.w, `
The gateway goes on running; Ctrl-C ends it. Try it with Thunderbird, Outlook or Apple Mail:

  Staff of Alphaland    your address:  cp247@police.alphaland.example
                        IMAP:          localhost, port %[1]s, SSL/TLS  (STARTTLS: %[2]s)
                        SMTP:          localhost, port %[3]s, SSL/TLS  (STARTTLS: %[4]s)
                        user name:     alice
                        password:      %[5]s
  Staff of Betaland     the same servers, address cp247@police.betaland.example
                        user name:     bob
                        password:      %[6]s
  Trust the authority   %[7]s

As a contact point without Relais (your mail program must sign and encrypt):
  send from             cyber@prosecutor.betaland.example, by SMTP to localhost port %[8]s, no login
  with your key         %[9]s
  encrypt to            %[10]s
  answers arrive in     %[11]s

The Directory among your contacts (CardDAV, same user names): https://%[14]s/
Metrics: http://%[12]s/metrics     Log: %[13]s
`, imaps, imap, smtps, smtp, d.in.Passwords["alice"], d.in.Passwords["bob"], filepath.Join(d.dir, "tls", "ca.pem"), mx,
		filepath.Join(d.dir, "keys", "XB-2.asc"), filepath.Join(d.dir, "keys", "XA-1-public.asc"), d.other.dir,
		d.c.Listen.HTTP, filepath.Join(d.dir, "relais.log"), d.c.Listen.HTTPS)
}
