package lookup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/emersion/go-vcard"
	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/carddav"

	"relais.example/routing/directory"
)

// Paths of the address book. Their depth tells go-webdav what they are.
const (
	davPrefix    = "/carddav"
	davPrincipal = davPrefix + "/staff/"
	davHome      = davPrincipal + "books/"
	davBook      = davHome + "directory/"
)

// addressBook serves the Directory as a read-only CardDAV address book (RFC
// 6352).
func (h *Handler) addressBook() http.Handler {
	dav := &carddav.Handler{Backend: book{h}, Prefix: davPrefix}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		if !allowed(w, c, c.account.Role.MaySearch(), "search the Directory") {
			return
		}
		switch r.Method {
		case http.MethodOptions, http.MethodGet, http.MethodHead, "PROPFIND", "REPORT":
			// Reading a folder of ours in a browser is no error of the server.
			if (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasSuffix(r.URL.Path, "/") {
				fail(w, http.StatusNotFound, "this is a CardDAV address book: add it to your mail program")
				return
			}
			dav.ServeHTTP(w, r)
		default:
			fail(w, http.StatusForbidden, "the address book is read-only: send changes by signed mail to the Secretariat")
		}
	})
}

// book implements [carddav.Backend].
type book struct{ h *Handler }

func (b book) CurrentUserPrincipal(context.Context) (string, error)   { return davPrincipal, nil }
func (b book) AddressBookHomeSetPath(context.Context) (string, error) { return davHome, nil }

func (b book) ListAddressBooks(context.Context) ([]carddav.AddressBook, error) {
	return []carddav.AddressBook{{
		Path: davBook, Name: "24/7 Network", Description: "Contact points of the 24/7 Network (Convention on Cybercrime, Article 35); read-only",
		MaxResourceSize:      1 << 20,
		SupportedAddressData: []carddav.AddressDataType{{ContentType: vcard.MIMEType, Version: "3.0"}, {ContentType: vcard.MIMEType, Version: "4.0"}},
	}}, nil
}

func (b book) GetAddressBook(ctx context.Context, p string) (*carddav.AddressBook, error) {
	books, err := b.ListAddressBooks(ctx)
	if path.Clean(p) != path.Clean(davBook) {
		return nil, notFound
	}
	return &books[0], err
}

func (b book) GetAddressObject(ctx context.Context, p string, _ *carddav.AddressDataRequest) (*carddav.AddressObject, error) {
	d := b.directory(ctx)
	id, isCard := strings.CutSuffix(path.Base(p), ".vcf")
	cp, ok := d.ContactPoint(id)
	if !ok || !isCard || path.Dir(p) != path.Clean(davBook) {
		return nil, notFound
	}
	if err := b.record(ctx, id, 1); err != nil {
		return nil, err
	}
	return object(d, cp)
}

func (b book) ListAddressObjects(ctx context.Context, _ string, _ *carddav.AddressDataRequest) ([]carddav.AddressObject, error) {
	return b.list(ctx, "")
}

func (b book) QueryAddressObjects(ctx context.Context, _ string, q *carddav.AddressBookQuery) ([]carddav.AddressObject, error) {
	var words []string
	for _, f := range q.PropFilters {
		for _, m := range f.TextMatches {
			words = append(words, m.Text)
		}
	}
	all, err := b.list(ctx, strings.Join(words, " "))
	if err != nil {
		return nil, err
	}
	if len(q.PropFilters) > 0 { // an empty filter matches everything; Filter disagrees
		return carddav.Filter(q, all)
	}
	if q.Limit > 0 {
		all = all[:min(q.Limit, len(all))]
	}
	return all, nil
}

// list returns all entries.
func (b book) list(ctx context.Context, query string) ([]carddav.AddressObject, error) {
	d := b.directory(ctx)
	if err := b.record(ctx, query, d.Counts().ContactPoints); err != nil {
		return nil, err
	}
	var out []carddav.AddressObject
	for _, p := range d.Document().Parties {
		for i := range p.ContactPoints {
			o, err := object(d, &p.ContactPoints[i])
			if err != nil {
				return nil, err
			}
			out = append(out, *o)
		}
	}
	return out, nil
}

func (b book) directory(ctx context.Context) *directory.Directory {
	return b.h.views.of(b.h.o.Directory(), callerOf(ctx).account.Role)
}

// record notes the first look of each HTTP request: a client that synchronises
// asks for a hundred cards in one.
func (b book) record(ctx context.Context, query string, results int) error {
	c := callerOf(ctx)
	c.noted.Do(func() {
		c.failed = b.h.o.Record(Access{At: time.Now().UTC(), Account: c.account, What: WhatAddressBook, Query: query, Results: results, Remote: c.remote})
		if c.failed != nil {
			b.h.o.Log.Error("access to the Directory not recorded; nothing was shown", "error", c.failed)
		}
	})
	if c.failed != nil {
		return webdav.NewHTTPError(http.StatusServiceUnavailable, errors.New("the access could not be recorded; try again later"))
	}
	return nil
}

var (
	notFound = webdav.NewHTTPError(http.StatusNotFound, errors.New("no such address book or contact point"))
	readOnly = webdav.NewHTTPError(http.StatusForbidden, errors.New("the address book is read-only"))
)

func (b book) CreateAddressBook(context.Context, *carddav.AddressBook) error { return readOnly }
func (b book) DeleteAddressBook(context.Context, string) error               { return readOnly }
func (b book) DeleteAddressObject(context.Context, string) error             { return readOnly }
func (b book) PutAddressObject(context.Context, string, vcard.Card, *carddav.PutAddressObjectOptions) (*carddav.AddressObject, error) {
	return nil, readOnly
}

// object makes the card of a contact point. Its tag changes with its content
// only, so that clients fetch again what has changed and nothing else.
func object(d *directory.Directory, cp *directory.ContactPoint) (*carddav.AddressObject, error) {
	c := card(d, cp)
	var text bytes.Buffer
	if err := vcard.NewEncoder(&text).Encode(c); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text.Bytes())
	return &carddav.AddressObject{
		Path: davBook + cp.ID + ".vcf", ModTime: d.Issued(), ContentLength: int64(text.Len()),
		ETag: hex.EncodeToString(sum[:12]), Card: c,
	}, nil
}
