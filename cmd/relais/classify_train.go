package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relais.example/routing/classify"
)

// newTrainCommand returns `relais classify train`: it makes the model from
// labelled messages, or measures how well models made from them do on authors
// and languages that they have not seen.
func newTrainCommand(vocabulary *string) *cobra.Command {
	var dir, out, report string
	var crossValidate []string
	var doubtful bool
	cmd := &cobra.Command{
		Use:   "train --corpus DIR [--out FILE] [--cross-validate]",
		Short: "Train the model from labelled messages",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := classify.Untrained(*vocabulary)
			if err != nil {
				return err
			}
			corpus, err := classify.ReadCorpus(dir)
			if err != nil {
				return err
			}
			if out != "" {
				m := c.Train(corpus)
				if err := os.WriteFile(out, m.Encode(), 0o644); err != nil {
					return fmt.Errorf("writing model: %w", err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", out, classify.Stamp(corpus, m.Encode()))
				if report != "" {
					return writeFigures(c, corpus, m.Encode(), report)
				}
			}
			for _, by := range []struct {
				name, title string
				group       func(classify.Sample) string
			}{{"author", "authors not seen in training", classify.ByAuthor}, {"language", "languages not seen in training", classify.ByLanguage}} {
				if !slices.Contains(crossValidate, by.name) {
					continue
				}
				f := c.CrossValidate(corpus, by.group)
				if err := f.Write(cmd.OutOrStdout(), by.title); err != nil {
					return err
				}
				if err := f.WriteConfusion(cmd.OutOrStdout()); err != nil {
					return err
				}
				if doubtful {
					fmt.Fprintf(cmd.OutOrStdout(), "wrong: %v\nemergencies missed: %v\nno emergencies: %v\n", f.Doubtful, f.Missed, f.Alarms)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "corpus", "configs/corpus", "folder of *.jsonl files")
	cmd.Flags().StringVar(&out, "out", "", "file to write the model to")
	cmd.Flags().StringSliceVar(&crossValidate, "cross-validate", nil, "print figures for what was left out of the training: author, language")
	cmd.Flags().Lookup("cross-validate").NoOptDefVal = "author,language"
	cmd.Flags().StringVar(&report, "report", "", "with --out: write the cross-validated figures into this Markdown file, between its two marks")
	cmd.Flags().BoolVar(&doubtful, "wrong", false, "with --cross-validate: list the messages that were judged wrong")
	return cmd
}

// Marks in a Markdown file between which the figures stand.
const (
	figuresBegin = "<!-- figures: written by relais classify train --report -->\n```text\n"
	figuresEnd   = "```\n<!-- end of figures -->"
)

func writeFigures(c *classify.Classifier, corpus classify.Corpus, model []byte, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading report: %w", err)
	}
	before, rest, ok := strings.Cut(string(text), figuresBegin)
	_, after, ends := strings.Cut(rest, figuresEnd)
	if !ok || !ends {
		return fmt.Errorf("report %s: the marks for the figures are missing", file)
	}
	figures, err := c.Report(corpus, model)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(before+figuresBegin+figures+figuresEnd+after), 0o644); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}
