package classify

import (
	"bytes"
	"fmt"
	"slices"
)

// instrument is the law that an article belongs to.
type instrument uint8

const (
	instrumentUnknown instrument = iota
	instrumentConvention
	instrumentProtocol
	instrumentOther
)

// How far, in words, the name of the instrument may stand from the numbers.
const (
	instrumentWindow = 7
	lawWindow        = 4  // "law" and "code" are common words: they must stand closer
	maxArticles      = 24 // cited in one message; more are not read
	maxConvention    = 48 // the Convention has 48 articles,
	maxProtocol      = 25 // its Second Additional Protocol 25
)

// citation is one article named in the text.
type citation struct {
	instrument instrument
	number     int
	sub        string // "1a" of 35.1.a
	negated    bool   // "no order under Article 29 is needed"
	factor     float64
	from, to   int32 // in the folded text
}

func (c citation) String() string {
	if c.instrument == instrumentProtocol {
		return fmt.Sprintf("SAP %d", c.number)
	}
	return fmt.Sprintf("CONV %d", c.number)
}

// citations appends the articles that a sentence names to found. Each token is
// looked at a fixed number of times.
func (c *Classifier) citations(found []citation, s *sentence, factor float64) []citation {
	for _, h := range s.hits {
		if h.family != c.known.article || len(found) >= maxArticles {
			continue
		}
		first := len(found)
		var last int32
		if found, last = c.numbers(found, s, h); len(found) == first {
			continue
		}
		in := c.instrumentOf(s, h, last)
		for i := first; i < len(found); i++ {
			found[i].instrument, found[i].factor, found[i].negated = in, factor, h.negated
			found[i].from, found[i].to = s.tokens[h.start].start, s.tokens[last-1].end
		}
	}
	return found
}

// numbers reads the list of numbers behind the word "article" (before it, in
// "29. madde") and returns the token after it.
func (c *Classifier) numbers(found []citation, s *sentence, h hit) ([]citation, int32) {
	at := h.end
	if number, ok := s.number(at); !ok {
		if number, ok = s.number(h.start - 1); ok && bytes.HasPrefix(s.gap(h.start), []byte{'.'}) {
			return append(found, citation{number: number}), h.end
		}
		return found, at
	} else if s.gapIsClause(at) {
		return found, at
	} else {
		found = append(found, citation{number: number})
	}
	current, inside := len(found)-1, false // inside: reading paragraphs of the article
	for at++; at < int32(len(s.tokens)) && len(found) < maxArticles; at++ {
		gap, word := s.gap(at), s.word(at)
		number, isNumber := s.number(at)
		switch {
		case len(gap) > 0 && (gap[0] == '.' || gap[0] == '(' || gap[0] == ')') && len(word) <= 3 && (gap[0] != '.' || len(gap) == 1 || isNumber):
			found[current].sub += string(word) // 29.7, 35(1)(c), 35.1.c
		case c.isFamily(s, at, c.known.articlePart):
			inside = true
		case inside && (isNumber || len(word) == 1):
			found[current].sub += string(word)
			inside = false
		case isNumber && list(gap):
			found = append(found, citation{number: number})
			current = len(found) - 1
		case connector(word):
			next, ok := s.number(at + 1)
			if !ok {
				return found, at
			}
			if between := found[current].number; (string(word) == "to" || string(word) == "a") && next > between && next-between <= 6 {
				for n := between + 1; n < next && len(found) < maxArticles; n++ {
					found = append(found, citation{number: n})
				}
			}
			found = append(found, citation{number: next})
			current, inside = len(found)-1, false
			at++
		case len(word) == 1 && len(found[current].sub) > 0 && len(gap) <= 2:
			found[current].sub += string(word)
		default:
			return found, at
		}
	}
	return found, at
}

// list reports whether a gap separates the members of a list.
func list(gap []byte) bool {
	t := bytes.TrimSpace(gap)
	return len(t) == 1 && (t[0] == ',' || t[0] == '/' || t[0] == '&' || t[0] == '+')
}

func connector(word []byte) bool {
	switch string(word) {
	case "and", "or", "et", "ou", "y", "e", "und", "oder", "si", "ve", "to", "a":
		return true
	}
	return false
}

