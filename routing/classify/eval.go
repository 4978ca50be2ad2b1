package classify

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"relais.example/routing/request"
)

// Sample is one labelled message of a test set: a line of a JSONL file.
type Sample struct {
	ID        string            `json:"id"`
	Lang      string            `json:"lang"`
	Author    string            `json:"author,omitempty"` // who wrote the text; folds are made by it
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	Kinds     []request.Kind    `json:"kinds"`
	Emergency bool              `json:"emergency"`
	Articles  []string          `json:"cited_articles"`
	TheirRef  string            `json:"their_ref"`
}

// Input returns what the classifier may see of s.
func (s Sample) Input() Input {
	in := Input{Subject: s.Headers["Subject"], Body: s.Body, Headers: map[string][]string{}}
	for name, value := range s.Headers {
		in.Headers[strings.ToLower(name)] = []string{value}
	}
	return in
}

// ReadSamples reads a JSONL file of labelled messages. The error lists every
// faulty line.
func ReadSamples(r io.Reader) ([]Sample, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	var samples []Sample
	var faults []error
	for number := 1; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var s Sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		if len(s.Kinds) == 0 {
			faults = append(faults, fmt.Errorf("line %d: kinds: missing", number))
		}
		for _, k := range s.Kinds {
			if _, err := request.ParseKind(string(k)); err != nil {
				faults = append(faults, fmt.Errorf("line %d: kinds: %w", number, err))
			}
		}
		samples = append(samples, s)
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("reading samples: %w", err))
	}
	return samples, errors.Join(faults...)
}

// Figures measure a classifier on labelled messages.
type Figures struct {
	Samples   int
	Right     int // first kind right; triage counts as right only where the label is UNCLASSIFIED
	BestGuess int // first kind, or the best candidate of a message in triage, right
	Covered   int // not sent to triage
	CoverOK   int // first kind right among those
	BothRight int // all kinds right, in any order
	MacroF1   float64

	EmergencyHit, EmergencyMissed, EmergencyFalse int
	ArticleHit, ArticleMissed, ArticleFalse       int
	ReferenceOf, ReferenceRight                   int // messages with a reference of the sender's; found as written

	Confusion map[[2]request.Kind]int // label, answer
	Guesses   map[[2]request.Kind]int // label, best guess
	Wrong     []string                // ids of messages whose first kind is wrong
	Doubtful  []string                // ids of those whose best candidate is wrong too
	Missed    []string                // ids of emergencies not found
	Alarms    []string                // ids of those wrongly held to be one
	Bins      [10]Bin                 // by confidence, a tenth each
}

// Bin counts messages of one tenth of confidence.
type Bin struct {
	Samples    int
	Right      int     // best guess right
	Confidence float64 // sum
}

// CalibrationError is the mean distance between confidence and the share of
// right guesses, over tenths of confidence (expected calibration error).
func (f Figures) CalibrationError() float64 {
	sum := 0.0
	for _, b := range f.Bins {
		sum += math.Abs(b.Confidence - float64(b.Right))
	}
	return sum / max(1, float64(f.Samples))
}

// Measure classifies the samples that pass and counts.
func (c *Classifier) Measure(samples []Sample, pass func(Sample) bool) Figures {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return !pass(s) })
	return measure(samples, func(i int) Result { return c.Classify(samples[i].Input()) })
}

func measure(samples []Sample, judge func(int) Result) Figures {
	f := Figures{Confusion: map[[2]request.Kind]int{}, Guesses: map[[2]request.Kind]int{}}
	for i, s := range samples {
		got := judge(i)
		f.Samples++
		label, answer := s.Kinds[0], got.Kinds[0]
		f.Confusion[[2]request.Kind{label, answer}]++
		guess := bestGuess(got, label)
		f.Guesses[[2]request.Kind{label, guess}]++
		f.BestGuess += count(guess == label)
		f.Right += count(answer == label)
		bin := &f.Bins[min(9, int(got.Confidence*10))]
		bin.Samples++
		bin.Right += count(guess == label)
		bin.Confidence += got.Confidence
		if answer != label {
			f.Wrong = append(f.Wrong, s.ID)
		}
		if guess != label {
			f.Doubtful = append(f.Doubtful, s.ID)
		}
		switch {
		case s.Emergency && !got.Emergency:
			f.Missed = append(f.Missed, s.ID)
		case got.Emergency && !s.Emergency:
			f.Alarms = append(f.Alarms, s.ID)
		}
		if answer != request.Unclassified {
			f.Covered++
			f.CoverOK += count(answer == label)
		}
		f.BothRight += count(sameSet(got.Kinds, s.Kinds))
		f.EmergencyHit += count(s.Emergency && got.Emergency)
		f.EmergencyMissed += count(s.Emergency && !got.Emergency)
		f.EmergencyFalse += count(!s.Emergency && got.Emergency)
		for _, a := range s.Articles {
			f.ArticleHit += count(slices.Contains(got.Articles, a))
			f.ArticleMissed += count(!slices.Contains(got.Articles, a))
		}
		for _, a := range got.Articles {
			if s.Articles == nil { // not labelled
				break
			}
			f.ArticleFalse += count(!slices.Contains(s.Articles, a))
		}
		if s.TheirRef != "" {
			f.ReferenceOf++
			f.ReferenceRight += count(got.TheirReference == s.TheirRef)
		}
	}
	f.MacroF1 = macroF1(f.Guesses)
	return f
}

