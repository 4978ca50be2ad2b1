package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
)

// benchMessages seals n different requests.
func benchMessages(d *demo, n int) ([][]byte, error) {
	filler := strings.Repeat("The provider keeps connection logs for fourteen days only, and they are needed as evidence.\n", benchSize/92+1)
	out := make([][]byte, n)
	var failed error
	var mu sync.Mutex
	parallel(runtime.NumCPU(), n, func(i int) {
		text := fmt.Sprintf("Case %d. Under Article 29 of the Convention on Cybercrime please preserve the following data.\n%s", i, filler)[:benchSize]
		raw, err := d.sealAs("XB-2", gamma, fmt.Sprintf("Preservation, case %d", i), text)
		mu.Lock()
		defer mu.Unlock()
		out[i], failed = raw, errors.Join(failed, err)
	})
	return out, failed
}

// openAlone returns the processor time of decrypting and verifying one message.
func openAlone(d *demo, messages [][]byte) (time.Duration, error) {
	keys := []*pgp.Key{d.in.Keys["XA-1"]}
	ring := pgp.NewRing(d.in.Keys["XB-2"].Certificate())
	const begin, end = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----\r\n"
	armored := make([][]byte, len(messages))
	for i, m := range messages {
		from, to := bytes.Index(m, []byte(begin)), bytes.Index(m, []byte(end))
		if from < 0 || to < 0 {
			return 0, errors.New("not a sealed message")
		}
		armored[i] = m[from : to+len(end)]
	}
	runtime.GC() // what was made before is none of its business
	start := cpuTime()
	for _, m := range armored {
		r, err := pgp.Decrypt(m, keys, ring, pgp.DefaultPolicy(), pgp.Limits{MaxPlaintext: pgpmime.DefaultLimits().MaxPlaintext}, time.Now())
		if err != nil {
			return 0, fmt.Errorf("opening alone: %w", err)
		}
		if r.Signature.State != pgp.SignatureGood {
			return 0, fmt.Errorf("opening alone: the signature is %s", r.Signature.State)
		}
	}
	return (cpuTime() - start) / time.Duration(len(messages)), nil
}

// send sends the messages over so many connections, and returns how long each
// took from its first command to its 250.
func (b bench) send(d *demo, messages [][]byte, connections int) ([]time.Duration, error) {
	times := make([]time.Duration, len(messages))
	next := make(chan int)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			if err := b.connection(d, messages, next, times); err != nil {
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
	return times, failed
}

// connection sends what it is handed over one connection with TLS, which it
// renews before the server's limit of messages.
func (b bench) connection(d *demo, messages [][]byte, next <-chan int, times []time.Duration) error {
	var c *benchSender
	sent := 0
	for i := range next {
		if sent%90 == 0 {
			if c != nil {
				c.close()
			}
			var err error
			if c, err = dialBench(d); err != nil {
				return err
			}
			defer c.close()
		}
		sent++
		start := time.Now()
		if err := c.message(messages[i], b.pipelining); err != nil {
			return err
		}
		times[i] = time.Since(start)
	}
	return nil
}

// benchSender is an SMTP client that does as little as possible: it shares the
// processors with what it measures.
type benchSender struct {
	conn net.Conn
	text *textproto.Conn
}

// dialBench connects to the MX port with STARTTLS.
func dialBench(d *demo) (*benchSender, error) {
	conn, err := net.Dial("tcp", d.c.Listen.MX)
	if err != nil {
		return nil, err
	}
	c := &benchSender{conn, textproto.NewConn(conn)}
	err = errors.Join(c.expect(220), c.command("EHLO bench.example", 250), c.command("STARTTLS", 220))
	if err == nil {
		c.conn = tls.Client(conn, d.tls)
		c.text = textproto.NewConn(c.conn)
		err = c.command("EHLO bench.example", 250)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return c, nil
}

// message sends one message. It must end with a line end, and no line of it may
// begin with a dot: sealed ones are so.
func (c *benchSender) message(raw []byte, pipelining bool) error {
	envelope := []string{fmt.Sprintf("MAIL FROM:<%s> SIZE=%d", gamma, len(raw)), "RCPT TO:<" + alpha + ">", "DATA"}
	if pipelining {
		if _, err := c.conn.Write([]byte(strings.Join(envelope, "\r\n") + "\r\n")); err != nil {
			return err
		}
		if err := errors.Join(c.expect(250), c.expect(250), c.expect(354)); err != nil {
			return err
		}
	} else if err := errors.Join(c.command(envelope[0], 250), c.command(envelope[1], 250), c.command(envelope[2], 354)); err != nil {
		return err
	}
	if _, err := c.conn.Write(slices.Concat(raw, []byte(".\r\n"))); err != nil {
		return err
	}
	return c.expect(250)
}

func (c *benchSender) command(line string, code int) error {
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return c.expect(code)
}

func (c *benchSender) expect(code int) error {
	_, _, err := c.text.ReadResponse(code)
	return err
}

func (c *benchSender) close() {
	c.conn.Write([]byte("QUIT\r\n"))
	c.conn.Close()
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