// number returns the value of token at if it begins with one to three digits,
// also "29o" from 29.º, and is nothing longer.
func (s *sentence) number(at int32) (int, bool) {
	if at < 0 || int(at) >= len(s.tokens) {
		return 0, false
	}
	word, n, i := s.word(at), 0, 0
	for i < len(word) && digitByte(word[i]) {
		n = n*10 + int(word[i]-'0')
		if i++; i > 3 {
			return 0, false
		}
	}
	return n, i > 0 && len(word)-i <= 2
}

func (s *sentence) word(at int32) []byte { return s.text[s.tokens[at].start:s.tokens[at].end] }

// gap is what stands between token at and the one before it.
func (s *sentence) gap(at int32) []byte {
	if at <= 0 || int(at) >= len(s.tokens) {
		return nil
	}
	return s.text[s.tokens[at-1].end:s.tokens[at].start]
}

// gapIsClause: "Article: 3 pages" and "the article, 29 copies" name no article.
func (s *sentence) gapIsClause(at int32) bool {
	return bytes.ContainsAny(s.gap(at), ",;()\n\t")
}

func (c *Classifier) isFamily(s *sentence, at int32, f family) bool {
	i, _ := slices.BinarySearchFunc(s.hits, at, func(h hit, at int32) int { return int(h.start - at) })
	for ; i < len(s.hits) && s.hits[i].start == at; i++ {
		if s.hits[i].family == f {
			return true
		}
	}
	return false
}

// instrumentOf finds the law whose name stands next to the numbers: the first
// one behind them, up to the next article, else the last one before.
func (c *Classifier) instrumentOf(s *sentence, article hit, last int32) instrument {
	before, beforeEnd := instrumentUnknown, int32(-1)
	after, afterStart, afterEnd := instrumentUnknown, int32(-1), int32(-1)
	limit := last + instrumentWindow
	for _, h := range s.hits {
		if h.family == c.known.article && h.start >= last {
			limit = min(limit, h.start)
		}
		var in instrument
		switch h.family {
		case c.known.convention:
			in = instrumentConvention
		case c.known.protocol:
			in = instrumentProtocol
		case c.known.otherLaw:
			in = instrumentOther
		default:
			continue
		}
		switch {
		case h.start >= last && h.start < limit && !(in == instrumentOther && h.start-last > lawWindow):
			// Of names that begin together the longest is meant: "convention
			// on the rights of the child", not "convention".
			if after == instrumentUnknown || h.start == afterStart && h.end > afterEnd {
				after, afterStart, afterEnd = in, h.start, h.end
			}
		case h.end <= article.start && article.start-h.end < instrumentWindow && !(in == instrumentOther && article.start-h.end > 1):
			if h.end >= beforeEnd && !(h.end == beforeEnd && before == instrumentOther) {
				before, beforeEnd = in, h.end
			}
		}
	}
	if after != instrumentUnknown {
		return after
	}
	return before
}

// context is what the rest of the message says about articles that name no
// law.
type context struct {
	convention, protocol, emergency bool
}

// resolve gives an article without law the one that is meant: the numbers of
// the co-operation chapter are the Convention's; 6 to 10 are the Protocol's in
// an emergency or where the Convention is not named; 2 to 15 are offences where
// the Convention is named; the rest is left out.
func (c *citation) resolve(x context) {
	if c.instrument != instrumentUnknown {
		return
	}
	n := c.number
	switch {
	case n >= 16 && n <= 35:
		c.instrument = instrumentConvention
	case (n == 9 || n == 10) && x.emergency:
		c.instrument = instrumentProtocol
	case (n == 9 || n == 10) && !x.convention:
		c.instrument = instrumentProtocol // bare, they are rarely meant as offences
	case n >= 6 && n <= 12 && x.protocol && !x.convention:
		c.instrument = instrumentProtocol
	case n >= 2 && n <= 15 && x.convention:
		c.instrument = instrumentConvention
	default:
		c.instrument = instrumentOther
	}
}

// valid reports whether the instrument has such an article.
func (c *citation) valid() bool {
	switch c.instrument {
	case instrumentConvention:
		return c.number >= 1 && c.number <= maxConvention
	case instrumentProtocol:
		return c.number >= 1 && c.number <= maxProtocol
	}
	return false
}
