package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/deskkey"
	"relais.example/gateway/secret"
)

// newKeyCommand returns `relais key`.
func newKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, list, renew and revoke the OpenPGP keys of the desks",
		Long: `A desk's key is a primary key, which is the desk's identity in the Directory,
and subkeys, which may change. Private keys are written to files that only their
owner may read (mode 0600), in one step, and never over another key.

Passphrases are never given on the command line, where other users of the
machine would see them: they come from --passphrase-file, or from where the
configuration says. See "Keys of the desks" in docs/operator-guide.md.`,
	}
	path := cmd.PersistentFlags().String("config", defaultConfig, "configuration file")
	cmd.AddCommand(keyGenerate(path), keyImport(path), keyExport(path), keyList(path), keyRotate(path), keyRevoke(path), keyExpiry(path))
	return cmd
}

// keyFile is one key of a desk and where it lies.
type keyFile struct {
	desk       config.Desk
	path       string
	passphrase []byte // nil: not protected
	key        *pgp.Key
	signs      bool // the first of the desk: the others only decrypt
}

// keyChoice says which key of which desk a command is about.
type keyChoice struct{ desk, key, passphraseFile string }

func (c *keyChoice) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.desk, "desk", "", "contact point the key belongs to, such as XA-1 (not needed if the gateway serves one)")
	cmd.Flags().StringVar(&c.key, "key", "", "fingerprint of the key, if the desk has several (default: the one that signs)")
	cmd.Flags().StringVar(&c.passphraseFile, "passphrase-file", "", "file with the passphrase (default: where the configuration says)")
}

// lock keeps other changes of the desk's keys out until unlock is called: a
// subkey that two changes made in turn must not get lost.
func (c *keyChoice) lock(configPath string) (unlock func(), err error) {
	desk, err := c.find(configPath)
	if err != nil {
		return nil, err
	}
	return secret.Lock(desk.KeyFiles[0])
}

func (c *keyChoice) find(configPath string) (config.Desk, error) {
	settings, err := config.Read(configPath)
	if err != nil {
		return config.Desk{}, err
	}
	return chooseDesk(settings, c.desk)
}

// open reads the key that was chosen.
func (c *keyChoice) open(configPath string) (*keyFile, error) {
	desk, err := c.find(configPath)
	if err != nil {
		return nil, err
	}
	passphrase, err := deskPassphrase(desk, c.passphraseFile)
	if err != nil {
		return nil, err
	}
	for i, path := range desk.KeyFiles {
		k, err := deskkey.ReadFile(path, passphrase)
		if err != nil {
			return nil, fmt.Errorf("desk %s: %w", desk.ID, err)
		}
		if c.key == "" || strings.EqualFold(c.key, k.Certificate().Fingerprint()) {
			return &keyFile{desk: desk, path: path, passphrase: passphrase, key: k, signs: i == 0}, nil
		}
	}
	return nil, fmt.Errorf("desk %s has no key %s; 'relais key list' shows them", desk.ID, c.key)
}

func chooseDesk(c *config.Config, id string) (config.Desk, error) {
	if id == "" && len(c.Desks) == 1 {
		return c.Desks[0], nil
	}
	if id == "" {
		return config.Desk{}, errors.New("this gateway serves several desks; name one with --desk")
	}
	if err := checkDesk(c, id); err != nil {
		return config.Desk{}, err
	}
	for _, d := range c.Desks {
		if d.ID == id {
			return d, nil
		}
	}
	return config.Desk{}, fmt.Errorf("desk %q is not served by this gateway", id)
}

// deskPassphrase reads the passphrase from a file, or from where the
// configuration says.
func deskPassphrase(d config.Desk, file string) ([]byte, error) {
	if file == "" {
		passphrase, err := deskkey.Passphrase(d)
		if err != nil && d.PassphraseCredential != "" {
			err = fmt.Errorf("%w; outside of the service give the passphrase with --passphrase-file", err)
		}
		return passphrase, err
	}
	passphrase, err := secret.ReadLine(file)
	if err != nil {
		return nil, fmt.Errorf("reading passphrase: %w", err)
	}
	return passphrase, nil
}

// keysRead is the command that makes a running installation read the content of
// its key files again.
func keysRead(configPath string) string {
	if hasKeyholder(configPath) {
		return "systemctl reload relais-keyholder"
	}
	return "systemctl reload relais"
}

// keyFilesRead is the command that makes it read other key files than before.
func keyFilesRead(configPath string) string {
	if hasKeyholder(configPath) {
		return "systemctl reload relais-keyholder"
	}
	return "systemctl restart relais"
}

