package accounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// hand is a clock that moves only when told to.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func open(t *testing.T, path string) (*Set, *hand) {
	t.Helper()
	clock := &hand{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s, err := Open(path, Options{Failures: 3, Lockout: time.Minute, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s, clock
}

const home = "192.0.2.7:50000"

func TestTheRightPasswordLogsIn(t *testing.T) {
	s, _ := open(t, staffFile(t, "ada", "bo"))
	for _, user := range []string{"ada", "ADA", "bo"} {
		a, err := s.Authenticate(t.Context(), user, password, home)
		if err != nil || a.User != strings.ToLower(user) || a.Desk != "XA-1" {
			t.Errorf("%s: %+v %v", user, a, err)
		}
	}
	if a, ok := s.Account("Ada"); !ok || a.User != "ada" || len(s.All()) != 2 {
		t.Errorf("%+v %v", a, ok)
	}
}

func TestWrongUserAndWrongPasswordLookTheSame(t *testing.T) {
	s, _ := open(t, staffFile(t, "ada"))
	for user, pw := range map[string]string{"ada": password + "!", "nobody": password, "": "", "ada\x00": password, strings.Repeat("a", 1000): strings.Repeat("x", 1<<20)} {
		if a, err := s.Authenticate(t.Context(), user, pw, home); !errors.Is(err, ErrLogin) || a != (Account{}) {
			t.Errorf("%.10q: %+v %v", user, a, err)
		}
	}
}

func TestAnUnknownUserCostsAsMuchAsANewHash(t *testing.T) {
	known, err := parseHash(hashWith(today(), password))
	if err != nil {
		t.Fatal(err)
	}
	if nobody().cost != known.cost || len(nobody().salt) != len(known.salt) {
		t.Errorf("%+v, known users cost %+v", nobody().cost, known.cost)
	}
}

func TestAccentsMatchHoweverTheKeyboardComposesThem(t *testing.T) {
	h, err := parseHash(hashWith(cheap(), "cafe\u0301 au lait 24/7"))
	if err != nil || !h.matches("caf\u00e9 au lait 24/7") {
		t.Error("composed and decomposed form differ", err)
	}
}

func TestWrongPasswordsMeanWaitingLongerAndLonger(t *testing.T) {
	s, clock := open(t, staffFile(t, "ada"))
	fail := func() error {
		_, err := s.Authenticate(t.Context(), "ada", "wrong", home)
		return err
	}
	for range 3 {
		if err := fail(); !errors.Is(err, ErrLogin) {
			t.Fatal(err)
		}
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		_, err := s.Authenticate(t.Context(), "ada", password, home) // even the right one
		var wait *ThrottledError
		if !errors.As(err, &wait) || wait.Wait != want*time.Second {
			t.Fatalf("want %d s, got %v", want, err)
		}
		clock.add(wait.Wait)
		if err := fail(); !errors.Is(err, ErrLogin) {
			t.Fatal(err)
		}
	}
	if _, err := s.Authenticate(t.Context(), "ada", password, "198.51.100.1:9"); err != nil {
		t.Errorf("the real user elsewhere is locked out: %v", err)
	}
	clock.add(time.Hour)
	if _, err := s.Authenticate(t.Context(), "ada", password, home); err != nil {
		t.Errorf("still locked after an hour: %v", err)
	}
	for range 3 { // the right password has forgiven the earlier ones
		if err := fail(); !errors.Is(err, ErrLogin) {
			t.Fatal(err)
		}
	}
}

func TestOneAddressCannotTryManyUsers(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	th := newThrottle(3, time.Minute)
	tried := 0
	for ; tried < 1000 && th.wait(fmt.Sprint("u", tried), "192.0.2.7", now) == 0; tried++ {
		th.begin(fmt.Sprint("u", tried), "192.0.2.7", now)
	}
	if tried != 3*remoteFactor {
		t.Errorf("%d users tried", tried)
	}
	if th.wait("u1", "192.0.2.8", now) != 0 {
		t.Error("another address has to wait")
	}
}

func TestMemoryStaysBoundedUnderAFlood(t *testing.T) {
	th := newThrottle(3, time.Minute)
	for i := range 50000 {
		th.begin(fmt.Sprint("u", i), fmt.Sprint("host", i), time.Now())
	}
	if n := len(th.counts.items); n > 20000 || th.counts.order.Len() != n {
		t.Errorf("%d counts kept", n)
	}
}

func TestManyAttemptsAtOnceCountBeforeTheyFail(t *testing.T) {
	s, _ := open(t, staffFile(t, "ada"))
	var mu sync.Mutex
	looked := 0
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_, err := s.Authenticate(t.Context(), "ada", fmt.Sprint("guess", i), home)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrLogin) {
				looked++
			}
		})
	}
	wg.Wait()
	if looked > 3 {
		t.Errorf("%d guesses were checked; 3 are free", looked)
	}
}

