package server

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"relais.example/crypto/keyholder"
	"relais.example/crypto/pgp"
	"relais.example/gateway/banner"
	"relais.example/gateway/deskkey"
	"relais.example/gateway/intake"
	"relais.example/gateway/reply"
	"relais.example/routing/directory"
)

// openKeys takes the keys in for the first time. A keyholder that is away is no
// error: senders and staff are asked to try again until it is there.
func (s *Server) openKeys() error {
	s.keys.Store(&deskkey.Set{})
	s.askHolder = make(chan struct{}, 1)
	if socket := s.c.Keyholder.Socket; socket != "" {
		s.holder = keyholder.NewClient(socket, keyholder.ClientOptions{Observe: s.asked})
		s.warnOfReadableKeys()
	}
	err := s.loadKeys()
	if errors.Is(err, keyholder.ErrAway) {
		return nil
	}
	return err
}

// asked counts a request to the keyholder, and has its keys looked at when one
// goes wrong.
func (s *Server) asked(operation, result string, took time.Duration) {
	s.metrics.Keyholder(operation, result, took)
	if result == "ok" || result == "cannot-open" || operation == "keys" {
		return
	}
	select {
	case s.askHolder <- struct{}{}:
	default:
	}
}

// warnOfReadableKeys tells when the separation is on paper only.
func (s *Server) warnOfReadableKeys() {
	const read = 4 // R_OK of access(2), which does not open the file
	for _, d := range s.c.Desks {
		for _, path := range d.KeyFiles {
			if syscall.Access(path, read) == nil {
				s.log.Warn("the gateway's user may read a private key, although a keyholder has it: take that right away", "desk", d.ID)
			}
		}
	}
}

// loadKeys takes the keys as they are now, from their files or from the
// keyholder. Keys that the Directory does not list leave the old ones in force.
func (s *Server) loadKeys() error {
	keys, err := s.readKeys()
	if err == nil {
		err = s.checkDesks(s.directory.Current(), keys)
	}
	if err == nil {
		s.keys.Store(&keys)
	}
	switch {
	case s.holder != nil:
		s.noteHolder(err)
	case err == nil:
		s.warnOfKeys(keys)
	}
	return err
}

// warnOfKeys logs what is wrong with keys that are in use nevertheless.
func (s *Server) warnOfKeys(keys deskkey.Set) {
	for _, err := range keys.Problems(s.c, time.Now()) {
		s.log.Error("a desk's key cannot be used for new messages", "error", err)
	}
	for _, warning := range s.c.Warnings() {
		s.log.Warn("secrets are not well kept", "fault", warning)
	}
}

// keysOf returns the keys of a desk at the moment; nil: they are not known yet.
func (s *Server) keysOf(desk string) []*pgp.Key { return (*s.keys.Load())[desk] }

// signer returns the key that signs for a desk at the moment, with a subkey
// that the Directory lists where there is one: others could not verify a subkey
// that is not published yet. Nil: it is not known yet.
func (s *Server) signer(desk string) *pgp.Key {
	keys := s.keysOf(desk)
	if len(keys) == 0 {
		return nil
	}
	if published := s.directory.Current().Ring().Certificate(keys[0].Certificate().Fingerprint()); published != nil {
		return keys[0].SigningAs(published, time.Now())
	}
	return keys[0]
}

func (s *Server) readKeys() (deskkey.Set, error) {
	if s.holder == nil {
		return deskkey.ReadAll(s.c)
	}
	desks, err := s.holder.Keys()
	if err != nil {
		return nil, err
	}
	keys := deskkey.Set{}
	for _, d := range desks {
		keys[d.ID] = d.Keys
	}
	return keys, nil
}

// noteHolder keeps what the last look at the keyholder found, and logs each
// change once.
func (s *Server) noteHolder(err error) {
	before := s.holderTrouble.Swap(&err)
	switch {
	case err != nil && (before == nil || *before == nil || (*before).Error() != err.Error()):
		s.log.Error("the keyholder is away or its keys do not fit; what needs a key is answered 451", "error", err)
	case err == nil && (before == nil || *before != nil):
		s.log.Info("the keyholder answers", "socket", s.c.Keyholder.Socket)
	}
}

// followHolder looks at the keyholder now and then, and when a request to it
// has gone wrong: it may be back, or have other keys.
func (s *Server) followHolder(ctx context.Context) {
	defer s.holder.Close()
	for {
		pause := time.Second
		if s.keysReady() != nil {
			pause = 300 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return
		case <-s.askHolder:
		case <-time.After(pause):
		}
		s.loadKeys() // logs by itself
		select {     // however many requests go wrong
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// keysReady returns nil when the keys of every desk can be used.
func (s *Server) keysReady() error {
	if s.holder != nil {
		if err := s.holderTrouble.Load(); err != nil && *err != nil {
			return *err
		}
	}
	return s.checkDesks(s.directory.Current(), *s.keys.Load())
}

// checkDesks returns an error if a Directory does not know the desks with the
// keys that sign for them here.
func (s *Server) checkDesks(d *directory.Directory, keys deskkey.Set) error {
	for _, desk := range s.c.Desks {
		if _, ok := d.ContactPoint(desk.ID); !ok {
			return fmt.Errorf("desk %s: the Directory (version %d) has no such contact point; have the Directory authority add it, or take the desk out of the configuration", desk.ID, d.Version())
		}
		if len(keys[desk.ID]) == 0 {
			return fmt.Errorf("desk %s: the keyholder has no key of it; does it read the same configuration?", desk.ID)
		}
		signer := keys[desk.ID][0].Certificate().Fingerprint()
		if cp, ok := d.BySigner(signer); !ok || cp.ID != desk.ID {
			return fmt.Errorf("desk %s: the Directory (version %d) does not list its key %s; nobody could verify what the desk sends: have the Directory authority add it", desk.ID, d.Version(), signer)
		}
	}
	return nil
}

func (s *Server) intakeDesks() []intake.Desk {
	var out []intake.Desk
	for _, d := range s.c.Desks {
		out = append(out, intake.Desk{ID: d.ID, Keys: func() []*pgp.Key { return s.keysOf(d.ID) }, Acknowledge: d.Acknowledge, DirectoryService: d.DirectoryService,
			Banner: banner.Language(d.Banner), AttachOriginal: d.AttachOriginal})
	}
	return out
}

func (s *Server) replyDesks() []reply.Desk {
	var out []reply.Desk
	for _, d := range s.c.Desks {
		out = append(out, reply.Desk{ID: d.ID, Key: func() *pgp.Key { return s.signer(d.ID) }})
	}
	return out
}
