package smtpout

import (
	"errors"
	"net"
	"time"
)

// maxReplies bounds all bytes that a hop may send on one connection. go-smtp
// bounds a line but not the number of lines.
const maxReplies = 256 << 10

var errTalkative = errors.New("the hop sends more than a delivery needs")

// link is the connection that go-smtp sees.
type link struct {
	net.Conn
	tls   bool
	ahead []byte // read before anything from the network
	read  int
}

// Read yields ahead first.
func (l *link) Read(b []byte) (int, error) {
	if len(l.ahead) > 0 {
		n := copy(b, l.ahead)
		l.ahead = l.ahead[n:]
		return n, nil
	}
	n, err := l.Conn.Read(b)
	if l.read += n; l.read > maxReplies {
		return 0, errTalkative
	}
	return n, err
}

// Write bounds the wait of each write: go-smtp sets no deadline while it sends
// a body.
func (l *link) Write(b []byte) (int, error) {
	l.Conn.SetWriteDeadline(time.Now().Add(commandTimeout))
	return l.Conn.Write(b)
}
