package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relais.example/gateway/secret"
)

func isPath(is string) bool {
	switch is {
	case "file", "secretfile", "dir", "newpath", "socket":
		return true
	}
	return false
}

// resolve makes paths relative to the folder of the file, and fills those that
// default to a place in data_dir.
func (c *Config) resolve(folder string) {
	walkStrings(c, func(_, is string, s *string) {
		if *s != "" && isPath(is) && !filepath.IsAbs(*s) {
			*s = filepath.Join(folder, *s)
		}
	})
	if c.Journal.Dir == "" {
		c.Journal.Dir = filepath.Join(c.DataDir, "journal")
	}
}

// VaultKeyFile is where the vault's key is, or is to be made.
func (c *Config) VaultKeyFile() string {
	if c.Vault.KeyFile != "" {
		return c.Vault.KeyFile
	}
	return filepath.Join(c.DataDir, "vault.key")
}

// checkPaths looks at the files and folders of the keys that are wanted.
func (c *Config) checkPaths(d *decoder, wanted func(key string) bool) {
	walkStrings(c, func(key, is string, s *string) {
		if *s == "" || d.bad[key] || !wanted(key) {
			return
		}
		if err := checkPath(*s, is); err != nil {
			d.at(key, "%s%s", err, hint(key, err))
		}
	})
	if key := c.VaultKeyFile(); c.Vault.KeyFile == "" && wanted("vault.key_file") { // made at the first start
		if err := secret.Check(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.at("data_dir", "%s", err)
		}
	}
}

// ofDesk: the files of desks are their private keys and passphrases.
func ofDesk(key string) bool { return strings.HasPrefix(key, "desks[") }

// checkFiles looks at every file that the gateway reads.
func (c *Config) checkFiles(d *decoder) {
	c.checkPaths(d, func(key string) bool { return c.Keyholder.Socket == "" || !ofDesk(key) })
	c.checkCertificate(d)
	walkStrings(c, func(key, _ string, s *string) {
		if *s == "" || d.bad[key] || !strings.HasSuffix(key, "ca_file") {
			return
		}
		pem, err := os.ReadFile(*s)
		if err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
			d.at(key, "%s holds no certificate in PEM form", *s)
		}
	})
}

func hint(key string, err error) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if key == "staff_file" {
		return "; 'relais staff add' makes it"
	}
	return "; relative paths start at the folder of the configuration file"
}

func checkPath(path, is string) error {
	if !isPath(is) || is == "socket" {
		return nil
	}
	info, err := os.Stat(path)
	if is == "newpath" {
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a folder", path)
		}
		return nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist%w", path, noText{err})
	case err != nil:
		return err
	case is == "dir" && !info.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	case is == "dir":
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", path)
	case info.Size() == 0:
		return fmt.Errorf("%s is empty", path)
	case is == "secretfile":
		if err := secret.Check(path); err != nil {
			return err
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// Warnings says of each folder that holds a secret file whether other users of
// the machine could put another file there.
func (c *Config) Warnings() []string {
	var warnings []string
	walkStrings(c, func(_, is string, s *string) {
		if is != "secretfile" || *s == "" {
			return
		}
		if err := secret.CheckFolder(*s); err != nil && !errors.Is(err, fs.ErrNotExist) && !slices.Contains(warnings, err.Error()) {
			warnings = append(warnings, err.Error())
		}
	})
	return warnings
}

// noText keeps the kind of an error and drops its words.
type noText struct{ error }

func (noText) Error() string   { return "" }
func (e noText) Unwrap() error { return e.error }

func (c *Config) checkCertificate(d *decoder) {
	t := c.TLS
	if t.CertificateFile == "" || t.KeyFile == "" || d.bad["tls.certificate_file"] || d.bad["tls.key_file"] {
		return
	}
	if _, err := tls.LoadX509KeyPair(t.CertificateFile, t.KeyFile); err != nil {
		d.at("tls.key_file", "certificate and key cannot be used together: %s", strings.TrimPrefix(err.Error(), "tls: "))
	}
}
