package classify

import (
	"bytes"

	"relais.example/routing/classify/linear"
)

// Blocks of features; see linear.
const (
	blockLetters = iota // runs of 2 to 5 letters within a word
	blockWords          // words and pairs of words, by where they stand
	blockMeaning        // families, articles and the make-up of the message
)

// Bounds of what the model reads. What a mail wants stands near its beginning.
const (
	maxModelWords = 800
	maxWordBytes  = 24 // longer words are cut
	openingWords  = 40 // words of the new text that count as its opening
	maxPaired     = 14 // families of one sentence of which pairs are made
	maxCues       = 12 << 10
)

// Seeds keep features of different sorts apart.
const (
	seedLetters uint32 = 2166136261 + iota*7919
	seedWord
	seedNegated
	seedSubject
	seedOpening
	seedPair
	seedNumber
	seedFamily
	seedFamilyNegated
	seedFamilySubject
	seedFamilyOpening
	seedFamilyAsked
	seedFamilyQuestion
	seedFamilies
	seedFamiliesNegated
	seedMakeUp
)

// cue is a feature that the model knows, and what it was read from.
type cue struct {
	row  int32
	word int32 // index into words; -1-n: meanings[n]
}

// reader gathers the features of one message.
type reader struct {
	text     *linear.Text     // judged; nil while learning
	learnt   []linear.Feature // while learning: every feature, repeated ones too
	cues     []cue
	words    []span     // distinct words
	meanings []meaning  // what the other features say
	read     int        // words so far
	opening  int        // words of the new text so far
	seen     []seenWord // by hash of the word
	now      uint32
}

type seenWord struct {
	hash, now uint32
	index     int32
}

// meaning is a feature in words for people.
type meaning struct {
	sort uint32
	a, b family
	name string
}

const seenWords = 4096

func (r *reader) reset() {
	r.learnt, r.cues, r.words, r.meanings = r.learnt[:0], r.cues[:0], r.words[:0], r.meanings[:0]
	r.read, r.opening = 0, 0
	if r.seen == nil {
		r.seen = make([]seenWord, seenWords)
	}
	if r.now++; r.now == 0 {
		clear(r.seen)
		r.now = 1
	}
	if r.text != nil {
		r.text.Reset()
	}
}

func (r *reader) add(block int, hash uint32, word int32) {
	f := linear.New(block, scatter(hash))
	if r.text == nil {
		r.learnt = append(r.learnt, f)
		return
	}
	if row := r.text.Add(f); row >= 0 && len(r.cues) < maxCues {
		r.cues = append(r.cues, cue{row, word})
	}
}

