// Package desk gives the tests of single packages what a gateway stands on: an
// embedded queue, a vault, and a Directory of invented contact points whose
// keys the tests hold.
package desk

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/accounts"
	"relais.example/gateway/vault"
	"relais.example/routing/classify"
	"relais.example/routing/deadline"
	"relais.example/routing/directory"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Hostname of the gateway.
const Hostname = "relais.alphaland.example"

// The contact points. XA-1 and XC-1 have a desk here, the others are remote.
const (
	Alpha   = "cp247@alphaland.example"  // XA-1
	Beta    = "cp247@betaland.example"   // XB-1
	BetaTwo = "second@betaland.example"  // XB-1, too
	Gamma   = "cp247@gammaland.example"  // XC-1
	Delta   = "cp247@deltaland.example"  // XD-1
	Nobody  = "someone@nowhere.example"  // not listed
	Amy     = "amy"                      // officer of XA-1
	Ann     = "ann"                      // another
	Sue     = "sue"                      // supervisor of XA-1
	Aud     = "aud"                      // auditor of XA-1
	Adm     = "adm"                      // administrator of XA-1
	Carl    = "carl"                     // officer of XC-1
	secret  = "correct horse battery st" // everybody's password
)

// Password of every account.
const Password = secret

// addresses by contact point.
var addresses = map[string][]string{"XA-1": {Alpha}, "XB-1": {Beta, BetaTwo}, "XC-1": {Gamma}, "XD-1": {Delta}}

// makeKeys makes the keys once for all tests of a program; "stranger" is in no
// Directory, the one of XD-1 expires.
var makeKeys = sync.OnceValues(func() (map[string]*pgp.Key, error) {
	keys := map[string]*pgp.Key{}
	for _, id := range []string{"XA-1", "XB-1", "XC-1", "XD-1", "stranger"} {
		address := Nobody
		if a := addresses[id]; a != nil {
			address = a[0]
		}
		validFor := time.Duration(0)
		if id == "XD-1" {
			validFor = 5 * 365 * 24 * time.Hour
		}
		k, err := pgp.GenerateKey("Contact point "+id, address, pgp.Curve25519, time.Now().Add(-30*24*time.Hour).Truncate(time.Second), validFor)
		if err != nil {
			return nil, err
		}
		keys[id] = k
	}
	return keys, nil
})

var hashPassword = sync.OnceValues(func() (string, error) { return accounts.Hash(secret) })

// Desk is a gateway without its ports.
type Desk struct {
	t          testing.TB
	Client     redis.UniversalClient
	Queue      *queue.Queue
	Vault      *vault.Vault
	Directory  *directory.Directory
	Keys       map[string]*pgp.Key
	Clocks     *deadline.Clocks
	Classifier *classify.Classifier
	Accounts   *accounts.Set
	StaffFile  string
	JournalDir string
	Logged     *Buffer // what was logged
	Log        *slog.Logger
}

// Open starts it; it ends with the test.
func Open(t testing.TB) *Desk {
	t.Helper()
	d := &Desk{t: t, Logged: &Buffer{}}
	d.Log = slog.New(slog.NewTextHandler(d.Logged, nil))
	var err error
	if d.Keys, err = makeKeys(); err != nil {
		t.Fatal(err)
	}
	if d.Clocks, err = deadline.Default(); err != nil {
		t.Fatal(err)
	}
	if d.Classifier, err = classify.Default(); err != nil {
		t.Fatal(err)
	}
	d.Directory = d.Document(1)
	d.openStaff()
	if d.Vault, err = vault.Open(t.TempDir(), bytes.Repeat([]byte{7}, vault.KeySize), nil); err != nil {
		t.Fatal(err)
	}
	d.JournalDir = t.TempDir()
	var stop func()
	d.Client, stop = queue.Embedded()
	if d.Queue, err = queue.Open(queue.Options{Client: d.Client, Embedded: true, JournalDir: d.JournalDir, Desks: []string{"XA-1", "XC-1"}, Timeout: 5 * time.Second, Log: d.Log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Queue.Close(); stop(); d.Vault.Close() })
	d.Wait("the queue", func() bool { return d.Queue.Ready() == nil })
	return d
}

// Document returns a Directory of that version without the contact points
// named in without.
func (d *Desk) Document(version uint64, without ...string) *directory.Directory {
	d.t.Helper()
	doc := &directory.Document{Format: directory.Format, Version: version, Issued: time.Now().Add(-time.Hour).UTC().Truncate(time.Second)}
	for _, id := range []string{"XA-1", "XB-1", "XC-1", "XD-1"} {
		cp := directory.ContactPoint{ID: id, Role: directory.Police, Institution: "Unité " + id, Addresses: addresses[id], Hours: "24/7", Zone: "UTC",
			CertificatesArmored: []string{string(d.Keys[id].Certificate().Armor())}}
		party := directory.Party{Code: id[:2], Names: map[string]string{"en": "Country of " + id}, ContactPoints: []directory.ContactPoint{cp}}
		for _, w := range without {
			if w == id {
				party.ContactPoints = nil
			}
		}
		doc.Parties = append(doc.Parties, party)
	}
	text, err := doc.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	parsed, err := directory.Parse(text)
	if err != nil {
		d.t.Fatal(err)
	}
	dir, err := directory.New(parsed)
	if err != nil {
		d.t.Fatal(err)
	}
	return dir
}

