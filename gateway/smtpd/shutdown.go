package smtpd

import (
	"context"
	"time"
)

// lastWords is how long handlers may take to answer once their context ended.
const lastWords = 2 * time.Second

// Shutdown stops accepting, says 421 to peers between transactions and lets
// the others finish theirs. When ctx ends first, the contexts of running
// Receive and Submit calls end, they get a moment to answer, and everything
// left is closed; the error of ctx is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	for _, l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.roster.each((*peer).wake)

	var err error
	gone := s.roster.whenEmpty()
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
		s.ending.Store(true)
		s.cancel()
		s.roster.each((*peer).wake)
		select {
		case <-gone:
		case <-time.After(lastWords):
			s.roster.each((*peer).close)
		}
	}
	s.cancel()
	s.clear.stop()
	s.secured.stop()
	s.work.Wait()
	return err
}

// Close ends everything at once.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(ctx)
	return nil
}
