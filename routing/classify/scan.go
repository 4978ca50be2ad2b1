package classify

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// token is one word of the folded text.
type token struct {
	start, end int32 // in the folded line buffer of the scanner
	words      wordMatches
}

// hit is a phrase of a family in the current sentence.
type hit struct {
	family     family
	negated    bool
	start, end int32 // tokens
}

const (
	maxSentence = 300 // tokens; longer sentences are cut, so that work stays linear
	negationRun = 4   // a negator governs what begins within so many words after it
	shortLine   = 52  // bytes; a shorter line was not wrapped by a program, its end ends the sentence
)

// sentence is what the rules look at: a run of tokens with the families found.
type sentence struct {
	text    []byte // all folded text; tokens point into it
	tokens  []token
	hits    []hit
	present mask // families said
	negated mask // families said to be not so
	subject bool // from the subject line
	ticked  bool // follows a ticked box
	quoted  bool // from quoted history that the new text points to
}

// scanner cuts folded text into sentences and hands each to emit. Its buffers
// are used again for each sentence.
type scanner struct {
	m      *matcher
	not    family
	in     languageSet // words of other languages do not count: "para" is money in Turkish only
	emit   func(*sentence)
	work   int // steps taken, for the tests of linearity
	s      sentence
	commas []bool // per token: a clause ended right before it
	comma  bool   // a clause ended since the last token
	skip   bool   // after an unticked box: leave out what follows
}

// line reads the folded line text[from:to]. wrapped tells that the sentence
// may go on in the line that comes next.
func (sc *scanner) line(from, to int, wrapped bool) {
	if beginsItem(sc.s.text[from:to]) {
		sc.flush()
	}
	sc.scan(from, to)
	if !wrapped || sc.skip || sc.s.ticked { // what a box governs ends with its line
		sc.flush()
	}
}

// beginsItem reports whether a line opens a paragraph, a list item or a form
// field rather than going on with the sentence above.
func beginsItem(text []byte) bool {
	t := bytes.TrimSpace(text)
	if len(t) == 0 {
		return true
	}
	switch t[0] {
	case '-', '*', '[', '(':
		return true
	}
	if bytes.HasPrefix(t, []byte("•")) || box(t) != boxNone {
		return true
	}
	// "3." or "b)" and the like
	i := 0
	for i < len(t) && i < 3 && ('0' <= t[i] && t[i] <= '9' || 'a' <= t[i] && t[i] <= 'z') {
		i++
	}
	return i > 0 && i+1 < len(t) && (t[i] == '.' || t[i] == ')') && t[i+1] == ' '
}

type boxState uint8

const (
	boxNone boxState = iota
	boxOpen
	boxTicked
)

// box recognises a tick box at the start of b.
func box(b []byte) boxState {
	switch r, size := utf8.DecodeRune(b); r {
	case '☐', '□', '▢', '❏', '❑', '⬜':
		return boxOpen
	case '☒', '☑', '■', '✓', '✔', '✗', '✘', '🗹', '🗷', '⊠':
		return boxTicked
	case '[', '(':
		inner, _, ok := bytes.Cut(b[size:min(len(b), size+8)], []byte{closing(b[0])})
		if !ok {
			return boxNone
		}
		switch string(bytes.TrimSpace(inner)) {
		case "", "_", "__":
			return boxOpen
		case "x", "v", "✓", "✔", "✗", "*":
			return boxTicked
		}
	}
	return boxNone
}

func closing(open byte) byte {
	if open == '[' {
		return ']'
	}
	return ')'
}

// scan reads text[from:to], adding tokens and ending sentences at their marks.
func (sc *scanner) scan(from, to int) {
	text := sc.s.text[:to]
	for i := from; i < to; {
		sc.work++
		if text[i] == ' ' {
			i++
			continue
		}
		if slotOf[text[i]] != noSlot || letterLen(text[i:]) > 0 {
			i = sc.word(text, i)
			continue
		}
		if state := boxAt(text, i); state != boxNone {
			if width := boxWidth(text[i:]); len(sc.s.tokens) > 0 && len(bytes.TrimSpace(text[i+width:])) == 0 {
				sc.boxBehind(state) // "Article 30: [ ]"
				i += width
				continue
			}
			sc.flush()
			sc.skip, sc.s.ticked = state == boxOpen, state == boxTicked
			i += boxWidth(text[i:])
			continue
		}
		switch text[i] {
		case ',', ':', '(':
			sc.comma = true
		}
		if sc.endsSentence(text, i) {
			sc.close()
		}
		i += markLen(text[i:])
	}
}

