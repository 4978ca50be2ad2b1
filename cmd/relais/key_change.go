package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
)

// keyChange is what the commands that change a key have in common.
type keyChange struct {
	keyChoice
	primary, primaryPassphrase string
	force                      bool
}

func (c *keyChange) flags(cmd *cobra.Command) {
	c.keyChoice.flags(cmd)
	cmd.Flags().StringVar(&c.primary, "primary", "", "file with the primary key, if it is kept offline")
	cmd.Flags().StringVar(&c.primaryPassphrase, "primary-passphrase-file", "", "file with the passphrase of the primary key, if it is another one")
	cmd.Flags().BoolVar(&c.force, "force", false, "do it although the desk could then not sign or receive")
}

// run changes a key and writes it. The primary key, where it was offline,
// leaves no trace on the disk.
func (c *keyChange) run(ctx context.Context, w io.Writer, configPath string, change func(k *pgp.Key, at time.Time) (*pgp.Key, error)) error {
	unlock, err := c.lock(configPath)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := c.open(configPath)
	if err != nil {
		return err
	}
	whole, err := readPrimary(f.key, c.primary, c.primaryPassphrase, f.passphrase)
	if err != nil {
		return err
	}
	at, err := waitForChange(ctx, whole)
	if err != nil {
		return err
	}
	changed, err := change(whole, at)
	if err != nil {
		return err
	}
	return c.finish(w, configPath, f, changed)
}

// finish checks and writes a changed key, and says what comes next.
func (c *keyChange) finish(w io.Writer, configPath string, f *keyFile, changed *pgp.Key) (err error) {
	if f.key.OfflinePrimary() {
		if changed, err = changed.WithoutPrimary(); err != nil {
			return err
		}
	}
	if err := lockedOut(f, changed); err != nil && !c.force {
		return fmt.Errorf("nothing was changed: %w; --force does it nevertheless", err)
	}
	before := f.key
	if err := f.save(changed); err != nil {
		return err
	}
	now := time.Now()
	fmt.Fprintf(w, "changed %s:\n", f.path)
	old := map[string]string{}
	for _, p := range before.Parts() {
		old[p.Fingerprint] = partState(p, now)
	}
	same := true
	for _, p := range changed.Parts() {
		was, known := old[p.Fingerprint]
		same = same && known && was == partState(p, now)
		switch state := partState(p, now); {
		case !known:
			fmt.Fprintf(w, "  new: %s  %s, %s, %s\n", p.Fingerprint, p.Algorithm, partUse(p), state)
		case was != state:
			fmt.Fprintf(w, "  now: %s  %s, %s; before: %s\n", p.Fingerprint, partUse(p), state, was)
		}
	}
	if same {
		fmt.Fprintln(w, "  every part stands as it stood before")
	}
	fmt.Fprintf(w, `certificate: %[1]s

Next:
- make the gateway take it over: %[3]s (SIGHUP)
- send %[1]s to the Directory authority: others use the old certificate until
  a new version of the Directory has this one ('relais key list', column DIRECTORY)
- renew your offline copy of %[2]s
`, publicPath(f.path), f.path, keysRead(configPath))
	return nil
}

// lockedOut reports whether the desk could not work with its changed key, now
// or soon. Keys that only decrypt cannot lock anybody out.
func lockedOut(f *keyFile, changed *pgp.Key) error {
	if !f.signs {
		return nil
	}
	now := time.Now()
	at := now
	if next := changed.NextChange(); at.Before(next) {
		at = next
	}
	if err := changed.CheckUse(at); err != nil {
		return fmt.Errorf("desk %s could not sign and receive with its key: %w", f.desk.ID, err)
	}
	// The Directory needs days to take a new certificate.
	if end := changed.Certificate().Expires(); !end.IsZero() && end.Before(now.AddDate(0, 0, 14)) {
		return fmt.Errorf("the key of desk %s would end on %s, before the Directory can have another", f.desk.ID, end.UTC().Format(time.DateOnly))
	}
	return nil
}

