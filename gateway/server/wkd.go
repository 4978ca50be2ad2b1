package server

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/notice"
	"relais.example/gateway/reminders"
	"relais.example/gateway/wkd"
	"relais.example/routing/directory/pending"
)

// serveWKD builds the server of the Web Key Directory alone, for anybody: what
// staff and administrators use is elsewhere.
func (s *Server) serveWKD() *http.Server {
	return &http.Server{
		Handler:           s.webKeys(),
		TLSConfig:         s.certificate.config(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Server) webKeys() http.Handler {
	return wkd.Handler(wkd.Options{Directory: s.directory.Current, Desks: s.c.DeskIDs(), Policy: keyPolicy(s.c)})
}

// openReminders opens the pending changes and what tells people about them and
// about certificates that end.
func (s *Server) openReminders(notices *notice.Writer) error {
	var err error
	if s.pending, err = pending.OpenStore(PendingDir(s.c)); err != nil {
		return err
	}
	o := reminders.Options{
		Hostname: s.c.Hostname, Directory: s.directory.Current, Policy: keyPolicy(s.c), Queue: s.queue, Vault: s.vault,
		Notices: notices, Pending: s.pending, Log: s.log,
	}
	for _, d := range s.c.Desks {
		o.Desks = append(o.Desks, reminders.Desk{ID: d.ID, Key: func() *pgp.Key { return s.signer(d.ID) }, Staff: d.RemindStaff, ContactPoints: d.RemindContactPoints || s.c.Directory.Distribute})
	}
	s.reminders = reminders.New(o)
	return nil
}

// PendingDir is the folder of proposed changes of the Directory.
func PendingDir(c *config.Config) string { return filepath.Join(c.DataDir, "directory-pending") }
