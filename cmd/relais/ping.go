package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relais.example/gateway/config"
	"relais.example/gateway/control"
	"relais.example/gateway/server"
	"relais.example/routing/reach"
)

// newPingCommand returns `relais ping`.
func newPingCommand() *cobra.Command {
	var args server.PingArgs
	var all bool
	cmd := &cobra.Command{
		Use:   "ping [CONTACT-POINT...]",
		Short: "Test whether contact points can be reached",
		Long: `Sends each contact point a signed and encrypted test, through the gateway that
runs here, and opens a sent request of kind PING for it. A Relais gateway
answers by itself; elsewhere a person presses Reply. 'relais ping report' shows
who answered, and how fast.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return errors.New("name contact points, such as XB-1, or give --all")
			}
			path, _ := cmd.Flags().GetString("config")
			c, err := config.Read(path)
			if err != nil {
				return err
			}
			args.ContactPoints = names
			var result []server.Pinged
			if err := control.Call(cmd.Context(), c.DataDir, "ping", args, &result); err != nil {
				return err
			}
			if len(result) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "every contact point of the Directory has its desk here: there is nobody to test")
			}
			failed := 0
			for _, p := range result {
				if p.Error != "" {
					failed++
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: not tested: %s\n", p.ContactPoint, p.Error)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s queued\n", p.ContactPoint, p.Reference)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %s not tested", failed, count(len(result), "contact point"))
			}
			return nil
		},
	}
	cmd.PersistentFlags().String("config", defaultConfig, "configuration file")
	cmd.Flags().StringVar(&args.Desk, "desk", "", "desk that asks (default: the first one)")
	cmd.Flags().BoolVar(&all, "all", false, "all contact points that have no desk here")
	cmd.AddCommand(newPingReportCommand())
	return cmd
}

func newPingReportCommand() *cobra.Command {
	var form string
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Who answered the tests, who is silent, how fast",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, _ := cmd.Flags().GetString("config")
			c, err := config.Read(path)
			if err != nil {
				return err
			}
			tests, err := reach.Read(c.Journal.Dir)
			if err != nil {
				return err
			}
			d, _, err := (&directorySource{config: path}).load()
			if err != nil {
				return err
			}
			now := time.Now()
			return writeReport(cmd, form, reach.Lines(d, tests, c.DeskIDs(), now, patience), now)
		},
	}
	cmd.Flags().StringVar(&form, "format", "text", "text, csv, html or json")
	cmd.Flags().DurationVar(&patience, "patience", 24*time.Hour, "when a test without answer counts as unanswered")
	return cmd
}

func writeReport(cmd *cobra.Command, form string, lines []reach.Line, at time.Time) error {
	out := cmd.OutOrStdout()
	switch form {
	case "csv":
		return reach.WriteCSV(out, lines)
	case "html":
		return reach.WriteHTML(out, lines, at)
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(lines)
	case "text":
	default:
		return fmt.Errorf("unknown format %q: use text, csv, html or json", form)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CONTACT POINT\tSTATE\tANSWERED\tMEDIAN\tLAST ANSWER\tINSTITUTION")
	for _, l := range lines {
		latency, last := "-", "never"
		if l.Answered > 0 {
			latency, last = l.Median.Round(100*time.Millisecond).String(), l.LastSuccess.UTC().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\t%s\t%s\n", l.ContactPoint, l.State, l.Answered, l.Tests, latency, last, l.Institution)
	}
	return w.Flush()
}
