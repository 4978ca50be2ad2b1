package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/secret"
	"relais.example/routing/directory"
)

// newDirectoryCommand returns `relais directory`.
func newDirectoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "directory",
		Short: "Import, release, verify, show, search, compare, export and look after the Directory of contact points",
		Long: `The Directory is a JSON document signed by the Directory authority; see
docs/directory.md for its format. show and search read the Directory that the
configuration names, or the one given with --file, and check its signature
before anything of it is shown.`,
	}
	cmd.AddCommand(
		directoryImport(), directoryDraft(), directoryConfirm(), directoryReview(), directorySign(), directoryPublish(), directoryReleases(),
		directoryVerify(), directoryShow(), directorySearch(), directoryDiff(), directoryExport(), directorySend(), directoryStatus(),
		directoryHealth(), directoryPending(),
	)
	return cmd
}

func directorySign() *cobra.Command {
	var s signing
	var w work
	cmd := &cobra.Command{
		Use:   "sign --key KEYFILE --by NAME",
		Short: "Sign the reviewed version with the authority's key",
		Long: `Signs the version of the working folder that two people drafted and reviewed. It
refuses one that changed since, that has open errors, or that changes keys
without confirmation. All faults are listed at once.

With a FILE and --without-review it checks and signs that file alone, for trials
and for an authority that keeps the rule of two by other means; the signature
lies beside it as FILE.asc.

The key may stay in GnuPG: sign draft.json in the working folder with it, and
give the signature with --signature and the certificate with --authority.`,
		Example: `  relais directory sign --by "A. Author" --key authority-private.asc --passphrase-file passphrase
  gpg --armor --detach-sign --output draft.asc directory-work/draft.json
  relais directory sign --by "A. Author" --signature draft.asc --authority authority.asc
  relais directory sign directory.json --without-review --key authority-private.asc`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return s.work(cmd.OutOrStdout(), cmd.ErrOrStderr(), w)
			}
			if !s.unreviewed {
				return errUnreviewed
			}
			key, err := readAuthorityKey(s.keyFile, s.passphraseFile)
			if err != nil {
				return err
			}
			doc, err := directory.ReadDocument(args[0])
			if err != nil {
				return err
			}
			at := time.Now()
			signature, warnings, err := directory.Sign(doc, key, at, s.allowExpired)
			if err != nil {
				return fmt.Errorf("%s was not signed; mend it and sign again:\n%w", args[0], err)
			}
			if err := directory.WriteSignature(args[0], signature); err != nil {
				return err
			}
			d, err := directory.Verify(doc, signature, key.Certificate(), at)
			if err != nil {
				return err
			}
			printDirectoryWarnings(cmd.ErrOrStderr(), warnings)
			fmt.Fprintf(cmd.OutOrStdout(), "signed: %s\n", args[0]+directory.SignatureSuffix)
			printDirectorySummary(cmd.OutOrStdout(), d, key.Certificate())
			return nil
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&s.signature, "signature", "", "signature over draft.json that was made elsewhere, instead of --key")
	cmd.Flags().StringVar(&s.authorityFile, "authority", "", "certificate of the key that made it")
	cmd.Flags().BoolVar(&s.unreviewed, "without-review", false, "sign a single file that nobody reviewed")
	cmd.Flags().StringVar(&s.keyFile, "key", "", "file with the authority's private OpenPGP key")
	cmd.Flags().StringVar(&s.passphraseFile, "passphrase-file", "", "file with the passphrase of the key; not needed for an unprotected one")
	cmd.Flags().BoolVar(&s.allowExpired, "allow-expired", false, "sign although certificates of contact points have expired")
	return cmd
}

func directoryVerify() *cobra.Command {
	var from directorySource
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check the authority's signature and every entry",
		Long: `Checks the signature FILE.asc against the authority's certificate, then every
entry. What is wrong with certificates are warnings: it does not make the Directory
invalid (see health).`,
		Example: `  relais directory verify directory.json --authority authority.asc`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				from.file = args[0]
			}
			d, authority, err := from.load()
			if err != nil {
				return err
			}
			for _, f := range d.Health(directory.HealthOptions{At: time.Now(), Policy: pgp.DefaultPolicy()}) {
				printDirectoryWarnings(cmd.ErrOrStderr(), []directory.Problem{f.Problem()})
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the signature is good")
			printDirectorySummary(cmd.OutOrStdout(), d, authority)
			return nil
		},
	}
	from.flags(cmd)
	return cmd
}

