package keyholder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

var now = time.Now().Truncate(time.Second)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB, name string) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey(name, name+"@alphaland.example", pgp.Curve25519, now.Add(-time.Hour), 0)
	check(t, err)
	return k
}

// stage is a keyholder that runs in this process, and its client.
type stage struct {
	socket string
	server *Server
	client *Client
	log    *bytes.Buffer // read it after stop only
	stop   func()
}

func newServer(t testing.TB, o Options, desks ...Desk) *Server {
	t.Helper()
	s, err := NewServer(desks, o)
	check(t, err)
	return s
}

func start(t testing.TB, o Options, desks ...Desk) *stage {
	t.Helper()
	s := &stage{socket: filepath.Join(t.TempDir(), "socket"), log: &bytes.Buffer{}}
	o.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.server = newServer(t, o, desks...)
	s.client = NewClient(s.socket, ClientOptions{})
	t.Cleanup(s.client.Close)
	s.run(t)
	return s
}

func (s *stage) run(t testing.TB) {
	t.Helper()
	ln, err := Listen(s.socket)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(ctx, ln) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
}

// desk returns the desk as the client sees it.
func (s *stage) desk(t testing.TB, id string) Desk {
	t.Helper()
	desks, err := s.client.Keys()
	check(t, err)
	for _, d := range desks {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("the keyholder has no desk %s: %v", id, desks)
	return Desk{}
}

func open(message []byte, ring *pgp.Ring, keys ...*pgp.Key) (*pgp.Decrypted, error) {
	return pgp.Decrypt(message, keys, ring, pgp.DefaultPolicy(), pgp.Limits{}, now)
}

func seal(t testing.TB, text string, from, to *pgp.Key) []byte {
	t.Helper()
	message, err := pgp.Encrypt([]byte(text), from, []*pgp.Certificate{to.Certificate()}, now)
	check(t, err)
	return message
}

func TestMessagesAreOpenedAndSealedThroughTheSocket(t *testing.T) {
	first, old, xb := newKey(t, "xa"), newKey(t, "xa-old"), newKey(t, "xb")
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{first, old}}, Desk{"XC-1", []*pgp.Key{newKey(t, "xc")}})
	xa := s.desk(t, "XA-1").Keys
	if len(xa) != 2 || xa[0].Certificate().Fingerprint() != first.Certificate().Fingerprint() {
		t.Fatalf("keys: %v", xa)
	}
	ring := pgp.NewRing(xb.Certificate(), first.Certificate())
	for _, to := range []*pgp.Key{first, old} {
		d, err := open(seal(t, "please preserve", xb, to), ring, xa...)
		if err != nil || string(d.Plaintext) != "please preserve" || d.Signature.State != pgp.SignatureGood || d.Signature.Intended != pgp.IntendedForUs ||
			d.DecryptedWith != to.Certificate().Fingerprint() {
			t.Fatalf("%v, %+v", err, d)
		}
	}
	answer, err := open(seal(t, "preserved", xa[0], xb), ring, xb)
	if err != nil || answer.Signature.State != pgp.SignatureGood || answer.Signature.Intended != pgp.IntendedForUs {
		t.Fatalf("%v, %+v", err, answer)
	}
	if _, err := open(seal(t, "x", xb, xb), ring, xa...); err != pgp.ErrCannotOpen {
		t.Errorf("a message for others: %v", err)
	}
	damaged := seal(t, strings.Repeat("x", 500), xb, first)
	damaged[len(damaged)/2] ^= 1
	if _, err := open(damaged, ring, xa...); err != pgp.ErrCannotOpen {
		t.Errorf("a damaged message: %v", err)
	}
	s.stop()
	lines := strings.Count(s.log.String(), "msg=signed")
	if want := fmt.Sprintf("desk=XA-1 key=%s digest=%x count=1", first.Certificate().Fingerprint(), answer.Signature.Digest); lines != 1 || !strings.Contains(s.log.String(), want) {
		t.Errorf("want one signature in the log, %s; it is:\n%s", want, s.log)
	}
	if strings.Contains(s.log.String(), "preserve") {
		t.Error("the log holds content")
	}
}

