package accounts

import (
	"net/netip"
	"strings"
	"time"
)

// remoteFactor: one address may stand for a whole office, so it may fail more
// often in all than one of its users.
const remoteFactor = 20

// throttle counts wrong passwords per user and address, and per address, and
// says how long to wait. It is not safe for concurrent use.
type throttle struct {
	failures int
	lockout  time.Duration
	counts   *lru[string, count]
}

type count struct {
	wrong int
	last  time.Time
}

func newThrottle(failures int, lockout time.Duration) *throttle {
	return &throttle{failures: failures, lockout: lockout, counts: newLRU[string, count](20000)}
}

func pairKey(user, host string) string { return "pair " + host + " " + user }
func hostKey(host string) string       { return "host " + host }

// wait is how long user at host must wait before another attempt is looked at.
func (t *throttle) wait(user, host string, now time.Time) time.Duration {
	return max(t.one(pairKey(user, host), t.failures, now), t.one(hostKey(host), t.failures*remoteFactor, now))
}

func (t *throttle) one(key string, free int, now time.Time) time.Duration {
	c, ok := t.counts.get(key)
	if !ok {
		return 0
	}
	return max(0, c.last.Add(t.pause(c.wrong, free)).Sub(now))
}

// pause doubles from one second with each wrong password beyond the free ones.
func (t *throttle) pause(wrong, free int) time.Duration {
	if wrong < free {
		return 0
	}
	return min(t.lockout, time.Second<<min(wrong-free, 30))
}

// begin counts an attempt as wrong before it is checked, so that many at once
// cannot slip through before the first one has failed.
func (t *throttle) begin(user, host string, now time.Time) {
	for _, key := range []string{pairKey(user, host), hostKey(host)} {
		c, _ := t.counts.get(key)
		if now.Sub(c.last) > 2*t.lockout {
			c.wrong = 0 // long ago: start afresh
		}
		t.counts.put(key, count{c.wrong + 1, now})
	}
}

// undo takes back what begin counted; a right password also forgives the
// user's earlier wrong ones from there.
func (t *throttle) undo(user, host string, right bool) {
	for _, key := range []string{pairKey(user, host), hostKey(host)} {
		c, ok := t.counts.get(key)
		if !ok {
			continue
		}
		c.wrong--
		if c.wrong <= 0 || right && key == pairKey(user, host) {
			t.counts.remove(key)
			continue
		}
		t.counts.put(key, c)
	}
}

// forgive forgets the wrong passwords of user from there.
func (t *throttle) forgive(user, host string) { t.counts.remove(pairKey(user, host)) }

// hostOf is what counts as one address: the IPv4 address, or the /64 that one
// IPv6 subscriber commonly has.
func hostOf(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		remote = ap.Addr().String()
	}
	addr, err := netip.ParseAddr(strings.Trim(remote, "[]"))
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, err := addr.Prefix(64)
		if err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
