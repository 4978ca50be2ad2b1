package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/secret"
)

// generation is what 'relais key generate' was told.
type generation struct {
	desk, name, email, algorithm, valid string
	out, revocation, offline            string
	passphraseFile                      string
}

func keyGenerate(path *string) *cobra.Command {
	var g generation
	cmd := &cobra.Command{
		Use:   "generate --desk ID --name NAME --email ADDRESS",
		Short: "Make a new key for a desk, with its certificate and a revocation certificate",
		Long: `Writes the private key (mode 0600), the certificate for the Directory authority
(-public.asc) and a revocation certificate. With --offline-primary the primary
key only certifies and goes to another folder, best on a medium that is kept in
a safe; the gateway's file then holds the subkeys, which sign and decrypt.
Nothing that exists is overwritten.`,
		Example: `  relais key generate --desk XA-1 --name "National Cybercrime Unit" --email cp247@police.alphaland.example \
    --passphrase-file keys/passphrase --offline-primary /media/safe`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.run(cmd.OutOrStdout(), *path) },
	}
	f := cmd.Flags()
	f.StringVar(&g.desk, "desk", "", "contact point the key is for, such as XA-1")
	f.StringVar(&g.name, "name", "", "name in the key's user id: the institution")
	f.StringVar(&g.email, "email", "", "mail address in the key's user id")
	f.StringVar(&g.algorithm, "algorithm", "curve25519", "curve25519, rsa3072 or rsa4096")
	f.StringVar(&g.valid, "valid", "2y", "how long: 2y, 18m, 90d, a date, or never")
	f.StringVar(&g.out, "out", "", "file of the private key (default: keys/DESK.asc in the folder of the configuration)")
	f.StringVar(&g.revocation, "revocation-file", "", "file of the revocation certificate (default: beside the primary key)")
	f.StringVar(&g.offline, "offline-primary", "", "folder for the primary key, which the gateway's file then lacks")
	f.StringVar(&g.passphraseFile, "passphrase-file", "", "file with the passphrase to lock the key with (default: where the configuration says)")
	for _, name := range []string{"desk", "name", "email"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

func (g *generation) run(out io.Writer, configPath string) error {
	if g.out == "" {
		g.out = filepath.Join(filepath.Dir(configPath), "keys", g.desk+".asc")
	}
	primary := beside(g.out, "-primary.asc")
	if g.offline != "" {
		primary = filepath.Join(g.offline, g.desk+"-primary.asc")
		if sameFolder(primary, g.out) {
			return errors.New("--offline-primary names the folder of the gateway's key; name another one, best on a medium that you take away")
		}
	}
	if g.revocation == "" {
		g.revocation = beside(g.out, "-revocation.txt")
		if g.offline != "" {
			g.revocation = filepath.Join(g.offline, g.desk+"-revocation.txt")
		}
	}
	public := publicPath(g.out)
	for _, path := range []string{g.out, public, g.revocation, primary} {
		if _, err := os.Lstat(path); err == nil && (path != primary || g.offline != "") {
			return fmt.Errorf("%s: %w (--out names another)", path, secret.ErrExists)
		}
	}
	passphrase, err := g.passphrase(configPath)
	if err != nil {
		return err
	}
	key, err := g.make()
	if err != nil {
		return err
	}
	// The revocation certificate first: there is no key without one.
	certificate, err := key.RevocationCertificate(pgp.Unspecified, "", key.NextChange())
	if err != nil {
		return err
	}
	if err := secret.Create(g.revocation, revocationText(key, certificate)); err != nil {
		return fmt.Errorf("writing revocation certificate: %w", err)
	}
	working := key
	if g.offline != "" {
		if err := writeSecretKey(primary, key, passphrase); err != nil {
			return err
		}
		if working, err = key.WithoutPrimary(); err != nil {
			return err
		}
	}
	if err := secret.CreatePublic(public, key.Certificate().Armor()); err != nil {
		return fmt.Errorf("writing certificate: %w", err)
	}
	if err := writeSecretKey(g.out, working, passphrase); err != nil {
		return err
	}
	g.report(out, configPath, working, public, primary, passphrase != nil)
	return nil
}

func (g *generation) make() (*pgp.Key, error) {
	algorithm, err := parseAlgorithm(g.algorithm)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	end, err := parseValid(g.valid, now)
	if err != nil {
		return nil, fmt.Errorf("--valid: %w", err)
	}
	var validFor time.Duration
	if !end.IsZero() {
		validFor = end.Sub(now)
	}
	if g.offline != "" {
		return pgp.GenerateCertifyOnly(g.name, g.email, algorithm, now, validFor)
	}
	return pgp.GenerateKey(g.name, g.email, algorithm, now, validFor)
}

// passphrase reads it from the file, or from where the configuration says if
// there is one already that knows the desk.
func (g *generation) passphrase(configPath string) ([]byte, error) {
	var desk config.Desk
	if c, err := config.Read(configPath); err == nil {
		if err := checkDesk(c, g.desk); err != nil {
			return nil, err
		}
		desk, _ = chooseDesk(c, g.desk)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return deskPassphrase(desk, g.passphraseFile)
}

func writeSecretKey(path string, k *pgp.Key, passphrase []byte) error {
	armored, err := k.Armor(passphrase)
	if err != nil {
		return err
	}
	if _, err := pgp.ReadKey(armored, passphrase); err != nil {
		return fmt.Errorf("the key cannot be read back, it was not written: %w", err)
	}
	if err := secret.Create(path, armored); err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	return nil
}

func sameFolder(a, b string) bool {
	a, errA := filepath.Abs(filepath.Dir(a))
	b, errB := filepath.Abs(filepath.Dir(b))
	return errA == nil && errB == nil && a == b
}

func (g *generation) report(w io.Writer, configPath string, k *pgp.Key, public, primary string, locked bool) {
	fmt.Fprintf(w, "made the key %s of %s:\n", k.Certificate().Fingerprint(), g.desk)
	printParts(w, k, time.Now())
	fmt.Fprintf(w, "private key:            %s\n", g.out)
	if g.offline != "" {
		fmt.Fprintf(w, "primary key (offline):  %s\n", primary)
	}
	fmt.Fprintf(w, "certificate:            %s\n", public)
	fmt.Fprintf(w, "revocation certificate: %s\n\nNext:\n", g.revocation)
	if !locked {
		fmt.Fprintln(w, "- the key is not protected by a passphrase: whoever copies the file has the key")
	}
	if g.offline != "" {
		fmt.Fprintf(w, "- take %s away from this machine and make a second copy of it\n", g.offline)
	} else {
		fmt.Fprintf(w, "- move %s away from this machine: whoever has it can end the use of the key\n", g.revocation)
	}
	fmt.Fprintf(w, `- keep a copy of %s offline: without it mail cannot be read
- list it in the configuration: desks: [{id: %s, key_files: [%s]}], and keep the old keys behind it
- send %s to the Directory authority and compare the fingerprint by telephone
- once the Directory lists it: %s
`, g.out, g.desk, asListed(configPath, g.out), public, keyFilesRead(configPath))
}

// revocationText guards a revocation certificate against an import by mistake,
// as GnuPG does: a colon stands before its first line.
func revocationText(k *pgp.Key, certificate []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `This is a revocation certificate for the OpenPGP key

  %s
  %s

With it the key can be revoked when its private part is lost, stolen, or its
passphrase forgotten. Keep it where the key is not, on paper for instance: whoever
has it can end the use of the key. To use it, remove the colon before the dashes
below, and then

  relais key revoke --certificate FILE

or import it with any OpenPGP program, and send the revoked certificate to the
Directory authority. Nothing can undo that.

:`, k.Certificate().Fingerprint(), firstUserID(k))
	b.Write(certificate)
	return b.Bytes()
}

func firstUserID(k *pgp.Key) string {
	if ids := k.Certificate().UserIDs(); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
