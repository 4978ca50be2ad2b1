package classify

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"relais.example/configs"
	"relais.example/routing/classify/linear"
	"relais.example/routing/request"
)

// Load reads and compiles the *.yaml files of dir, and judges by the model that
// ships with the program. The error lists every fault with its file and the
// line or the name of the rule.
func Load(dir string) (*Classifier, error) { return withBuiltIn(load(os.DirFS(dir), dir)) }

// Default returns the classifier with the vocabulary and the model that ship
// with the program.
func Default() (*Classifier, error) { return withBuiltIn(Untrained("")) }

// Untrained returns a classifier that has no model, with the vocabulary of dir
// or, if dir is empty, the built-in one. It judges by the rules alone.
func Untrained(dir string) (*Classifier, error) {
	if dir != "" {
		return load(os.DirFS(dir), dir)
	}
	sub, err := fs.Sub(configs.Vocabulary, "vocabulary")
	if err != nil {
		return nil, fmt.Errorf("reading built-in vocabulary: %w", err)
	}
	return load(sub, "vocabulary")
}

func withBuiltIn(c *Classifier, err error) (*Classifier, error) {
	if err != nil {
		return nil, err
	}
	m, err := BuiltInModel()
	if err != nil {
		return nil, err
	}
	return c.WithModel(m), nil
}

func load(fsys fs.FS, dir string) (*Classifier, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("reading vocabulary: no *.yaml file in %s", dir)
	}
	slices.Sort(names)
	b := builder{families: map[string]family{}, c: &Classifier{matcher: newMatcher(), formKeys: map[string]bool{}, months: map[string]int{}, articles: map[string][]articleRule{}}}
	files := make([]vocabularyFile, len(names))
	for i, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("reading vocabulary: %w", err)
		}
		if len(data) > 1<<20 {
			return nil, fmt.Errorf("vocabulary file %s: longer than 1 MiB", path.Join(dir, name))
		}
		if err := yaml.UnmarshalWithOptions(data, &files[i], yaml.Strict()); err != nil {
			b.fault(path.Join(dir, name), "%s", strings.TrimSpace(yaml.FormatError(err, false, false)))
		}
	}
	for i := range files {
		b.words(path.Join(dir, names[i]), &files[i])
	}
	for i := range files {
		b.rules(path.Join(dir, names[i]), &files[i])
	}
	b.finish(dir)
	if len(b.faults) > 0 {
		return nil, fmt.Errorf("vocabulary: %w", errors.Join(b.faults...))
	}
	return b.c, nil
}

// builder compiles the files and keeps every fault.
type builder struct {
	c        *Classifier
	families map[string]family
	used     mask
	weighed  bool
	faults   []error
}

