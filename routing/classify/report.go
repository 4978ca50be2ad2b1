package classify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// Stamp names a corpus and the model made from it, so that a report of figures
// can be held against both.
func Stamp(corpus Corpus, model []byte) string {
	sum := sha256.Sum256(model)
	return fmt.Sprintf("%d messages, corpus %x, model %x", len(corpus.Samples), corpus.Sum[:8], sum[:8])
}

// Report measures models made from corpus on authors and on languages that they
// had not seen, and writes the figures as text.
func (c *Classifier) Report(corpus Corpus, model []byte) (string, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n", Stamp(corpus, model))
	authors := c.CrossValidate(corpus, ByAuthor)
	if err := authors.Write(&b, "authors not seen in training"); err != nil {
		return "", err
	}
	b.WriteByte('\n')
	if err := c.CrossValidate(corpus, ByLanguage).Write(&b, "languages not seen in training"); err != nil {
		return "", err
	}
	b.WriteString("\nconfusion, authors not seen (label: answers that were wrong; UNCLASSIFIED is triage)\n")
	if err := authors.WriteConfusion(&b); err != nil {
		return "", err
	}
	return b.String(), nil
}
