package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ErrLogin is the one error for a wrong user name and for a wrong password.
var ErrLogin = errors.New("wrong user name or password")

// ErrBusy says that too many password checks are waiting; it is temporary.
var ErrBusy = errors.New("too many logins at the same time: try again in a few seconds")

// ThrottledError is the answer after too many wrong passwords. The password
// was not looked at.
type ThrottledError struct {
	Wait time.Duration // until another attempt is looked at
}

// Error says how long to wait, in whole seconds.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many wrong passwords: wait %d s", int((e.Wait+time.Second-1)/time.Second))
}

// Options bounds logins. The zero value of a field means its default.
type Options struct {
	Failures int              // wrong passwords of one user from one address before waiting times begin; default 5
	Lockout  time.Duration    // longest waiting time; default 15 minutes
	Now      func() time.Time // default time.Now
}

const (
	parallelChecks = 2               // argon2 at a time: 64 MiB each
	waitingChecks  = 32              // that may wait for them
	remember       = 5 * time.Minute // how long a right password is not hashed again
)

// Set holds the accounts of one staff file and checks logins against them. It
// is safe for concurrent use.
type Set struct {
	path  string
	now   func() time.Time
	key   [32]byte      // of this process; makes what is remembered useless elsewhere
	slots chan struct{} // parallelChecks
	queue chan struct{} // parallelChecks + waitingChecks

	mu       sync.Mutex
	staff    []Account
	index    map[string]entry
	throttle *throttle
	right    *lru[[32]byte, success]
	running  map[[32]byte]*attempt
}

type entry struct {
	account Account
	hash    stored
}

type success struct {
	hash  string // password_hash at that time: a changed password counts at once
	until time.Time
}

// attempt is one password check under way; the same login arriving meanwhile
// waits for its result, because mail clients open many connections at once.
type attempt struct {
	done    chan struct{}
	account Account
	err     error
}

// Load reads the staff file at path with the default Options.
func Load(path string) (*Set, error) { return Open(path, Options{}) }

// Open reads the staff file at path.
func Open(path string, o Options) (*Set, error) {
	if o.Failures == 0 {
		o.Failures = 5
	}
	if o.Lockout == 0 {
		o.Lockout = 15 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Set{
		path:     path,
		now:      o.Now,
		slots:    make(chan struct{}, parallelChecks),
		queue:    make(chan struct{}, parallelChecks+waitingChecks),
		throttle: newThrottle(o.Failures, o.Lockout),
		right:    newLRU[[32]byte, success](4096),
		running:  map[[32]byte]*attempt{},
	}
	rand.Read(s.key[:])
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the file again. After an error the old accounts stay.
func (s *Set) Reload() error {
	staff, err := read(s.path)
	if err != nil {
		return err
	}
	index := make(map[string]entry, len(staff))
	for _, a := range staff {
		hash, err := parseHash(a.PasswordHash)
		if err != nil {
			return err
		}
		index[a.User] = entry{a, hash}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staff, s.index = staff, index
	return nil
}

// All lists the accounts in the order of the file.
func (s *Set) All() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Account(nil), s.staff...)
}

// Account looks up user without a password.
func (s *Set) Account(user string) (Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.index[loginName(user)]
	return e.account, ok
}

func loginName(user string) string { return strings.ToLower(user) }

// Authenticate checks a login from remote (host:port or host). The error is
// ErrLogin, a *ThrottledError, ErrBusy, or the one of ctx. An unknown user
// costs the same work as a known one.
func (s *Set) Authenticate(ctx context.Context, user, password, remote string) (Account, error) {
	user, host := loginName(user), hostOf(remote)
	if len(user) > 64 || len(password) > MaxPassword {
		user, password = "", "" // no account has either; same path, bounded memory
	}
	id := s.identify(user, password, host)

	s.mu.Lock()
	now := s.now()
	e, known := s.index[user]
	// A password that was right a moment ago needs no check and is never kept
	// waiting by somebody else's wrong ones.
	if r, ok := s.right.get(id); ok && known && r.hash == e.account.PasswordHash && now.Before(r.until) {
		s.throttle.forgive(user, host)
		s.mu.Unlock()
		return e.account, nil
	}
	if wait := s.throttle.wait(user, host, now); wait > 0 {
		s.mu.Unlock()
		return Account{}, &ThrottledError{wait}
	}
	if c, ok := s.running[id]; ok {
		s.mu.Unlock()
		return c.wait(ctx)
	}
	c := &attempt{done: make(chan struct{})}
	s.running[id] = c
	s.throttle.begin(user, host, now)
	s.mu.Unlock()

	// Whoever leaves early must not take the result from those who wait.
	go s.run(c, id, user, password, host, e, known)
	return c.wait(ctx)
}

func (c *attempt) wait(ctx context.Context) (Account, error) {
	select {
	case <-c.done:
		return c.account, c.err
	case <-ctx.Done():
		return Account{}, ctx.Err()
	}
}

// run makes one check and tells everybody who waits for it.
func (s *Set) run(c *attempt, id [32]byte, user, password, host string, e entry, known bool) {
	right, err := s.compare(password, e.hash, known)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		c.err = err
		s.throttle.undo(user, host, false)
	case !right:
		c.err = ErrLogin
	default:
		c.account = e.account
		s.throttle.undo(user, host, true)
		s.right.put(id, success{e.account.PasswordHash, s.now().Add(remember)})
	}
	delete(s.running, id)
	close(c.done)
}

// compare waits for its turn and hashes. Its waiting line is short: a flood of
// logins is turned away instead of filling the memory.
func (s *Set) compare(password string, hash stored, known bool) (bool, error) {
	select {
	case s.queue <- struct{}{}:
		defer func() { <-s.queue }()
	default:
		return false, ErrBusy
	}
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	if !known {
		hash = nobody()
	}
	return hash.matches(password) && known, nil
}

// identify names a login without keeping the password.
func (s *Set) identify(user, password, host string) [32]byte {
	mac := hmac.New(sha256.New, s.key[:])
	for _, part := range []string{user, host, password} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return [32]byte(mac.Sum(nil))
}
