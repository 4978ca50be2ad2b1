package lookup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"relais.example/routing/directory"
	"relais.example/routing/request"
)

// Result is the answer to a search.
type Result struct {
	Version uint64  `json:"version"` // of the Directory
	Total   int     `json:"total"`   // matches; Entries may be fewer
	Entries []Entry `json:"entries"`
}

// Entry is a contact point as the API shows it.
type Entry struct {
	Party      string            `json:"party"`
	PartyNames map[string]string `json:"party_names"`
	directory.ContactPoint
	Available directory.Availability `json:"available"` // now
	Keys      []Key                  `json:"keys,omitempty"`
}

// Key describes a certificate.
type Key struct {
	Fingerprint string     `json:"fingerprint"`
	Algorithm   string     `json:"algorithm"`
	Expires     *time.Time `json:"expires,omitempty"`
	Usable      bool       `json:"usable"` // mail may be encrypted to it now
}

// maxResults bounds the entries of one answer.
const maxResults = 100

func (h *Handler) search(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	d, ok := h.directory(w, c)
	if !ok {
		return
	}
	query := r.URL.Query().Get("q")
	hits := d.Search(query, 0)
	result := Result{Version: d.Version(), Total: len(hits), Entries: []Entry{}}
	for _, hit := range hits[:min(len(hits), maxResults)] {
		result.Entries = append(result.Entries, h.describe(d, hit.ContactPoint))
	}
	if h.record(w, c, WhatSearch, query, len(result.Entries)) {
		reply(w, http.StatusOK, result)
	}
}

func (h *Handler) who(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	d, ok := h.directory(w, c)
	if !ok {
		return
	}
	party, name := strings.ToUpper(r.URL.Query().Get("party")), strings.ToUpper(r.URL.Query().Get("kind"))
	kind, err := request.ParseKind(name)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error()+"; give ?kind=PRESERVATION&party=XB")
		return
	}
	if _, ok := d.Party(party); !ok {
		fail(w, http.StatusNotFound, fmt.Sprintf("no Party %q in the Directory", party))
		return
	}
	result := Result{Version: d.Version(), Entries: []Entry{}}
	for _, cp := range d.Who(kind, party, time.Now()) {
		result.Entries = append(result.Entries, h.describe(d, cp))
	}
	result.Total = len(result.Entries)
	if h.record(w, c, WhatWho, name+" "+party, result.Total) {
		reply(w, http.StatusOK, result)
	}
}

func (h *Handler) entry(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	d, ok := h.directory(w, c)
	if !ok {
		return
	}
	cp, ok := contactPoint(w, d, r.PathValue("id"))
	if ok && h.record(w, c, WhatEntry, cp.ID, 1) {
		reply(w, http.StatusOK, h.describe(d, cp))
	}
}

func (h *Handler) certificates(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if !allowed(w, c, c.account.Role.MaySeeReach(), "see certificates") {
		return
	}
	cp, ok := contactPoint(w, h.o.Directory(), r.PathValue("id"))
	if !ok || !h.record(w, c, WhatEntry, cp.ID+" certificates", len(cp.Certificates())) {
		return
	}
	w.Header().Set("Content-Type", "application/pgp-keys")
	for _, cert := range cp.Certificates() {
		w.Write(cert.Armor())
	}
}

// document serves the signed file and its signature, for gateways that pull.
func (h *Handler) document(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if !allowed(w, c, c.account.Role.MayFetchDirectory(), "fetch the whole Directory") {
		return
	}
	doc, signature, err := h.o.Document()
	if err != nil {
		h.o.Log.Error("reading the signed Directory", "error", err)
		fail(w, http.StatusInternalServerError, "the signed Directory cannot be read")
		return
	}
	content, kind := doc, "application/json"
	if strings.HasSuffix(r.URL.Path, directory.SignatureSuffix) {
		content, kind = signature, "application/pgp-signature"
	}
	sum := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if !h.record(w, c, WhatExport, "", h.o.Directory().Counts().ContactPoints) {
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Write(content)
}

// directory returns what the caller may see.
func (h *Handler) directory(w http.ResponseWriter, c *caller) (*directory.Directory, bool) {
	if !allowed(w, c, c.account.Role.MaySearch(), "search the Directory") {
		return nil, false
	}
	return h.views.of(h.o.Directory(), c.account.Role), true
}

func contactPoint(w http.ResponseWriter, d *directory.Directory, id string) (*directory.ContactPoint, bool) {
	cp, ok := d.ContactPoint(strings.ToUpper(id))
	if !ok {
		fail(w, http.StatusNotFound, fmt.Sprintf("no contact point %q in the Directory (version %d)", id, d.Version()))
	}
	return cp, ok
}

func (h *Handler) describe(d *directory.Directory, cp *directory.ContactPoint) Entry {
	now := time.Now()
	party, _ := d.Party(cp.Party)
	e := Entry{Party: cp.Party, PartyNames: party.Names, ContactPoint: *cp, Available: cp.Available(now)}
	e.CertificatesArmored = nil // they have an address of their own
	for _, cert := range cp.Certificates() {
		k := Key{Fingerprint: cert.Fingerprint(), Algorithm: cert.Algorithm(), Usable: cert.CheckEncryption(now, h.o.Keys) == nil}
		if expires := cert.Expires(); !expires.IsZero() {
			k.Expires = &expires
		}
		e.Keys = append(e.Keys, k)
	}
	return e
}
