package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relais.example/gateway/config"
	"relais.example/gateway/control"
	"relais.example/gateway/server"
	"relais.example/routing/directory"
	"relais.example/routing/reach"
)

func directorySend() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "send [CONTACT-POINT...]",
		Short: "Send the version in force to the contact points, by signed and encrypted mail",
		Long: `Sends the Directory in force, through the gateway that runs here, to every
contact point that this version was not sent to yet; to the named ones in any
case. A gateway installs it by itself and answers with a signed receipt, which
'relais directory status' shows.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			c, err := config.Read(path)
			if err != nil {
				return err
			}
			var result []server.Pinged
			if err := control.Call(cmd.Context(), c.DataDir, "directory-send", server.SendArgs{ContactPoints: names}, &result); err != nil {
				return err
			}
			failed := 0
			for _, p := range result {
				if p.Error != "" {
					failed++
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: not sent: %s\n", p.ContactPoint, p.Error)
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "queued for %s\n", count(len(result)-failed, "contact point"))
			if failed > 0 {
				return fmt.Errorf("not sent to %s", count(failed, "contact point"))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file")
	return cmd
}

func directoryStatus() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Who was sent which version, and who has it in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Read(path)
			if err != nil {
				return err
			}
			d, _, err := (&directorySource{config: path}).load()
			if err != nil {
				return err
			}
			versions, err := reach.Versions(c.Journal.Dir, d, c.DeskIDs())
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(versions)
			}
			text, err := directory.ReadDocument(filepath.Join(c.Directory.Dir, directory.FileName))
			if err != nil {
				return err
			}
			sum := sha256.Sum256(text)
			fmt.Fprintf(cmd.OutOrStdout(), "In force here: version %d, SHA-256 %s\n\n", d.Version(), hex.EncodeToString(sum[:]))
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "CONTACT POINT\tSENT\tWHEN\tINSTALLED\tSTATE")
			for _, v := range versions {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.ContactPoint, number(v.Sent), day(v.SentAt), number(v.Installed), versionState(v, d.Version(), hex.EncodeToString(sum[:])))
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func number(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// versionState says in words how a contact point stands to the version in
// force.
func versionState(v reach.Version, current uint64, digest string) string {
	switch {
	case v.Installed == current && v.Digest != digest:
		return "OTHER CONTENT under the same number: call it"
	case v.Installed >= current:
		return "up to date"
	case v.GivenUp:
		return "could not be delivered: call it"
	case v.Sent == current && v.Delivered:
		return "delivered, no receipt yet"
	case v.Sent == current:
		return "on its way"
	case v.Sent == 0 && v.Installed == 0:
		return "never sent"
	}
	return "has an older version"
}
