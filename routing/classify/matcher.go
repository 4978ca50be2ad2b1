package classify

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A family is a set of words and phrases that mean the same to a rule, over
// all languages: "keep" holds preserv*, freeze, conserver, ... A sentence is
// judged by the families that occur in it.
type family uint8

const (
	maxFamilies   = 192 // three words of a mask
	maxPhrase     = 8   // words in a phrase: bounds the work per token
	maxPerToken   = 8   // literals that one token may match: bounds it too
	maxVocabulary = 1 << 16
)

// mask is a set of families.
type mask [maxFamilies / 64]uint64

func (m *mask) set(f family)        { m[f/64] |= 1 << (f % 64) }
func (m *mask) has(f family) bool   { return m[f/64]&(1<<(f%64)) != 0 }
func (m *mask) covers(o *mask) bool { return o[0]&^m[0]|o[1]&^m[1]|o[2]&^m[2] == 0 }
func (m *mask) meets(o *mask) bool  { return o[0]&m[0]|o[1]&m[1]|o[2]&m[2] != 0 }
func (m *mask) empty() bool         { return m[0]|m[1]|m[2] == 0 }
func union(a, b *mask) (u mask)     { u[0], u[1], u[2] = a[0]|b[0], a[1]|b[1], a[2]|b[2]; return }
func (m *mask) each(visit func(family)) {
	for w := range m {
		for left := m[w]; left != 0; left &= left - 1 {
			visit(family(w*64 + bits.TrailingZeros64(left)))
		}
	}
}

// matcher finds every phrase of every family in a run of tokens. It has two
// stages, both tries, both walked without going back in the text: letters to
// literals ("preserv*", "logs"), literals to phrases. It is filled with add and
// functionWord, then packed; only then it can look words up.
type matcher struct {
	draft    []draftNode // the letters while the vocabulary is read
	letters  letterTable
	phrases  []phraseNode
	begins   []int32          // by literal: the phrase node that it begins, or 0
	literals map[string]int32 // "preserv*" to its number; 0 is not used
}

type phraseNode struct {
	edges    []phraseEdge // sorted by literal
	families []meant      // phrases that end here
}

// meant is a family that a phrase stands for, in some languages.
type meant struct {
	family    family
	languages languageSet
}

// languageSet holds languages by their number in Classifier.languages: bit 0 is
// what belongs to no language.
type languageSet uint16

const (
	maxLanguages = 15
	allLanguages = ^languageSet(0)
)

type phraseEdge struct{ literal, node int32 }

func newMatcher() *matcher {
	return &matcher{draft: make([]draftNode, 1), phrases: make([]phraseNode, 1), literals: map[string]int32{}}
}

// add puts a phrase into a family. Words are given as in the vocabulary: a
// final * stands for any ending. It counts in texts of these languages.
func (m *matcher) add(f family, languages languageSet, phrase string) error {
	words, err := literals(phrase)
	if err != nil {
		return err
	}
	node := int32(0)
	for _, w := range words {
		node = m.step(node, m.literal(w))
	}
	here := &m.phrases[node]
	if i := slices.IndexFunc(here.families, func(m meant) bool { return m.family == f }); i >= 0 {
		here.families[i].languages |= languages
	} else {
		here.families = append(here.families, meant{f, languages})
	}
	return nil
}

// literals splits a phrase as the text will be split.
func literals(phrase string) ([]string, error) {
	folded := appendFolded(nil, phrase, 4*len(phrase)+64)
	var words []string
	for i := 0; i < len(folded); {
		if end := wordEnd(folded, i); end > i {
			words = append(words, string(folded[i:end]))
			i = end
			continue
		}
		if folded[i] == '*' {
			if i == 0 || len(words) == 0 || !endsAt(folded, i) {
				return nil, fmt.Errorf("%q: a * stands at the end of a word", phrase)
			}
			words[len(words)-1] += "*"
		}
		i += markLen(folded[i:])
	}
	if len(words) == 0 || len(words) > maxPhrase {
		return nil, fmt.Errorf("%q: write 1 to %d words", phrase, maxPhrase)
	}
	if strings.HasSuffix(words[0], "*") && len(words[0]) < 4 {
		return nil, fmt.Errorf("%q: at least three letters before the *", phrase)
	}
	return words, nil
}

// endsAt reports whether a word ends right before i and none begins after it.
func endsAt(b []byte, i int) bool {
	before := wordEnd(b[i-1:i], 0) == 1
	return before && wordEnd(b, i+1) == i+1
}

func (m *matcher) literal(w string) int32 {
	if n, ok := m.literals[w]; ok {
		return n
	}
	n := int32(len(m.literals) + 1)
	m.literals[w] = n
	stem, isStem := strings.CutSuffix(w, "*")
	at := int32(0)
	for i := range len(stem) {
		at = m.child(at, stem[i])
	}
	if isStem {
		m.draft[at].stem = n
	} else {
		m.draft[at].exact = n
	}
	return n
}

func (m *matcher) step(node, literal int32) int32 {
	i, found := slices.BinarySearchFunc(m.phrases[node].edges, literal, func(e phraseEdge, l int32) int { return int(e.literal - l) })
	if found {
		return m.phrases[node].edges[i].node
	}
	m.phrases = append(m.phrases, phraseNode{})
	next := int32(len(m.phrases) - 1)
	m.phrases[node].edges = slices.Insert(m.phrases[node].edges, i, phraseEdge{literal, next})
	return next
}

// wordMatches holds the literals that one token matches.
type wordMatches struct {
	n      int8
	speech languageSet
	list   [maxPerToken]int32
}

func (w *wordMatches) add(l int32) {
	if l != 0 && w.n < maxPerToken {
		w.list[w.n] = l
		w.n++
	}
}

// find appends a hit for each phrase of the languages that begins at token start. It returns the
// number of steps taken.
func (m *matcher) find(tokens []token, start int, in languageSet, hits *[]hit) int {
	w := &tokens[start].words
	steps := 1 + int(w.n)
	for _, l := range w.list[:w.n] {
		if node := m.begins[l]; node != 0 {
			steps += m.found(tokens, start, node, start+1, in, hits)
		}
	}
	return steps
}

// found appends a hit for each phrase that began at token start, came to node,
// and ends right before token at or goes on.
func (m *matcher) found(tokens []token, start int, node int32, at int, in languageSet, hits *[]hit) int {
	here := &m.phrases[node]
	for _, f := range here.families {
		if f.languages&in != 0 {
			*hits = append(*hits, hit{family: f.family, start: int32(start), end: int32(at)})
		}
	}
	if len(here.edges) == 0 || at == len(tokens) {
		return 1
	}
	w := &tokens[at].words
	steps := 1 + int(w.n)
	for _, l := range w.list[:w.n] {
		i, ok := slices.BinarySearchFunc(here.edges, l, func(e phraseEdge, l int32) int { return int(e.literal - l) })
		if ok {
			steps += m.found(tokens, start, here.edges[i].node, at+1, in, hits)
		}
	}
	return steps
}
