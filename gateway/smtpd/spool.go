package smtpd

// spool collects one body in memory. Beyond its limit, or when the server's
// budget for all bodies is used up, it lets go of what it has and only counts.
type spool struct {
	buf      []byte
	hint     int64 // size announced by the peer, 0: none
	limit    int64
	budget   *budget
	reserved int64
	total    int64 // bytes seen
	tooLarge bool
	noRoom   bool
}

// Bounds of the first allocation: a peer that announces much and sends little
// holds little.
const (
	firstSpool = 16 << 10
	mostTrust  = 64 << 10
)

func (s *spool) add(p []byte) {
	s.total += int64(len(p))
	switch {
	case s.tooLarge || s.noRoom:
		return
	case s.total > s.limit:
		s.tooLarge = true
		s.drop()
		return
	case len(s.buf)+len(p) > cap(s.buf) && !s.grow(len(s.buf)+len(p)):
		s.noRoom = true
		s.drop()
		return
	}
	s.buf = append(s.buf, p...)
}

// grow makes room for need bytes. The announced size is believed at once when
// it is small, and when a quarter of it has arrived.
func (s *spool) grow(need int) bool {
	size := max(2*cap(s.buf), firstSpool, need)
	if s.hint >= int64(need) && s.hint <= s.limit && (s.hint <= mostTrust || s.hint <= 4*int64(need)) {
		size = int(s.hint)
	}
	more := int64(size - cap(s.buf))
	if !s.budget.take(more) {
		return false
	}
	s.reserved += more
	grown := make([]byte, len(s.buf), size)
	copy(grown, s.buf)
	s.buf = grown
	return true
}

func (s *spool) drop() {
	s.buf = nil
	s.release()
}

// release gives back the share of the budget. The bytes stay usable.
func (s *spool) release() {
	s.budget.give(s.reserved)
	s.reserved = 0
}
