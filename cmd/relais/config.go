package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
)

const defaultConfig = "relais.yaml"

// newConfigCommand returns `relais config`.
func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration, or show what it may hold",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check [FILE]",
			Short: "Report everything that is wrong with a configuration file (default relais.yaml)",
			Args:  cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				path := defaultConfig
				if len(args) == 1 {
					path = args[0]
				}
				text, warnings, err := checkConfig(path)
				for _, warning := range warnings {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: warning: %s\n", path, warning)
				}
				fmt.Fprint(cmd.OutOrStdout(), text)
				return err
			},
		},
		&cobra.Command{
			Use:   "describe",
			Short: "Print the reference of all keys (Markdown)",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := cmd.OutOrStdout().Write(config.Describe())
				return err
			},
		},
		&cobra.Command{
			Use:   "example",
			Short: "Print a commented configuration file with all keys and defaults",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := cmd.OutOrStdout().Write(config.Example())
				return err
			},
		},
	)
	return cmd
}

// checkConfig returns a summary of a good file and what could be better, or an
// error that lists everything that is wrong with it and with the staff file.
func checkConfig(path string) (summary string, warnings []string, err error) {
	c, err := config.Load(path)
	var problems config.Errors
	switch {
	case errors.As(err, &problems):
		return "", nil, fmt.Errorf("%s in %s; 'relais config describe' explains each key\n%w", count(len(problems), "error"), path, err)
	case err != nil:
		return "", nil, err
	}
	staff, err := accounts.Load(c.StaffFile)
	if err != nil {
		return "", nil, err
	}
	if err := checkStaffDesks(c, staff.All()); err != nil {
		return "", nil, err
	}
	queue := "embedded queue"
	if !c.Redis.Embedded() {
		queue = "queue in Redis"
	}
	var desks []string
	for _, d := range c.Desks {
		desks = append(desks, d.ID)
	}
	return fmt.Sprintf("%s: ok: %s (%s), %s, %s\n", path, count(len(desks), "desk"), strings.Join(desks, ", "),
		count(len(staff.All()), "staff account"), queue), append(c.Warnings(), c.WaiverWarnings(time.Now())...), nil
}

// checkStaffDesks reports the accounts of desks that this gateway does not
// serve; they could log in and would see nothing.
func checkStaffDesks(c *config.Config, staff []accounts.Account) error {
	var problems []error
	for _, a := range staff {
		if err := checkDesk(c, a.Desk); err != nil {
			problems = append(problems, fmt.Errorf("%s: user %q: %w", c.StaffFile, a.User, err))
		}
	}
	return errors.Join(problems...)
}

func checkDesk(c *config.Config, id string) error {
	var known []string
	for _, d := range c.Desks {
		if d.ID == id {
			return nil
		}
		known = append(known, d.ID)
	}
	return fmt.Errorf("desk %q is not served by this gateway; use %s", id, strings.Join(known, ", "))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
