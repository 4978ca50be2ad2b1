package imapd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"relais.example/routing/mailbox"
)

// fakeStore is an in-memory desk: one account tree shared by all its users.
type fakeStore struct {
	mu     sync.Mutex
	boxes  map[string]*mailbox.Mailbox
	next   map[string]uint32
	bodies map[string][]byte
	seen   []string // users who asked for changes
	fail   error    // returned by every change
	logins atomic.Int32
}

func newFakeStore() *fakeStore {
	f := &fakeStore{boxes: map[string]*mailbox.Mailbox{}, next: map[string]uint32{}, bodies: map[string][]byte{}}
	for i, name := range mailbox.Names() {
		f.boxes[name] = mailbox.New(name, uint32(1000+i))
		f.next[name] = 1
	}
	return f
}

func (f *fakeStore) Authenticate(_ context.Context, user, password, remote string) (Account, error) {
	f.logins.Add(1)
	switch {
	case user == "down":
		return nil, errors.New("the account database is away")
	case user == "locked":
		return nil, &Refused{imap.ResponseCodeLimit, "too many failed logins, wait a minute"}
	case password != "secret":
		return nil, ErrBadCredentials
	}
	return &fakeAccount{f, user}, nil
}

type fakeAccount struct {
	*fakeStore
	user string
}

func (a *fakeAccount) User() string { return a.user }

func (a *fakeAccount) Mailboxes() []MailboxInfo {
	use := map[string]imap.MailboxAttr{
		mailbox.Drafts: imap.MailboxAttrDrafts, mailbox.Sent: imap.MailboxAttrSent,
		mailbox.Archive: imap.MailboxAttrArchive, mailbox.Trash: imap.MailboxAttrTrash,
	}
	var list []MailboxInfo
	for _, name := range mailbox.Names() {
		list = append(list, MailboxInfo{name, use[name]})
	}
	return list
}

func (a *fakeAccount) Mailbox(name string) (*mailbox.Mailbox, bool) {
	m, ok := a.boxes[name]
	return m, ok
}

func (a *fakeAccount) Body(_ context.Context, item string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, ok := a.bodies[item]
	if !ok {
		return nil, errors.New("the vault is away")
	}
	return body, nil
}

func (f *fakeStore) deliver(box string, body string, flags ...string) uint32 {
	uid, _ := f.add(box, NewMessage{Flags: flags, Received: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Body: []byte(body)})
	return uid
}

func (f *fakeStore) add(box string, m NewMessage) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return 0, f.fail
	}
	uid := f.next[box]
	f.next[box]++
	item := fmt.Sprintf("%s-%d", box, uid)
	f.bodies[item] = m.Body
	f.boxes[box].Add(mailbox.Entry{UID: uid, Item: item, Size: int64(len(m.Body)), Received: m.Received, Flags: m.Flags})
	return uid, nil
}

func (a *fakeAccount) Append(_ context.Context, box string, m NewMessage) (uint32, error) {
	return a.add(box, m)
}

func (a *fakeAccount) Store(_ context.Context, box string, uids []uint32, add, remove []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.seen = append(a.seen, a.user)
	for _, uid := range uids {
		a.boxes[box].SetFlags(uid, add, remove)
	}
	return nil
}

func (a *fakeAccount) Copy(_ context.Context, from string, uids []uint32, to string) ([]UIDPair, error) {
	var pairs []UIDPair
	for _, uid := range uids {
		e, ok := a.boxes[from].Entry(uid)
		if !ok {
			continue
		}
		a.mu.Lock()
		body := a.bodies[e.Item]
		a.mu.Unlock()
		target, err := a.add(to, NewMessage{Flags: e.Flags, Received: e.Received, Body: body})
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, UIDPair{uid, target})
	}
	return pairs, nil
}

func (a *fakeAccount) Move(ctx context.Context, from string, uids []uint32, to string) ([]UIDPair, error) {
	pairs, err := a.Copy(ctx, from, uids, to)
	if err != nil {
		return nil, err
	}
	return pairs, a.Expunge(ctx, from, uids)
}

func (a *fakeAccount) Expunge(_ context.Context, box string, uids []uint32) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	for _, uid := range uids {
		a.boxes[box].Expunge(uid)
	}
	return nil
}

// fakeObserver counts by event.
type fakeObserver struct {
	mu       sync.Mutex
	counts   map[string]int
	panicked chan struct{} // may be nil
}

func (o *fakeObserver) count(event string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = map[string]int{}
	}
	o.counts[event]++
}

func (o *fakeObserver) get(event string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[event]
}

func (o *fakeObserver) ConnectionOpened()               { o.count("opened") }
func (o *fakeObserver) ConnectionClosed()               { o.count("closed") }
func (o *fakeObserver) ConnectionRefused(reason string) { o.count("refused " + reason) }
func (o *fakeObserver) Login(result string)             { o.count("login " + result) }
func (o *fakeObserver) Panic() {
	o.count("panic")
	if o.panicked != nil {
		o.panicked <- struct{}{}
	}
}
func (o *fakeObserver) Command(name, result string, _ time.Duration) {
	o.count(name + " " + result)
}

// rig is a running server with its desk.
type rig struct {
	*fakeStore
	server   *Server
	observed *fakeObserver
	plain    string // address with STARTTLS
	tls      string // address with TLS
	pool     *x509.CertPool
	pem      []byte
}

// newRig starts a server on two free ports and stops it after the test.
func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	config, pool, pem := testTLS(t)
	r := &rig{fakeStore: newFakeStore(), observed: &fakeObserver{}, pool: pool, pem: pem}
	o := Options{Store: r.fakeStore, TLS: config, Observe: r.observed, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	r.server = New(o)
	served := make(chan error, 2)
	r.plain = listen(t, served, r.server.Serve)
	r.tls = listen(t, served, r.server.ServeTLS)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
		if n := r.observed.get("panic"); n != 0 {
			t.Errorf("%d connections ended by a panic", n)
		}
		if o, c := r.observed.get("opened"), r.observed.get("closed"); o != c {
			t.Errorf("%d connections opened, %d closed", o, c)
		}
	})
	return r
}

func listen(t testing.TB, served chan<- error, serve func(net.Listener) error) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- serve(ln) }()
	return ln.Addr().String()
}

func testTLS(t testing.TB) (*tls.Config, *x509.CertPool, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool, pemCert(der)
}

// client logs in over TLS.
func (r *rig) client(t testing.TB, options *imapclient.Options) *imapclient.Client {
	t.Helper()
	if options == nil {
		options = &imapclient.Options{}
	}
	options.TLSConfig = &tls.Config{RootCAs: r.pool}
	c, err := imapclient.DialTLS(r.tls, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login("officer", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) selected(t testing.TB, box string, options *imapclient.Options) *imapclient.Client {
	t.Helper()
	c := r.client(t, options)
	if _, err := c.Select(box, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// view returns the UIDs of a folder as the store has them.
func (f *fakeStore) view(box string) []uint32 {
	entries, _ := f.boxes[box].Snapshot()
	uids := []uint32{}
	for _, e := range entries {
		uids = append(uids, e.UID)
	}
	return uids
}

func (f *fakeStore) flagsOf(box string, uid uint32) []string {
	e, _ := f.boxes[box].Entry(uid)
	return slices.Clone(e.Flags)
}
