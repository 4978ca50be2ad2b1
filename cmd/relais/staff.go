package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
)

const afterStaffChange = "A running gateway takes it over on SIGHUP (systemctl reload relais).\n"

// newStaffCommand returns `relais staff`.
func newStaffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "staff",
		Short: "Add, list and remove the people who may log in",
		Long: `Staff accounts stand in the staff_file of the configuration. Passwords are
never given on the command line, where other users of the machine would see
them: they come from a file (or - for standard input), or are made and printed
once.`,
	}
	path := cmd.PersistentFlags().String("config", defaultConfig, "configuration file")
	cmd.AddCommand(staffAdd(path), staffList(path), staffPassword(path), staffRemove(path))
	return cmd
}

func staffAdd(path *string) *cobra.Command {
	var a accounts.Account
	var role, passwordFile string
	cmd := &cobra.Command{
		Use:   "add USER",
		Short: "Add an account",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Read(*path)
			if err != nil {
				return err
			}
			if err := checkDesk(c, a.Desk); err != nil {
				return err
			}
			a.User, a.Role = args[0], accounts.Role(role)
			if a.Name == "" {
				a.Name = a.User
			}
			password, made, err := newPassword(cmd.InOrStdin(), passwordFile)
			if err != nil {
				return err
			}
			if a.PasswordHash, err = accounts.Hash(password); err != nil {
				return err
			}
			if err := accounts.Add(c.StaffFile, a); err != nil {
				return fmt.Errorf("adding %q: %w", a.User, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "added %s of %s: %s\n", a.Role, a.Desk, a.User)
			printPassword(cmd.OutOrStdout(), password, made)
			return nil
		},
	}
	cmd.Flags().StringVar(&a.Desk, "desk", "", "contact point the person works for, such as XA-1")
	cmd.Flags().StringVar(&role, "role", string(accounts.Officer), "officer, supervisor, auditor, admin or peer")
	cmd.Flags().StringVar(&a.Name, "name", "", "name shown to colleagues (default: USER)")
	cmd.Flags().StringVar(&a.Address, "address", "", "mail address of the person")
	addPasswordFlag(cmd, &passwordFile)
	if err := cmd.MarkFlagRequired("desk"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func staffList(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the accounts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Read(*path)
			if err != nil {
				return err
			}
			staff, err := accounts.List(c.StaffFile)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "USER\tDESK\tROLE\tNAME\tADDRESS")
			for _, a := range staff {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.User, a.Desk, a.Role, a.Name, a.Address)
			}
			return w.Flush()
		},
	}
}

func staffPassword(path *string) *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "password USER",
		Short: "Give an account a new password",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Read(*path)
			if err != nil {
				return err
			}
			password, made, err := newPassword(cmd.InOrStdin(), passwordFile)
			if err != nil {
				return err
			}
			hash, err := accounts.Hash(password)
			if err != nil {
				return err
			}
			if err := accounts.SetPassword(c.StaffFile, args[0], hash); err != nil {
				return fmt.Errorf("changing the password: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "new password for %s\n", args[0])
			printPassword(cmd.OutOrStdout(), password, made)
			return nil
		},
	}
	addPasswordFlag(cmd, &passwordFile)
	return cmd
}

func staffRemove(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "remove USER",
		Short: "Remove an account; what the person did stays in the journal",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Read(*path)
			if err != nil {
				return err
			}
			if err := accounts.Remove(c.StaffFile, args[0]); err != nil {
				return fmt.Errorf("removing: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n%s", args[0], afterStaffChange)
			return nil
		},
	}
}

func addPasswordFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "password-file", "", "file with the password, - for standard input (default: make one and print it)")
}

// newPassword reads the password from file, or makes one.
func newPassword(stdin io.Reader, file string) (password string, made bool, err error) {
	if file == "" {
		return accounts.Generate(), true, nil
	}
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", false, fmt.Errorf("reading password: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, accounts.MaxPassword+3))
	if err != nil {
		return "", false, fmt.Errorf("reading password: %w", err)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if strings.ContainsAny(string(data), "\r\n\x00") {
		return "", false, fmt.Errorf("reading password: %s has more than one line", file)
	}
	return string(data), false, nil
}

func printPassword(w io.Writer, password string, made bool) {
	if made {
		fmt.Fprintf(w, "password (shown only now): %s\n", password)
	}
	fmt.Fprint(w, afterStaffChange)
}
