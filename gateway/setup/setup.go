// Package setup writes a working installation into a folder: for 'relais init',
// for the demo and for tests.
package setup

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/routing/directory"
)

// Installation describes a gateway that is to be written.
type Installation struct {
	Hostname  string
	Listen    map[string]string // as in the configuration; nil: its defaults
	Parties   []directory.Party // contact points without certificates; keys are made
	Desks     []string          // contact points served here
	Staff     []accounts.Account
	NextHops  []map[string]string // as in the configuration
	Retry     []string            // as in the configuration; nil: its default
	Algorithm pgp.Algorithm
	RedisURL  string         // empty: embedded
	Quiet     bool           // desks do not acknowledge
	More      map[string]any // further top-level settings
}

// Written is what an installation has that is said only once, or that stays
// out of the gateway's reach.
type Written struct {
	Config    string              // path of relais.yaml
	Passwords map[string]string   // by staff account
	Keys      map[string]*pgp.Key // of every contact point
	Authority *pgp.Key            // signs the Directory
}

// Write makes the folder: TLS certificate for trial, keys, signed Directory,
// staff accounts, configuration. It refuses a folder that has any of them.
func (in Installation) Write(dir string) (*Written, error) {
	path := filepath.Join(dir, "relais.yaml")
	// A key that is overwritten takes with it everything that was encrypted to it.
	for _, name := range []string{"relais.yaml", "staff.yaml", "keys", "directory", "tls", "data"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s exists already; choose an empty folder", filepath.Join(dir, name))
		}
	}
	for _, sub := range []string{"tls", "keys", "directory"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	done := &Written{Config: path, Passwords: map[string]string{}, Keys: map[string]*pgp.Key{}}
	if err := writeTrialCertificate(filepath.Join(dir, "tls"), in.Hostname); err != nil {
		return nil, fmt.Errorf("making TLS certificate: %w", err)
	}
	if err := in.writeDirectory(dir, done); err != nil {
		return nil, err
	}
	for _, a := range in.Staff {
		done.Passwords[a.User] = accounts.Generate()
		hash, err := accounts.Hash(done.Passwords[a.User])
		if err != nil {
			return nil, err
		}
		a.PasswordHash = hash
		if err := accounts.Add(filepath.Join(dir, "staff.yaml"), a); err != nil {
			return nil, err
		}
	}
	return done, in.writeConfig(path)
}

// writeDirectory makes a key for every contact point and an authority that
// signs the first Directory.
func (in Installation) writeDirectory(dir string, done *Written) error {
	now := time.Now().UTC().Truncate(time.Second)
	for i := range in.Parties {
		for j := range in.Parties[i].ContactPoints {
			cp := &in.Parties[i].ContactPoints[j]
			key, err := pgp.GenerateKey(cp.Institution, cp.Addresses[0], in.Algorithm, now, 2*365*24*time.Hour)
			if err != nil {
				return fmt.Errorf("making key of %s: %w", cp.ID, err)
			}
			done.Keys[cp.ID] = key
			cp.CertificatesArmored = []string{string(key.Certificate().Armor())}
			if err := writeKey(filepath.Join(dir, "keys", cp.ID+".asc"), key); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "keys", cp.ID+"-public.asc"), key.Certificate().Armor(), 0o644); err != nil {
				return err
			}
		}
	}
	var err error
	done.Authority, err = pgp.GenerateKey("Directory authority", "directory@secretariat.example", in.Algorithm, now, 0)
	if err != nil {
		return fmt.Errorf("making key of the Directory authority: %w", err)
	}
	doc := &directory.Document{Format: directory.Format, Version: 1, Issued: now, Parties: in.Parties}
	text, err := doc.Encode()
	if err != nil {
		return err
	}
	signature, _, err := directory.Sign(text, done.Authority, now.Add(time.Second), false)
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "directory")
	return errors.Join(
		os.WriteFile(filepath.Join(folder, directory.FileName), text, 0o600),
		os.WriteFile(filepath.Join(folder, directory.FileName+directory.SignatureSuffix), signature, 0o600),
		os.WriteFile(filepath.Join(folder, "authority.asc"), done.Authority.Certificate().Armor(), 0o644),
		writeKey(filepath.Join(dir, "keys", "directory-authority.asc"), done.Authority),
	)
}

func writeKey(path string, key *pgp.Key) error {
	armored, err := key.Armor(nil)
	if err != nil {
		return err
	}
	return os.WriteFile(path, armored, 0o600)
}

// writeConfig writes the settings that differ from the defaults.
func (in Installation) writeConfig(path string) error {
	var desks []map[string]any
	for _, id := range in.Desks {
		desk := map[string]any{"id": id, "key_files": []string{"keys/" + id + ".asc"}}
		if in.Quiet {
			desk["acknowledge"] = false
		}
		desks = append(desks, desk)
	}
	settings := yaml.MapSlice{
		{Key: "hostname", Value: in.Hostname},
		{Key: "tls", Value: map[string]string{"certificate_file": "tls/cert.pem", "key_file": "tls/key.pem"}},
	}
	if len(in.Listen) > 0 {
		settings = append(settings, yaml.MapItem{Key: "listen", Value: in.Listen})
	}
	settings = append(settings, yaml.MapItem{Key: "desks", Value: desks})
	if in.RedisURL != "" {
		settings = append(settings, yaml.MapItem{Key: "redis", Value: map[string]string{"url": in.RedisURL}})
	}
	relay := map[string]any{}
	if len(in.NextHops) > 0 {
		relay["next_hops"] = in.NextHops
	}
	if len(in.Retry) > 0 {
		relay["retry"] = in.Retry
	}
	if len(relay) > 0 {
		settings = append(settings, yaml.MapItem{Key: "relay", Value: relay})
	}
	for key, value := range in.More {
		settings = append(settings, yaml.MapItem{Key: key, Value: value})
	}
	body, err := yaml.Marshal(settings)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("# Every other setting has its default: see 'relais config example'.\n# After a change: relais config check\n\n")
	b.Write(body)
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// writeTrialCertificate makes a certificate for hostname and the authority
// that signed it, whose key is thrown away. Mail programs that are told to
// trust ca.pem ask nothing; some refuse a certificate that is its own
// authority. A real installation replaces both.
func writeTrialCertificate(dir, hostname string) error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	notBefore, notAfter := time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	authority := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Relais trial authority for " + hostname},
		NotBefore: notBefore, NotAfter: notAfter, KeyUsage: x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: hostname, Organization: []string{"Relais trial certificate"}},
		NotBefore: notBefore, NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{hostname, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER})
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}), ca...)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o644),
		os.WriteFile(filepath.Join(dir, "cert.pem"), chain, 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

func serial() *big.Int {
	var b [15]byte
	rand.Read(b[:])
	return new(big.Int).SetBytes(b[:])
}
