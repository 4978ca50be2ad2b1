package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relais.example/gateway/vault"
)

var key = bytes.Repeat([]byte{7}, vault.KeySize)

func open(t *testing.T, dir string, key []byte) *vault.Vault {
	t.Helper()
	v, err := vault.Open(dir, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func bodies() [][]byte {
	return [][]byte{
		{}, []byte("who holds 192.0.2.7?\r\n"),
		bytes.Repeat([]byte("x"), 256<<10-1), bytes.Repeat([]byte("large"), 100_000),
	}
}

func TestBodiesComeBackAfterRestart(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir, key)
	names, err := v.Put(t.Context(), bodies()...)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v = open(t, dir, key)
	more, err := v.Put(t.Context(), []byte("later"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range append(bodies(), []byte("later")) {
		got, err := v.Get(t.Context(), append(names, more...)[i])
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("body %d: %d bytes, %v; want %d bytes", i, len(got), err, len(want))
		}
	}
}

func TestNothingReadableOnDisk(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(t, dir, key).Put(t.Context(), bodies()...); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) == 0 {
		t.Fatal("nothing was written")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("192.0.2.7")) || bytes.Contains(b, []byte("largelarge")) {
			t.Errorf("%s holds a body in clear", filepath.Base(f))
		}
	}
}

func TestDestroyedBodyIsGoneAndOthersStay(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir, key)
	names, err := v.Put(t.Context(), bodies()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{1, 3} {
		for range 2 {
			if err := v.Destroy(names[i]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := v.Get(t.Context(), names[i]); !errors.Is(err, vault.ErrDestroyed) {
			t.Errorf("body %d: %v, want ErrDestroyed", i, err)
		}
	}
	if b, err := v.Get(t.Context(), names[2]); err != nil || len(b) != 256<<10-1 {
		t.Errorf("neighbour: %d bytes, %v", len(b), err)
	}
}

func TestWrongNamesAndKeysAreErrors(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir, key)
	names, err := v.Put(t.Context(), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "s", "s9-0", "s1-99999", "s1--5", "f../../etc/passwd", "fabcdef", "x"} {
		if _, err := v.Get(t.Context(), name); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("%q: %v, want ErrNotFound", name, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(dir, bytes.Repeat([]byte{8}, vault.KeySize), nil); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("other key: %v", err)
	}
	if got, err := open(t, dir, key).Get(t.Context(), names[0]); err != nil || string(got) != "secret" {
		t.Errorf("right key again: %q, %v", got, err)
	}
	if _, err := vault.Open(dir, []byte("short"), nil); err == nil {
		t.Error("a short key was taken")
	}
}

func TestFlippedBitIsNoticed(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir, key)
	names, err := v.Put(t.Context(), []byte("preserve the logs"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "segment-000001")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-20] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Get(t.Context(), names[0]); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

// What a crash left half written is no body and is not kept.
func TestUnfinishedFilesAreSwept(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir, key)
	names, err := v.Put(t.Context(), bytes.Repeat([]byte("large"), 100_000))
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	left := filepath.Join(dir, "00ff.body.tmp")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	v = open(t, dir, key)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if _, err := v.Get(t.Context(), names[0]); err != nil {
		t.Error(err)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	if _, err := open(t, dir, key).Put(t.Context(), bodies()...); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
