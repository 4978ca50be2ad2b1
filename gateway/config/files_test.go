package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// installation writes a complete folder and returns the path of its file.
func installation(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{
		"relais.yaml":             read(t, "testdata/good/minimal.yaml"),
		"directory/authority.asc": "certificate",
		"keys/XA-1.asc":           "key",
		"staff.yaml":              "staff: []\n",
	} {
		put(t, dir, name, data)
	}
	cert, key := certificate(t)
	put(t, dir, "tls/cert.pem", cert)
	put(t, dir, "tls/key.pem", key)
	return filepath.Join(dir, "relais.yaml")
}

func TestLoadResolvesPathsAgainstTheFolderOfTheFile(t *testing.T) {
	path := installation(t)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for got, want := range map[string]string{
		c.DataDir: "data", c.Journal.Dir: "data/journal", c.VaultKeyFile(): "data/vault.key",
		c.Desks[0].KeyFiles[0]: "keys/XA-1.asc", c.StaffFile: "staff.yaml",
	} {
		if got != filepath.Join(dir, want) {
			t.Errorf("got %s, want %s in %s", got, want, dir)
		}
	}
	if c.ClocksFile != "" {
		t.Errorf("an empty path became %q", c.ClocksFile)
	}
	put(t, dir, "relais.yaml", read(t, path)+"journal: {dir: /srv/journal}\n")
	if c, err = Load(path); err != nil || c.Journal.Dir != "/srv/journal" {
		t.Errorf("absolute path: %v %v", c, err)
	}
}

func TestLoadChecksTheFilesItNames(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string // without the folder
	}{
		{"missing key", func(t *testing.T, dir string) { remove(t, dir, "keys/XA-1.asc") },
			":4: desks[0].key_files[0]: DIR/keys/XA-1.asc does not exist; relative paths start at the folder of the configuration file"},
		{"no staff yet", func(t *testing.T, dir string) { remove(t, dir, "staff.yaml") },
			":1: staff_file: DIR/staff.yaml does not exist; 'relais staff add' makes it"},
		{"open key", func(t *testing.T, dir string) { chmod(t, dir, "keys/XA-1.asc", 0o644) },
			":4: desks[0].key_files[0]: DIR/keys/XA-1.asc is open to other users of this machine (mode 0644); run: chmod 600 DIR/keys/XA-1.asc"},
		{"key that the group may read", func(t *testing.T, dir string) { chmod(t, dir, "keys/XA-1.asc", 0o640) },
			":4: desks[0].key_files[0]: DIR/keys/XA-1.asc is open to other users of this machine (mode 0640); run: chmod 600 DIR/keys/XA-1.asc"},
		{"staff file that others may write", func(t *testing.T, dir string) { chmod(t, dir, "staff.yaml", 0o622) },
			":1: staff_file: DIR/staff.yaml is open to other users of this machine (mode 0622); run: chmod 600 DIR/staff.yaml"},
		{"open key of the vault", func(t *testing.T, dir string) {
			put(t, dir, "data/vault.key", "key")
			chmod(t, dir, "data/vault.key", 0o604)
		}, ":1: data_dir: DIR/data/vault.key is open to other users of this machine (mode 0604); run: chmod 600 DIR/data/vault.key"},
		{"empty key", func(t *testing.T, dir string) { put(t, dir, "keys/XA-1.asc", "") },
			":4: desks[0].key_files[0]: DIR/keys/XA-1.asc is empty"},
		{"folder as key", func(t *testing.T, dir string) { remove(t, dir, "keys/XA-1.asc"); put(t, dir, "keys/XA-1.asc/x", "") },
			":4: desks[0].key_files[0]: DIR/keys/XA-1.asc is not a file"},
		{"no directory", func(t *testing.T, dir string) {
			remove(t, dir, "directory/authority.asc")
			remove(t, dir, "directory")
			put(t, dir, "directory", "x")
			put(t, dir, "a.asc", "x")
			put(t, dir, "relais.yaml", read(t, filepath.Join(dir, "relais.yaml"))+"directory: {authority_file: a.asc}\n")
		}, ":5: directory.dir: DIR/directory is not a folder"},
		{"data is a file", func(t *testing.T, dir string) { put(t, dir, "data", "x") },
			":1: data_dir: DIR/data is not a folder"},
		{"other certificate", func(t *testing.T, dir string) { cert, _ := certificate(t); put(t, dir, "tls/cert.pem", cert) },
			":2: tls.key_file: certificate and key cannot be used together: private key does not match public key"},
		{"no certificate authority", func(t *testing.T, dir string) {
			put(t, dir, "ca.pem", "nothing")
			put(t, dir, "relais.yaml", read(t, filepath.Join(dir, "relais.yaml"))+"relay: {ca_file: ca.pem}\n")
		}, ":5: relay.ca_file: DIR/ca.pem holds no certificate in PEM form"},
		{"value and file at once", func(t *testing.T, dir string) {
			chmod(t, dir, "tls/key.pem", 0o604)
			put(t, dir, "relais.yaml", read(t, filepath.Join(dir, "relais.yaml"))+"log: {level: loud}\n")
		}, ":2: tls.key_file: DIR/tls/key.pem is open to other users of this machine (mode 0604); run: chmod 600 DIR/tls/key.pem\n" +
			"DIR/relais.yaml:5: log.level: \"loud\" is not allowed; use \"debug\", \"info\", \"warn\" or \"error\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := installation(t)
			dir := filepath.Dir(path)
			tt.spoil(t, dir)
			_, err := Load(path)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != "DIR/relais.yaml"+tt.want {
				t.Errorf("got  %s\nwant %s", got, "DIR/relais.yaml"+tt.want)
			}
		})
	}
}

