package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
)

func printDirectoryWarnings(w io.Writer, warnings []directory.Problem) {
	for _, p := range warnings {
		fmt.Fprintf(w, "warning: %s\n", p)
	}
}

func printDirectorySummary(w io.Writer, d *directory.Directory, authority *pgp.Certificate) {
	n := d.Counts()
	fmt.Fprintf(w, "version %d of %s: %s, %s, %s\n", d.Version(), d.Issued().UTC().Format("2006-01-02 15:04 UTC"),
		numberOf(n.Parties, "Party", "Parties"), numberOf(n.ContactPoints, "contact point", "contact points"),
		numberOf(n.Certificates, "certificate", "certificates"))
	fmt.Fprintf(w, "authority %s\n", authority.Fingerprint())
}

func numberOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printHits(out io.Writer, hits []directory.Hit) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPARTY\tROLE\tINSTITUTION\tE-MAIL\tTELEPHONE")
	for _, h := range hits {
		cp := h.ContactPoint
		institution := cp.Institution
		if cp.Unit != "" {
			institution += ", " + cp.Unit
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", cp.ID, h.Party.Names["en"], cp.Role, institution, cp.Addresses[0], bestPhone(cp))
	}
	return w.Flush()
}

// bestPhone is the line to call at any hour.
func bestPhone(cp *directory.ContactPoint) string {
	for _, use := range []string{"out-of-hours", "mobile", "office"} {
		for _, p := range cp.Phones {
			if p.Use == use {
				return p.Number
			}
		}
	}
	return "-"
}

func printParty(out io.Writer, d *directory.Directory, p *directory.Party, at time.Time) error {
	w := entryWriter{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	w.field("Party", p.Code)
	for _, lang := range slices.Sorted(maps.Keys(p.Names)) {
		w.field("Name ("+lang+")", p.Names[lang])
	}
	w.field("Convention", treatyStatus(p.Convention, at))
	w.field("Second Protocol", treatyStatus(p.SecondProtocol, at))
	w.field("Reservations", strings.Join(p.Reservations, ", "))
	if p.PreservationMaxDays > 0 {
		w.field("Preservation", fmt.Sprintf("at most %d days, %s", p.PreservationMaxDays, numberOf(p.PreservationRenewals, "renewal", "renewals")))
	}
	if p.FormalConfirmation {
		w.field("Formal confirmation", "required after an e-mail (CONV 25.3)")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range p.ContactPoints {
		fmt.Fprintln(out)
		if err := printContactPoint(out, d, &p.ContactPoints[i], at); err != nil {
			return err
		}
	}
	return nil
}

func treatyStatus(t directory.Treaty, at time.Time) string {
	switch {
	case t.From.IsZero():
		return "not a Party"
	case t.InForce(at):
		return "in force since " + t.From.String()
	case at.Before(t.From.Time):
		return "in force from " + t.From.String()
	}
	return "no longer in force since " + t.Until.String()
}

func printContactPoint(out io.Writer, d *directory.Directory, cp *directory.ContactPoint, at time.Time) error {
	w := entryWriter{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	w.field("Contact point", cp.ID)
	if p, ok := d.Party(cp.Party); ok {
		w.field("Party", p.Names["en"])
	}
	w.field("Role", string(cp.Role))
	w.field("Institution", cp.Institution)
	w.field("Unit", cp.Unit)
	w.field("Postal address", strings.ReplaceAll(cp.Postal, "\n", ", "))
	for _, p := range cp.Phones {
		w.field("Telephone", p.Number+" ("+p.Use+")")
	}
	for _, a := range cp.Addresses {
		w.field("E-mail", a)
	}
	w.field("Reads", strings.Join(cp.LanguagesIn, ", "))
	w.field("Writes", strings.Join(cp.LanguagesOut, ", "))
	w.field("Office hours", strings.TrimSpace(cp.Hours+" "+cp.Zone))
	kinds := "every kind of request"
	if len(cp.Competences) > 0 {
		var list []string
		for _, k := range cp.Competences {
			list = append(list, string(k))
		}
		kinds = strings.Join(list, ", ")
	}
	w.field("Competent for", kinds)
	w.field("Backup", cp.Backup)
	if len(cp.Certificates()) == 0 {
		w.field("Certificate", "none: this contact point cannot be written to")
	}
	for _, c := range cp.Certificates() {
		w.field("Certificate", directory.KeyText(c))
		if c.CheckSigning(at, pgp.DefaultPolicy()) != nil && c.CheckEncryption(at, pgp.DefaultPolicy()) != nil {
			w.field("", "not usable now: ask for a new one")
		}
		if v, ok := cp.Voucher(c.Fingerprint()); ok {
			w.field("", fmt.Sprintf("confirmed by %s (%s) on %s", v.By, v.How, v.At.UTC().Format(time.DateOnly)))
			if at.Before(v.EmergenciesFrom) {
				w.field("", "not for emergencies before "+v.EmergenciesFrom.UTC().Format("2006-01-02 15:04 UTC"))
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(cp.Provenance)) {
		p := cp.Provenance[field]
		text := p.Source
		if !p.Verified.IsZero() {
			text = strings.TrimPrefix(strings.TrimSpace(text+", verified "+p.Verified.String()+" "+p.VerifiedBy), ", ")
		}
		w.field("Source of "+field, text)
	}
	return w.Flush()
}

// entryWriter prints one field per line and leaves out the empty ones.
type entryWriter struct{ *tabwriter.Writer }

func (w entryWriter) field(name, value string) {
	if value != "" {
		fmt.Fprintf(w, "%s\t%s\n", name, value)
	}
}

func printDiff(w io.Writer, old, new *directory.Directory) {
	fmt.Fprintf(w, "version %d (%s) -> version %d (%s)\n", old.Version(), old.Issued().UTC().Format(time.DateOnly),
		new.Version(), new.Issued().UTC().Format(time.DateOnly))
	changes := directory.Diff(old, new)
	keys := 0
	for _, c := range changes {
		fmt.Fprintln(w, c)
		if c.Key {
			keys++
		}
	}
	if len(changes) == 0 {
		fmt.Fprintln(w, "no entry changed")
	} else {
		fmt.Fprintln(w, numberOf(len(changes), "change", "changes"))
	}
	if keys > 0 {
		fmt.Fprintf(w, "!! %s: before signing, call each contact point on a number of the old version\n", numberOf(keys, "key change", "key changes"))
	}
	if new.Version() <= old.Version() {
		fmt.Fprintf(w, "!! gateways that have version %d will refuse version %d: give the new one a higher number\n", old.Version(), new.Version())
	}
}
