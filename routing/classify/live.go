package classify

import "sync/atomic"

// Live is a classifier that can be replaced while messages are judged; each
// message is judged by one of them, from beginning to end.
type Live struct{ current atomic.Pointer[Classifier] }

// NewLive returns a Live that judges by c.
func NewLive(c *Classifier) *Live {
	l := &Live{}
	l.Store(c)
	return l
}

// Store makes c judge what comes from now on.
func (l *Live) Store(c *Classifier) { l.current.Store(c) }

// Classify judges by the classifier stored last.
func (l *Live) Classify(in Input) Result { return l.current.Load().Classify(in) }
