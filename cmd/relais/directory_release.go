package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/directory/release"
)

// work says in which folder a version is in work, and who acts.
type work struct{ dir, by string }

func (w *work) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.dir, "work", "directory-work", "working folder of the Directory authority")
	cmd.Flags().StringVar(&w.by, "by", "", "who you are")
}

func directoryDraft() *cobra.Command {
	var w work
	var previous, authority string
	var changes []string
	cmd := &cobra.Command{
		Use:   "draft FILE --by NAME",
		Short: "Take a document into work as the next version",
		Long: `Takes a document, such as relais directory import writes it, into the working
folder as the next version. Its number is one above the last published one and
it carries the digest of that; what the file says of both does not count.

With --previous, a Directory that was signed before this folder existed becomes
the version before. Shows the open errors and what changes.`,
		Example: `  relais directory draft draft.json --by "A. Author"
  relais directory draft directory.json --by "A. Author" --change XB-1-0123456789ab.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := directory.ReadDocument(args[0])
			if err != nil {
				return err
			}
			doc, _, err := directory.ReadDraft(raw)
			if err != nil {
				return fmt.Errorf("%s is no Directory; mend it first:\n%w", args[0], err)
			}
			for _, file := range changes {
				if err := applyChange(doc, file); err != nil {
					return err
				}
			}
			f, err := release.Open(w.dir)
			if err != nil {
				return err
			}
			if previous != "" {
				if err := adopt(f, previous, authority); err != nil {
					return err
				}
			}
			if err := f.Draft(doc, w.by, time.Now()); err != nil {
				return err
			}
			return printWork(cmd.OutOrStdout(), f)
		},
	}
	w.flags(cmd)
	cmd.Flags().StringSliceVar(&changes, "change", nil, "confirmed change to make in it, as relais directory pending export wrote it; may be repeated")
	cmd.Flags().StringVar(&previous, "previous", "", "signed Directory in force, when the folder has no published version yet")
	cmd.Flags().StringVar(&authority, "authority", "", "certificate of the authority that signed it (default: authority.asc beside it)")
	return cmd
}

func adopt(f *release.Folder, previous, authority string) error {
	if authority == "" {
		authority = filepath.Join(filepath.Dir(previous), "authority.asc")
	}
	cert, err := readAuthority(authority)
	if err != nil {
		return err
	}
	doc, signature, err := directory.ReadFiles(previous)
	if err != nil {
		return err
	}
	return f.Adopt(doc, signature, cert, time.Now())
}

func directoryConfirm() *cobra.Command {
	var w work
	c := release.Confirmation{}
	var transition, callAt string
	var text bool
	cmd := &cobra.Command{
		Use:   "confirm ID FINGERPRINT --by NAME",
		Short: "Record how a changed key was confirmed",
		Long: `A key comes into the Directory, or leaves it, only when the contact point's old
key signed for that (--transition) or somebody called back on a number of the
version before (--called, --spoke-with, --call-at). The new key counts for
emergencies only after a cool-down, which is written into the entry. The draft
must be reviewed after it.

--text prints what the holder of the old key has to sign in clear.`,
		Example: `  relais directory confirm XB-1 0123… --by "A. Author" --called "+999 2 555 0111" --spoke-with "the officer on duty" --call-at 2026-02-01T09:00:00Z
  relais directory confirm XB-1 0123… --text | gpg --clearsign > transition.asc
  relais directory confirm XB-1 0123… --by "A. Author" --transition transition.asc`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.ContactPoint, c.Fingerprint = strings.ToUpper(args[0]), strings.ToUpper(strings.ReplaceAll(args[1], " ", ""))
			if text {
				_, err := io.WriteString(cmd.OutOrStdout(), release.TransitionText(c.ContactPoint, c.Fingerprint))
				return err
			}
			if transition != "" {
				raw, err := readKeyMaterial(transition)
				if err != nil {
					return fmt.Errorf("reading the transition: %w; name the right file with --transition", err)
				}
				c.Transition = string(raw)
			}
			if callAt != "" {
				at, err := time.Parse(time.RFC3339, callAt)
				if err != nil {
					return fmt.Errorf("%q is not a time; write --call-at as 2026-02-01T09:00:00Z", callAt)
				}
				c.CallAt = at
			}
			c.By = w.by
			f, err := release.Open(w.dir)
			if err != nil {
				return err
			}
			if err := f.Confirm(c, time.Now()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "confirmed: %s %s\n", c.ContactPoint, c.Fingerprint)
			return printWork(cmd.OutOrStdout(), f)
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&transition, "transition", "", "file with the transition, signed in clear by the old key")
	cmd.Flags().StringVar(&c.Called, "called", "", "number that was called; the version before must list it")
	cmd.Flags().StringVar(&c.SpokeWith, "spoke-with", "", "who answered")
	cmd.Flags().StringVar(&callAt, "call-at", "", "when the call was")
	cmd.Flags().DurationVar(&c.CoolDown, "cool-down", release.DefaultCoolDown, "how long the key waits before it counts for emergencies; at least 24h")
	cmd.Flags().BoolVar(&text, "text", false, "print the text of a transition instead")
	return cmd
}

func directoryReview() *cobra.Command {
	var w work
	var accept string
	cmd := &cobra.Command{
		Use:   "review --by NAME [--accept DIGEST]",
		Short: "Look at the version in work, and accept it",
		Long: `Shows what changes, the keys that must be confirmed, the open errors, and the
digest of the document. With --accept and that digest, a second person accepts
exactly this document: only it can be signed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := release.Open(w.dir)
			if err != nil {
				return err
			}
			if accept == "" {
				return printWork(cmd.OutOrStdout(), f)
			}
			if err := f.Review(w.by, strings.ToLower(accept), time.Now()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "reviewed: version %d by %s\n", f.State().Version, f.State().Reviewed.By)
			return nil
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&accept, "accept", "", "digest of the document that you looked at")
	return cmd
}

