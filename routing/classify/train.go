package classify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"relais.example/routing/classify/linear"
)

// Corpus is a set of labelled messages to train from.
type Corpus struct {
	Samples []Sample            // sorted by id
	Filler  map[string][]string // paragraphs without a wish, by language
	Sum     [32]byte            // SHA-256 of the files, in the order of their names
}

// ReadCorpus reads the *.jsonl files of dir. Ids must be unique, and every
// message needs a language and an author, by which the folds are made.
func ReadCorpus(dir string) (Corpus, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(names) == 0 {
		return Corpus{}, fmt.Errorf("reading corpus: no *.jsonl file in %s", dir)
	}
	slices.Sort(names)
	var corpus Corpus
	sum := sha256.New()
	filler, err := os.ReadFile(filepath.Join(dir, "filler.yaml"))
	if err != nil {
		return Corpus{}, fmt.Errorf("reading corpus: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(filler, &corpus.Filler, yaml.Strict()); err != nil {
		return Corpus{}, fmt.Errorf("reading corpus: filler.yaml: %s", strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	sum.Write(filler)
	seen := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return Corpus{}, fmt.Errorf("reading corpus: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n", filepath.Base(name), len(data))
		sum.Write(data)
		samples, err := ReadSamples(strings.NewReader(string(data)))
		if err != nil {
			return Corpus{}, fmt.Errorf("reading corpus: %s: %w", filepath.Base(name), err)
		}
		for _, s := range samples {
			if s.ID == "" || s.Lang == "" || s.Author == "" {
				return Corpus{}, fmt.Errorf("reading corpus: %s: message %q needs id, lang and author", filepath.Base(name), s.ID)
			}
			if other, twice := seen[s.ID]; twice {
				return Corpus{}, fmt.Errorf("reading corpus: message %q stands in %s and in %s", s.ID, other, filepath.Base(name))
			}
			seen[s.ID] = filepath.Base(name)
		}
		corpus.Samples = append(corpus.Samples, samples...)
	}
	slices.SortFunc(corpus.Samples, func(a, b Sample) int { return cmp.Compare(a.ID, b.ID) })
	copy(corpus.Sum[:], sum.Sum(nil))
	return corpus, nil
}

// Training of the model. Changed only together with the model file.
func trainOptions() linear.Options {
	return linear.Options{Classes: len(kinds), Epochs: 20, MinTexts: 4, Rate: 0.4, Decay: 1e-4, Dropout: 0.5, FlagPositive: 4, Seed: 35}
}

// shareOfFirst is what the kind to be handled first has of the target where a
// mail asks two things.
const shareOfFirst = 0.7

// examples turns the samples into what the model learns from: each as it is
// and in longer variants. The model of c plays no part in it. sample tells from
// which sample each example was made.
func (c *Classifier) examples(corpus Corpus) (list []linear.Example, sample []int) {
	c = c.WithModel(nil)
	for i, s := range corpus.Samples {
		target := make([]float32, len(kinds))
		target[kindIndex(s.Kinds[0])] = 1
		if len(s.Kinds) > 1 {
			target[kindIndex(s.Kinds[0])] = shareOfFirst
			target[kindIndex(s.Kinds[1])] = 1 - shareOfFirst
		}
		for v := range variants {
			in := s.Input()
			in.Body = padded(s, v, corpus.Filler[s.Lang])
			features, known := c.learn(in)
			list = append(list, linear.Example{Features: features, Given: known, Target: target, Flag: s.Emergency, Weight: 1})
			sample = append(sample, i)
		}
	}
	return list, sample
}

const variants = 3 // of each text: as it is, with some and with more paragraphs of filler

// padded puts paragraphs of filler into the text of a sample: none in variant
// 0, one or two in variant 1, three to five in variant 2. The same sample
// always gets the same ones.
func padded(s Sample, variant int, filler []string) string {
	if variant == 0 || len(filler) == 0 {
		return s.Body
	}
	random := rand.New(rand.NewPCG(uint64(mixText(0, s.ID)), uint64(variant)))
	paragraphs := strings.Split(s.Body, "\n\n")
	for range 2*variant - 1 + random.IntN(variant+1) {
		at := random.IntN(len(paragraphs) + 1)
		if quoted(bytes.TrimSpace([]byte(paragraphs[min(at, len(paragraphs)-1)]))) {
			at = 0 // stay above quoted history
		}
		paragraphs = slices.Insert(paragraphs, at, filler[random.IntN(len(filler))])
	}
	return strings.Join(paragraphs, "\n\n")
}

// learn returns the features of a message and what the rules know of it.
func (c *Classifier) learn(in Input) ([]linear.Feature, []float32) {
	sc := c.pool.Get().(*scratch)
	defer c.release(sc)
	result := c.prepare(sc, in)
	t := c.gather(sc, in.Headers, &result)
	features := slices.Clone(sc.reader.learnt)
	slices.Sort(features)
	return slices.Compact(features), given(&t)
}

// Train fits a model to the corpus and calibrates it on predictions for
// authors whom the model that made them had not seen.
func (c *Classifier) Train(corpus Corpus) *linear.Model {
	examples, sample := c.examples(corpus)
	m := linear.Train(examples, trainOptions())
	m.Corpus = corpus.Sum
	unseen := c.scoreUnseen(corpus, examples, sample, foldsBy(corpus.Samples, ByAuthor))
	m.Numbers = append(m.Numbers, calibrate(corpus.Samples, unseen, func(int) bool { return true })...)
	return m
}

// ByAuthor and ByLanguage say what a fold holds out.
func ByAuthor(s Sample) string { return s.Author }

// ByLanguage holds out one language at a time.
func ByLanguage(s Sample) string { return s.Lang }

const maxFolds = 5

// foldsBy numbers the fold of each sample: what belongs to one author (or
// language) lies in one fold, and the folds are of about one size.
func foldsBy(samples []Sample, group func(Sample) string) []int {
	sizes := map[string]int{}
	for _, s := range samples {
		sizes[group(s)]++
	}
	names := make([]string, 0, len(sizes))
	for name := range sizes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b)) })
	var filled [maxFolds]int
	of := map[string]int{}
	for _, name := range names {
		least := 0
		for f := range filled {
			if filled[f] < filled[least] {
				least = f
			}
		}
		of[name] = least
		filled[least] += sizes[name]
	}
	folds := make([]int, len(samples))
	for i, s := range samples {
		folds[i] = of[group(s)]
	}
	return folds
}

