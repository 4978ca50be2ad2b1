package server

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"relais.example/gateway/secret"
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

// readVaultKey reads the key of the vault in dir, and makes one at the first
// start. The key is durable before any body is.
func readVaultKey(path, dir string) ([]byte, error) {
	key, err := secret.Read(path)
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
	if err := secret.Create(path, key); err != nil {
		return nil, fmt.Errorf("vault key: %w", err)
	}
	return key, nil
}

func readSecret(path string) (string, error) {
	b, err := secret.ReadLine(path)
	return string(b), err
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