func hasKeyholder(configPath string) bool {
	c, err := config.Read(configPath)
	return err == nil && c.Keyholder.Socket != ""
}

// asListed is how key_files names a file: from the folder of the configuration.
func asListed(configPath, file string) string {
	folder, err := filepath.Abs(filepath.Dir(configPath))
	if err != nil {
		return file
	}
	if file, err = filepath.Abs(file); err != nil {
		return file
	}
	if inside, err := filepath.Rel(folder, file); err == nil && filepath.IsLocal(inside) {
		return inside
	}
	return file
}

// publicPath is where the certificate of a key file is put.
func publicPath(keyPath string) string { return beside(keyPath, "-public.asc") }

func beside(keyPath, suffix string) string {
	return strings.TrimSuffix(keyPath, filepath.Ext(keyPath)) + suffix
}

// save writes a changed key in the place of the old one, once it is certain
// that the file can be read back and has lost nothing.
func (f *keyFile) save(changed *pgp.Key) error {
	armored, err := changed.Armor(f.passphrase)
	if err != nil {
		return err
	}
	back, err := pgp.ReadKey(armored, f.passphrase)
	if err != nil {
		return fmt.Errorf("the changed key cannot be read back, nothing was written: %w", err)
	}
	private := map[string]bool{}
	for _, p := range back.Parts() {
		private[p.Fingerprint] = p.Private
	}
	for _, p := range f.key.Parts() {
		if p.Private && !private[p.Fingerprint] {
			return fmt.Errorf("the changed key lacks the private part of %s, nothing was written", p.Fingerprint)
		}
	}
	if err := secret.Replace(f.path, armored); err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	if err := secret.ReplacePublic(publicPath(f.path), changed.Certificate().Armor()); err != nil {
		return fmt.Errorf("writing certificate: %w", err)
	}
	f.key = changed
	return nil
}

// printParts shows what a key is made of.
func printParts(w io.Writer, k *pgp.Key, at time.Time) {
	for _, p := range k.Parts() {
		name := "subkey "
		if p.Primary {
			name = "primary"
		}
		fmt.Fprintf(w, "  %s %s  %s, %s, made %s, %s\n", name, p.Fingerprint, p.Algorithm, partUse(p), p.Created.UTC().Format(time.DateOnly), partState(p, at))
	}
}

func partUse(p pgp.Part) string {
	var uses []string
	for _, use := range []struct {
		is   bool
		name string
	}{{p.Certifies, "certifies"}, {p.Signs, "signs"}, {p.Encrypts, "encrypts"}} {
		if use.is {
			uses = append(uses, use.name)
		}
	}
	if len(uses) == 0 {
		return "no use"
	}
	return strings.Join(uses, "+")
}

// partState says how long a part is used for new messages, and where it is.
func partState(p pgp.Part, at time.Time) string {
	state := "never expires"
	switch {
	case p.Revoked != "":
		state = "revoked (" + string(p.Revoked) + ")"
	case !p.Expires.IsZero() && !p.Expires.After(at):
		state = "expired " + p.Expires.UTC().Format(time.DateOnly)
	case !p.Expires.IsZero():
		state = fmt.Sprintf("expires %s (%s)", p.Expires.UTC().Format(time.DateOnly), count(daysLeft(p, at), "day"))
	}
	if p.Encrypts && !p.Usable(at) && p.Private {
		state += ", still decrypts"
	}
	if !p.Private {
		state += ", offline"
	}
	return state
}

func daysLeft(p pgp.Part, at time.Time) int { return int(p.Expires.Sub(at) / (24 * time.Hour)) }

// parseValid reads 2y, 18m, 90d, 12h, a date, or never (zero).
func parseValid(s string, at time.Time) (end time.Time, err error) {
	if s == "never" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		if !day.After(at) {
			return time.Time{}, fmt.Errorf("%s is not in the future", s)
		}
		return day, nil
	}
	n, err := strconv.ParseUint(strings.TrimRight(s, "ymdh"), 10, 16)
	unit := strings.TrimLeft(s, "0123456789")
	if err != nil || n == 0 {
		unit = ""
	}
	switch unit {
	case "y":
		end = at.AddDate(int(n), 0, 0)
	case "m":
		end = at.AddDate(0, int(n), 0)
	case "d":
		end = at.AddDate(0, 0, int(n))
	case "h":
		end = at.Add(time.Duration(n) * time.Hour)
	default:
		return time.Time{}, fmt.Errorf("%q is not a time; use e.g. 2y, 18m, 90d, a date such as 2028-12-31, or never", s)
	}
	if end.Sub(at) > 100*365*24*time.Hour {
		return time.Time{}, fmt.Errorf("%q is too long; use never", s)
	}
	return end, nil
}
