package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"relais.example/gateway/config"
	"relais.example/routing/journal"
)

func newJournalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "journal", Short: "Check the journal, which is the audit log"}
	cmd.AddCommand(newJournalVerifyCommand())
	return cmd
}

func newJournalVerifyCommand() *cobra.Command {
	var path, dir string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no line of the journal was changed, taken out or put in",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				c, err := config.Read(path)
				if err != nil {
					return err
				}
				dir = c.Journal.Dir
			}
			r, err := journal.Verify(dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s, %d bytes, chain intact\nlast chain value: %s\n", numberOf(r.Entries, "entry", "entries"), r.Bytes, r.Chain)
			if r.Torn > 0 {
				return errors.New("the last line is unfinished; if the gateway does not run, a crash cut it short and the next start moves it aside")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", "relais.yaml", "configuration file")
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the journal (default: from the configuration)")
	return cmd
}
