package intake

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"relais.example/gateway/smtpd"
)

// maxRationed bounds the memory of a ration.
const maxRationed = 4096

// ration lets each address do something a number of times an hour. What was
// used comes back evenly over the hour.
type ration struct {
	mu      sync.Mutex
	perHour float64
	used    map[peer]use
}

// peer is who is rationed: a network, and the domain of the envelope senders
// where those that share a mail provider are told apart.
type peer struct {
	network netip.Prefix
	domain  string
}

// peerOf returns the peer that sent m. Who has an address alone can write any
// domain, so the network is rationed, too.
func peerOf(m smtpd.Inbound) peer {
	_, domain, _ := strings.Cut(m.MailFrom, "@")
	return peer{network(m.Remote), strings.ToLower(domain[:min(len(domain), 255)])}
}

type use struct {
	n  float64 // that have not come back yet
	at time.Time
}

// newRation returns nil, which lets everything pass, for 0.
func newRation(perHour int) *ration {
	if perHour <= 0 {
		return nil
	}
	return &ration{perHour: float64(perHour), used: map[peer]use{}}
}

// left reports whether the address has something left.
func (r *ration) left(p peer, now time.Time) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now(p, now) <= r.perHour-1
}

// spend uses one up. It returns false, and uses nothing, if none is left.
func (r *ration) spend(key peer, now time.Time) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.now(key, now)
	if n > r.perHour-1 {
		return false
	}
	if _, known := r.used[key]; !known && len(r.used) >= maxRationed {
		r.forget(now)
	}
	r.used[key] = use{n + 1, now}
	return true
}

// now returns what the address has used and not got back.
func (r *ration) now(key peer, now time.Time) float64 {
	u := r.used[key]
	return max(0, u.n-now.Sub(u.at).Hours()*r.perHour)
}

// forget drops the addresses that have got everything back, or else the one
// that has the least to come.
func (r *ration) forget(now time.Time) {
	var least peer
	lowest := r.perHour + 1
	for key := range r.used {
		n := r.now(key, now)
		if n == 0 {
			delete(r.used, key)
		}
		if n < lowest {
			least, lowest = key, n
		}
	}
	delete(r.used, least)
}

// network is what counts as one address: an IPv4 address, or an IPv6 /64, of
// which one peer has all. What is no address shares one ration.
func network(remote string) netip.Prefix {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