func directoryShow() *cobra.Command {
	var from directorySource
	cmd := &cobra.Command{
		Use:   "show [ID]",
		Short: "Show all contact points, or all about one of them or of a Party",
		Example: `  relais directory show
  relais directory show XB
  relais directory show XB-1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, authority, err := from.load()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				if err := from.looked(cmd, "show", "", d.Counts().ContactPoints); err != nil {
					return err
				}
				printDirectorySummary(out, d, authority)
				var all []directory.Hit
				for i := range d.Document().Parties {
					p := &d.Document().Parties[i]
					for j := range p.ContactPoints {
						all = append(all, directory.Hit{ContactPoint: &p.ContactPoints[j], Party: p})
					}
				}
				return printHits(out, all)
			}
			id := strings.ToUpper(args[0])
			if err := from.looked(cmd, "show", id, 1); err != nil {
				return err
			}
			if cp, ok := d.ContactPoint(id); ok {
				return printContactPoint(out, d, cp, time.Now())
			}
			if p, ok := d.Party(id); ok {
				return printParty(out, d, p, time.Now())
			}
			return fmt.Errorf("no contact point or Party %q in version %d; try: relais directory search %s", args[0], d.Version(), args[0])
		},
	}
	from.flags(cmd)
	return cmd
}

func directorySearch() *cobra.Command {
	var from directorySource
	var limit int
	cmd := &cobra.Command{
		Use:   "search WORDS",
		Short: "Find contact points by any words of their entries",
		Long: `Finds the contact points that match all words, the best first. A word may be
cut short; case and accents do not matter; English and French names work; any
field counts, also e-mail addresses, telephone numbers and fingerprints.`,
		Example: `  relais directory search "cybercrime prosecutor Betaland"`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, _, err := from.load()
			if err != nil {
				return err
			}
			query := strings.Join(args, " ")
			hits := d.Search(query, limit)
			if err := from.looked(cmd, "search", query, len(hits)); err != nil {
				return err
			}
			if len(hits) == 0 {
				return fmt.Errorf("no contact point matches %q; try fewer or shorter words", query)
			}
			return printHits(cmd.OutOrStdout(), hits)
		},
	}
	from.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to show at most; 0 shows all")
	return cmd
}

func directoryDiff() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what changed between two versions",
		Long: `Shows what changed between two documents, signed or not: signatures are not
checked here, so that drafts can be compared (see verify). Lines marked !! change
which key is trusted for whom.`,
		Example: `  relais directory diff directory/versions/6/directory.json directory.json`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var both [2]*directory.Directory
			for i, file := range args {
				d, err := readUnverified(file)
				if err != nil {
					return err
				}
				both[i] = d
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				return e.Encode(append([]directory.Change{}, directory.Diff(both[0], both[1])...))
			}
			printDiff(cmd.OutOrStdout(), both[0], both[1])
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the changes as JSON")
	return cmd
}

// directorySource says where a command finds the Directory and its authority.
type directorySource struct{ config, file, authority string }

func (s *directorySource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.config, "config", defaultConfig, "configuration file that names Directory and authority")
	cmd.Flags().StringVar(&s.file, "file", "", "read this Directory instead; its signature lies beside it as FILE.asc")
	cmd.Flags().StringVar(&s.authority, "authority", "", "certificate of the authority (default with --file: authority.asc beside it)")
}

// load reads and verifies the Directory.
func (s *directorySource) load() (*directory.Directory, *pgp.Certificate, error) {
	file, authority := s.file, s.authority
	switch {
	case file != "" && authority == "":
		authority = filepath.Join(filepath.Dir(file), "authority.asc")
	case file == "":
		c, err := config.Read(s.config)
		if err != nil {
			return nil, nil, fmt.Errorf("%w\ngive the right configuration with --config, or the Directory itself with --file", err)
		}
		file = filepath.Join(c.Directory.Dir, directory.FileName)
		if authority == "" {
			authority = c.Directory.AuthorityFile
		}
	}
	cert, err := readAuthority(authority)
	if err != nil {
		return nil, nil, err
	}
	doc, signature, err := directory.ReadFiles(file)
	if err != nil {
		return nil, nil, err
	}
	d, err := directory.Verify(doc, signature, cert, time.Now())
	return d, cert, err
}

func readAuthority(file string) (*pgp.Certificate, error) {
	const remedy = "name the file with the authority's certificate with --authority"
	data, err := readKeyMaterial(file)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's certificate: %w; %s", err, remedy)
	}
	certs, err := pgp.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's certificate %s: %w; %s", file, err, remedy)
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("%s holds %d certificates; keep only the authority's", file, len(certs))
	}
	return certs[0], nil
}

func readAuthorityKey(keyFile, passphraseFile string) (*pgp.Key, error) {
	if keyFile == "" {
		return nil, errors.New("no key given; name the file with the authority's private key with --key")
	}
	data, err := secret.Read(keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's key: %w; name the right file with --key", err)
	}
	var passphrase []byte
	if passphraseFile != "" {
		if passphrase, err = secret.ReadLine(passphraseFile); err != nil {
			return nil, fmt.Errorf("reading the passphrase: %w; name the right file with --passphrase-file", err)
		}
	}
	key, err := pgp.ReadKey(data, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the authority's key %s: %w; check --key and --passphrase-file", keyFile, err)
	}
	return key, nil
}

// readKeyMaterial reads a certificate, a signature, or another small file that
// holds no secret.
func readKeyMaterial(file string) ([]byte, error) {
	const most = 1 << 20
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s has more than %d bytes", file, most)
	}
	return data, err
}

func readUnverified(file string) (*directory.Directory, error) {
	raw, err := directory.ReadDocument(file)
	if err != nil {
		return nil, err
	}
	doc, err := directory.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is not valid; mend it first:\n%w", file, err)
	}
	return directory.New(doc)
}
