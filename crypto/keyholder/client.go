package keyholder

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"relais.example/crypto/pgp"
)

// The errors of a Client, beside those of the network. None of them says
// anything about a message.
var (
	ErrAway    = errors.New("keyholder does not answer")
	ErrNotHeld = errors.New("keyholder does not have the key")
	ErrRefused = errors.New("keyholder refuses")
)

const (
	kept     = 32 // connections kept open between requests
	inFlight = 96 // requests at a time: fewer than the server's connections
)

// ClientOptions configure NewClient. The zero value will do.
type ClientOptions struct {
	Timeout time.Duration // of one request, connecting included; 0: 15 seconds
	// Observe, if not nil, is told how each request ended: operation is keys,
	// session-key or sign; result is ok, cannot-open, refused or unavailable.
	Observe func(operation, result string, took time.Duration)
}

// Client asks the keyholder at a socket. It is safe for concurrent use,
// connects when it must, and needs no keyholder to be made.
type Client struct {
	socket string
	o      ClientOptions
	pool   chan net.Conn
	slots  chan struct{}
	known  atomic.Pointer[listing]
}

// listing is what Keys found last; most often it finds the same again.
type listing struct {
	held  []heldKey
	desks []Desk
}

// NewClient returns a Client for the keyholder at socket.
func NewClient(socket string, o ClientOptions) *Client {
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	return &Client{socket: socket, o: o, pool: make(chan net.Conn, kept), slots: make(chan struct{}, inFlight)}
}

// Close closes the connections that wait for requests.
func (c *Client) Close() {
	for {
		select {
		case conn := <-c.pool:
			conn.Close()
		default:
			return
		}
	}
}

// Keys asks which keys the keyholder has now. The keys returned ask it again
// for each use. The result belongs to the Client: do not change it.
func (c *Client) Keys() ([]Desk, error) {
	answer, err := c.ask(request{op: opKeys})
	if err != nil {
		return nil, err
	}
	if last := c.known.Load(); last != nil && slices.EqualFunc(last.held, answer.keys, heldKey.equal) {
		return last.desks, nil
	}
	var desks []Desk
	at := map[string]int{}
	for _, held := range answer.keys {
		certs, err := pgp.ParseCertificates(held.certificate)
		if err != nil || len(certs) != 1 {
			return nil, fmt.Errorf("%w: desk %s: %d certificates where one belongs: %v", ErrAway, held.desk, len(certs), err)
		}
		i, ok := at[held.desk]
		if !ok {
			i = len(desks)
			at[held.desk], desks = i, append(desks, Desk{ID: held.desk})
		}
		key := pgp.RemoteKey(certs[0], remote{c, certs[0].Fingerprint()})
		desks[i].Keys = append(desks[i].Keys, key)
	}
	c.known.Store(&listing{answer.keys, desks})
	return desks, nil
}

// remote is the private part of one key; it implements [pgp.Holder].
type remote struct {
	c           *Client
	certificate string
}

func (r remote) SessionKey(fingerprint string, packet []byte) (pgp.SessionKey, error) {
	answer, err := r.c.ask(request{op: opSessionKey, certificate: r.certificate, subkey: fingerprint, packet: packet})
	return answer.session, err
}

func (r remote) Sign(s pgp.Signing) ([]byte, error) {
	answer, err := r.c.ask(request{op: opSign, certificate: r.certificate, signing: s})
	return answer.signature, err
}

// ask sends one request and returns its reply if it was done. The error is
// [pgp.ErrCannotOpen] or one of ours.
func (c *Client) ask(r request) (reply, error) {
	start := time.Now()
	answer, err := c.roundTrip(r, start.Add(c.o.Timeout))
	if err == nil {
		switch answer.status {
		case statusDone:
		case statusCannotOpen:
			err = pgp.ErrCannotOpen
		case statusNotHeld:
			err = fmt.Errorf("%w: %s", ErrNotHeld, answer.text)
		case statusRefused:
			err = fmt.Errorf("%w: %s", ErrRefused, answer.text)
		default:
			err = fmt.Errorf("%w: %s", ErrAway, answer.text)
		}
	}
	names := map[operation]string{opKeys: "keys", opSessionKey: "session-key", opSign: "sign"}
	result := "unavailable"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, pgp.ErrCannotOpen):
		result = "cannot-open"
	case errors.Is(err, ErrRefused), errors.Is(err, ErrNotHeld):
		result = "refused"
	}
	c.o.Observe(names[r.op], result, time.Since(start))
	return answer, err
}

func (c *Client) roundTrip(r request, deadline time.Time) (reply, error) {
	payload, err := r.encode()
	if err != nil {
		return reply{}, fmt.Errorf("%w: the request cannot be written: %w", ErrRefused, err)
	}
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-late.C:
		return reply{}, fmt.Errorf("%w: too many requests wait for it", ErrAway)
	}
	// A connection from the pool may have died with the keyholder of before.
	// Every request may be sent twice.
	for {
		select {
		case conn := <-c.pool:
			if answer, err := c.exchange(conn, r.op, payload, deadline); err == nil {
				return answer, nil
			} else if time.Now().After(deadline) {
				return reply{}, fmt.Errorf("%w: %w", ErrAway, err)
			}
			continue
		default:
		}
		break
	}
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("unix", c.socket)
	if err == nil {
		var answer reply
		if answer, err = c.exchange(conn, r.op, payload, deadline); err == nil {
			return answer, nil
		}
	}
	return reply{}, fmt.Errorf("%w: %w", ErrAway, err)
}

// exchange sends a request and reads the reply. The connection goes back to the
// pool, or is closed if it cannot be used again.
func (c *Client) exchange(conn net.Conn, op operation, payload []byte, deadline time.Time) (reply, error) {
	conn.SetDeadline(deadline)
	answer, err := exchange(conn, op, payload)
	if err != nil || answer.status == statusNotUnderstood {
		conn.Close()
		return answer, err
	}
	select {
	case c.pool <- conn:
	default:
		conn.Close()
	}
	return answer, nil
}

func exchange(conn net.Conn, op operation, payload []byte) (reply, error) {
	if err := writeFrame(conn, payload, maxRequest); err != nil {
		return reply{}, err
	}
	limit := maxReply
	if op == opKeys {
		limit = maxKeysReply
	}
	frame, err := readFrame(conn, limit, nil)
	if err != nil {
		return reply{}, err
	}
	return parseReply(frame, op)
}
