package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
	"relais.example/gateway/control"
	"relais.example/gateway/server"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
)

// pending opens the store that the configuration places.
func (s *directorySource) pending() (*pending.Store, *config.Config, error) {
	c, err := config.Read(s.config)
	if err != nil {
		return nil, nil, err
	}
	dir := server.PendingDir(c)
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("no changes are pending on this gateway: %w", err)
	}
	store, err := pending.OpenStore(dir)
	return store, c, err
}

// way says how the contact point was reached. A number counts only if the
// Directory in force lists it: one from a message may be an attacker's.
func (s *directorySource) way(contactPoint, called, met string) (string, error) {
	switch {
	case called == "" && met == "" || called != "" && met != "":
		return "", errors.New("say how you reached the contact point: --called NUMBER or --met WHERE; a mail is no confirmation")
	case met != "":
		return "met in person: " + met, nil
	}
	d, _, err := s.load()
	if err != nil {
		return "", err
	}
	cp, ok := d.ContactPoint(contactPoint)
	if !ok {
		return "", fmt.Errorf("%s is not in the Directory now", contactPoint)
	}
	for _, p := range cp.Phones {
		if digits(p.Number) == digits(called) {
			return "call-back to " + p.Number + " (" + p.Use + ")", nil
		}
	}
	return "", fmt.Errorf("the Directory lists no number %s for %s; see relais directory show %s", called, contactPoint, contactPoint)
}

func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number)
}

// person is a member of the staff who acts.
type person struct{ user, passwordFile string }

func (p *person) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.user, "by", "", "your staff account")
	cmd.Flags().StringVar(&p.passwordFile, "password-file", "-", "file with its password, - for standard input")
	if err := cmd.MarkFlagRequired("by"); err != nil {
		panic(err) // the flag is defined above
	}
}

// change opens a pending change for a person who proves to be one of the staff
// that may act on it.
func (s *directorySource) change(cmd *cobra.Command, id string, who *person) (*pending.Store, *config.Config, pending.Change, error) {
	store, c, err := s.pending()
	if err != nil {
		return nil, nil, pending.Change{}, err
	}
	change, err := store.Get(id)
	if err == nil {
		err = who.prove(cmd, c, change)
	}
	return store, c, change, err
}

// prove checks that the person is who it says, and may act for the desk that
// received the change.
func (p *person) prove(cmd *cobra.Command, c *config.Config, change pending.Change) error {
	p.user = strings.ToLower(p.user)
	password, _, err := newPassword(cmd.InOrStdin(), p.passwordFile)
	if err != nil {
		return err
	}
	staff, err := accounts.Load(c.StaffFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
	defer cancel()
	account, err := staff.Authenticate(ctx, p.user, password, "127.0.0.1")
	if err != nil {
		return fmt.Errorf("account %q: %w; give its password with --password-file, or on standard input", p.user, err)
	}
	switch {
	case account.Role != accounts.Officer && account.Role != accounts.Supervisor && account.Role != accounts.Admin:
		return fmt.Errorf("account %q has the role %s, which changes nothing", p.user, account.Role)
	case account.Desk != change.Proposal.Desk:
		return fmt.Errorf("account %q belongs to %s; the change was received by %s", p.user, account.Desk, change.Proposal.Desk)
	}
	return nil
}

// tellResult has the running gateway tell the contact point what became of a
// change that it asked for. One that does not run does so when it starts.
func tellResult(cmd *cobra.Command, c *config.Config, change pending.Change) error {
	if !change.Proposal.Asked() {
		return nil
	}
	var done bool
	err := control.Call(cmd.Context(), c.DataDir, "directory-pending", struct{}{}, &done)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		fmt.Fprintf(cmd.OutOrStdout(), "%s asked for it and will be told when the gateway runs\n", change.Proposal.ContactPoint)
		return nil
	case err != nil: // it looks by itself every minute
		fmt.Fprintf(cmd.ErrOrStderr(), "%s will be told within a minute; the gateway was not asked: %v\n", change.Proposal.ContactPoint, err)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s asked for it and is told by mail\n", change.Proposal.ContactPoint)
	return nil
}

func handedOver(c pending.Change) bool { return c.History[len(c.History)-1].Act == pending.HandedOver }

func printChange(out io.Writer, d *directory.Directory, c pending.Change) error {
	p := c.Proposal
	w := entryWriter{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	w.field("Change", c.ID)
	w.field("Status", string(c.Status()))
	w.field("Contact point", p.ContactPoint)
	w.field("Field", p.Path)
	for _, n := range p.News {
		w.field("New", n)
	}
	if p.Kind == pending.Certificate {
		w.field("Certificate", directory.Spaced(p.Fingerprint))
	}
	for _, f := range append([]directory.FieldChange{{Old: p.Old, New: p.New}}, p.Fields...) {
		if p.Kind == pending.Field && f.Old+f.New != "" {
			w.field(strings.TrimSpace("Now "+f.Path), orDash(oneLine(f.Old)))
			w.field("Proposed", orDash(oneLine(f.New)))
		}
	}
	w.field("Came", fmt.Sprintf("%s, %s, for %s", p.Seen.Format("2006-01-02 15:04 UTC"), p.Carrier, p.Desk))
	w.field("Request", p.Request)
	w.field("Signed by", p.Signer)
	if cp, ok := d.ContactPoint(p.ContactPoint); ok {
		for _, phone := range cp.Phones {
			w.field("Call", phone.Number+" ("+phone.Use+")")
		}
	}
	for _, e := range c.History {
		line := fmt.Sprintf("%s %s by %s", e.At.Format("2006-01-02 15:04 UTC"), e.Act, e.By)
		if e.How != "" {
			line += ", " + e.How + " at " + e.Reached.Format("2006-01-02 15:04 UTC")
		}
		if e.Note != "" {
			line += ", " + e.Note
		}
		w.field("History", line)
	}
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// oneLine keeps what came by mail from steering the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return ' '
		}
		return r
	}, s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
