package lookup_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-vcard"
	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/carddav"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/lookup"
	"relais.example/test/desk"
)

// office is the Directory served over HTTPS.
type office struct {
	*testing.T
	desk *desk.Desk
	url  string
	http *http.Client

	mu     sync.Mutex
	noted  []lookup.Access
	broken bool // the audit log
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, desk: desk.Open(t)}
	h := lookup.New(lookup.Options{
		Accounts: o.desk.Accounts, Directory: o.desk.Current, Keys: pgp.DefaultPolicy(), Record: o.record,
		Document: func() ([]byte, []byte, error) { return []byte("the document"), []byte("its signature"), nil },
	})
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	o.url, o.http = s.URL, s.Client()
	return o
}

func (o *office) record(a lookup.Access) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken {
		return errors.New("disk full")
	}
	o.noted = append(o.noted, a)
	return nil
}

// accesses returns what is in the audit log, in short.
func (o *office) accesses() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, a := range o.noted {
		out = append(out, strings.TrimSpace(a.Account.User+" "+a.What+" "+a.Query))
	}
	return strings.Join(out, "; ")
}

func (o *office) get(user, path string, header ...string) (int, http.Header, string) {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), http.MethodGet, o.url+path, nil)
	if err != nil {
		o.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, desk.Password)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := o.http.Do(r)
	if err != nil {
		o.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestSearchShowsWhatTheRoleMaySee(t *testing.T) {
	o := open(t)
	code, _, body := o.get(desk.Amy, "/api/directory/search?q=xb")
	var found lookup.Result
	if err := json.Unmarshal([]byte(body), &found); err != nil || code != http.StatusOK {
		t.Fatalf("%d %s: %v", code, body, err)
	}
	if found.Total != 1 || found.Entries[0].ID != "XB-1" || found.Entries[0].Addresses[0] != desk.Beta || len(found.Entries[0].Keys) != 1 || !found.Entries[0].Keys[0].Usable {
		t.Errorf("an officer sees %s", body)
	}
	for _, user := range []string{desk.Aud, desk.Adm} {
		_, _, body := o.get(user, "/api/directory/search?q=xb")
		if !strings.Contains(body, "XB-1") || strings.Contains(body, "betaland.example") {
			t.Errorf("%s sees %s", user, body)
		}
		if _, _, body := o.get(user, "/api/directory/search?q=cp247@betaland.example"); strings.Contains(body, "XB-1") {
			t.Errorf("%s finds an entry by its address: %s", user, body)
		}
		if code, _, body := o.get(user, "/api/directory/contact-points/XB-1/certificates"); code != http.StatusForbidden || strings.Contains(body, "BEGIN PGP") {
			t.Errorf("%s gets certificates: %d %s", user, code, body)
		}
	}
	if got, want := o.accesses(), "amy search xb; aud search xb; aud search cp247@betaland.example; adm search xb; adm search cp247@betaland.example"; got != want {
		t.Errorf("audit log: %s\nwant %s", got, want)
	}
}

func TestEntriesAndQuestions(t *testing.T) {
	o := open(t)
	tests := []struct {
		path string
		code int
		want string
	}{
		{"/api/directory/contact-points/xb-1", 200, `"id":"XB-1"`},
		{"/api/directory/contact-points/XZ-9", 404, `no contact point \"XZ-9\"`},
		{"/api/directory/contact-points/XB-1/certificates", 200, "BEGIN PGP PUBLIC KEY BLOCK"},
		{"/api/directory/who?kind=emergency_disclosure&party=xb", 200, `"id":"XB-1"`},
		{"/api/directory/who?kind=MAGIC&party=XB", 400, "unknown kind"},
		{"/api/directory/who?kind=PING&party=XZ", 404, "no Party"},
		{"/api/directory/search?q=" + strings.Repeat("x", 600), 200, `"entries":[]`},
		{"/api/directory/nothing", 404, ""},
	}
	for _, tt := range tests {
		if code, _, body := o.get(desk.Amy, tt.path); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%.80s: %d %s", tt.path, code, body)
		}
	}
}

func TestNobodyWithoutAPassword(t *testing.T) {
	o := open(t)
	for _, path := range []string{"/api/directory/search?q=xb", "/carddav/", "/.well-known/carddav", "/api/directory/directory.json", "/other"} {
		code, header, body := o.get("", path)
		if code != http.StatusUnauthorized || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Basic ") || strings.Contains(body, "XB") {
			t.Errorf("%s: %d %q %s", path, code, header, body)
		}
		if code, _, _ := o.get("nobody", path); code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
			t.Errorf("%s as nobody: %d", path, code)
		}
	}
	if got := o.accesses(); got != "" {
		t.Errorf("audit log: %s", got)
	}
}

