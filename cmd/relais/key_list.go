package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/deskkey"
	"relais.example/routing/directory"
)

func keyList(path *string) *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the desks' keys: what each part is for, how long, and whether the Directory has it",
		Long: `DIRECTORY says whether others can see the part: yes; no; or old, when the
Directory lists the part with another end or without its revocation.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Read(*path)
			if err != nil {
				return err
			}
			source := directorySource{config: *path}
			published, _, err := source.load()
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "relais: the column DIRECTORY is empty: %v\n", err)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "DESK\tFINGERPRINT\tPART\tALGORITHM\tUSE\tCREATED\tEXPIRES\tDAYS\tSTATE\tDIRECTORY")
			for _, desk := range c.Desks {
				passphrase, err := deskPassphrase(desk, passphraseFile)
				if err != nil {
					return fmt.Errorf("desk %s: %w", desk.ID, err)
				}
				for i, file := range desk.KeyFiles {
					k, err := deskkey.ReadFile(file, passphrase)
					if err != nil {
						return fmt.Errorf("desk %s: %w", desk.ID, err)
					}
					listKey(w, desk.ID, k, i == 0, published, time.Now())
				}
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "file with the passphrase (default: where the configuration says)")
	return cmd
}

func listKey(w io.Writer, desk string, k *pgp.Key, signs bool, published *directory.Directory, at time.Time) {
	var seen map[string]pgp.Part
	if published != nil {
		seen = map[string]pgp.Part{}
		if c := published.Ring().Certificate(k.Certificate().Fingerprint()); c != nil {
			for _, p := range c.Parts() {
				seen[p.Fingerprint] = p
			}
		}
	}
	for _, p := range k.Parts() {
		name, expires, days := "subkey", "never", "-"
		if p.Primary {
			name = "primary"
			if !signs {
				name = "primary, decrypts only" // not the desk's first key
			}
		}
		if !p.Expires.IsZero() {
			expires, days = p.Expires.UTC().Format(time.DateOnly), fmt.Sprint(daysLeft(p, at))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", desk, p.Fingerprint, name, p.Algorithm, partUse(p),
			p.Created.UTC().Format(time.DateOnly), expires, days, listState(p, at), publishedState(p, seen))
	}
}

func listState(p pgp.Part, at time.Time) string {
	state := "good"
	switch {
	case p.Revoked != "":
		state = "revoked: " + string(p.Revoked)
	case !p.Usable(at):
		state = "expired"
	}
	if !p.Private {
		state += ", offline"
	}
	return state
}

func publishedState(p pgp.Part, seen map[string]pgp.Part) string {
	other, ok := seen[p.Fingerprint]
	switch {
	case seen == nil:
		return ""
	case !ok:
		return "no"
	case !other.Expires.Equal(p.Expires) || other.Revoked != p.Revoked:
		return "old"
	}
	return "yes"
}