// scatter spreads a hash over all bits, because the lowest two are cut off.
func scatter(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

func mix(h uint32, b byte) uint32 { return (h ^ uint32(b)) * 16777619 }

func mixNumber(h, n uint32) uint32 {
	return mix(mix(mix(mix(h, byte(n)), byte(n>>8)), byte(n>>16)), byte(n>>24))
}

func mixText(h uint32, s string) uint32 {
	for i := range len(s) {
		h = mix(h, s[i])
	}
	return h
}

// sentence takes in the words of a sentence and its families.
func (r *reader) sentence(c *Classifier, s *sentence, commas []bool) {
	if r.read >= maxModelWords {
		return
	}
	negatedUntil, hit := int32(-1), 0
	previous := uint32(0)
	for i := range s.tokens {
		if r.read++; r.read > maxModelWords {
			break
		}
		at := int32(i)
		for ; hit < len(s.hits) && s.hits[hit].end <= at; hit++ {
			if s.hits[hit].family == c.known.not {
				negatedUntil = s.hits[hit].end + negationRun
			}
		}
		if commas[i] {
			negatedUntil = -1
		}
		previous = r.word(s, at, at < negatedUntil, previous)
	}
	r.families(c, s)
}

// word takes in one word and returns its hash, for the pair with the next.
func (r *reader) word(s *sentence, at int32, negated bool, previous uint32) uint32 {
	t := s.tokens[at]
	word := s.text[t.start:min(t.end, t.start+maxWordBytes)]
	hash, number := uint32(seedWord), false
	for _, b := range word {
		hash = mix(hash, b)
		number = number || digitByte(b)
	}
	if number { // numbers differ from case to case: only their shape tells
		hash = mix(seedNumber, byte(min(len(word), 6)))
	}
	index, first := r.distinct(hash, span{t.start, t.end})
	opening := !s.subject && !s.quoted && r.opening < openingWords
	if opening {
		r.opening++
	}
	if first && !number {
		r.letters(word, index)
	}
	if negated {
		r.add(blockWords, hash^seedNegated, index)
	} else {
		r.add(blockWords, hash, index)
	}
	if s.subject {
		r.add(blockWords, hash^seedSubject, index)
	} else if opening {
		r.add(blockWords, hash^seedOpening, index)
	}
	if previous != 0 {
		r.add(blockWords, mixNumber(previous^seedPair, hash), index)
	}
	return hash
}

// distinct numbers the words of a message. A full table only costs doubled
// work.
func (r *reader) distinct(hash uint32, where span) (index int32, first bool) {
	slot := &r.seen[scatter(hash)%seenWords]
	if slot.now == r.now && slot.hash == hash {
		return slot.index, false
	}
	*slot = seenWord{hash, r.now, int32(len(r.words))}
	r.words = append(r.words, where)
	return slot.index, true
}

// letters takes in the runs of 2 to 5 letters of a word with its borders.
func (r *reader) letters(word []byte, index int32) {
	var padded [maxWordBytes + 2]byte
	padded[0] = '_'
	n := copy(padded[1:], word) + 1
	padded[n] = '_'
	n++
	for from := 0; from < n-1; from++ {
		h := uint32(seedLetters)
		for to := from; to < min(n, from+5); to++ {
			h = mix(h, padded[to])
			if to > from {
				r.add(blockLetters, h, index)
			}
		}
	}
}

// families takes in what a sentence is about: its families one by one, by
// where they stand, and two by two.
func (r *reader) families(c *Classifier, s *sentence) {
	var list [maxPaired]family
	n := 0
	asked := s.present.has(c.known.ask)
	question := s.endsWith('?')
	opening := !s.subject && !s.quoted && r.opening <= openingWords
	s.present.each(func(f family) {
		r.family(seedFamily, c.familyHash[f], f, f)
		switch {
		case s.subject:
			r.family(seedFamilySubject, c.familyHash[f], f, f)
		case opening:
			r.family(seedFamilyOpening, c.familyHash[f], f, f)
		}
		if asked {
			r.family(seedFamilyAsked, c.familyHash[f], f, f)
		}
		if question {
			r.family(seedFamilyQuestion, c.familyHash[f], f, f)
		}
		if n < maxPaired {
			for i := range n {
				r.family(seedFamilies, mixNumber(c.familyHash[list[i]], c.familyHash[f]), list[i], f)
			}
			list[n] = f
			n++
		}
	})
	s.negated.each(func(f family) {
		r.family(seedFamilyNegated, c.familyHash[f], f, f)
		for i := range n {
			r.family(seedFamiliesNegated, mixNumber(c.familyHash[list[i]], c.familyHash[f]), list[i], f)
		}
	})
	if question {
		r.makeUp("question")
	}
}

func (r *reader) family(sort, hash uint32, a, b family) {
	before := len(r.cues)
	r.add(blockMeaning, mixNumber(sort, hash), int32(-1-len(r.meanings)))
	if len(r.cues) > before {
		r.meanings = append(r.meanings, meaning{sort: sort, a: a, b: b})
	}
}

// makeUp takes in a fact about the message as a whole.
func (r *reader) makeUp(name string) {
	before := len(r.cues)
	r.add(blockMeaning, mixText(seedMakeUp, name), int32(-1-len(r.meanings)))
	if len(r.cues) > before {
		r.meanings = append(r.meanings, meaning{sort: seedMakeUp, name: name})
	}
}

// endsWith reports whether mark follows the last word of s.
func (s *sentence) endsWith(mark byte) bool {
	if len(s.tokens) == 0 {
		return false
	}
	rest := s.text[s.tokens[len(s.tokens)-1].end:]
	return len(rest) > 0 && bytes.IndexByte(rest[:min(len(rest), 3)], mark) >= 0
}

// size puts a count into one of few classes.
func size(n int) string {
	switch {
	case n == 0:
		return "none"
	case n == 1:
		return "one"
	case n <= 3:
		return "few"
	case n <= 8:
		return "some"
	}
	return "many"
}
