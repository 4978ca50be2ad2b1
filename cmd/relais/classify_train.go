package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"relais.example/routing/classify"
)

// newTrainCommand returns `relais classify train`: it makes the model from
// labelled messages, or measures how well models made from them do on authors
// and languages that they have not seen.
func newTrainCommand(vocabulary *string) *cobra.Command {
	var dir, out string
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
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d messages, %d features, corpus %x\n", out, len(corpus.Samples), len(m.Features), corpus.Sum[:8])
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
					fmt.Fprintln(cmd.OutOrStdout(), "wrong:", f.Doubtful)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "corpus", "configs/corpus", "folder of *.jsonl files")
	cmd.Flags().StringVar(&out, "out", "", "file to write the model to")
	cmd.Flags().StringSliceVar(&crossValidate, "cross-validate", nil, "print figures for what was left out of the training: author, language")
	cmd.Flags().Lookup("cross-validate").NoOptDefVal = "author,language"
	cmd.Flags().BoolVar(&doubtful, "wrong", false, "with --cross-validate: list the messages that were judged wrong")
	return cmd
}