// unseen holds what models say of texts that they were not trained on.
type unseen struct {
	folds  []int
	models [maxFolds]*linear.Model
	scores [][]float32 // per sample
	rules  []emergencyTally
}

// scoreUnseen trains one model per fold, on the others, and scores the fold.
func (c *Classifier) scoreUnseen(corpus Corpus, examples []linear.Example, sample, folds []int) unseen {
	u := unseen{folds: folds, scores: make([][]float32, len(corpus.Samples)), rules: make([]emergencyTally, len(corpus.Samples))}
	var wait sync.WaitGroup
	for fold := range maxFolds {
		var others []linear.Example
		for i := range examples {
			if folds[sample[i]] != fold {
				others = append(others, examples[i])
			}
		}
		if len(others) == len(examples) {
			continue
		}
		wait.Go(func() {
			m := linear.Train(others, trainOptions())
			m.Numbers = append(m.Numbers, 1, 0.5)
			u.models[fold] = m
			judge := c.WithModel(m)
			for i, s := range corpus.Samples {
				if folds[i] == fold {
					u.scores[i], u.rules[i] = judge.score(heldOut(s, corpus).Input())
				}
			}
		})
	}
	wait.Wait()
	return u
}

// score returns the raw scores of a message, and what the rules say on danger.
func (c *Classifier) score(in Input) ([]float32, emergencyTally) {
	sc := c.pool.Get().(*scratch)
	defer c.release(sc)
	result := c.prepare(sc, in)
	t := c.gather(sc, in.Headers, &result)
	c.scoreInto(sc, &t)
	rules := sc.emergency
	rules.rules = nil
	return slices.Clone(sc.output), rules
}

// CrossValidate measures c on corpus fold by fold: each message is judged by a
// model that saw none of its author's (or language's) messages, calibrated
// without its fold.
func (c *Classifier) CrossValidate(corpus Corpus, group func(Sample) string) Figures {
	folds := foldsBy(corpus.Samples, group)
	examples, sample := c.examples(corpus)
	u := c.scoreUnseen(corpus, examples, sample, folds)
	judges := map[int]*Classifier{}
	for fold, m := range u.models {
		if m == nil {
			continue
		}
		calibrated := *m
		calibrated.Numbers = append(slices.Clone(m.Numbers[:1]), calibrate(corpus.Samples, u, func(f int) bool { return f != fold })...)
		judges[fold] = c.WithModel(&calibrated)
	}
	return measure(corpus.Samples, func(i int) Result { return judges[folds[i]].Classify(heldOut(corpus.Samples[i], corpus).Input()) })
}

// heldOut is how a sample is measured: every other one as it is, the rest
// padded, because real mails are longer than most of the corpus.
func heldOut(s Sample, corpus Corpus) Sample {
	if mixText(0, s.ID)>>8%2 == 1 {
		s.Body = padded(s, 1, corpus.Filler[s.Lang])
	}
	return s
}
