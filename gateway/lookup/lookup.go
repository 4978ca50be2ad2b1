// Package lookup shows the Directory to staff over HTTPS: as an API, as a
// read-only CardDAV address book, and as the signed file for other gateways.
package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/routing/directory"
)

// Access is one look at the Directory, for the audit log.
type Access struct {
	At      time.Time
	Account accounts.Account
	What    string // one of the What… values
	Query   string // what was looked for, as typed
	Results int    // entries shown
	Remote  string // IP address
}

// What can be done with the Directory here.
const (
	WhatSearch      = "search"
	WhatEntry       = "entry"
	WhatWho         = "who"
	WhatAddressBook = "address-book"
	WhatExport      = "export"
)

// Options configure New. All fields but Login and Log are required.
type Options struct {
	Accounts  *accounts.Set
	Directory func() *directory.Directory // the one in force
	// Document returns the signed file in force, with its detached signature.
	Document func() (doc, signature []byte, err error)
	Keys     pgp.Policy
	// Record writes an access to the audit log; it returns when that is
	// durable. Without it nothing is shown.
	Record func(Access) error
	Login  func(result, remote string) // told "ok", "wrong", "throttled" or "busy"
	Log    *slog.Logger
}

// Handler answers under /api/directory/, /carddav/ and /.well-known/carddav.
// It must be served over TLS alone: it takes passwords.
type Handler struct {
	o     Options
	views views
	mux   *http.ServeMux
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Login == nil {
		o.Login = func(string, string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{o: o, mux: http.NewServeMux()}
	h.mux.HandleFunc("GET /api/directory/search", h.search)
	h.mux.HandleFunc("GET /api/directory/who", h.who)
	h.mux.HandleFunc("GET /api/directory/contact-points/{id}", h.entry)
	h.mux.HandleFunc("GET /api/directory/contact-points/{id}/certificates", h.certificates)
	h.mux.HandleFunc("GET /api/directory/"+directory.FileName, h.document)
	h.mux.HandleFunc("GET /api/directory/"+directory.FileName+directory.SignatureSuffix, h.document)
	book := h.addressBook()
	h.mux.Handle("/carddav/", book)
	h.mux.Handle("/.well-known/carddav", book)
	return h
}

// maxBody bounds what a client may send: CardDAV queries are small.
const maxBody = 256 << 10

// ServeHTTP implements [http.Handler]: it asks who it is before anything else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "private, no-cache") // entries are confidential
	who, ok := h.login(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, who)))
}

type accountKey struct{}

// caller is who asks, and from where, in one HTTP request.
type caller struct {
	account accounts.Account
	remote  string

	noted  sync.Once // the look at the address book is in the audit log
	failed error     // or could not be
}

func callerOf(ctx context.Context) *caller { return ctx.Value(accountKey{}).(*caller) }

func (h *Handler) login(w http.ResponseWriter, r *http.Request) (*caller, bool) {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	user, password, given := r.BasicAuth()
	if !given {
		h.ask(w)
		return nil, false
	}
	account, err := h.o.Accounts.Authenticate(r.Context(), user, password, remote)
	var throttled *accounts.ThrottledError
	switch {
	case err == nil:
		h.o.Login("ok", remote)
		return &caller{account: account, remote: remote}, true
	case errors.As(err, &throttled):
		h.o.Login("throttled", remote)
		w.Header().Set("Retry-After", strconv.Itoa(int(throttled.Wait.Seconds())+1))
		fail(w, http.StatusTooManyRequests, throttled.Error())
	case errors.Is(err, accounts.ErrLogin):
		h.o.Login("wrong", remote)
		h.ask(w)
	default:
		h.o.Login("busy", remote)
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "too many logins at the same time; try again")
	}
	return nil, false
}

func (h *Handler) ask(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Relais Directory", charset="UTF-8"`)
	fail(w, http.StatusUnauthorized, "log in with the account of your desk")
}

// allowed answers 403 where the caller's role may not do that.
func allowed(w http.ResponseWriter, c *caller, may bool, what string) bool {
	if !may {
		fail(w, http.StatusForbidden, "the role "+string(c.account.Role)+" may not "+what)
	}
	return may
}

// record writes the access to the audit log. Nothing is shown that is not in
// it.
func (h *Handler) record(w http.ResponseWriter, c *caller, what, query string, results int) bool {
	err := h.o.Record(Access{At: time.Now().UTC(), Account: c.account, What: what, Query: query, Results: results, Remote: c.remote})
	if err != nil {
		h.o.Log.Error("access to the Directory not recorded; nothing was shown", "error", err)
		fail(w, http.StatusServiceUnavailable, "the access could not be recorded; try again later")
	}
	return err == nil
}

func fail(w http.ResponseWriter, code int, text string) {
	reply(w, code, map[string]string{"error": text})
}

func reply(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(value) // the peer may have gone: nothing to do about it
}
