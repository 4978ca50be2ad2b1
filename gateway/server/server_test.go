package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"relais.example/configs"
	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
	"relais.example/gateway/setup"
	"relais.example/gateway/smtpout"
	"relais.example/routing/classify"
	"relais.example/routing/directory"
	"relais.example/test/desk"
)

// installation is a folder that setup has written.
type installation struct {
	t       *testing.T
	dir     string
	written *setup.Written
	logged  *desk.Buffer
}

func install(t *testing.T, change ...func(*setup.Installation)) *installation {
	t.Helper()
	point := func(id, address string) directory.ContactPoint {
		return directory.ContactPoint{ID: id, Role: directory.Police, Institution: id, Addresses: []string{address}, Hours: "24/7", Zone: "UTC"}
	}
	in := setup.Installation{
		Hostname: "localhost", Algorithm: pgp.Curve25519, Desks: []string{"XA-1"},
		Listen: map[string]string{"mx": "127.0.0.1:0", "submission": "127.0.0.1:0", "submissions": "127.0.0.1:0", "imap": "127.0.0.1:0", "imaps": "127.0.0.1:0", "http": "127.0.0.1:0"},
		Parties: []directory.Party{
			{Code: "XA", Names: map[string]string{"en": "Alphaland"}, ContactPoints: []directory.ContactPoint{point("XA-1", desk.Alpha)}},
			{Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{point("XB-1", desk.Beta)}},
		},
		Staff: []accounts.Account{{User: "amy", Desk: "XA-1", Role: accounts.Officer, Name: "Amy"}},
	}
	for _, f := range change {
		f(&in)
	}
	i := &installation{t: t, dir: filepath.Join(t.TempDir(), "relais"), logged: &desk.Buffer{}}
	var err error
	if i.written, err = in.Write(i.dir); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *installation) path(name string) string { return filepath.Join(i.dir, name) }

// open starts the gateway up to the point where its ports are bound.
func (i *installation) open() (*Server, error) {
	i.t.Helper()
	c, err := config.Load(i.written.Config)
	if err != nil {
		return nil, err
	}
	return New(c, "test", slog.New(slog.NewTextHandler(i.logged, nil)))
}

// run starts the gateway and waits until it is ready. stop ends it and returns
// what Run returned.
func (i *installation) run() (s *Server, stop func() error) {
	i.t.Helper()
	s, stop = i.launch()
	i.wait("ready", func() bool { return s.Ready() == nil })
	return s, stop
}

// launch starts the gateway, ready or not.
func (i *installation) launch() (s *Server, stop func() error) {
	i.t.Helper()
	s, err := i.open()
	if err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(i.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = func() error {
		cancel()
		err, open := <-done
		if open {
			close(done)
		}
		return err
	}
	i.t.Cleanup(func() { stop() })
	return s, stop
}

func (i *installation) wait(what string, ok func() bool) {
	i.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			i.t.Fatalf("%s: not within 20 s\n%s", what, i.logged)
		}
	}
}

// publish signs another version of the Directory and places it.
func (i *installation) publish(version uint64, change func(*directory.Document)) {
	i.t.Helper()
	b, err := os.ReadFile(i.path("directory/directory.json"))
	if err != nil {
		i.t.Fatal(err)
	}
	doc, err := directory.Parse(b)
	if err != nil {
		i.t.Fatal(err)
	}
	doc.Version, doc.Issued = version, time.Now().UTC().Truncate(time.Second)
	change(doc)
	text, err := doc.Encode()
	if err != nil {
		i.t.Fatal(err)
	}
	signature, _, err := directory.Sign(text, i.written.Authority, time.Now(), false)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(i.path("directory/directory.json"), text, 0o600), os.WriteFile(i.path("directory/directory.json.asc"), signature, 0o600)); err != nil {
		i.t.Fatal(err)
	}
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	stranger, err := pgp.GenerateKey("Stranger", desk.Nobody, pgp.Curve25519, time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := stranger.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		spoil func(i *installation) error
		want  string
	}{
		"no staff":             {func(i *installation) error { return os.Remove(i.path("staff.yaml")) }, "staff"},
		"a key that is no key": {func(i *installation) error { return os.WriteFile(i.path("keys/XA-1.asc"), []byte("x"), 0o600) }, "XA-1"},
		"a key that the Directory does not list": {func(i *installation) error { return os.WriteFile(i.path("keys/XA-1.asc"), armored, 0o600) },
			"does not list its key " + stranger.Certificate().Fingerprint()},
		"another authority": {func(i *installation) error {
			return os.WriteFile(i.path("directory/authority.asc"), stranger.Certificate().Armor(), 0o600)
		}, "director"},
		"two authorities":            {twoAuthorities, "2 certificates"},
		"a Directory without desk":   {func(i *installation) error { i.publish(2, without("XA-1")); return nil }, "has no such contact point"},
		"a key for TLS that differs": {func(i *installation) error { return os.WriteFile(i.path("tls/key.pem"), []byte("x"), 0o600) }, "tls"},
		"a vault without its key":    {spoilVault, "vault.key is missing"},
		"a vault with another key": {func(i *installation) error {
			return errors.Join(spoilVault(i), os.WriteFile(i.path("data/vault.key"), make([]byte, 32), 0o600))
		}, "another key"},
	} {
		t.Run(name, func(t *testing.T) {
			i := install(t)
			if err := tt.spoil(i); err != nil {
				t.Fatal(err)
			}
			s, err := i.open()
			if err == nil {
				s.close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "%!") {
				t.Errorf("got %v, want an error about %q", err, tt.want)
			}
		})
	}
}