// signing says by which key a version is signed: one in a file, or one that has
// signed elsewhere.
type signing struct {
	keyFile, passphraseFile  string
	signature, authorityFile string
	allowExpired, unreviewed bool
}

// work signs the reviewed version of a working folder.
func (s *signing) work(out, errs io.Writer, w work) error {
	f, err := release.Open(w.dir)
	if err != nil {
		return err
	}
	var warnings []directory.Problem
	if s.signature != "" {
		warnings, err = s.attach(f, w.by)
	} else {
		var key *pgp.Key
		if key, err = readAuthorityKey(s.keyFile, s.passphraseFile); err == nil {
			warnings, err = f.Sign(w.by, key, s.allowExpired, time.Now())
		}
	}
	printDirectoryWarnings(errs, warnings)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "signed: version %d, authority %s\npublish it: relais directory publish --work %s\n", f.State().Version, f.State().Authority, w.dir)
	return nil
}

func (s *signing) attach(f *release.Folder, by string) ([]directory.Problem, error) {
	cert, err := readAuthority(s.authorityFile)
	if err != nil {
		return nil, err
	}
	signature, err := readKeyMaterial(s.signature)
	if err != nil {
		return nil, fmt.Errorf("reading the signature: %w; name the right file with --signature", err)
	}
	return f.Attach(by, signature, cert, s.allowExpired, time.Now())
}

func directoryPublish() *cobra.Command {
	var w work
	cmd := &cobra.Command{
		Use:   "publish --by NAME",
		Short: "Put the signed version among the published ones",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := release.Open(w.dir)
			if err != nil {
				return err
			}
			v, err := f.Publish(w.by, time.Now())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "published: %s\n", filepath.Join(w.dir, "published", fmt.Sprint(v)))
			return nil
		},
	}
	w.flags(cmd)
	return cmd
}

func directoryReleases() *cobra.Command {
	var w work
	cmd := &cobra.Command{
		Use:   "releases",
		Short: "Show the published versions, who released them, and the version in work",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := release.Open(w.dir)
			if err != nil {
				return err
			}
			history, err := f.History()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, r := range history {
				fmt.Fprintf(out, "version %d published %s by %s, drafted by %s, reviewed by %s, signed by %s, sha256 %s\n", r.Version,
					r.Published.At.Format(time.DateOnly), r.Published.By, orDash(r.Drafted.By), orDash(r.Reviewed.By), orDash(r.Signed.By), r.Published.Digest)
			}
			if s := f.State(); s.Step != release.None {
				fmt.Fprintf(out, "version %d in work: %s\n", s.Version, s.Step)
			}
			return nil
		},
	}
	w.flags(cmd)
	return cmd
}

// printWork shows the version in work as a reviewer must see it.
func printWork(out io.Writer, f *release.Folder) error {
	doc, raw, problems, err := f.Document()
	if err != nil {
		return err
	}
	before, _, err := f.Latest()
	if err != nil {
		return err
	}
	changes := directory.DiffDocuments(before, doc)
	s := f.State()
	fmt.Fprintf(out, "version %d in work: %s, drafted by %s\n", s.Version, s.Step, s.Drafted.By)
	for _, c := range changes {
		fmt.Fprintln(out, c)
	}
	if len(changes) == 0 {
		fmt.Fprintln(out, "no entry changed")
	}
	keys, err := f.KeyChanges()
	if err != nil {
		return err
	}
	for _, k := range keys {
		what := "comes"
		if k.Leaves {
			what = "leaves"
		}
		how := k.Why
		if how == "" {
			how = string(k.Confirmed.How) + " by " + k.Confirmed.By
		}
		fmt.Fprintf(out, "key of %s %s: %s: %s\n", k.ContactPoint, what, k.Fingerprint, how)
	}
	for _, p := range problems {
		fmt.Fprintf(out, "error: %s\n", p)
	}
	if len(problems) > 0 {
		fmt.Fprintf(out, "%s: the version cannot be signed with them\n", numberOf(len(problems), "open error", "open errors"))
	}
	fmt.Fprintf(out, "digest: %s\n", directory.Digest(raw))
	return nil
}

var errUnreviewed = errors.New("a release is signed in its working folder, after two people looked at it (relais directory draft, review); to sign a single file without that, say --without-review")
