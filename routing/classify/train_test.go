package classify

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"relais.example/configs"
	"relais.example/routing/classify/linear"
)

func builtInCorpus(t *testing.T) Corpus {
	t.Helper()
	corpus, err := ReadCorpus("../../configs/corpus")
	if err != nil {
		t.Fatal(err)
	}
	return corpus
}

// TestModelBelongsToCorpus: who changes the corpus, the features or the
// vocabulary has to train again, and the figures in the docs are of this model.
func TestModelBelongsToCorpus(t *testing.T) {
	corpus := builtInCorpus(t)
	m, err := BuiltInModel()
	if err != nil {
		t.Fatal(err)
	}
	if m.Corpus != corpus.Sum {
		t.Errorf("the model was trained from another corpus (%x, now %x); run relais classify train", m.Corpus[:8], corpus.Sum[:8])
	}
	docs, err := os.ReadFile("../../docs/classification.md")
	if err != nil {
		t.Fatal(err)
	}
	if stamp := Stamp(corpus, configs.Model); !strings.Contains(string(docs), stamp) {
		t.Errorf("docs/classification.md has figures of another model; want those of %q: run relais classify train --report", stamp)
	}
}

// TestTrainingIsDeterministic trains the built-in model again, but for its
// calibration, and compares every weight.
func TestTrainingIsDeterministic(t *testing.T) {
	c, err := Untrained("")
	if err != nil {
		t.Fatal(err)
	}
	examples, _ := c.examples(builtInCorpus(t))
	want, err := BuiltInModel()
	if err != nil {
		t.Fatal(err)
	}
	got := linear.Train(examples, trainOptions())
	if !slices.Equal(got.Features, want.Features) || !slices.Equal(got.Weights, want.Weights) || got.Scale != want.Scale || got.Numbers[numberGiven] != want.Numbers[numberGiven] {
		t.Error("training again gives another model; run relais classify train")
	}
	if size := len(configs.Model); size > 2<<20 {
		t.Errorf("the model has %d bytes, more than 2 MiB", size)
	}
}

// TestCorpus: eight languages with a hundred texts each, every kind in each,
// invented addresses only.
func TestCorpus(t *testing.T) {
	corpus := builtInCorpus(t)
	texts, seen := map[string]int{}, map[string]bool{}
	for _, s := range corpus.Samples {
		texts[s.Lang]++
		for _, k := range s.Kinds {
			seen[s.Lang+string(k)] = true
		}
		for _, word := range strings.FieldsFunc(s.Body+" "+s.Headers["Subject"], func(r rune) bool { return strings.ContainsRune(" \n,;()<>\"", r) }) {
			if at := strings.IndexByte(word, '@'); at > 0 && !strings.Contains(word[at:], ".example") {
				t.Errorf("%s: %q is no invented address", s.ID, word)
			}
		}
	}
	for _, lang := range []string{"en", "fr", "es", "pt", "ro", "de", "it", "tr"} {
		if texts[lang] < 100 || len(corpus.Filler[lang]) < 10 {
			t.Errorf("%s: %d texts, %d fillers", lang, texts[lang], len(corpus.Filler[lang]))
		}
		for _, k := range kinds {
			if !seen[lang+string(k)] {
				t.Errorf("%s: no text of %s", lang, k)
			}
		}
	}
}

// TestFolds: an author lies in one fold, and no fold is empty.
func TestFolds(t *testing.T) {
	samples := builtInCorpus(t).Samples
	folds, of, sizes := foldsBy(samples, ByAuthor), map[string]int{}, map[int]int{}
	for i, s := range samples {
		if fold, known := of[s.Author]; known && fold != folds[i] {
			t.Fatalf("%s lies in folds %d and %d", s.Author, fold, folds[i])
		}
		of[s.Author] = folds[i]
		sizes[folds[i]]++
	}
	if len(sizes) != maxFolds {
		t.Errorf("folds %v", sizes)
	}
}

func TestReadCorpusRefuses(t *testing.T) {
	const good = `{"id":"a","lang":"en","author":"x","body":"b","kinds":["PING"]}`
	for name, tt := range map[string]struct{ file, want string }{
		"twice":     {good + "\n" + good, "stands in"},
		"no author": {`{"id":"a","lang":"en","body":"b","kinds":["PING"]}`, "author"},
		"no kind":   {`{"id":"a","lang":"en","author":"x","body":"b","kinds":["PONG"]}`, "line 1"},
		"no json":   {`{`, "line 1"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"a.jsonl": tt.file, "filler.yaml": "en: [x]\n"} {
			if err := os.WriteFile(dir+"/"+file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ReadCorpus(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadCorpus(t.TempDir()); err == nil {
		t.Error("an empty folder is taken")
	}
}

// TestModelFileRefuses: a damaged file is never taken for a model.
func TestModelFileRefuses(t *testing.T) {
	c := builtIn(t)
	for at := 0; at < len(configs.Model); at += 1 + len(configs.Model)/50 {
		damaged := bytes.Clone(configs.Model)
		damaged[at] ^= 0x40
		if _, err := c.WithModelFile(damaged); err == nil {
			t.Errorf("byte %d changed: no error", at)
		}
	}
	for _, size := range []int{0, 5, 100, len(configs.Model) - 1} {
		if _, err := c.WithModelFile(configs.Model[:size]); err == nil {
			t.Errorf("cut to %d bytes: no error", size)
		}
	}
}
