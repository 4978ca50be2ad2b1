package classify

import (
	"cmp"
	"slices"
)

const (
	explained        = 3 // candidates whose words are shown
	maxWordCues      = 5
	maxEmergencyCues = 4
	leastCue         = 0.05
)

// reasons says what speaks for a kind rather than for its rival, strongest
// first: rules and articles by their share in the score, then single words and
// meanings by theirs.
func (c *Classifier) reasons(sc *scratch, t *tally, kind, rival int, words bool) []Evidence {
	list := slices.Clone(t.evidence[kind])
	if c.model != nil && t.weight[kind] > 0 {
		share := float64(c.model.Numbers[numberGiven]*given1(t.weight[kind])) / t.weight[kind]
		for i := range list {
			list[i].Weight = round(list[i].Weight * share)
		}
	}
	list = strongest(list)
	if words && c.model != nil {
		list = append(list[:min(len(list), maxEvidence-maxWordCues+2)], sc.cues(c, kind, rival, maxWordCues, "")...)
	}
	return strongest(list)
}

// cues lists the words and meanings by which the model prefers an output to
// its rival (to nothing if rival is negative).
func (sc *scratch) cues(c *Classifier, output, rival, limit int, prefix string) []Evidence {
	r := &sc.reader
	sums := make([]float32, len(r.words)+len(r.meanings))
	for _, cue := range r.cues {
		part := r.text.Part(cue.row, output)
		if rival >= 0 {
			part -= r.text.Part(cue.row, rival)
		}
		if cue.word >= 0 {
			sums[cue.word] += part
		} else {
			sums[len(r.words)-1-int(cue.word)] += part
		}
	}
	order := make([]int, 0, limit+1)
	for i, sum := range sums {
		if sum < leastCue || len(order) == limit && sum <= sums[order[limit-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(order, sum, func(o int, s float32) int { return cmp.Compare(s, sums[o]) })
		order = slices.Insert(order, at, i)
		order = order[:min(len(order), limit)]
	}
	var list []Evidence
	for _, i := range order {
		weight := round(float64(sums[i]))
		if i < len(r.words) {
			list = append(list, Evidence{"word", weight, prefix + sc.quote([3]span{r.words[i]})})
		} else {
			name, text := r.meanings[i-len(r.words)].describe(c)
			list = append(list, Evidence{name, weight, prefix + text})
		}
	}
	return list
}

// describe names a meaning for people.
func (m *meaning) describe(c *Classifier) (rule, text string) {
	a := c.familyNames[m.a]
	switch m.sort {
	case seedMakeUp:
		return "message", m.name
	case seedFamilies:
		return "meaning", a + " with " + c.familyNames[m.b]
	case seedFamiliesNegated:
		return "meaning", a + " with not " + c.familyNames[m.b]
	case seedFamilyNegated:
		return "meaning", "not " + a
	case seedFamilySubject:
		return "meaning", a + " in the subject"
	case seedFamilyOpening:
		return "meaning", a + " in the first words"
	case seedFamilyAsked:
		return "meaning", a + " where something is asked"
	case seedFamilyQuestion:
		return "meaning", a + " in a question"
	}
	return "meaning", a
}
