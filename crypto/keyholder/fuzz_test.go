package keyholder

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

// fuzzKey is the fixed key of the tests of pgp.
func fuzzKey(f *testing.F) *pgp.Key {
	f.Helper()
	text, err := os.ReadFile("../pgp/testdata/fuzz-key.asc")
	check(f, err)
	k, err := pgp.ReadKey(text, nil)
	check(f, err)
	return k
}

var fuzzTime = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// recorder asks a key and keeps what it was asked.
type recorder struct {
	*pgp.Key
	requests []request
}

func (r *recorder) SessionKey(fingerprint string, packet []byte) (pgp.SessionKey, error) {
	r.requests = append(r.requests, request{op: opSessionKey, certificate: r.Certificate().Fingerprint(), subkey: fingerprint, packet: packet})
	return r.Key.SessionKey(fingerprint, packet)
}

func (r *recorder) Sign(s pgp.Signing) ([]byte, error) {
	r.requests = append(r.requests, request{op: opSign, certificate: r.Certificate().Fingerprint(), signing: s})
	return r.Key.Sign(s)
}

// FuzzRequest sends anything to a server with a real key.
func FuzzRequest(f *testing.F) {
	k := fuzzKey(f)
	r := &recorder{Key: k}
	remote := pgp.RemoteKey(k.Certificate(), r)
	message, err := pgp.Encrypt([]byte("hello"), remote, []*pgp.Certificate{k.Certificate()}, fuzzTime)
	check(f, err)
	_, err = pgp.Decrypt(message, []*pgp.Key{remote}, nil, pgp.DefaultPolicy(), pgp.Limits{}, fuzzTime)
	check(f, err)
	for _, one := range append(r.requests, request{op: opKeys}) {
		frame, err := one.encode()
		check(f, err)
		f.Add(frame)
	}
	var log bytes.Buffer // of errors
	s, err := NewServer([]Desk{{"XA-1", []*pgp.Key{k}}}, Options{
		Now: func() time.Time { return fuzzTime }, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	check(f, err)
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := parseRequest(frame)
		if err == nil {
			again, err := r.encode()
			if err != nil || !bytes.Equal(again, frame) {
				t.Fatalf("read and written again: %x, %v", again, err)
			}
		}
		op, answer := s.answer(context.Background(), frame)
		if (answer.status == statusNotUnderstood) != (err != nil) {
			t.Fatalf("%v, but status %d", err, answer.status)
		}
		if log.Len() > 0 {
			t.Fatal(log.String())
		}
		payload, err := answer.encode(op)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseReply(payload, op); err != nil {
			t.Fatalf("the client does not understand %x: %v", payload, err)
		}
		if op == opSign && answer.status == statusDone && r.signing.Digest(answer.signature) == [32]byte{} {
			t.Fatal("a signature that cannot be read")
		}
	})
}

// FuzzReply feeds anything to the client.
func FuzzReply(f *testing.F) {
	k := fuzzKey(f)
	for op, answers := range map[operation][]reply{
		opKeys:       {{keys: []heldKey{{"XA-1", k.Certificate().Armor()}}}, {}},
		opSessionKey: {{session: pgp.SessionKey{Cipher: 9, Key: make([]byte, 32)}}, {status: statusCannotOpen}},
		opSign:       {{signature: make([]byte, 100)}, {status: statusRefused, text: "no"}},
	} {
		for _, answer := range answers {
			frame, err := answer.encode(op)
			check(f, err)
			f.Add(byte(op), frame)
		}
	}
	f.Fuzz(func(t *testing.T, op byte, frame []byte) {
		r, err := parseReply(frame, operation(op))
		if err != nil {
			return
		}
		if operation(op) == opKeys {
			for _, held := range r.keys {
				_, _ = pgp.ParseCertificates(held.certificate)
			}
		}
		if r.status == statusCannotOpen && operation(op) != opSessionKey {
			t.Fatal("cannot-open where no session key was asked for")
		}
		if again, err := parseReply(frame, operation(op)); err != nil || again.status != r.status || !bytes.Equal(again.signature, r.signature) {
			t.Fatal("read twice, in two ways")
		}
	})
}
