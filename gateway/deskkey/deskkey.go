// Package deskkey reads the private keys of the desks from the files that the
// configuration names.
package deskkey

import (
	"fmt"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/secret"
)

// Set is the keys of each desk, by its identifier. The first key of a desk
// signs, all of them decrypt.
type Set map[string][]*pgp.Key

// ReadAll reads the keys of all desks. The error names the desk, the file and
// what to do.
func ReadAll(c *config.Config) (Set, error) {
	set := Set{}
	for _, d := range c.Desks {
		keys, err := Read(d)
		if err != nil {
			return nil, err
		}
		set[d.ID] = keys
	}
	return set, nil
}

// Read reads the keys of one desk, in the order of its key_files.
func Read(d config.Desk) ([]*pgp.Key, error) {
	passphrase, err := Passphrase(d)
	if err != nil {
		return nil, fmt.Errorf("desk %s: %w", d.ID, err)
	}
	var keys []*pgp.Key
	for _, path := range d.KeyFiles {
		k, err := ReadFile(path, passphrase)
		if err != nil {
			return nil, fmt.Errorf("desk %s: %w", d.ID, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// Passphrase returns the passphrase of a desk's keys; nil when they have none.
func Passphrase(d config.Desk) ([]byte, error) {
	path := d.PassphraseFile
	if d.PassphraseCredential != "" {
		var err error
		if path, err = secret.CredentialPath(d.PassphraseCredential); err != nil {
			return nil, err
		}
	}
	if path == "" {
		return nil, nil
	}
	passphrase, err := secret.ReadLine(path)
	if err != nil {
		return nil, fmt.Errorf("reading passphrase: %w", err)
	}
	return passphrase, nil
}

// ReadFile reads one key file and unlocks it.
func ReadFile(path string, passphrase []byte) (*pgp.Key, error) {
	b, err := secret.Read(path)
	if err != nil {
		return nil, fmt.Errorf("reading key: %w", err)
	}
	k, err := pgp.ReadKey(b, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// Problems says of each desk whose first key can no longer sign or receive
// what the matter is.
func (s Set) Problems(c *config.Config, at time.Time) (problems []error) {
	for _, d := range c.Desks {
		cert := s[d.ID][0].Certificate()
		err := cert.CheckSigning(at, pgp.DefaultPolicy())
		if err == nil {
			err = cert.CheckEncryption(at, pgp.DefaultPolicy())
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("desk %s: %w; see 'relais key list'", d.ID, err))
		}
	}
	return problems
}