// bestGuess is the kind answered or, in triage, the best candidate: what a
// person is shown first. A message that is rightly in triage is right.
func bestGuess(got Result, label request.Kind) request.Kind {
	if got.Kinds[0] == request.Unclassified && label != request.Unclassified && len(got.Candidates) > 0 {
		return got.Candidates[0].Kind
	}
	return got.Kinds[0]
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sameSet(a, b []request.Kind) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(k request.Kind) bool { return !slices.Contains(b, k) })
}

// macroF1 is the mean of the kinds' F1 over the kinds that are labelled.
func macroF1(confusion map[[2]request.Kind]int) float64 {
	sum, labelled := 0.0, 0
	for _, k := range kinds {
		hit, all, answered := 0, 0, 0
		for pair, n := range confusion {
			if pair[0] == k {
				all += n
			}
			if pair[1] == k {
				answered += n
			}
			if pair[0] == k && pair[1] == k {
				hit = n
			}
		}
		if all == 0 {
			continue
		}
		labelled++
		sum += 2 * float64(hit) / float64(all+answered)
	}
	if labelled == 0 {
		return 0
	}
	return sum / float64(labelled)
}

// Write prints the figures for people.
func (f Figures) Write(to io.Writer, title string) (err error) {
	w := bufio.NewWriter(to)
	defer func() { err = errors.Join(err, w.Flush()) }()
	if f.Samples == 0 {
		_, err := fmt.Fprintf(w, "%s: no messages\n", title)
		return err
	}
	fmt.Fprintf(w, `%s: %d messages
  first kind, or in triage the best candidate, right
                                   %s
  first kind right, triage wrong   %s
  macro-F1 of the best guess       %.2f
  all kinds right                  %s
  not sent to triage (coverage)    %s
  right among those                %s
  calibration error of confidence  %.3f
  emergency recall                 %s
  emergency precision              %s
`, title, f.Samples, share(f.BestGuess, f.Samples), share(f.Right, f.Samples), f.MacroF1, share(f.BothRight, f.Samples),
		share(f.Covered, f.Samples), share(f.CoverOK, f.Covered), f.CalibrationError(),
		share(f.EmergencyHit, f.EmergencyHit+f.EmergencyMissed), share(f.EmergencyHit, f.EmergencyHit+f.EmergencyFalse))
	if f.ArticleHit+f.ArticleMissed > 0 { // not every corpus has labels for these
		fmt.Fprintf(w, "  articles recall                  %s\n  articles precision               %s\n",
			share(f.ArticleHit, f.ArticleHit+f.ArticleMissed), share(f.ArticleHit, f.ArticleHit+f.ArticleFalse))
	}
	if f.ReferenceOf > 0 {
		fmt.Fprintf(w, "  sender's reference found         %s\n", share(f.ReferenceRight, f.ReferenceOf))
	}
	return nil
}

// WriteConfusion prints what was taken for what, the right answers left out.
func (f Figures) WriteConfusion(w io.Writer) error {
	for _, label := range kinds {
		var line strings.Builder
		right, all := 0, 0
		for _, answer := range kinds {
			n := f.Confusion[[2]request.Kind{label, answer}]
			all += n
			if label == answer {
				right = n
			} else if n > 0 {
				fmt.Fprintf(&line, " %s %d", answer, n)
			}
		}
		if all == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %-20s %3d of %3d right;%s\n", label, right, all, line.String()); err != nil {
			return err
		}
	}
	return nil
}

func share(part, whole int) string {
	if whole == 0 {
		return "none"
	}
	return fmt.Sprintf("%.2f (%d of %d)", float64(part)/float64(whole), part, whole)
}