func TestSignedFileIsFetchedOnce(t *testing.T) {
	o := open(t)
	code, header, body := o.get(desk.Amy, "/api/directory/directory.json")
	if code != http.StatusOK || body != "the document" || header.Get("ETag") == "" {
		t.Fatalf("%d %q %q", code, header, body)
	}
	if code, _, body := o.get(desk.Amy, "/api/directory/directory.json", "If-None-Match", header.Get("ETag")); code != http.StatusNotModified || body != "" {
		t.Errorf("the same again: %d %q", code, body)
	}
	if _, other, body := o.get(desk.Amy, "/api/directory/directory.json.asc", "If-None-Match", header.Get("ETag")); body != "its signature" || other.Get("ETag") == header.Get("ETag") {
		t.Errorf("signature: %q %q", other, body)
	}
	if code, _, _ := o.get(desk.Adm, "/api/directory/directory.json"); code != http.StatusForbidden {
		t.Errorf("an administrator: %d", code)
	}
	if got := o.accesses(); got != "amy export; amy export" {
		t.Errorf("audit log: %s", got)
	}
}

func TestNothingIsShownThatCannotBeRecorded(t *testing.T) {
	o := open(t)
	o.broken = true
	for _, path := range []string{"/api/directory/search?q=xb", "/api/directory/contact-points/XB-1", "/api/directory/directory.json", "/carddav/staff/books/directory/XB-1.vcf"} {
		if code, _, body := o.get(desk.Amy, path); code != http.StatusServiceUnavailable || strings.Contains(body, "betaland") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func (o *office) carddav(user string) *carddav.Client {
	o.Helper()
	c, err := carddav.NewClient(webdav.HTTPClientWithBasicAuth(o.http, user, desk.Password), o.url+"/.well-known/carddav")
	if err != nil {
		o.Fatal(err)
	}
	return c
}

func TestAddressBookIsFoundReadAndQueried(t *testing.T) {
	o := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := o.carddav(desk.Amy)
	principal, err := c.FindCurrentUserPrincipal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	home, err := c.FindAddressBookHomeSet(ctx, principal)
	if err != nil {
		t.Fatal(err)
	}
	books, err := c.FindAddressBooks(ctx, home)
	if err != nil || len(books) != 1 || books[0].Name != "24/7 Network" {
		t.Fatalf("%+v: %v", books, err)
	}
	all := &carddav.AddressBookQuery{DataRequest: carddav.AddressDataRequest{AllProp: true}}
	objects, err := c.QueryAddressBook(ctx, books[0].Path, all)
	if err != nil || len(objects) != 4 {
		t.Fatalf("%d cards: %v", len(objects), err)
	}
	var paths []string
	for _, object := range objects {
		paths = append(paths, object.Path)
		if !strings.HasSuffix(object.Path, "XB-1.vcf") {
			continue
		}
		mails := object.Card.Values(vcard.FieldEmail)
		if object.Card.Value(vcard.FieldVersion) != "3.0" || len(mails) != 2 || mails[0] != desk.Beta || object.Card.Get(vcard.FieldKey) == nil {
			t.Errorf("card of XB-1: %+v", object.Card)
		}
	}
	again, err := c.MultiGetAddressBook(ctx, books[0].Path, &carddav.AddressBookMultiGet{Paths: paths, DataRequest: all.DataRequest})
	if err != nil || len(again) != 4 || again[0].ETag != objects[0].ETag {
		t.Errorf("%d cards by name: %v", len(again), err)
	}
	some, err := c.QueryAddressBook(ctx, books[0].Path, &carddav.AddressBookQuery{
		DataRequest: all.DataRequest,
		PropFilters: []carddav.PropFilter{{Name: vcard.FieldEmail, TextMatches: []carddav.TextMatch{{Text: "betaland", MatchType: carddav.MatchContains}}}},
	})
	if err != nil || len(some) != 1 {
		t.Errorf("%d cards with that address: %v", len(some), err)
	}
	if got := o.accesses(); got != "amy address-book; amy address-book "+id(paths[0])+"; amy address-book betaland" {
		t.Errorf("audit log: %s", got)
	}
	if _, err := c.PutAddressObject(ctx, books[0].Path+"XZ-1.vcf", objects[0].Card); err == nil {
		t.Error("a card was written")
	}
	if err := c.RemoveAll(ctx, paths[0]); err == nil {
		t.Error("a card was deleted")
	}
}

func id(path string) string {
	return strings.TrimSuffix(path[strings.LastIndex(path, "/")+1:], ".vcf")
}

func TestAddressBookOfAnAuditorHasNoAddresses(t *testing.T) {
	o := open(t)
	objects, err := o.carddav(desk.Aud).QueryAddressBook(t.Context(), "/carddav/staff/books/directory/", &carddav.AddressBookQuery{DataRequest: carddav.AddressDataRequest{AllProp: true}})
	if err != nil || len(objects) != 4 {
		t.Fatalf("%d cards: %v", len(objects), err)
	}
	for _, object := range objects {
		if object.Card.Get(vcard.FieldEmail) != nil || object.Card.Get(vcard.FieldKey) != nil {
			t.Errorf("%+v", object.Card)
		}
	}
}

// Only a peer fetches the Directory without searching it.
func TestRoles(t *testing.T) {
	for _, r := range accounts.Roles() {
		if r.MaySearch() == (r == accounts.Peer) {
			t.Errorf("%s may search: %v", r, r.MaySearch())
		}
		if r.MaySeeReach() && !r.MayFetchDirectory() {
			t.Errorf("%s sees every entry but may not have the file", r)
		}
	}
}
