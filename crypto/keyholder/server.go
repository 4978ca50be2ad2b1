package keyholder

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"relais.example/crypto/pgp"
)

const (
	maxConnections = 128
	idle           = 10 * time.Minute // how long a connection may wait for its next request
	patience       = 10 * time.Second // for a request to arrive whole, to be served, and for its reply to be taken
	tolerance      = 10 * time.Minute // between the time of a signature and our clock
)

// Desk is a desk with its keys; the first one signs, all decrypt.
type Desk struct {
	ID   string
	Keys []*pgp.Key
}

// Options configure NewServer.
type Options struct {
	Users []int            // user ids that may ask, beside the server's own
	Log   *slog.Logger     // nil: nothing is logged
	Now   func() time.Time // nil: the machine's clock
}

// Server answers requests for the private keys of desks.
type Server struct {
	o      Options
	keys   atomic.Pointer[keyring]
	slots  chan struct{} // private-key operations at a time: no more than processors
	signed atomic.Uint64
	peer   func(*net.UnixConn) (int, error) // user at the other end
}

// keyring is what the server holds at one time.
type keyring struct {
	list          []heldKey
	byFingerprint map[string]ownedKey
}

type ownedKey struct {
	*pgp.Key
	desk  string
	signs bool
}

// NewServer returns a Server that holds the keys of desks.
func NewServer(desks []Desk, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, slots: make(chan struct{}, runtime.GOMAXPROCS(0)), peer: peer}
	return s, s.Hold(desks)
}

// Hold replaces the keys. Requests that are being served end with the old ones.
func (s *Server) Hold(desks []Desk) error {
	ring := &keyring{byFingerprint: map[string]ownedKey{}}
	for _, d := range desks {
		for i, k := range d.Keys {
			c := k.Certificate()
			ring.list = append(ring.list, heldKey{d.ID, c.Armor()})
			ring.byFingerprint[c.Fingerprint()] = ownedKey{k, d.ID, i == 0}
		}
	}
	listing, err := reply{keys: ring.list}.encode(opKeys)
	if err == nil && len(listing) > maxKeysReply {
		err = fmt.Errorf("their certificates are longer than %d bytes", maxKeysReply)
	}
	if err != nil {
		return fmt.Errorf("holding keys: %w", err)
	}
	s.keys.Store(ring)
	return nil
}

// Serve answers until ctx ends or the listener fails, and closes the listener.
func (s *Server) Serve(ctx context.Context, ln *Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	free := make(chan struct{}, maxConnections)
	for {
		select {
		case free <- struct{}{}: // further ones wait in the socket's queue
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("keyholder: accepting connections: %w", err)
		}
		wg.Go(func() {
			defer func() { <-free }()
			s.serve(ctx, conn)
		})
	}
}

func (s *Server) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	user, err := s.peer(conn)
	if err != nil {
		s.o.Log.Error("connection refused: its user is not known", "error", err)
		return
	}
	if !s.mayAsk(user) {
		s.o.Log.Warn("connection refused: this user may not use the keys", "uid", user)
		s.turnAway(conn, user)
		return
	}
	for {
		conn.SetDeadline(time.Now().Add(idle))
		frame, err := readFrame(conn, maxRequest, func() { conn.SetDeadline(time.Now().Add(patience)) })
		if err != nil && !errors.Is(err, errNotUnderstood) {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				s.o.Log.Debug("connection ended", "error", err)
			}
			return
		}
		var op operation
		var answer reply
		if err != nil {
			answer = reply{status: statusNotUnderstood, text: err.Error()}
		} else {
			op, answer = s.answer(ctx, frame)
		}
		payload, encodeErr := answer.encode(op)
		if encodeErr == nil {
			encodeErr = writeFrame(conn, payload, maxKeysReply)
		}
		if err != nil || encodeErr != nil || answer.status == statusNotUnderstood {
			return // out of step
		}
	}
}

func (s *Server) mayAsk(user int) bool {
	return user == os.Geteuid() || slices.Contains(s.o.Users, user)
}

// turnAway answers one request, whatever it is, with the reason.
func (s *Server) turnAway(conn *net.UnixConn, user int) {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := readFrame(conn, maxRequest, nil); err != nil {
		return
	}
	no := reply{status: statusFailed, text: fmt.Sprintf("user %d may not use the keys; is it in keyholder.users?", user)}
	if payload, err := no.encode(0); err == nil {
		writeFrame(conn, payload, maxReply)
	}
}

// answer serves one request. What breaks on it breaks nothing else.
func (s *Server) answer(ctx context.Context, frame []byte) (op operation, answer reply) {
	r, err := parseRequest(frame)
	if err != nil {
		return 0, reply{status: statusNotUnderstood, text: err.Error()}
	}
	defer func() {
		if broken := recover(); broken != nil {
			s.o.Log.Error("a request broke the keyholder's parser", "operation", r.op)
			answer = reply{status: statusFailed, text: "internal error"}
			if r.op == opSessionKey { // whatever that packet is, it holds no session key
				answer = reply{status: statusCannotOpen}
			}
		}
	}()
	ring := s.keys.Load()
	if r.op == opKeys {
		return r.op, reply{keys: ring.list}
	}
	k, ok := ring.byFingerprint[r.certificate]
	if !ok {
		return r.op, reply{status: statusNotHeld, text: fmt.Sprintf("key %s is not held here; is it in key_files, and was the keyholder reloaded?", r.certificate)}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return r.op, reply{status: statusFailed, text: "too many requests at once"}
	}
	if r.op == opSign {
		return r.op, s.sign(k, r.signing)
	}
	session, err := k.SessionKey(r.subkey, r.packet)
	if err != nil {
		return r.op, reply{status: statusCannotOpen}
	}
	return r.op, reply{session: session}
}

// sign signs for a desk and says so in the log.
func (s *Server) sign(k ownedKey, what pgp.Signing) reply {
	if !k.signs {
		return reply{status: statusRefused, text: "this key decrypts only: the first key of a desk signs"}
	}
	if off := what.At.Sub(s.o.Now()); off.Abs() > tolerance {
		return reply{status: statusRefused, text: fmt.Sprintf("a signature dated %s off the clock", off.Abs().Round(time.Second))}
	}
	signature, err := k.Sign(what)
	if err != nil {
		return reply{status: statusRefused, text: err.Error()}
	}
	digest := what.Digest(signature)
	s.o.Log.Info("signed", "desk", k.desk, "key", what.Fingerprint, "digest", hex.EncodeToString(digest[:]), "count", s.signed.Add(1))
	return reply{signature: signature}
}