func TestSignaturesAreMadeByTheFirstKeyNowAndOnly(t *testing.T) {
	xb := newKey(t, "xb")
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{newKey(t, "xa"), newKey(t, "xa-old")}})
	xa := s.desk(t, "XA-1").Keys
	for name, try := range map[string]func() error{
		"old key": func() error { _, err := xa[1].SignDetached([]byte("x"), now); return err },
		"earlier": func() error { _, err := xa[0].SignDetached([]byte("x"), now.Add(-30*time.Minute)); return err },
		"later": func() error {
			_, err := pgp.Encrypt([]byte("x"), xa[0], []*pgp.Certificate{xb.Certificate()}, now.Add(time.Hour))
			return err
		},
	} {
		if err := try(); !errors.Is(err, ErrRefused) || !errors.Is(err, pgp.ErrKeyUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := xa[0].SignDetached([]byte("x"), now); err != nil {
		t.Error(err)
	}
}

func TestAKeyThatIsNotHeldIsNoVerdict(t *testing.T) {
	xa, xb := newKey(t, "xa"), newKey(t, "xb")
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{xa}})
	before := s.desk(t, "XA-1").Keys[0]
	next := newKey(t, "xa-next")
	check(t, s.server.Hold([]Desk{{"XA-1", []*pgp.Key{next}}}))
	_, err := open(seal(t, "x", xb, xa), nil, before)
	if !errors.Is(err, ErrNotHeld) || !errors.Is(err, pgp.ErrKeyUnavailable) || errors.Is(err, pgp.ErrCannotOpen) || !strings.Contains(err.Error(), xa.Certificate().Fingerprint()) {
		t.Errorf("%v", err)
	}
	if got := s.desk(t, "XA-1").Keys[0].Certificate().Fingerprint(); got != next.Certificate().Fingerprint() {
		t.Errorf("after the change the client is told %s", got)
	}
}

// Away, back, and away again: the same client and the same keys.
func TestTheClientComesBackByItself(t *testing.T) {
	xa, xb := newKey(t, "xa"), newKey(t, "xb")
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{xa}})
	remote, message := s.desk(t, "XA-1").Keys[0], seal(t, "x", xb, xa)
	for range 3 {
		var wg sync.WaitGroup
		for range 10 { // fills the pool
			wg.Go(func() {
				if _, err := open(message, nil, remote); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.stop()
		if _, err := open(message, nil, remote); !errors.Is(err, ErrAway) || !errors.Is(err, pgp.ErrKeyUnavailable) {
			t.Fatalf("away: %v", err)
		}
		if _, err := s.client.Keys(); !errors.Is(err, ErrAway) {
			t.Fatalf("away: %v", err)
		}
		s.run(t)
	}
}

func TestAKeyholderThatHangsCostsOneDeadline(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	ln, err := Listen(socket) // nobody accepts
	check(t, err)
	defer ln.Close()
	var seen []string
	c := NewClient(socket, ClientOptions{Timeout: 50 * time.Millisecond, Observe: func(op, result string, _ time.Duration) { seen = append(seen, op+" "+result) }})
	start := time.Now()
	if _, err := c.Keys(); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if len(seen) != 1 || seen[0] != "keys unavailable" {
		t.Errorf("observed %q", seen)
	}
}

func TestSocketsLeftBehindAreReplacedAndThoseInUseAreNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	left.SetUnlinkOnClose(false)
	check(t, left.Close())
	ln, err := Listen(path)
	check(t, err)
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "in use by another keyholder") {
		t.Errorf("second keyholder: %v", err)
	}
	check(t, ln.Close())
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	check(t, os.WriteFile(path, []byte("x"), 0o600))
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file in its place: %v", err)
	}
	open := filepath.Join(dir, "open")
	check(t, os.Mkdir(open, 0o700))
	check(t, os.Chmod(open, 0o777))
	if _, err := Listen(filepath.Join(open, "socket")); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("a folder open to everybody: %v", err)
	}
	for _, bad := range []string{filepath.Join(dir, "missing", "socket"), filepath.Join(dir, strings.Repeat("x", 110))} {
		if _, err := Listen(bad); err == nil {
			t.Errorf("bound %s", bad)
		}
	}
}

func TestTheKernelTellsWhoAsks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := Listen(path)
	check(t, err)
	defer ln.Close()
	conn, err := net.Dial("unix", path)
	check(t, err)
	defer conn.Close()
	other, err := ln.AcceptUnix()
	check(t, err)
	defer other.Close()
	if user, err := peer(other); err != nil || user != os.Geteuid() {
		t.Errorf("user %d, %v", user, err)
	}
	s := newServer(t, Options{Users: []int{4711}})
	for user, want := range map[int]bool{os.Geteuid(): true, 4711: true, 4712: false, -1: false} {
		if s.mayAsk(user) != want {
			t.Errorf("user %d may ask: %v", user, !want)
		}
	}
}

