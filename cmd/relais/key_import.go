package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/deskkey"
	"relais.example/gateway/secret"
)

func keyImport(path *string) *cobra.Command {
	var deskID, passphraseFile, out string
	var force bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over a key from gpg, sq or another program",
		Long: `Reads a private key as other programs export it, armored or binary, proves that
it unlocks, signs and decrypts, and writes it where the gateway reads it. The
primary key may be missing (gpg --export-secret-subkeys). FILE stays as it is.`,
		Example: `  gpg --armor --export-secret-subkeys FINGERPRINT! > desk.asc; chmod 600 desk.asc
  relais key import desk.asc --desk XA-1 --passphrase-file passphrase`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := config.Read(*path)
			if err != nil {
				return err
			}
			desk, err := chooseDesk(settings, deskID)
			if err != nil {
				return err
			}
			passphrase, err := deskPassphrase(desk, passphraseFile)
			if err != nil {
				return err
			}
			key, err := deskkey.ReadFile(args[0], passphrase)
			if err != nil {
				return fmt.Errorf("importing: %w", err)
			}
			// What the gateway will unlock it with may be another one.
			if own, err := deskkey.Passphrase(desk); err == nil && own != nil {
				passphrase = own
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%s holds the key %s of %s:\n", args[0], key.Certificate().Fingerprint(), firstUserID(key))
			printParts(w, key, time.Now())
			if err := key.CheckUse(time.Now()); err != nil && !force {
				return fmt.Errorf("importing: this key cannot be used for new messages: %w; --force takes it nevertheless, to open old ones", err)
			}
			if out == "" {
				out = filepath.Join(filepath.Dir(*path), "keys", desk.ID+"-"+key.Certificate().Fingerprint()[:16]+".asc")
			}
			if err := writeSecretKey(out, key, passphrase); err != nil {
				return err
			}
			if err := secret.CreatePublic(publicPath(out), key.Certificate().Armor()); err != nil {
				return fmt.Errorf("writing certificate: %w", err)
			}
			fmt.Fprintf(w, "private key: %s\ncertificate: %s\n\nNext:\n", out, publicPath(out))
			if passphrase == nil {
				fmt.Fprintln(w, "- the key is not protected by a passphrase: whoever copies the file has the key")
			}
			fmt.Fprintf(w, `- list it in the configuration of desk %s: in key_files as %s, first to sign, behind others to decrypt only
- if it signs: the Directory must list %s
- then: %s; and destroy %s
`, desk.ID, asListed(*path, out), publicPath(out), keyFilesRead(*path), args[0])
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&deskID, "desk", "", "contact point the key belongs to, such as XA-1 (not needed if the gateway serves one)")
	f.StringVar(&passphraseFile, "passphrase-file", "", "file with the passphrase of FILE (default: where the configuration says)")
	f.StringVar(&out, "out", "", "file to write (default: keys/DESK-KEYID.asc in the folder of the configuration)")
	f.BoolVar(&force, "force", false, "take a key that only opens old messages")
	return cmd
}

func keyExport(path *string) *cobra.Command {
	var choice keyChoice
	var out string
	var private bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a key's certificate, or the private key itself",
		Long: `Writes the certificate to standard output or to --out. With --secret it writes
the private key, locked with the same passphrase, to a new file of mode 0600.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if private && out == "" {
				return errors.New("a private key is not shown on the screen; name a file with --out")
			}
			f, err := choice.open(*path)
			if err != nil {
				return err
			}
			if private {
				if err := writeSecretKey(out, f.key, f.passphrase); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "private key %s: %s\n", f.key.Certificate().Fingerprint(), out)
				return nil
			}
			if out == "" {
				_, err := cmd.OutOrStdout().Write(f.key.Certificate().Armor())
				return err
			}
			if err := secret.CreatePublic(out, f.key.Certificate().Armor()); err != nil {
				return fmt.Errorf("writing certificate: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "certificate %s: %s\n", f.key.Certificate().Fingerprint(), out)
			return nil
		},
	}
	choice.flags(cmd)
	cmd.Flags().BoolVar(&private, "secret", false, "the private key")
	cmd.Flags().StringVar(&out, "out", "", "file to write; an existing one is not overwritten")
	return cmd
}

// readPrimary reads the private part of the primary key from another file, if
// there is need of it.
func readPrimary(k *pgp.Key, file, passphraseFile string, passphrase []byte) (*pgp.Key, error) {
	if file == "" {
		if k.OfflinePrimary() {
			return nil, fmt.Errorf("%w; bring the offline key and name its file with --primary", pgp.ErrOfflinePrimary)
		}
		return k, nil
	}
	if passphraseFile != "" {
		var err error
		if passphrase, err = secret.ReadLine(passphraseFile); err != nil {
			return nil, fmt.Errorf("reading passphrase of the primary key: %w", err)
		}
	}
	full, err := deskkey.ReadFile(file, passphrase)
	if err != nil {
		return nil, fmt.Errorf("primary key: %w", err)
	}
	whole, err := k.WithPrimary(full)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return whole, nil
}
