package interop

import (
	"embed"
	"strings"
	"sync"
	"testing"

	"relais.example/crypto/pgp"
)

// The keys are throw-away keys of these tests, valid since 2025-01-01, without
// an end. testdata/README.md says which program made them.
//
//go:embed testdata/keys/*.asc
var keyFiles embed.FS

// algorithms of sender-* and desk-*.
var algorithms = []string{"curve25519", "rsa2048", "rsa3072", "rsa4096", "nistp256", "nistp384", "nistp521", "v6"}

// curve is the pair of keys that the message shapes are tried with.
const (
	sender = "sender-curve25519"
	desk   = "desk-curve25519"
	third  = "third-curve25519" // another recipient
	aead   = "desk-aead"        // announces AEAD as RFC 9580 has it, v4
	locked = "desk-v6-argon2"   // its passphrase is "interop"
)

var keyNames = sync.OnceValue(func() (names []string) {
	entries, err := keyFiles.ReadDir("testdata/keys")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".asc"); name != locked {
			names = append(names, name)
		}
	}
	return names
})

func secretKey(t testing.TB, name string) string {
	t.Helper()
	text, err := keyFiles.ReadFile("testdata/keys/" + name + ".asc")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// address is how a key is named by its user id.
func address(name string) string {
	if strings.HasPrefix(name, "sender") {
		return name + "@betaland.example"
	}
	return name + "@alphaland.example"
}

var keyCache sync.Map

// key reads a key with our own code, once.
func key(t testing.TB, name string) *pgp.Key {
	t.Helper()
	if k, ok := keyCache.Load(name); ok {
		return k.(*pgp.Key)
	}
	k, err := pgp.ReadKey([]byte(secretKey(t, name)), []byte("interop"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	keyCache.Store(name, k)
	return k
}

func fingerprint(t testing.TB, name string) string {
	t.Helper()
	return key(t, name).Certificate().Fingerprint()
}