func TestStrangersAreTurnedAwayWithTheReason(t *testing.T) {
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{newKey(t, "xa")}})
	s.stop()
	s.server.peer = func(*net.UnixConn) (int, error) { return 4711, nil }
	s.run(t)
	if desks, err := s.client.Keys(); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "user 4711 may not use the keys") || desks != nil {
		t.Errorf("%v, %v", desks, err)
	}
	s.stop()
	s.server.peer = func(*net.UnixConn) (int, error) { return -1, errors.New("not told") }
	s.run(t)
	if _, err := s.client.Keys(); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
}

// A frame that is none ends its connection with an answer, and no other.
func TestWhatIsNotUnderstoodEndsTheConnection(t *testing.T) {
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{newKey(t, "xa")}})
	for name, frame := range map[string]string{
		"empty": "\x00\x00\x00\x00", "other version": "\x00\x00\x00\x02\x02\x01", "unknown operation": "\x00\x00\x00\x02\x01\x09",
		"too long": "\x7f\xff\xff\xff", "more behind": "\x00\x00\x00\x03\x01\x01\x00", "cut fields": "\x00\x00\x00\x03\x01\x02\x14",
	} {
		conn, err := net.Dial("unix", s.socket)
		check(t, err)
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = conn.Write([]byte(frame))
		check(t, err)
		payload, err := readFrame(conn, maxReply, nil)
		check(t, err)
		if answer, err := parseReply(payload, opSign); err != nil || answer.status != statusNotUnderstood || answer.text == "" {
			t.Errorf("%s: %v, %+v", name, err, answer)
		}
		if _, err := readFrame(conn, maxReply, nil); err == nil {
			t.Errorf("%s: the connection goes on", name)
		}
		conn.Close()
	}
	if _, err := s.client.Keys(); err != nil {
		t.Error(err)
	}
}

// What breaks the parser of session keys opens nothing, and nothing else ends.
func TestARequestThatBreaksTheServerBreaksNothingElse(t *testing.T) {
	xa := newKey(t, "xa")
	s := newServer(t, Options{}, Desk{"XA-1", []*pgp.Key{xa}})
	ring := *s.keys.Load()
	ring.byFingerprint = map[string]ownedKey{xa.Certificate().Fingerprint(): {signs: true}} // no key: a nil pointer
	s.keys.Store(&ring)
	for op, want := range map[operation]status{opSessionKey: statusCannotOpen, opSign: statusFailed} {
		frame, err := request{op: op, certificate: xa.Certificate().Fingerprint(), subkey: xa.Certificate().Fingerprint(),
			signing: pgp.Signing{Fingerprint: xa.Certificate().Fingerprint(), At: now, Hash: hashes[8]}}.encode()
		check(t, err)
		if _, answer := s.answer(context.Background(), frame); answer.status != want {
			t.Errorf("operation %d: %+v", op, answer)
		}
	}
	if len(s.slots) != 0 {
		t.Error("a slot is lost")
	}
}

// No more private-key work at a time than processors; the rest waits.
func TestManyAtOnceAreAllServed(t *testing.T) {
	xa, xb := newKey(t, "xa"), newKey(t, "xb")
	s := start(t, Options{}, Desk{"XA-1", []*pgp.Key{xa}})
	remote, message := s.desk(t, "XA-1").Keys[0], seal(t, "x", xb, xa)
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			if _, err := open(message, nil, remote); err != nil {
				t.Error(err)
			}
			if _, err := remote.SignDetached([]byte("x"), now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkDecryptVerify8KThroughTheSocket(b *testing.B) {
	xa, xb := newKey(b, "xa"), newKey(b, "xb")
	s := start(b, Options{}, Desk{"XA-1", []*pgp.Key{xa}})
	remote, ring := s.desk(b, "XA-1").Keys[0], pgp.NewRing(xb.Certificate())
	message := seal(b, strings.Repeat("x", 8<<10), xb, xa)
	b.Run("here", func(b *testing.B) { benchmark(b, message, ring, xa) })
	b.Run("socket", func(b *testing.B) { benchmark(b, message, ring, remote) })
}

func benchmark(b *testing.B, message []byte, ring *pgp.Ring, key *pgp.Key) {
	for b.Loop() {
		if _, err := open(message, ring, key); err != nil {
			b.Fatal(err)
		}
	}
}
