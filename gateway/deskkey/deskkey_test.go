package deskkey

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
)

const day = 24 * time.Hour

// desk writes keys, locked with the passphrase, and returns the desk that has
// them.
func desk(t *testing.T, passphrase string, keys ...*pgp.Key) config.Desk {
	t.Helper()
	d := config.Desk{ID: "XA-1"}
	dir := t.TempDir()
	for i, k := range keys {
		var p []byte
		if passphrase != "" {
			p = []byte(passphrase)
		}
		armored, err := k.Armor(p)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, string(rune('a'+i))+".asc")
		if err := os.WriteFile(path, armored, 0o600); err != nil {
			t.Fatal(err)
		}
		d.KeyFiles = append(d.KeyFiles, path)
	}
	if passphrase != "" {
		d.PassphraseFile = filepath.Join(dir, "passphrase")
		if err := os.WriteFile(d.PassphraseFile, []byte(passphrase+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func generate(t *testing.T, validFor time.Duration) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey("XA-1", "cp247@alphaland.example", pgp.Curve25519, time.Now().Add(-day).Truncate(time.Second), validFor)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreReadInOrder(t *testing.T) {
	first, second := generate(t, 0), generate(t, time.Hour)
	c := &config.Config{Desks: []config.Desk{desk(t, "open sesame", first, second)}}
	set, err := ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []*pgp.Key{first, second} {
		if got := set["XA-1"][i].Certificate().Fingerprint(); got != want.Certificate().Fingerprint() {
			t.Errorf("key %d is %s", i, got)
		}
	}
	if problems := set.Problems(c, time.Now()); len(problems) > 0 {
		t.Errorf("an old key that only decrypts is no problem: %v", problems)
	}
	set["XA-1"] = set["XA-1"][1:]
	if problems := set.Problems(c, time.Now()); len(problems) != 1 || !strings.Contains(problems[0].Error(), "desk XA-1: certificate") || !strings.Contains(problems[0].Error(), "expired") {
		t.Errorf("an expired key that should sign: %v", problems)
	}
}

func TestErrorsNameTheDeskAndTheFile(t *testing.T) {
	key := generate(t, 0)
	for name, tt := range map[string]struct {
		spoil func(*config.Desk) error
		want  string
	}{
		"wrong passphrase":  {func(d *config.Desk) error { return os.WriteFile(d.PassphraseFile, []byte("x"), 0o600) }, "KEY: unlocking private key: the passphrase is wrong"},
		"no passphrase":     {func(d *config.Desk) error { return os.WriteFile(d.PassphraseFile, nil, 0o600) }, "passphrase is empty"},
		"open passphrase":   {func(d *config.Desk) error { return os.Chmod(d.PassphraseFile, 0o644) }, "run: chmod 600"},
		"open key":          {func(d *config.Desk) error { return os.Chmod(d.KeyFiles[0], 0o640) }, "KEY is open to other users"},
		"missing key":       {func(d *config.Desk) error { return os.Remove(d.KeyFiles[0]) }, "KEY: no such file"},
		"certificate":       {func(d *config.Desk) error { return os.WriteFile(d.KeyFiles[0], key.Certificate().Armor(), 0o600) }, "KEY: reading private key"},
		"credential absent": {func(d *config.Desk) error { d.PassphraseFile, d.PassphraseCredential = "", "pass"; return nil }, `credential "pass": CREDENTIALS_DIRECTORY is not set`},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", "")
		d := desk(t, "open sesame", key)
		if err := tt.spoil(&d); err != nil {
			t.Fatal(err)
		}
		_, err := Read(d)
		if err == nil || !strings.HasPrefix(err.Error(), "desk XA-1: ") || !strings.Contains(err.Error(), strings.Replace(tt.want, "KEY", d.KeyFiles[0], 1)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(config.Desk{ID: "XA-1", KeyFiles: []string{"/nonexistent"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