func twoAuthorities(i *installation) error {
	b, err := os.ReadFile(i.path("directory/authority.asc"))
	if err != nil {
		return err
	}
	other := i.written.Keys["XB-1"].Certificate().Armor()
	return os.WriteFile(i.path("directory/authority.asc"), append(b, append([]byte("\n"), other...)...), 0o600)
}

func without(id string) func(*directory.Document) {
	return func(doc *directory.Document) {
		for i := range doc.Parties {
			if cps := doc.Parties[i].ContactPoints; len(cps) > 0 && cps[0].ID == id {
				doc.Parties[i].ContactPoints = nil
			}
		}
	}
}

// spoilVault stores something, and takes the key away.
func spoilVault(i *installation) error {
	s, err := i.open()
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.vault.Put(i.t.Context(), []byte("body")); err != nil {
		return err
	}
	return os.Remove(i.path("data/vault.key"))
}

// The key may lie elsewhere than the vault: that it is missing must be noticed
// all the same.
func TestMissingVaultKeyElsewhereIsNotReplaced(t *testing.T) {
	i := install(t, func(in *setup.Installation) {
		in.More = map[string]any{"vault": map[string]string{"key_file": "secret/vault.key"}}
	})
	if err := os.Mkdir(i.path("secret"), 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := readVaultKey(i.path("secret/vault.key"), i.path("data/vault"))
	if err != nil || len(key) != 32 {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	s, err := i.open()
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	if err := os.Remove(i.path("secret/vault.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := readVaultKey(i.path("secret/vault.key"), i.path("data/vault")); err == nil || !strings.Contains(err.Error(), "from its backup") {
		t.Errorf("got %v, want a refusal", err)
	}
	if _, err := os.Stat(i.path("secret/vault.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("another key was made")
	}
}

func TestSecondGatewayIsKeptOffTheFolder(t *testing.T) {
	i := install(t)
	_, stop := i.run()
	if s, err := i.open(); err == nil || !strings.Contains(err.Error(), "in use by another gateway") {
		s.close()
		t.Errorf("got %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	s, err := i.open() // after the first one has ended
	if err != nil {
		t.Fatal(err)
	}
	s.close()
}

func TestStopIsOrderlyAndLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	i := install(t)
	s, stop := i.run()
	var addresses []string
	for _, service := range []string{"mx", "submission", "submissions", "imap", "imaps", "http"} {
		address := s.Addr(service)
		addresses = append(addresses, address)
		c, err := net.Dial("tcp", address) // a client that says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	started := time.Now()
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	for _, a := range addresses {
		if c, err := net.Dial("tcp", a); err == nil {
			c.Close()
			t.Errorf("%s still answers", a)
		}
	}
	i.wait("all goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 })
	if strings.Contains(i.logged.String(), "level=ERROR") {
		t.Errorf("log:\n%s", i.logged)
	}
}

func TestReloadTakesWhatIsRightAndKeepsTheRest(t *testing.T) {
	i := install(t)
	s, _ := i.run()
	version := func() uint64 { return s.directory.Current().Version() }

	i.publish(2, func(*directory.Document) {})
	if err := s.Reload(); err != nil || version() != 2 {
		t.Fatalf("version %d, %v", version(), err)
	}
	i.publish(1, func(*directory.Document) {})
	if err := s.Reload(); !errors.Is(err, directory.ErrRollback) || version() != 2 {
		t.Errorf("rollback: version %d, %v", version(), err)
	}
	i.publish(3, func(*directory.Document) {})

	good, err := os.ReadFile(i.path("staff.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(i.path("staff.yaml"), []byte("staff: ["), 0o600), os.WriteFile(i.path("tls/key.pem"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	err = s.Reload()
	if err == nil || !strings.Contains(err.Error(), "staff") || !strings.Contains(err.Error(), "tls") || version() != 3 {
		t.Errorf("version %d, %v; want the Directory taken and both faults named", version(), err)
	}
	if _, ok := s.accounts.Account("amy"); !ok {
		t.Error("the old accounts are gone")
	}
	c, err := tls.Dial("tcp", s.Addr("imaps"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"imap"}})
	if err != nil {
		t.Fatalf("the old certificate is gone: %v", err)
	}
	c.Close()
	if err := os.WriteFile(i.path("staff.yaml"), good, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReloadTakesNewVocabulary: words that a lawyer changed count from the next
// message on; faulty ones change nothing.
func TestReloadTakesNewVocabulary(t *testing.T) {
	i := install(t)
	words := t.TempDir()
	builtIn, err := fs.Sub(configs.Vocabulary, "vocabulary")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(words, builtIn); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(i.written.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.written.Config, append(text, "\nvocabulary_dir: "+words+"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := i.run()
	body := "Wobbegong the kelp, then frobnicate. Please wobbegong it."
	asks := func() bool {
		for _, c := range s.classifier.Classify(classify.Input{Body: body}).Candidates {
			for _, e := range c.Evidence {
				if e.Rule == "ping-word" {
					return true
				}
			}
		}
		return false
	}
	if asks() {
		t.Fatal("an unknown word speaks for a test")
	}
	path := filepath.Join(words, "zz.yaml")
	if err := os.WriteFile(path, []byte("families: {ping: [wobbegong]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil || !asks() {
		t.Errorf("the new word does not count: %v", err)
	}
	if err := os.WriteFile(path, []byte("families: {nonsense: [wobbegong]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "zz.yaml") && !strings.Contains(err.Error(), "nonsense") || !asks() {
		t.Errorf("a faulty vocabulary: %v; want it named and the one before kept", err)
	}
}

// A Directory that no longer knows a desk is in force all the same: it is the
// authority's. It must be seen at once.
func TestDirectoryThatDropsADeskIsAnAlarm(t *testing.T) {
	for name, change := range map[string]func(*installation, *directory.Document){
		"dropped": func(_ *installation, doc *directory.Document) { without("XA-1")(doc) },
		"another key": func(i *installation, doc *directory.Document) {
			k, err := pgp.GenerateKey("New", desk.Alpha, pgp.Curve25519, time.Now().Add(-time.Hour), 0)
			if err != nil {
				i.t.Fatal(err)
			}
			doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{string(k.Certificate().Armor())}
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := install(t)
			s, _ := i.run()
			i.publish(2, func(doc *directory.Document) { change(i, doc) })
			if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "desk XA-1") {
				t.Errorf("reload: %v", err)
			}
			if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "desk XA-1") {
				t.Errorf("ready: %v", err)
			}
			resp, err := http.Get("http://" + s.Addr("http") + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(i.logged.String(), "level=ERROR") {
				t.Errorf("/readyz answers %d", resp.StatusCode)
			}
		})
	}
}

func TestSecretsAreForTheirOwnerOnly(t *testing.T) {
	i := install(t)
	_, stop := i.run()
	stop()
	public := map[string]bool{"cert.pem": true, "ca.pem": true, "authority.asc": true}
	err := filepath.WalkDir(i.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := d.Name()
		if info.Mode().Perm()&0o077 != 0 && !public[name] && !strings.HasSuffix(name, "-public.asc") && path != i.dir {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAuthoritiesOfTheRelay(t *testing.T) {
	i := install(t)
	ca := i.path("tls/ca.pem")
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	both := system.Clone()
	b, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	both.AddCert(certificate)
	further, err := furtherAuthorities(ca)
	if err != nil || !further.Equal(both) {
		t.Errorf("relay.ca_file takes the place of the system's authorities: %v", err)
	}
	if none, err := furtherAuthorities(""); none != nil || err != nil {
		t.Errorf("without a file: %v, %v", none, err)
	}
	for security, want := range map[string]*x509.CertPool{"required": further, "opportunistic": nil, "none": nil} {
		if hop, err := nextHop("mx.betaland.example:25", security, "", "", further); err != nil || hop.TLS.CAs != want || hop.TLS.Security != smtpout.Security(security) {
			t.Errorf("%s: %+v, %v", security, hop, err)
		}
	}
	own := x509.NewCertPool()
	own.AddCert(certificate)
	if hop, err := nextHop("mx.betaland.example:465", "pinned", ca, "", further); err != nil || !hop.TLS.CAs.Equal(own) || !hop.ImplicitTLS {
		t.Errorf("pinned: %+v, %v", hop, err)
	}
}

// Every setting has an effect: its field is read outside of the package that
// defines it.
func TestEverySettingHasAnEffect(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*.go", "../deskkey/*.go", "../../cmd/relais/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	// Read through a method of Config, or allowed one value only.
	other := map[string]string{"Vault.KeyFile": "VaultKeyFile()", "Redis.URL": "Redis.Embedded()", "Policy.Reasons": "Policy.Verdicts()", "Relay.Helo": "HeloName()", "Desks.Inbox": "",
		"Policy.SHA1CertificatesUntil": "Policy.SHA1()", "Policy.SHA1Waivers.Until": "Policy.SHA1()", "Policy.SHA1Waivers.Reason": ""} // for people
	seen := 0
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			inner := f.Type
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			name := strings.TrimPrefix(prefix+"."+f.Name, ".")
			if inner.Kind() == reflect.Struct {
				walk(name, inner)
				continue
			}
			seen++
			use, ok := other[name]
			if !ok {
				use = "." + f.Name
			}
			if !strings.Contains(source.String(), use) {
				t.Errorf("%s is read nowhere", name)
			}
		}
	}
	walk("", reflect.TypeFor[config.Config]())
	if seen < 40 {
		t.Errorf("only %d settings found", seen)
	}
}