func TestManyConnectionsOfOneClientShareOneCheck(t *testing.T) {
	s, clock := open(t, staffFile(t, "ada"))
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := s.Authenticate(t.Context(), "ada", password, home); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	id := s.identify("ada", password, hostOf(home))
	if _, ok := s.right.get(id); !ok {
		t.Fatal("the right password was not remembered")
	}
	clock.add(remember)
	if r, _ := s.right.get(id); clock.Now().Before(r.until) {
		t.Error("remembered for longer than five minutes")
	}
}

func TestAChangedPasswordCountsAtOnce(t *testing.T) {
	path := staffFile(t, "ada", "bo")
	s, _ := open(t, path)
	for _, user := range []string{"ada", "bo"} {
		if _, err := s.Authenticate(t.Context(), user, password, home); err != nil {
			t.Fatal(err)
		}
	}
	if err := SetPassword(path, "ada", hashWith(cheap(), "another good password")); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, "bo"); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ada", "bo"} {
		if _, err := s.Authenticate(t.Context(), user, password, home); !errors.Is(err, ErrLogin) {
			t.Errorf("%s: the old password still works: %v", user, err)
		}
	}
	if _, err := s.Authenticate(t.Context(), "ada", "another good password", home); err != nil {
		t.Error(err)
	}
}

func TestAFailedReloadKeepsTheOldAccounts(t *testing.T) {
	path := staffFile(t, "ada")
	s, _ := open(t, path)
	if err := os.WriteFile(path, []byte("staff: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Error("nonsense was read")
	}
	if _, err := s.Authenticate(t.Context(), "ada", password, home); err != nil {
		t.Error(err)
	}
}

func TestAFloodOfLoginsIsTurnedAway(t *testing.T) {
	s, _ := open(t, staffFile(t, "ada"))
	for range cap(s.queue) {
		s.queue <- struct{}{}
	}
	if _, err := s.Authenticate(t.Context(), "ada", password, home); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	<-s.queue
	if _, err := s.Authenticate(t.Context(), "ada", password, home); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestALoginEndsWithItsConnection(t *testing.T) {
	s, _ := open(t, staffFile(t, "ada"))
	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Authenticate(ctx, "ada", password, home); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range cap(s.slots) {
		<-s.slots
	}
	if _, err := s.Authenticate(t.Context(), "ada", password, home); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestHostOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:50000":            "192.0.2.7",
		"192.0.2.7":                  "192.0.2.7",
		"[2001:db8:1:2:3::4]:993":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::9":       "2001:db8:1:2::/64",
		"[::ffff:192.0.2.7]:993":     "192.0.2.7",
		"[fe80::1%eth0]:993":         "fe80::/64",
		"":                           "unknown",
		"@":                          "unknown",
		"mail.alphaland.example:993": "unknown",
	} {
		if got := hostOf(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

func TestHashesAndGeneratedPasswords(t *testing.T) {
	for _, bad := range []string{"", "short", strings.Repeat("x", MaxPassword+1)} {
		if _, err := Hash(bad); err == nil {
			t.Errorf("%.10q was hashed", bad)
		}
	}
	generated := Generate()
	if generated == Generate() || len(generated) != 29 {
		t.Errorf("generated %q", generated)
	}
	phc, err := Hash(generated)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHash(phc)
	if err != nil || !h.matches(generated) || h.matches(generated+"x") {
		t.Error("hash does not fit its password", err)
	}
	for _, bad := range []string{"", "$argon2id$", strings.Replace(phc, "argon2id", "argon2i", 1), strings.Replace(phc, "v=19", "v=16", 1), strings.Replace(phc, "t=2", "t=2x", 1), phc + "AA", phc[:len(phc)-1]} {
		if _, err := parseHash(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
