package classify

import (
	"math/bits"
	"slices"

	"relais.example/routing/request"
)

// target is what a rule speaks for.
type target uint8

const (
	targetKind    target = iota
	targetFact           // life or safety is at risk
	targetClaim          // the sender calls it an emergency
	targetAgainst        // what is told is money, logs, or over
)

type emergencyCondition uint8

const (
	emergencyAny emergencyCondition = iota
	emergencyOnly
	emergencyNever
)

// holds reports whether a rule with this condition counts.
func (e emergencyCondition) holds(emergency bool) bool {
	return e == emergencyAny || (e == emergencyOnly) == emergency
}

// rule is a compiled ruleSource.
type rule struct {
	name            string
	target          target
	kind            int // index into request.Kinds
	weight          float64
	all, negated    mask // families said, families negated: all of them
	any, none       mask
	terms, anyTerms []family // for the evidence
	emergency       emergencyCondition
	subjectOnly     bool
}

// ruleSet finds the rules that may hold: those whose first family occurs.
type ruleSet struct {
	keys  mask
	byKey [maxFamilies][]int32
}

// articleRule is what an article speaks for.
type articleRule struct {
	kind      int
	weight    float64
	emergency emergencyCondition
}

type damping struct {
	when    int
	atLeast float64
	kinds   []int
	factor  float64
}

var kinds = request.Kinds() // read only

func kindIndex(k request.Kind) int { return max(0, slices.Index(kinds, k)) }

// score is what a rule has gathered in a message.
type score struct {
	best  float64 // weight of its best sentence, with the sentence's factors
	count int32
	spans [3]span // words in that sentence
}

type span struct{ from, to int32 }

// apply judges one sentence by the rules of a set. Rules on an emergency look
// at two sentences together, because danger and time are often told apart.
func (c *Classifier) apply(sc *scratch, set *ruleSet, s *sentence, before *mask, factor func(*rule) float64) {
	present := s.present
	if before != nil {
		present = union(&present, before)
	}
	seen := union(&s.present, &s.negated)
	if before != nil {
		seen = union(&seen, before)
	}
	for w := range seen {
		for left := seen[w] & set.keys[w]; left != 0; left &= left - 1 {
			key := family(w*64 + bits.TrailingZeros64(left))
			for _, number := range set.byKey[key] {
				sc.work++
				r := &c.rules[number]
				if !present.covers(&r.all) || !s.negated.covers(&r.negated) || present.meets(&r.none) ||
					len(r.anyTerms) > 0 && !present.meets(&r.any) || r.subjectOnly && !s.subject {
					continue
				}
				// Two sentences together only count where the later one adds something.
				if before != nil && before.covers(&r.all) && !s.present.meets(&r.all) {
					continue
				}
				got := &sc.scores[number]
				got.count++
				if weight := r.weight * factor(r); got.count == 1 || weight > got.best {
					got.best = weight
					got.spans = sc.spansOf(s, r)
				}
			}
		}
	}
}

// spansOf remembers where the words of a rule stand, for the evidence.
func (sc *scratch) spansOf(s *sentence, r *rule) (spans [3]span) {
	n := 0
	take := func(f family) {
		for i := range s.hits {
			h := &s.hits[i]
			if h.family == f && n < len(spans) {
				spans[n] = span{s.tokens[h.start].start, s.tokens[h.end-1].end}
				n++
				return
			}
		}
	}
	for _, f := range r.terms {
		take(f)
	}
	for _, f := range r.anyTerms {
		if n == 0 || s.present.has(f) {
			take(f)
		}
	}
	return spans
}

// total is what a rule adds: its best sentence, and a little for being borne
// out by others.
func (g *score) total() float64 {
	if g.count > 1 {
		return g.best * 1.3
	}
	return g.best
}
