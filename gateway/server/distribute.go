package server

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"relais.example/gateway/pull"
	"relais.example/routing/queue"
)

// install puts a version of the Directory in force that came by mail.
func (s *Server) install(doc, signature []byte) error {
	_, err := s.installFrom("mail", doc, signature)
	return err
}

// installFrom puts a version in force and reports whether it is another one
// than before.
func (s *Server) installFrom(way string, doc, signature []byte) (changed bool, err error) {
	before := s.directory.Current().Version()
	if err := s.directory.Install(doc, signature, time.Now()); err != nil {
		return false, err
	}
	now := s.directory.Current().Version()
	if now != before {
		s.reminders.Wake()
		s.log.Info("new Directory version in force", "version", now, "from", way)
		if err := s.checkDesks(s.directory.Current(), *s.keys.Load()); err != nil {
			s.log.Error("the new Directory does not fit this gateway", "error", err)
		}
	}
	return now != before, nil
}

// openPull prepares fetching the Directory from another gateway.
func (s *Server) openPull() error {
	c := s.c.Directory.Pull
	if c.URL == "" {
		return nil
	}
	o := pull.Options{
		URL: c.URL, User: c.User, Password: func() (string, error) { return readSecret(c.PasswordFile) }, Every: c.Every,
		Install: func(doc, signature []byte) (bool, error) { return s.installFrom("pull", doc, signature) },
		Observe: s.metrics.Pulled, Log: s.log,
	}
	if c.CAFile != "" {
		pool, err := readPool(c.CAFile, x509.NewCertPool())
		if err != nil {
			return fmt.Errorf("directory.pull.ca_file: %w", err)
		}
		o.CAs = pool
	}
	s.pull = pull.New(o)
	return nil
}

// release returns the signed Directory in force.
func (s *Server) release() (version uint64, doc, signature []byte, err error) {
	version = s.directory.Current().Version()
	doc, signature, err = s.directory.Signed()
	return version, doc, signature, err
}

// SendArgs asks the running gateway to send the Directory.
type SendArgs struct {
	ContactPoints []string `json:"contact_points"` // again, whether they have it or not; empty: all that it was not sent to
}

// sendDirectory answers 'relais directory send'.
func (s *Server) sendDirectory(ctx context.Context, by string, args json.RawMessage) (any, error) {
	var a SendArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, fmt.Errorf("reading the command: %w", err)
	}
	again := len(a.ContactPoints) > 0
	if !again {
		a.ContactPoints = s.others()
	}
	var out []Pinged
	for _, id := range a.ContactPoints {
		p := Pinged{ContactPoint: id}
		sent, err := s.sendRelease(ctx, by, id, again)
		switch {
		case err != nil:
			p.Error = err.Error()
		case !sent:
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

// sendRelease queues the Directory in force for a contact point, unless that
// version was sent to it before and again is false.
func (s *Server) sendRelease(ctx context.Context, by, contactPoint string, again bool) (bool, error) {
	d, ok := s.queue.Desk(s.c.Desks[0].ID)
	if !ok {
		return false, fmt.Errorf("no desk %s", s.c.Desks[0].ID)
	}
	current := s.directory.Current()
	cp, ok := current.ContactPoint(contactPoint)
	if !ok {
		return false, fmt.Errorf("%s is not in the Directory", contactPoint)
	}
	at := time.Now().UTC().Truncate(time.Microsecond)
	if _, err := cp.EncryptionCertificates(at, keyPolicy(s.c)); err != nil {
		return false, fmt.Errorf("sending the Directory to %s: %w", contactPoint, err)
	}
	version := strconv.FormatUint(current.Version(), 10)
	_, err := d.Commit(ctx, func(tx *queue.Tx) error {
		tx.By(by)
		if !again {
			tx.Once("release:"+version+":"+contactPoint, "sent", at.AddDate(10, 0, 0))
		}
		tx.Out(queue.Out{Op: queue.OutQueue, ID: queue.NewID(), To: contactPoint, Purpose: queue.PurposeRelease, Code: version, Since: at, At: at})
		return nil
	})
	var seen *queue.SeenError
	if errors.As(err, &seen) {
		return false, nil
	}
	return err == nil, err
}

// distribute sends each version that comes into force to every contact point
// that has no desk here, once, however many gateways there are and however
// often they start.
func (s *Server) distribute(ctx context.Context) {
	if !s.c.Directory.Distribute {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var done uint64               // version that everybody was sent
	sent := map[string]bool{}     // of the version after that
	said := map[string]struct{}{} // who cannot be written to, so that it is logged once
	for {
		version := s.directory.Current().Version()
		if version != done && s.queue.Ready() == nil {
			missing := 0
			for _, id := range s.others() {
				if sent[id] {
					continue
				}
				_, err := s.sendRelease(ctx, "gateway", id, false)
				switch {
				case ctx.Err() != nil:
					return
				case errors.Is(err, queue.ErrUnavailable):
					missing++
				case err != nil:
					if _, known := said[id]; !known {
						s.log.Warn("the Directory cannot be sent to a contact point", "contact_point", id, "version", version, "error", err)
						said[id] = struct{}{}
					}
				default:
					sent[id] = true
				}
			}
			if missing == 0 {
				s.log.Info("the Directory was sent", "version", version, "contact_points", len(sent))
				done = version
				clear(sent)
				clear(said)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
