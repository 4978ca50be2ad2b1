package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/server"
	"relais.example/routing/directory"
)

func directoryHealth() *cobra.Command {
	var from directorySource
	var asJSON, keys bool
	var within string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "List what is wrong with the certificates, or soon will be",
		Long: `Looks at every certificate of the Directory: expired, revoked or weak ones,
self-signatures with SHA-1, missing keys for signing or encryption, what ends
soon, contact points that cannot be written to. With a configuration, the keys
of the desks here are compared with what the Directory lists, and the limits of
its policy count. Exits with status 1 when there is a finding of severity error.`,
		Example: `  relais directory health
  relais directory health --within 90d --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			window, err := config.ParseDuration(within)
			if err != nil || window <= 0 {
				return fmt.Errorf("--within %q is not a time such as 60d", within)
			}
			d, _, err := from.load()
			if err != nil {
				return err
			}
			o := directory.HealthOptions{At: time.Now(), Policy: pgp.DefaultPolicy(), Within: window}
			if from.file == "" {
				if err := from.eyesOfTheGateway(&o); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: the keys of the desks are not compared with the Directory: %v\n", err)
				}
			}
			findings := d.Health(o)
			if asJSON {
				err = printHealthJSON(cmd.OutOrStdout(), d, findings, o)
			} else {
				err = printHealth(cmd.OutOrStdout(), d, findings, keys)
			}
			if err != nil {
				return err
			}
			if n := countErrors(findings); n > 0 {
				return fmt.Errorf("%s in version %d of the Directory", numberOf(n, "error", "errors"), d.Version())
			}
			return nil
		},
	}
	from.flags(cmd)
	cmd.Flags().StringVar(&within, "within", "60d", "how far ahead the end of a certificate is a finding")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print findings and all keys as JSON")
	cmd.Flags().BoolVar(&keys, "keys", false, "list every key, too")
	return cmd
}

// eyesOfTheGateway takes policy and desk keys from the configuration.
func (s *directorySource) eyesOfTheGateway(o *directory.HealthOptions) error {
	c, err := config.Read(s.config)
	if err != nil {
		return err
	}
	o.Policy = server.KeyPolicy(c)
	held, err := server.DeskCertificates(c)
	if err != nil {
		return errors.Join(err, errors.New("run it as the gateway's user, or as one who may read the keys"))
	}
	o.Desks = held
	return nil
}

func countErrors(findings []directory.Finding) int {
	n := 0
	for _, f := range findings {
		if f.Severity == directory.Error {
			n++
		}
	}
	return n
}

func printHealth(out io.Writer, d *directory.Directory, findings []directory.Finding, keys bool) error {
	for _, f := range findings {
		fmt.Fprintf(out, "%s %s: %s\n", f.Severity, f.Code, f)
	}
	n := countErrors(findings)
	fmt.Fprintf(out, "version %d: %s in %s, %s, %s\n", d.Version(),
		numberOf(d.Counts().Certificates, "certificate", "certificates"), numberOf(d.Counts().ContactPoints, "contact point", "contact points"),
		numberOf(n, "error", "errors"), numberOf(len(findings)-n, "warning", "warnings"))
	if !keys {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nCONTACT POINT\tKEY\tALGORITHM\tUSE\tEXPIRES\tSTATE")
	for _, c := range inventory(d) {
		for _, k := range c.Keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.ContactPoint, k.Fingerprint, k.Algorithm, keyUse(k), dateOrNever(k.Expires), keyState(k))
		}
	}
	return w.Flush()
}

func keyUse(k pgp.KeyInfo) string {
	switch {
	case k.Signs && k.Encrypts:
		return "signs, receives"
	case k.Signs:
		return "signs"
	case k.Encrypts:
		return "receives"
	}
	return "-"
}

func keyState(k pgp.KeyInfo) string {
	switch {
	case k.Revoked:
		return "revoked"
	case !k.Expires.IsZero() && k.Expires.Before(time.Now()):
		return "expired"
	case k.SHA1:
		return "SHA-1"
	}
	return "ok"
}

func dateOrNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

// listedCertificate is a certificate of the Directory, for programs.
type listedCertificate struct {
	ContactPoint  string        `json:"contact_point"`
	Fingerprint   string        `json:"fingerprint"`
	SignsUntil    *time.Time    `json:"signs_until,omitempty"`    // left out: for ever, or never if no key signs
	ReceivesUntil *time.Time    `json:"receives_until,omitempty"` // likewise
	Keys          []pgp.KeyInfo `json:"keys"`
}

func inventory(d *directory.Directory) []listedCertificate {
	list := []listedCertificate{}
	for _, p := range d.Document().Parties {
		for _, cp := range p.ContactPoints {
			for _, c := range cp.Certificates() {
				one := listedCertificate{ContactPoint: cp.ID, Fingerprint: c.Fingerprint(), Keys: c.Keys()}
				if end, ok := c.SigningEnds(); ok && !end.IsZero() {
					one.SignsUntil = &end
				}
				if end, ok := c.EncryptionEnds(); ok && !end.IsZero() {
					one.ReceivesUntil = &end
				}
				list = append(list, one)
			}
		}
	}
	return list
}

func printHealthJSON(out io.Writer, d *directory.Directory, findings []directory.Finding, o directory.HealthOptions) error {
	if findings == nil {
		findings = []directory.Finding{}
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Version      uint64              `json:"version"`
		At           time.Time           `json:"at"`
		WithinDays   int                 `json:"within_days"`
		Findings     []directory.Finding `json:"findings"`
		Certificates []listedCertificate `json:"certificates"`
	}{d.Version(), o.At.UTC().Truncate(time.Second), int(o.Within / (24 * time.Hour)), findings, inventory(d)})
}
