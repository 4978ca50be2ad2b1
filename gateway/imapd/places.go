package imapd

import (
	"net"
	"net/netip"
	"sync"
)

// places counts connections against the limits. The server's lock guards it.
type places struct {
	o          Options
	total      int
	waiting    int // not logged in
	perIP      map[string]int
	waitingIP  map[string]int
	perAccount map[string]int
}

func newPlaces(o Options) places {
	return places{o: o, perIP: map[string]int{}, waitingIP: map[string]int{}, perAccount: map[string]int{}}
}

// take gives a place before login, or says which limit is reached.
func (p *places) take(ip string) (refused string) {
	ip = network(ip)
	switch {
	case p.total >= p.o.MaxConnections:
		return "total"
	case p.waiting >= p.o.MaxUnauthenticated:
		return "unauthenticated"
	case p.perIP[ip] >= p.o.MaxConnectionsPerIP, p.waitingIP[ip] >= p.o.MaxUnauthenticatedIP:
		return "address"
	}
	p.total++
	p.waiting++
	p.perIP[ip]++
	p.waitingIP[ip]++
	return ""
}

// login turns a place before login into one of user's.
func (p *places) login(ip, user string) bool {
	if p.perAccount[user] >= p.o.MaxConnectionsPerUser {
		return false
	}
	p.perAccount[user]++
	p.waiting--
	decrease(p.waitingIP, network(ip))
	return true
}

// leave gives the place back.
func (p *places) leave(ip, user string, loggedIn bool) {
	ip = network(ip)
	p.total--
	decrease(p.perIP, ip)
	if loggedIn {
		decrease(p.perAccount, user)
		return
	}
	p.waiting--
	decrease(p.waitingIP, ip)
}

func decrease(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// network is what one client can be told by: the IPv4 address, or the /64 of
// an IPv6 address, since a single host owns all addresses in it.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || !addr.Is6() || addr.Is4In6() {
		return ip
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return prefix.String()
}

// handoff is a listener that accepts what is given to it.
type handoff struct {
	conns  chan net.Conn
	done   chan struct{}
	closed sync.Once
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handoff) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handoff) close() { h.closed.Do(func() { close(h.done) }) }

// Close implements net.Listener.
func (h *handoff) Close() error { h.close(); return nil }

// Addr implements net.Listener.
func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }
