package smtpd

import "time"

// readBody reads what follows DATA into s, to its very end, and leaves go-smtp
// an empty body to find. When it returns false the connection is over.
func (g *guard) readBody(d *bodyDecoder, s *spool) bool {
	add := s.add
	for {
		if g.r == g.w && !g.fillBody() {
			return false
		}
		n, done := d.decode(g.in[g.r:g.w], add)
		g.r += n
		if done {
			g.clock.stop()
			g.pass(".\r\n")
			return true
		}
		if s.total > 4*g.srv.limits.MessageBytes {
			g.stop(EventTooLarge, "552 5.3.4 "+tooLargeText)
			return false
		}
	}
}

// fillBody reads more of a body or chunk. The time allowed grows only with
// what has arrived.
func (g *guard) fillBody() bool {
	if !g.fill(g.clock.deadline(g.srv.limits), true) {
		return false
	}
	g.clock.arrived += int64(g.w - g.r)
	return true
}

// bodyClock measures how long a body takes.
type bodyClock struct {
	started time.Time
	arrived int64
}

func (c *bodyClock) stop() { *c = bodyClock{} }

// deadline allows the read timeout, and a second for each MinRate bytes that
// have arrived, up to the message timeout.
func (c *bodyClock) deadline(l Limits) time.Time {
	if c.started.IsZero() {
		c.started = time.Now()
	}
	earned := time.Duration(float64(c.arrived) / float64(l.MinRate) * float64(time.Second))
	return c.started.Add(min(l.ReadTimeout+earned, max(l.MessageTimeout, l.ReadTimeout)))
}
