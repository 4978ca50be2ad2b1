package main

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

// installation describes a gateway that is to be written into a folder.
type installation struct {
	hostname string
	listen   map[string]string // as in the configuration
	parties  []directory.Party // contact points without certificates; keys are made
	desks    []string          // contact points served here
	staff    []accounts.Account
	nextHops []map[string]string
	algo     pgp.Algorithm
	redis    string // URL; empty: embedded
	quiet    bool   // desks do not acknowledge
}

// installed is what a written installation has that is said only once, or
// that stays out of the gateway's reach.
type installed struct {
	config    string // path of relais.yaml
	passwords map[string]string
	keys      map[string]*pgp.Key // of every contact point
}

// write makes the folder: TLS certificate for trial, keys, signed Directory,
// staff accounts, configuration. It refuses a folder that has a configuration.
func (in installation) write(dir string) (*installed, error) {
	path := filepath.Join(dir, "relais.yaml")
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%s exists already; choose an empty folder", path)
	}
	for _, sub := range []string{"tls", "keys", "directory"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	done := &installed{config: path, passwords: map[string]string{}, keys: map[string]*pgp.Key{}}
	if err := writeTrialCertificate(filepath.Join(dir, "tls"), in.hostname); err != nil {
		return nil, fmt.Errorf("making TLS certificate: %w", err)
	}
	if err := in.writeDirectory(dir, done); err != nil {
		return nil, err
	}
	for _, a := range in.staff {
		done.passwords[a.User] = accounts.Generate()
		hash, err := accounts.Hash(done.passwords[a.User])
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
func (in installation) writeDirectory(dir string, done *installed) error {
	now := time.Now().UTC().Truncate(time.Second)
	for i := range in.parties {
		for j := range in.parties[i].ContactPoints {
			cp := &in.parties[i].ContactPoints[j]
			key, err := pgp.GenerateKey(cp.Institution, cp.Addresses[0], in.algo, now, 2*365*24*time.Hour)
			if err != nil {
				return fmt.Errorf("making key of %s: %w", cp.ID, err)
			}
			done.keys[cp.ID] = key
			cp.CertificatesArmored = []string{string(key.Certificate().Armor())}
			if err := writeKey(filepath.Join(dir, "keys", cp.ID+".asc"), key); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "keys", cp.ID+"-public.asc"), key.Certificate().Armor(), 0o644); err != nil {
				return err
			}
		}
	}
	authority, err := pgp.GenerateKey("Directory authority", "directory@secretariat.example", in.algo, now, 0)
	if err != nil {
		return fmt.Errorf("making key of the Directory authority: %w", err)
	}
	doc := &directory.Document{Format: directory.Format, Version: 1, Issued: now, Parties: in.parties}
	text, err := doc.Encode()
	if err != nil {
		return err
	}
	signature, _, err := directory.Sign(text, authority, now.Add(time.Second), false)
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "directory")
	return errors.Join(
		os.WriteFile(filepath.Join(folder, directory.FileName), text, 0o600),
		os.WriteFile(filepath.Join(folder, directory.FileName+directory.SignatureSuffix), signature, 0o600),
		os.WriteFile(filepath.Join(folder, "authority.asc"), authority.Certificate().Armor(), 0o644),
		writeKey(filepath.Join(dir, "keys", "directory-authority.asc"), authority),
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
func (in installation) writeConfig(path string) error {
	var desks []map[string]any
	for _, id := range in.desks {
		desk := map[string]any{"id": id, "key_files": []string{"keys/" + id + ".asc"}}
		if in.quiet {
			desk["acknowledge"] = false
		}
		desks = append(desks, desk)
	}
	settings := yaml.MapSlice{
		{Key: "hostname", Value: in.hostname},
		{Key: "tls", Value: map[string]string{"certificate_file": "tls/cert.pem", "key_file": "tls/key.pem"}},
	}
	if len(in.listen) > 0 {
		settings = append(settings, yaml.MapItem{Key: "listen", Value: in.listen})
	}
	settings = append(settings, yaml.MapItem{Key: "desks", Value: desks})
	if in.redis != "" {
		settings = append(settings, yaml.MapItem{Key: "redis", Value: map[string]string{"url": in.redis}})
	}
	if len(in.nextHops) > 0 {
		settings = append(settings, yaml.MapItem{Key: "relay", Value: map[string]any{"next_hops": in.nextHops, "retry": []string{"2s", "10s", "1m"}}})
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

// writeTrialCertificate makes a self-signed certificate for hostname. Mail
// programs will ask whether to trust it; a real installation replaces it.
func writeTrialCertificate(dir, hostname string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hostname, Organization: []string{"Relais trial certificate"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{hostname, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}