func (b *builder) fault(where, format string, args ...any) {
	b.faults = append(b.faults, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

// words takes in what a file says about words.
func (b *builder) words(where string, f *vocabularyFile) {
	in := b.language(where, f.Language)
	for _, name := range slices.Sorted(maps.Keys(f.Families)) { // sorted: numbers do not depend on chance
		phrases := f.Families[name]
		id, known := b.families[name]
		if !known {
			if len(b.families) == maxFamilies {
				b.fault(where, "more than %d families", maxFamilies)
				return
			}
			id = family(len(b.families))
			b.families[name] = id
		}
		for _, phrase := range phrases {
			if err := b.c.matcher.add(id, in, phrase); err != nil {
				b.fault(where, "family %s: %v", name, err)
			}
		}
	}
	if len(f.FunctionWords) > 0 {
		if f.Language == "" {
			b.fault(where, "function_words without language")
		}
		for _, w := range f.FunctionWords {
			b.c.matcher.functionWord(w, uint8(slices.Index(b.c.languages, f.Language)+1))
		}
	}
	m := &b.c.markers
	for _, pair := range []struct {
		add  func(string)
		from []string
	}{
		{m.Original.add, f.Markers.Original}, {m.WroteOpens.add, f.Markers.WroteOpens},
		{m.HeaderFrom.add, f.Markers.HeaderFrom}, {m.HeaderOther.add, f.Markers.HeaderOther},
		{m.Signature.add, f.Markers.Signature}, {m.Disclaimer.add, f.Markers.Disclaimer}, {b.c.replyLabels.add, f.Markers.ReplyCode},
		{func(s string) { m.Wrote = append(m.Wrote, s) }, f.Markers.Wrote},
	} {
		for _, marker := range pair.from {
			folded := string(appendFolded(nil, marker, 256))
			if folded == "" {
				b.fault(where, "an empty marker would match every line")
				continue
			}
			pair.add(folded)
		}
	}
	if n := len(f.Months); n != 0 && n != 12 {
		b.fault(where, "months: %d given, want 12", n)
	}
	for i, month := range f.Months {
		b.c.months[string(appendFolded(nil, month, 64))] = i + 1
	}
	for _, key := range f.FormKeys {
		b.c.formKeys[key] = true
	}
	if f.Weigh != nil {
		b.c.weigh, b.weighed = *f.Weigh, true
	}
}

// language numbers a language. What has none counts in all.
func (b *builder) language(where, name string) languageSet {
	if name == "" {
		return allLanguages
	}
	number := slices.Index(b.c.languages, name) + 1
	if number == 0 {
		b.c.languages = append(b.c.languages, name)
		number = len(b.c.languages)
	}
	if number > maxLanguages {
		b.fault(where, "more than %d languages", maxLanguages)
	}
	return 1 << number
}

// rules takes in what a file says about kinds; all families are known by now.
func (b *builder) rules(where string, f *vocabularyFile) {
	for _, a := range f.Articles {
		kind, err := request.ParseKind(a.Kind)
		if err != nil {
			b.fault(where, "article %s: %v", a.Cite, err)
		}
		b.weight(where, "article "+a.Cite, a.Weight)
		b.c.articles[a.Cite] = append(b.c.articles[a.Cite], articleRule{kindIndex(kind), a.Weight, b.condition(where, "article "+a.Cite, a.Emergency)})
	}
	for _, src := range f.Rules {
		kind, err := request.ParseKind(src.Kind)
		if err != nil {
			b.fault(where, "rule %s: %v", src.Name, err)
		}
		b.rule(where, src, targetKind, kindIndex(kind))
	}
	for _, src := range f.Emergency.Facts {
		b.rule(where, src, targetFact, 0)
	}
	for _, src := range f.Emergency.Claims {
		b.rule(where, src, targetClaim, 0)
	}
	for _, src := range f.Emergency.Against {
		b.rule(where, src, targetAgainst, 0)
	}
	for _, d := range f.Dampen {
		compiled := damping{when: b.kind(where, d.When), atLeast: d.AtLeast, factor: d.Factor}
		for _, k := range d.Kinds {
			compiled.kinds = append(compiled.kinds, b.kind(where, k))
		}
		b.c.damping = append(b.c.damping, compiled)
	}
	for _, t := range f.Thread {
		b.weight(where, "thread", t.Weight)
		b.c.thread = append(b.c.thread, articleRule{kind: b.kind(where, t.Kind), weight: t.Weight})
	}
	for _, pair := range f.Together {
		if len(pair) != 2 {
			b.fault(where, "together: %v: write two kinds", pair)
			continue
		}
		b.c.together = append(b.c.together, [2]int{b.kind(where, pair[0]), b.kind(where, pair[1])})
	}
}

func (b *builder) kind(where, name string) int {
	kind, err := request.ParseKind(name)
	if err != nil {
		b.fault(where, "%v", err)
	}
	return kindIndex(kind)
}

func (b *builder) weight(where, name string, w float64) {
	if w == 0 || math.Abs(w) > 20 || math.IsNaN(w) {
		b.fault(where, "%s: weight %v: write a number from -20 to 20 other than 0", name, w)
	}
}

func (b *builder) condition(where, name, text string) emergencyCondition {
	switch text {
	case "":
		return emergencyAny
	case "only":
		return emergencyOnly
	case "never":
		return emergencyNever
	}
	b.fault(where, "%s: emergency: %q: write only or never", name, text)
	return emergencyAny
}

func (b *builder) rule(where string, src ruleSource, t target, kind int) {
	name := "rule " + src.Name
	if src.Name == "" {
		b.fault(where, "a rule has no name")
	}
	b.weight(where, name, src.Weight)
	if len(src.All) == 0 {
		b.fault(where, "%s: all must name at least one family", name)
		return
	}
	r := rule{name: src.Name, target: t, kind: kind, weight: src.Weight, subjectOnly: src.Subject}
	r.emergency = b.condition(where, name, src.Emergency)
	for _, term := range src.All {
		f, negated := b.term(where, name, term)
		if negated {
			r.negated.set(f)
		} else {
			r.all.set(f)
		}
		r.terms = append(r.terms, f)
	}
	for _, term := range src.Any {
		f, negated := b.term(where, name, term)
		if negated {
			b.fault(where, "%s: any: %q: a negation can stand in all only", name, term)
		}
		r.any.set(f)
		r.anyTerms = append(r.anyTerms, f)
	}
	for _, term := range src.None {
		f, negated := b.term(where, name, term)
		if negated {
			b.fault(where, "%s: none: %q: a negation can stand in all only", name, term)
		}
		r.none.set(f)
	}
	key := r.terms[0]
	b.c.rules = append(b.c.rules, r)
	set := &b.c.kindRules
	if t != targetKind {
		set = &b.c.emergencyRules
	}
	set.keys.set(key)
	set.byKey[key] = append(set.byKey[key], int32(len(b.c.rules)-1))
}

func (b *builder) term(where, name, term string) (f family, negated bool) {
	word, negated := strings.CutPrefix(term, "not ")
	f, ok := b.families[word]
	if !ok {
		b.fault(where, "%s: unknown family %q", name, word)
	}
	b.used.set(f)
	return f, negated
}

// finish checks what no single file shows.
func (b *builder) finish(dir string) {
	k := &b.c.known
	for name, to := range map[string]*family{
		"not": &k.not, "ask": &k.ask, "earlier": &k.earlier, "article": &k.article, "article-part": &k.articlePart,
		"convention": &k.convention, "protocol": &k.protocol, "other-law": &k.otherLaw, "own-reference": &k.ownReference,
		"your-reference": &k.yourReference, "reference": &k.reference, "see-below": &k.seeBelow,
	} {
		f, ok := b.families[name]
		if !ok {
			b.fault(dir, "family %q is missing; the program needs it", name)
		}
		*to = f
		b.used.set(f)
	}
	for name, f := range b.families {
		if !b.used.has(f) {
			b.fault(dir, "family %q is used by no rule", name)
		}
	}
	if !b.weighed {
		b.fault(dir, "weigh: missing")
	} else if w := b.c.weigh; w.Threshold <= 0 || w.Threshold >= 1 {
		b.fault(dir, "weigh: threshold %v: write a number between 0 and 1", w.Threshold)
	}
	slices.SortFunc(b.faults, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	c := b.c
	if len(c.matcher.draft) > maxLetters {
		b.fault(dir, "too many words: %d letters in all, at most %d", len(c.matcher.draft), maxLetters)
		return
	}
	c.matcher.pack()
	c.familyNames, c.familyHash = make([]string, len(b.families)), make([]uint32, len(b.families))
	for name, f := range b.families {
		c.familyNames[f], c.familyHash[f] = name, mixText(seedFamily, name)
	}
	c.pool = &sync.Pool{New: func() any { return c.newScratch() }}
}

// WithModel returns a classifier with the words of c that judges by m; by the
// rules alone if m is nil.
func (c *Classifier) WithModel(m *linear.Model) *Classifier {
	other := *c
	other.model = m
	other.pool = &sync.Pool{New: func() any { return other.newScratch() }}
	return &other
}