// With a keyholder the gateway does not look at the keys, and the keyholder at
// nothing else.
func TestEachProcessChecksItsOwnFiles(t *testing.T) {
	path := installation(t)
	dir := filepath.Dir(path)
	if _, err := LoadKeyholder(path); err == nil || !strings.Contains(err.Error(), "keyholder.socket: is not set") {
		t.Errorf("keyholder without a socket: %v", err)
	}
	put(t, dir, "relais.yaml", read(t, path)+"keyholder: {socket: run/socket}\n")
	c, err := LoadKeyholder(path)
	if err != nil || c.Keyholder.Socket != filepath.Join(dir, "run/socket") {
		t.Fatalf("%v, %v", c, err)
	}
	key := "desks[0].key_files[0]: " + filepath.Join(dir, "keys/XA-1.asc") + " does not exist"
	remove(t, dir, "keys/XA-1.asc")
	if _, err := Load(path); err != nil {
		t.Errorf("the gateway looks at the keys: %v", err)
	}
	if _, err := LoadKeyholder(path); err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("the keyholder misses the key: %v", err)
	}
	put(t, dir, "keys/XA-1.asc", "x")
	remove(t, dir, "staff.yaml")
	if _, err := LoadKeyholder(path); err != nil {
		t.Errorf("the keyholder looks at what is not its own: %v", err)
	}
	if _, err := Load(path); err == nil {
		t.Error("the gateway misses no staff file")
	}
}

func TestAHugeFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relais.yaml")
	if err := os.WriteFile(path, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
	for _, bomb := range []string{strings.Repeat("[", maxFile), strings.Repeat("a: {", maxFile/4), strings.Repeat("- ", maxFile/2) + "x", deepMapping()} {
		if _, err := Parse([]byte(bomb), "relais.yaml"); err == nil {
			t.Errorf("accepted %.20q...", bomb)
		}
	}
}

func deepMapping() string {
	var b strings.Builder
	for i := range 600 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"relais.alphaland.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func put(t *testing.T, dir, name, data string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, dir, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFoldersOfSecretsThatOthersMayChangeAreWarnings(t *testing.T) {
	path := installation(t)
	dir := filepath.Dir(path)
	for name, mode := range map[string]os.FileMode{".": 0o755, "keys": 0o770, "tls": 0o700} {
		chmod(t, dir, name, mode)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "the folder " + filepath.Join(dir, "keys") + " may be changed by other users of this machine (mode 0770); run: chmod go-w " + filepath.Join(dir, "keys")
	if got := c.Warnings(); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
