package smtpd

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// peer is one TCP connection and what was counted on it. It outlives STARTTLS,
// which replaces the guard and the SMTP session above.
type peer struct {
	tcp     net.Conn
	remote  string // IP address
	started time.Time
	leave   func(*peer) // takes it off the books
	once    sync.Once

	// Only the goroutine of the connection touches these.
	commands      int
	badCommands   int
	authFailures  int
	messages      int
	badRecipients int

	// hangUp asks for the connection to end once the reply in hand is sent.
	hangUp atomic.Bool
}

// close ends the connection; it may be called from any goroutine.
func (p *peer) close() {
	p.once.Do(func() {
		p.tcp.Close()
		p.leave(p)
	})
}

// wake ends a read that waits for the peer, so that it looks around.
func (p *peer) wake() { p.tcp.SetReadDeadline(time.Unix(1, 0)) }

// roster knows every open connection and bounds their number.
type roster struct {
	mu    sync.Mutex
	peers map[*peer]netip.Prefix
	byNet map[netip.Prefix]int
	empty chan struct{} // closed once there are none; nil: nobody waits
	total int
	perIP int
}

func newRoster(total, perIP int) *roster {
	return &roster{peers: map[*peer]netip.Prefix{}, byNet: map[netip.Prefix]int{}, total: total, perIP: perIP}
}

// admit books c in. Instead of a peer it returns the event that says which
// bound is reached. It tells observe when a peer comes and goes.
func (r *roster) admit(c net.Conn, observe func(string)) (p *peer, refused string) {
	ip := addrOf(c)
	net := networkOf(ip)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.peers) >= r.total:
		return nil, EventRefusedTotal
	case r.byNet[net] >= r.perIP:
		return nil, EventRefusedAddress
	}
	p = &peer{tcp: c, remote: ip.String(), started: time.Now()}
	p.leave = func(p *peer) {
		r.remove(p)
		observe(EventDisconnection)
	}
	observe(EventConnection)
	r.peers[p] = net
	r.byNet[net]++
	return p, ""
}

func (r *roster) remove(p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	net, ok := r.peers[p]
	if !ok {
		return
	}
	delete(r.peers, p)
	if r.byNet[net]--; r.byNet[net] == 0 {
		delete(r.byNet, net)
	}
	if len(r.peers) == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

// each calls f for every open connection.
func (r *roster) each(f func(*peer)) {
	r.mu.Lock()
	peers := make([]*peer, 0, len(r.peers))
	for p := range r.peers {
		peers = append(peers, p)
	}
	r.mu.Unlock()
	for _, p := range peers {
		f(p)
	}
}

// whenEmpty returns a channel that is closed once no connection is open.
func (r *roster) whenEmpty() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.empty != nil {
		return r.empty
	}
	c := make(chan struct{})
	if len(r.peers) == 0 {
		close(c)
		return c
	}
	r.empty = c
	return c
}

// addrOf returns the address of the peer, or the unspecified one where the
// connection has none (in-memory pipes).
func addrOf(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return ap.Addr().Unmap().WithZone("")
}

// networkOf returns what counts as one address: IPv4 alone, IPv6 by /64,
// because whoever has one address there has all of them.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}
