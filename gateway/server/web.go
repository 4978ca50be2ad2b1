package server

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"relais.example/gateway/lookup"
	"relais.example/gateway/wkd"
	"relais.example/routing/queue"
)

// serveHTTPS builds the server for people and other gateways; unlike that of
// /metrics it may be reached from outside.
func (s *Server) serveHTTPS() *http.Server {
	tls := s.certificate.config()
	tls.NextProtos = []string{"h2", "http/1.1"}
	staff := lookup.New(lookup.Options{
		Accounts: s.accounts, Directory: s.directory.Current, Document: s.directory.Signed, Keys: keyPolicy(s.c),
		Record: s.recordLook, Login: s.login("https"), Log: s.log,
	})
	keys := s.webKeys() // for where both must share port 443
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, wkd.Root) {
				keys.ServeHTTP(w, r)
				return
			}
			staff.ServeHTTP(w, r)
		}),
		TLSConfig: tls, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// recordLook writes an access to the Directory to the audit log. What was
// looked for may be a person's name, so it is sealed.
func (s *Server) recordLook(a lookup.Access) error {
	look := &queue.Look{What: a.What, Results: a.Results, Remote: a.Remote}
	if a.Query != "" {
		look.Query = s.vault.Seal("query", a.Query)
	}
	return s.queue.Note(a.Account.Desk, queue.Record{At: a.At, By: a.Account.User, Look: look})
}
