package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"relais.example/routing/directory"
	"relais.example/routing/directory/interchange"
)

func directoryImport() *cobra.Command {
	var current, out, partyMap, source, report, words string
	var replace bool
	cmd := &cobra.Command{
		Use:   "import FILE... [--out draft.json]",
		Short: "Read lists of contact points into a draft",
		Long: `Reads tables of .docx, .doc, .xlsx and CSV files, vCards, and Directories in
JSON, and lays what they say over the current version. Names of columns are
matched in English and French. The report tells what was understood, what was
guessed, and what was left out, with file, row and column; nothing is invented.
The result is always a draft: see relais directory draft.

A .doc is read with the help of LibreOffice or antiword, if one is installed.`,
		Example: `  relais directory import contacts.docx --current directory.json --out draft.json
  relais directory import list.xlsx keys.vcf --source "List of December 2025"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := interchange.Options{Source: source, Replace: replace, Issued: time.Now().UTC().Truncate(time.Second)}
			var err error
			if o.Vocabulary, err = readWords(words); err != nil {
				return err
			}
			if o.Parties, err = readPartyMap(partyMap); err != nil {
				return err
			}
			if o.Current, err = readCurrent(current); err != nil {
				return err
			}
			files, err := readImports(args)
			if err != nil {
				return err
			}
			result, err := interchange.Import(cmd.Context(), files, o)
			if err != nil {
				return fmt.Errorf("nothing was imported: %w", err)
			}
			draft, err := result.Draft.Encode()
			if err != nil {
				return err
			}
			if err := directory.ReplaceFile(out, draft); err != nil {
				return err
			}
			if report == "json" {
				return result.WriteJSON(cmd.OutOrStdout())
			}
			if err := result.WriteText(cmd.OutOrStdout()); err != nil {
				return err
			}
			n := 0
			for _, p := range result.Draft.Parties {
				n += len(p.ContactPoints)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "draft: %s, %s, %s\n", out, numberOf(len(result.Draft.Parties), "Party", "Parties"), numberOf(n, "contact point", "contact points"))
			return nil
		},
	}
	cmd.Flags().StringVar(&current, "current", "", "the version in force (JSON), over which the files are laid")
	cmd.Flags().StringVar(&out, "out", "draft.json", "file to write the draft to")
	cmd.Flags().StringVar(&partyMap, "party-map", "", "YAML file of names of Parties and their codes, such as \"Betaland: XB\"")
	cmd.Flags().StringVar(&source, "source", "", "written as provenance of every value that changes")
	cmd.Flags().StringVar(&words, "words", "", "folder with columns.yaml, countries.yaml and languages.yaml instead of the built-in ones")
	cmd.Flags().StringVar(&report, "report", "text", "form of the report: text or json")
	cmd.Flags().BoolVar(&replace, "replace", false, "take out contact points that no file names")
	return cmd
}

func directoryExport() *cobra.Command {
	var from directorySource
	var format, out string
	cmd := &cobra.Command{
		Use:   "export --out FILE",
		Short: "Write the Directory as JSON, CSV, .xlsx, .docx, vCard or HTML",
		Long: `Writes the Directory that the configuration names, or the one given with --file,
after checking its signature. Every form but HTML can be imported again. The
file is as confidential as the Directory: it is written for its owner only.`,
		Example: `  relais directory export --out directory.docx
  relais directory export --format vcf --out contacts.vcf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = strings.TrimPrefix(strings.ToLower(filepath.Ext(out)), ".")
			}
			v, err := interchange.DefaultVocabulary()
			if err != nil {
				return err
			}
			d, _, err := from.load()
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := interchange.Export(&b, d.Document(), interchange.Format(format), v); err != nil {
				return err
			}
			if err := from.looked(cmd, "export", "", d.Counts().ContactPoints); err != nil {
				return err
			}
			if out == "" || out == "-" {
				_, err := cmd.OutOrStdout().Write(b.Bytes())
				return err
			}
			return directory.ReplaceFile(out, b.Bytes())
		},
	}
	from.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "", "json, csv, xlsx, docx, vcf or html (default: the ending of --out)")
	cmd.Flags().StringVar(&out, "out", "", "file to write; - or nothing: standard output")
	return cmd
}

func readWords(folder string) (*interchange.Vocabulary, error) {
	if folder == "" {
		return interchange.DefaultVocabulary()
	}
	return interchange.LoadVocabulary(os.DirFS(folder))
}

func readPartyMap(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := readKeyMaterial(file)
	if err != nil {
		return nil, fmt.Errorf("reading the names of Parties: %w; name the right file with --party-map", err)
	}
	m := map[string]string{}
	if err := yaml.UnmarshalWithOptions(raw, &m, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("reading the names of Parties in %s: %s; write one line per Party, such as \"Betaland: XB\"", file, yaml.FormatError(err, false, false))
	}
	for name, code := range m {
		if len(code) != 2 || strings.ToUpper(code) != code {
			return nil, fmt.Errorf("reading the names of Parties in %s: %q is no code for %s; write the two capital letters of ISO 3166-1", file, code, name)
		}
	}
	return m, nil
}

func readCurrent(file string) (*directory.Document, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := directory.ReadDocument(file)
	if err != nil {
		return nil, err
	}
	doc, _, err := directory.ReadDraft(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no Directory:\n%w", file, err)
	}
	return doc, nil
}

// readImports reads files under the limit of an import.
func readImports(names []string) ([]interchange.File, error) {
	var files []interchange.File
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading a list: %w; name the right file", err)
		}
		data, err := io.ReadAll(io.LimitReader(f, interchange.MaxFileBytes+1))
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading a list: %w", err)
		}
		files = append(files, interchange.File{Name: filepath.Base(name), Data: data})
	}
	return files, nil
}