// waitForChange waits until the key may be changed again, which is two seconds
// after the last time.
func waitForChange(ctx context.Context, k *pgp.Key) (time.Time, error) {
	const most = 5 * time.Second
	wait := time.Until(k.NextChange())
	if wait > most {
		return time.Time{}, fmt.Errorf("the key was changed in the future, at %s by this machine's clock; set the clock", k.NextChange().UTC().Format(time.RFC3339))
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
	return time.Now().UTC().Truncate(time.Second), nil
}

func keyRotate(path *string) *cobra.Command {
	var c keyChange
	var r pgp.Rotation
	var algorithm, overlap, valid string
	var signing, signingOnly bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make new subkeys; the old ones end after an overlap and decrypt forever",
		Long: `Makes a new subkey that receives and, if subkeys sign, a new one that signs. The
fingerprint of the key, which is the desk's identity, stays. The old subkeys end
after the overlap: until then others may still use them. Messages that were
encrypted to them open for as long as the key file is kept.

The gateway signs with the new subkey only once the Directory lists it.`,
		Example: `  relais key rotate --desk XA-1 --primary /media/safe/XA-1-primary.asc`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now().UTC().Truncate(time.Second)
			end, err := parseValid(overlap, now)
			if err != nil || end.IsZero() {
				return fmt.Errorf("--overlap: %q is not a time; use e.g. 30d", overlap)
			}
			r.Overlap = end.Sub(now)
			if end, err = parseValid(valid, now); err != nil {
				return fmt.Errorf("--valid: %w", err)
			}
			if !end.IsZero() {
				r.ValidFor = end.Sub(now)
			}
			if algorithm != "" {
				if r.Algorithm, err = parseAlgorithm(algorithm); err != nil {
					return err
				}
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), *path, func(k *pgp.Key, at time.Time) (*pgp.Key, error) {
				r.Encryption, r.Signing = !signingOnly, signing || signingOnly
				for _, p := range k.Parts()[1:] {
					r.Signing = r.Signing || p.Signs
				}
				return k.Rotate(r, at)
			})
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&overlap, "overlap", "30d", "how long the old subkeys may still be used")
	f.StringVar(&valid, "valid", "never", "how long the new subkeys last: 2y, 90d, a date, or never: as long as the primary key")
	f.StringVar(&algorithm, "algorithm", "", "curve25519, rsa3072 or rsa4096 (default: that of the old subkeys)")
	f.BoolVar(&signing, "signing", false, "make a subkey that signs although the primary key does so far")
	f.BoolVar(&signingOnly, "signing-only", false, "make no subkey that receives")
	return cmd
}

func keyExpiry(path *string) *cobra.Command {
	var c keyChange
	var valid, subkey string
	cmd := &cobra.Command{
		Use:   "expiry --valid TIME",
		Short: "Let a key end later, or earlier",
		Long: `Changes the end of the key and of the newest subkeys that have an end of their
own. Subkeys that were rotated keep theirs. With --subkey only that one changes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			end, err := parseValid(valid, time.Now().UTC().Truncate(time.Second))
			if err != nil {
				return fmt.Errorf("--valid: %w", err)
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), *path, func(k *pgp.Key, at time.Time) (*pgp.Key, error) {
				return k.SetExpiry(strings.ToUpper(subkey), end, at)
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&valid, "valid", "", "from now: 2y, 18m, 90d; or a date; or never")
	cmd.Flags().StringVar(&subkey, "subkey", "", "fingerprint of the only subkey to change")
	if err := cmd.MarkFlagRequired("valid"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func keyRevoke(path *string) *cobra.Command {
	var c keyChange
	var reason, text, subkey, certificate string
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Revoke a key or one subkey, or use a revocation certificate",
		Long: `Tells everybody who gets the new certificate that the key is used no more.
Nothing can undo that. Reasons: superseded (there is a new one), retired,
compromised (others may have it: nothing it ever signed counts any more) or
unspecified. Messages that were encrypted to it still open here.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case certificate != "" && (subkey != "" || reason != ""):
				return errors.New("a revocation certificate has its reason and revokes the whole key; give --certificate alone")
			case certificate != "":
				return c.applyRevocation(cmd.OutOrStdout(), *path, certificate)
			case reason == "":
				return errors.New("give the reason with --reason: superseded, retired, compromised or unspecified")
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), *path, func(k *pgp.Key, at time.Time) (*pgp.Key, error) {
				if subkey != "" {
					return k.RevokeSubkey(strings.ToUpper(subkey), pgp.Revocation(reason), text, at)
				}
				return k.Revoke(pgp.Revocation(reason), text, at)
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "superseded, retired, compromised or unspecified")
	cmd.Flags().StringVar(&text, "text", "", "a word of explanation, which everybody can read")
	cmd.Flags().StringVar(&subkey, "subkey", "", "fingerprint of the only subkey to revoke")
	cmd.Flags().StringVar(&certificate, "certificate", "", "file with a revocation certificate; needs no primary key")
	return cmd
}

func (c *keyChange) applyRevocation(w io.Writer, configPath, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading revocation certificate: %w", err)
	}
	const begin = "-----BEGIN "
	if bytes.Contains(data, []byte(":"+begin)) {
		return fmt.Errorf("%s is guarded against an import by mistake; remove the colon before %q and try again", file, strings.TrimSpace(begin))
	}
	if i := bytes.Index(data, []byte(begin)); i > 0 { // behind its explanation
		data = data[i:]
	}
	unlock, err := c.lock(configPath)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := c.open(configPath)
	if err != nil {
		return err
	}
	changed, err := f.key.WithRevocation(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return c.finish(w, configPath, f, changed)
}