// boxBehind applies a box at the end of a line to the words before it.
func (sc *scanner) boxBehind(state boxState) {
	if state == boxTicked {
		sc.s.ticked = true
	} else {
		sc.s.tokens, sc.commas = sc.s.tokens[:0], sc.commas[:0]
	}
	sc.flush()
}

func boxAt(text []byte, i int) boxState {
	if c := text[i]; c != '[' && c != '(' && c < utf8.RuneSelf {
		return boxNone
	}
	return box(text[i:])
}

// boxWidth is the length of the box at the start of b.
func boxWidth(b []byte) int {
	if b[0] == '[' || b[0] == '(' {
		return bytes.IndexByte(b, closing(b[0])) + 1
	}
	_, size := utf8.DecodeRune(b)
	return size
}

// endsSentence reports whether the mark at i ends a sentence: . ! ? or ; before
// a space, but not the point of an abbreviation or of an article number.
func (sc *scanner) endsSentence(text []byte, i int) bool {
	switch text[i] {
	case '!', '?', ';':
		return true
	case '.':
	default:
		return false
	}
	if i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\n' {
		return false
	}
	n := len(sc.s.tokens)
	if n == 0 {
		return false
	}
	last := sc.s.tokens[n-1]
	if int(last.end) != i {
		return true
	}
	word := text[last.start:last.end]
	if digitByte(word[0]) && bytes.HasPrefix(bytes.TrimLeft(text[i+1:min(i+12, len(text))], " "), []byte("madde")) {
		return false // "29. madde"
	}
	switch string(word) {
	case "art", "arts", "no", "nos", "para", "paras", "al", "lit", "ref", "cf", "eg", "ie", "mr", "mrs", "dr":
		return false
	}
	return len(word) > 1
}

// word adds the word that begins at text[start] and returns where it ends. A
// sentence that has grown too long is cut before it.
func (sc *scanner) word(text []byte, start int) (end int) {
	if sc.skip {
		return wordEnd(text, start)
	}
	if len(sc.s.tokens) == maxSentence {
		sc.close()
	}
	n := len(sc.s.tokens)
	sc.s.tokens = slices.Grow(sc.s.tokens, 1)[:n+1] // not cleared: all that is read of it is set here
	t := &sc.s.tokens[n]
	end, steps := sc.m.letters.word(text, start, &t.words)
	t.start, t.end = int32(start), int32(end)
	sc.work += steps
	sc.commas = append(sc.commas, sc.comma)
	sc.comma = false
	return end
}

// flush ends the sentence, and what a tick box governs.
func (sc *scanner) flush() {
	sc.close()
	sc.skip, sc.s.ticked = false, false
}

// close hands the sentence on.
func (sc *scanner) close() {
	if len(sc.s.tokens) > 0 {
		sc.match()
		sc.emit(&sc.s)
	}
	sc.s.tokens, sc.s.hits, sc.commas, sc.comma = sc.s.tokens[:0], sc.s.hits[:0], sc.commas[:0], false
}

// match finds the families of the finished sentence.
func (sc *scanner) match() {
	s := &sc.s
	s.present, s.negated = mask{}, mask{}
	for i := range s.tokens {
		if s.tokens[i].words.n > 0 {
			sc.work += sc.m.find(s.tokens, i, sc.in, &s.hits)
		}
	}
	lastNot := int32(-negationRun - 1) // end of the last negator
	pending := 0
	for i := range s.hits {
		h := &s.hits[i]
		// Hits come ordered by start; negators before this one are known.
		for ; pending < i; pending++ {
			if s.hits[pending].family == sc.not && s.hits[pending].end <= h.start {
				lastNot = s.hits[pending].end
			} else if s.hits[pending].family == sc.not {
				break
			}
		}
		h.negated = h.start-lastNot < negationRun && !sc.clauseBetween(lastNot, h.start)
		if h.negated {
			s.negated.set(h.family)
		} else {
			s.present.set(h.family)
		}
	}
}

func (sc *scanner) clauseBetween(from, to int32) bool {
	for i := from; i <= to; i++ {
		if i >= 0 && sc.commas[i] {
			return true
		}
	}
	return false
}
