package server

import (
	"fmt"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/deskkey"
	"relais.example/routing/directory"
)

// openKeys reads the keys of the desks. At the start the Directory is opened
// later and checked then.
func (s *Server) openKeys() error {
	keys, err := deskkey.ReadAll(s.c)
	if err != nil {
		return err
	}
	s.takeKeys(keys)
	return nil
}

// reloadKeys reads the keys of the desks again. Keys that the Directory does
// not list are not taken: nobody could verify what the desk sends.
func (s *Server) reloadKeys() error {
	keys, err := deskkey.ReadAll(s.c)
	if err != nil {
		return err
	}
	if err := s.checkDesks(s.directory.Current(), keys); err != nil {
		return err
	}
	s.takeKeys(keys)
	return nil
}

func (s *Server) takeKeys(keys deskkey.Set) {
	s.keys.Store(&keys)
	for _, err := range keys.Problems(s.c, time.Now()) {
		s.log.Error("a desk's key cannot be used for new messages", "error", err)
	}
	for _, warning := range s.c.Warnings() {
		s.log.Warn("secrets are not well kept", "fault", warning)
	}
}

// keysOf returns the keys of a desk at the moment.
func (s *Server) keysOf(desk string) []*pgp.Key { return (*s.keys.Load())[desk] }

// signer returns the key that signs for a desk at the moment, with a subkey
// that the Directory lists where there is one: others could not verify a subkey
// that is not published yet.
func (s *Server) signer(desk string) *pgp.Key {
	key := s.keysOf(desk)[0]
	if published := s.directory.Current().Ring().Certificate(key.Certificate().Fingerprint()); published != nil {
		return key.SigningAs(published, time.Now())
	}
	return key
}

// checkDesks returns an error if a Directory does not know the desks with the
// keys that sign for them here.
func (s *Server) checkDesks(d *directory.Directory, keys deskkey.Set) error {
	for _, desk := range s.c.Desks {
		if _, ok := d.ContactPoint(desk.ID); !ok {
			return fmt.Errorf("desk %s: the Directory (version %d) has no such contact point; have the Directory authority add it, or take the desk out of the configuration", desk.ID, d.Version())
		}
		fingerprint := keys[desk.ID][0].Certificate().Fingerprint()
		if cp, ok := d.BySigner(fingerprint); !ok || cp.ID != desk.ID {
			return fmt.Errorf("desk %s: the Directory (version %d) does not list its key %s; nobody could verify what the desk sends: have the Directory authority add it", desk.ID, d.Version(), fingerprint)
		}
	}
	return nil
}
