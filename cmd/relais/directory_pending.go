package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relais.example/routing/directory/pending"
)

// directoryPending returns `relais directory pending`.
func directoryPending() *cobra.Command {
	var from directorySource
	cmd := &cobra.Command{
		Use:   "pending",
		Short: "List, confirm and reject changes of the Directory that were proposed by mail",
		Long: `A certificate that came with a message, or a change that a contact point asked
for, changes nothing by itself. It waits here until two different people have
reached the contact point in another way than by mail. Then it is exported for
the Directory authority, who alone changes the Directory.

Whoever confirms, rejects or exports proves who it is with the password of the
staff account (--password-file, or the first line of standard input).`,
	}
	cmd.PersistentFlags().StringVar(&from.config, "config", defaultConfig, "configuration file of the gateway")
	cmd.AddCommand(pendingList(&from), pendingShow(&from), pendingConfirm(&from), pendingReject(&from), pendingExport(&from))
	return cmd
}

func pendingList(from *directorySource) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the changes that wait for people",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, _, err := from.pending()
			if err != nil {
				return err
			}
			list, damaged := store.List()
			shown := []pending.Change{}
			for _, c := range list {
				if all || c.Status() != pending.Rejected && !handedOver(c) {
					shown = append(shown, c)
				}
			}
			if asJSON {
				return errors.Join(printJSON(cmd.OutOrStdout(), shown), damaged)
			}
			if len(shown) == 0 && damaged == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "no changes wait")
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tSTATUS\tCONFIRMED BY\tSEEN\tCARRIER\tWHAT")
			for _, c := range shown {
				what := c.Proposal.Path
				if c.Proposal.Kind == pending.Certificate {
					what = c.Proposal.Fingerprint
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.Status(), orDash(strings.Join(c.ConfirmedBy(), ", ")),
					c.Proposal.Seen.Format("2006-01-02 15:04"), c.Proposal.Carrier, what)
			}
			return errors.Join(w.Flush(), damaged)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show those that are over, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func pendingShow(from *directorySource) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show all about one change, and whom to call",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, _, err := from.pending()
			if err != nil {
				return err
			}
			c, err := store.Get(args[0])
			if err != nil {
				return err
			}
			d, _, err := from.load()
			if err != nil {
				return err
			}
			return printChange(cmd.OutOrStdout(), d, c)
		},
	}
}

func pendingConfirm(from *directorySource) *cobra.Command {
	var who person
	var called, met, with, at string
	cmd := &cobra.Command{
		Use:   "confirm ID --by USER (--called NUMBER | --met WHERE)",
		Short: "Record that you reached the contact point and it confirmed the change",
		Long: `Records one person's confirmation; with that of a second, different person the
change is confirmed. Reach the contact point in another way than by mail: call a
number that the Directory lists for it, or meet somebody whom you know. Compare
the whole fingerprint. Nothing in the Directory changes by this.`,
		Example: `  relais directory pending confirm XB-1-0123456789ab --by amy --called "+999 2 555 0111" --with "duty officer" --password-file amy.txt`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, c, err := from.pending()
			if err != nil {
				return err
			}
			change, err := store.Get(args[0])
			if err != nil {
				return err
			}
			now := time.Now()
			reached := now
			if at != "" {
				if reached, err = time.Parse(time.RFC3339, at); err != nil {
					return fmt.Errorf("--at %q is not a time such as 2026-02-01T09:00:00Z", at)
				}
			}
			how, err := from.way(change.Proposal.ContactPoint, called, met)
			if err != nil {
				return err
			}
			if err := who.prove(cmd, c, change); err != nil {
				return err
			}
			change, err = store.Confirm(change.ID, pending.Confirmation{By: who.user, How: how, Reached: reached, Note: with, At: now})
			if err != nil {
				return err
			}
			if change.Status() == pending.Confirmed {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is confirmed by %s; hand it to the authority: relais directory pending export %s\n",
					change.ID, strings.Join(change.ConfirmedBy(), " and "), change.ID)
				return tellResult(cmd, c, change)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: confirmed by %s; a second, different person must confirm it\n", change.ID, who.user)
			return nil
		},
	}
	who.flags(cmd)
	cmd.Flags().StringVar(&called, "called", "", "number that you called; the Directory must list it for the contact point")
	cmd.Flags().StringVar(&met, "met", "", "where you met, when it was in person")
	cmd.Flags().StringVar(&with, "with", "", "whom you spoke to")
	cmd.Flags().StringVar(&at, "at", "", "when, such as 2026-02-01T09:00:00Z (default: now)")
	return cmd
}

func pendingReject(from *directorySource) *cobra.Command {
	var who person
	var why, tell string
	cmd := &cobra.Command{
		Use:   "reject ID --by USER --why TEXT",
		Short: "End a change for good",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, c, change, err := from.change(cmd, args[0], &who)
			if err != nil {
				return err
			}
			if _, err := store.Reject(change.ID, who.user, why, tell, time.Now()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is rejected\n", change.ID)
			return tellResult(cmd, c, change)
		},
	}
	who.flags(cmd)
	cmd.Flags().StringVar(&why, "why", "", "reason, for the record")
	cmd.Flags().StringVar(&tell, "tell", "", "what the contact point is told, when it asked for the change itself")
	return cmd
}

func pendingExport(from *directorySource) *cobra.Command {
	var who person
	var out string
	cmd := &cobra.Command{
		Use:   "export ID --by USER",
		Short: "Write a confirmed change as JSON for the Directory authority",
		Long: `Writes the change with its history, so that the authority sees who confirmed it
and how, and records that it was handed over. Sign the file and send it to the
authority, which makes its own checks.`,
		Example: `  relais directory pending export XB-1-0123456789ab --by amy --out change.json
  gpg --armor --detach-sign change.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, _, change, err := from.change(cmd, args[0], &who)
			if err != nil {
				return err
			}
			if change, err = store.HandOver(change.ID, who.user, "exported", time.Now()); err != nil {
				return err
			}
			if out == "" {
				return printJSON(cmd.OutOrStdout(), change)
			}
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("writing %s: %w; name a new file with --out", out, err)
			}
			err = errors.Join(printJSON(f, change), f.Sync(), f.Close())
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "written: %s; sign it and send it to the Directory authority\n", out)
			}
			return err
		},
	}
	who.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: standard output)")
	return cmd
}
