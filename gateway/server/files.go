package server

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/vault"
)

// lock keeps a second gateway off a folder: two would write over each other's
// journal. It ends with the process, however that ends.
func (s *Server) lock(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating %s: %w", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("%s is in use by another gateway; stop that one first, or give each its own data_dir: %w", dir, err)
	}
	s.locks = append(s.locks, f)
	return nil
}

// ReadKeys reads the private keys of the desks; the first of a desk signs.
func ReadKeys(c *config.Config) (map[string][]*pgp.Key, error) {
	out := map[string][]*pgp.Key{}
	for _, d := range c.Desks {
		var passphrase []byte
		if d.PassphraseFile != "" {
			b, err := os.ReadFile(d.PassphraseFile)
			if err != nil {
				return nil, fmt.Errorf("desk %s: reading passphrase: %w", d.ID, err)
			}
			passphrase = []byte(strings.TrimRight(string(b), "\r\n"))
		}
		for _, path := range d.KeyFiles {
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("desk %s: reading key: %w", d.ID, err)
			}
			k, err := pgp.ReadKey(b, passphrase)
			if err != nil {
				return nil, fmt.Errorf("desk %s: %s: %w", d.ID, path, err)
			}
			out[d.ID] = append(out[d.ID], k)
		}
	}
	return out, nil
}

// readVaultKey reads the key of the vault in dir, and makes one at the first
// start. The key is durable before any body is.
func readVaultKey(path, dir string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err == nil {
		return key, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("vault key: %w", err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*")); len(found) > 0 {
		return nil, fmt.Errorf("vault key: %s is missing but the vault %s holds bodies; put the key back from its backup", path, dir)
	}
	key = make([]byte, vault.KeySize)
	rand.Read(key)
	if err := writeDurably(path, key); err != nil {
		return nil, fmt.Errorf("vault key: %w", err)
	}
	return key, nil
}

// writeDurably writes a new file that only its owner may read, all of it or
// nothing.
func writeDurably(path string, p []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(p); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// readPool returns the authorities of a PEM file, besides those of pool.
func readPool(path string, pool *x509.CertPool) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: no certificate in PEM form", path)
	}
	return pool, nil
}
