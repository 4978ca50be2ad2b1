package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // decodes other character sets than UTF-8
	"github.com/spf13/cobra"

	"relais.example/routing/classify"
)

const maxMailFile = 64 << 20 // bytes of a message file that explain reads

// newClassifyCommand returns `relais classify`: what the classifier makes of a
// message, and how well it does on labelled ones. It works offline.
func newClassifyCommand() *cobra.Command {
	var vocabulary, model string
	cmd := &cobra.Command{
		Use:   "classify",
		Short: "Show and measure how messages are classified",
	}
	cmd.PersistentFlags().StringVar(&vocabulary, "vocabulary", "", "folder of vocabulary files (default: built in)")
	classifier := func() (*classify.Classifier, error) {
		return loadClassifier(vocabulary, model)
	}
	cmd.PersistentFlags().StringVar(&model, "model", "", "file of a trained model (default: built in)")
	cmd.AddCommand(newExplainCommand(classifier), newEvalCommand(classifier), newTrainCommand(&vocabulary))
	return cmd
}

func loadClassifier(vocabulary, model string) (c *classify.Classifier, err error) {
	if vocabulary == "" {
		c, err = classify.Default()
	} else {
		c, err = classify.Load(vocabulary)
	}
	if err != nil || model == "" {
		return c, err
	}
	data, err := os.ReadFile(model)
	if err != nil {
		return nil, fmt.Errorf("reading model: %w", err)
	}
	return c.WithModelFile(data)
}

func newExplainCommand(classifier func() (*classify.Classifier, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "explain FILE.eml",
		Short: "Say what a decrypted message asks, and why",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := classifier()
			if err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("opening message: %w", err)
			}
			defer file.Close()
			in, err := readMail(file)
			if err != nil {
				return fmt.Errorf("reading %s: %w", args[0], err)
			}
			return explain(cmd.OutOrStdout(), c.Classify(in))
		},
	}
}

func newEvalCommand(classifier func() (*classify.Classifier, error)) *cobra.Command {
	var wrong bool
	cmd := &cobra.Command{
		Use:   "eval FILE.jsonl",
		Short: "Measure the classifier on labelled messages, one JSON object per line",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := classifier()
			if err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("opening samples: %w", err)
			}
			defer file.Close()
			samples, err := classify.ReadSamples(file)
			if err != nil {
				return fmt.Errorf("reading %s: %w", args[0], err)
			}
			return evaluate(cmd.OutOrStdout(), c, samples, wrong)
		},
	}
	cmd.Flags().BoolVar(&wrong, "wrong", false, "list the messages whose first kind is wrong")
	return cmd
}

func evaluate(w io.Writer, c *classify.Classifier, samples []classify.Sample, wrong bool) error {
	all := c.Measure(samples, func(classify.Sample) bool { return true })
	if err := all.Write(w, "all"); err != nil {
		return err
	}
	languages := map[string]bool{}
	for _, s := range samples {
		languages[s.Lang] = true
	}
	for _, lang := range slices.Sorted(maps.Keys(languages)) {
		f := c.Measure(samples, func(s classify.Sample) bool { return s.Lang == lang })
		if err := f.Write(w, "\nlanguage "+cmp.Or(lang, "unknown")); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "\nconfusion, all languages (label: answers that were wrong)")
	if err := all.WriteConfusion(w); err != nil || !wrong {
		return err
	}
	_, err := fmt.Fprintln(w, "\nwrong:", strings.Join(all.Wrong, " "))
	return err
}

// readMail takes from a message what the classifier needs: headers, subject
// and all text/plain parts that are no attachments.
func readMail(r io.Reader) (classify.Input, error) {
	entity, err := message.Read(io.LimitReader(r, maxMailFile))
	if err != nil && !message.IsUnknownCharset(err) {
		return classify.Input{}, err
	}
	in := classify.Input{Headers: map[string][]string{}}
	for fields := entity.Header.Fields(); fields.Next(); {
		name := strings.ToLower(fields.Key())
		in.Headers[name] = append(in.Headers[name], fields.Value())
	}
	if in.Subject, err = entity.Header.Text("Subject"); err != nil {
		in.Subject = entity.Header.Get("Subject")
	}
	var body strings.Builder
	err = entity.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil && !message.IsUnknownCharset(err) || body.Len() > classify.MaxText {
			return err
		}
		kind, _, _ := part.Header.ContentType()
		if disposition, _, _ := part.Header.ContentDisposition(); disposition == "attachment" || kind != "text/plain" {
			return nil
		}
		_, err = io.Copy(&body, io.LimitReader(part.Body, classify.MaxText+1))
		body.WriteByte('\n')
		return err
	})
	if err != nil {
		return in, err
	}
	in.Body = strings.ReplaceAll(body.String(), "\r\n", "\n")
	if strings.Contains(in.Body, "-----BEGIN PGP MESSAGE-----") || strings.TrimSpace(in.Body) == "" {
		return in, errors.New("no readable text/plain part; give the decrypted message")
	}
	return in, nil
}

// explain prints a result for people.
func explain(w io.Writer, r classify.Result) error {
	names := []string{}
	for _, k := range r.Kinds {
		names = append(names, string(k))
	}
	p := printer{w: w}
	p.line("kind", strings.Join(names, " and "))
	p.line("confidence", fmt.Sprintf("%.2f", r.Confidence))
	p.line("emergency", map[bool]string{true: "yes; a person decides at once", false: "no"}[r.Emergency])
	if r.ClaimsEmergency && !r.Emergency {
		p.line("", "called an emergency by the sender, but what is told speaks against it")
	}
	p.line("language", r.Language)
	p.line("articles", strings.Join(r.Articles, ", "))
	p.line("reference", strings.Join(r.References, ", "))
	p.line("in quoted text", strings.Join(r.QuotedReferences, ", "))
	p.line("their reference", r.TheirReference)
	p.line("reply code", r.ReplyCode)
	if !r.Until.IsZero() {
		p.line("until", r.Until.Format("2006-01-02"))
	}
	for _, key := range slices.Sorted(maps.Keys(r.Form)) {
		p.line("form: "+key, r.Form[key])
	}
	p.evidence(r.Evidence)
	for i, candidate := range r.Candidates {
		p.line(fmt.Sprintf("candidate %d", i+1), fmt.Sprintf("%s %.2f", candidate.Kind, candidate.Score))
		p.evidence(candidate.Evidence)
	}
	return p.err
}

// printer writes "label: value" lines and leaves out empty values.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(label, value string) {
	if value == "" || p.err != nil {
		return
	}
	_, p.err = fmt.Fprintf(p.w, "%-17s %s\n", label, value)
}

func (p *printer) evidence(list []classify.Evidence) {
	for _, e := range list {
		p.line("", fmt.Sprintf("%+6.2f  %-24s %s", e.Weight, e.Rule, e.Text))
	}
}