func (d *Desk) openStaff() {
	d.t.Helper()
	hash, err := hashPassword()
	if err != nil {
		d.t.Fatal(err)
	}
	d.StaffFile = filepath.Join(d.t.TempDir(), "staff.yaml")
	for _, a := range []accounts.Account{
		{User: Amy, Desk: "XA-1", Role: accounts.Officer, Name: "Amy Adams", Address: "amy@alphaland.example"},
		{User: Ann, Desk: "XA-1", Role: accounts.Officer, Name: "Ann"},
		{User: Sue, Desk: "XA-1", Role: accounts.Supervisor, Name: "Sue"},
		{User: Aud, Desk: "XA-1", Role: accounts.Auditor, Name: "Aud"},
		{User: Adm, Desk: "XA-1", Role: accounts.Admin, Name: "Adm"},
		{User: Carl, Desk: "XC-1", Role: accounts.Officer, Name: "Carl"},
	} {
		a.PasswordHash = hash
		if err := accounts.Add(d.StaffFile, a); err != nil {
			d.t.Fatal(err)
		}
	}
	if d.Accounts, err = accounts.Load(d.StaffFile); err != nil {
		d.t.Fatal(err)
	}
}

// Staff returns the account of user.
func (d *Desk) Staff(user string) accounts.Account {
	d.t.Helper()
	a, ok := d.Accounts.Account(user)
	if !ok {
		d.t.Fatalf("no account %s", user)
	}
	return a
}

// ChangeDirectory puts a changed copy of the Directory in force.
func (d *Desk) ChangeDirectory(change func(*directory.Document)) {
	d.t.Helper()
	text, err := d.Directory.Document().Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	doc, err := directory.Parse(text)
	if err != nil {
		d.t.Fatal(err)
	}
	change(doc)
	if d.Directory, err = directory.New(doc); err != nil {
		d.t.Fatal(err)
	}
}

// Current is the Directory of the gateway, for the options of its parts.
func (d *Desk) Current() *directory.Directory { return d.Directory }

// At returns the desk with that identifier.
func (d *Desk) At(id string) *queue.Desk {
	d.t.Helper()
	q, ok := d.Queue.Desk(id)
	if !ok {
		d.t.Fatalf("no desk %s", id)
	}
	return q
}

// State returns a request of XA-1.
func (d *Desk) State(ref request.Reference) request.State {
	d.t.Helper()
	s, err := d.At("XA-1").State(d.t.Context(), ref)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// Commit changes the desk XA-1.
func (d *Desk) Commit(f func(*queue.Tx) error) {
	d.t.Helper()
	if _, err := d.At("XA-1").Commit(d.t.Context(), f); err != nil {
		d.t.Fatal(err)
	}
}

// Folder returns the messages in a folder of XA-1.
func (d *Desk) Folder(name string) []mailbox.Entry {
	d.t.Helper()
	box, ok := d.At("XA-1").Mailbox(name)
	if !ok {
		d.t.Fatalf("no folder %s", name)
	}
	entries, _ := box.Snapshot()
	return entries
}

// Body returns what is stored as item.
func (d *Desk) Body(item string) string {
	d.t.Helper()
	b, err := d.Vault.Get(d.t.Context(), item)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// Seal signs and encrypts a message from one contact point to another. Empty
// fields of the draft are filled in.
func (d *Desk) Seal(from, to string, draft pgpmime.Draft) []byte {
	d.t.Helper()
	if draft.From == "" {
		draft.From = addresses[from][0]
	}
	if draft.To == nil {
		draft.To = addresses[to][:1]
	}
	if draft.Date.IsZero() {
		draft.Date = time.Now()
	}
	raw, err := pgpmime.Seal(draft, d.Keys[from], []*pgp.Certificate{d.Keys[to].Certificate()}, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// Open opens a message with the key of a contact point.
func (d *Desk) Open(raw []byte, with string) *pgpmime.Message {
	d.t.Helper()
	m, err := pgpmime.Open(raw, pgpmime.Options{Keys: []*pgp.Key{d.Keys[with]}, Ring: d.Directory.Ring(), Policy: pgp.DefaultPolicy(), At: time.Now()})
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// Wait waits for a condition.
func (d *Desk) Wait(what string, ok func() bool) {
	d.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: not within 20 s\n%s", what, d.Logged)
		}
	}
}

// Buffer is a bytes.Buffer for several goroutines.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
