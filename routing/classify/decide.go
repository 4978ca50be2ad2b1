package classify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"relais.example/routing/request"
)

// Weights of what is certain, far above what words can gather.
const (
	weightMachine   = 40 // headers of automatic mail
	weightForm      = 25 // kind named in the machine form
	weightReplyCode = 20
	weightHint      = 2 // a header that machines and some people set
)

const (
	maxCandidates = 6
	maxEvidence   = 8
	maxShown      = 60 // characters of the message shown in evidence
	prior         = 1  // weight that "something else" always has
)

// tally is the weight gathered per kind, with its reasons.
type tally struct {
	weight   []float64
	evidence [][]Evidence
}

func (t *tally) add(kind int, e Evidence) {
	t.weight[kind] += e.Weight
	t.evidence[kind] = append(t.evidence[kind], e)
}

// decide turns what was gathered into a result.
func (c *Classifier) decide(sc *scratch, headers map[string][]string, result *Result) {
	result.Language = c.language(sc)
	facts := c.emergency(sc, result)

	t := tally{make([]float64, len(kinds)), make([][]Evidence, len(kinds))}
	c.tallyCertain(&t, headers, result)
	c.tallyRules(&t, sc, result.Emergency)
	c.tallyArticles(&t, sc, result)
	c.dampen(&t)
	c.choose(&t, result)
	if result.Kinds[0] == request.Auto && !facts {
		result.Emergency = false // "in emergencies call ..." of an absent officer
	}
}

// tallyCertain takes in the sources that leave no doubt.
func (c *Classifier) tallyCertain(t *tally, headers map[string][]string, result *Result) {
	if why, certain := automatic(headers); certain {
		t.add(kindIndex(request.Auto), Evidence{"machine-header", weightMachine, "a machine sent it: " + shown(why)})
	} else if why != "" {
		t.add(kindIndex(request.Auto), Evidence{"machine-hint", weightHint, "header often set by machines: " + shown(why)})
	}
	if result.Form != nil {
		named := formKinds(result.Form)
		for i, k := range named {
			// The second is a little lighter, so that the order stays.
			t.add(kindIndex(k), Evidence{"form-kind", weightForm - float64(i), fmt.Sprintf("the form block names %s", k)})
		}
		if len(named) == 0 {
			result.Evidence = append(result.Evidence, Evidence{"form-without-kind", 0, "the form block names no known kind"})
		}
	}
	if result.ReplyCode != "" {
		t.add(kindIndex(request.Response), Evidence{"reply-code", weightReplyCode, "reply code " + result.ReplyCode})
	}
}

func (c *Classifier) tallyRules(t *tally, sc *scratch, emergency bool) {
	if sc.inThread {
		for _, r := range c.thread {
			t.add(r.kind, Evidence{"thread", r.weight, "answers an earlier message"})
		}
	}
	for i := range c.rules {
		r, got := &c.rules[i], &sc.scores[i]
		if got.count == 0 || r.target != targetKind || !r.emergency.holds(emergency) {
			continue
		}
		t.add(r.kind, Evidence{r.name, round(got.total()), sc.quote(got.spans)})
	}
}

// tallyArticles gives bare articles their law, lists them, and lets each speak
// for its kinds once.
func (c *Classifier) tallyArticles(t *tally, sc *scratch, result *Result) {
	x := sc.context
	x.emergency = result.Emergency || result.ClaimsEmergency
	var spoken []string
	for i := range sc.cited {
		cited := &sc.cited[i]
		cited.resolve(x)
		if !cited.valid() {
			continue
		}
		name := cited.String()
		if !slices.Contains(result.Articles, name) {
			result.Articles = append(result.Articles, name)
		}
		if cited.negated || slices.Contains(spoken, name) {
			continue
		}
		spoken = append(spoken, name)
		rules := c.articles[name]
		if exact := c.articles[subCite(name, cited.sub)]; len(exact) > 0 {
			rules = exact
		}
		for _, r := range rules {
			if !r.emergency.holds(result.Emergency) {
				continue
			}
			t.add(r.kind, Evidence{"article", round(r.weight * cited.factor), "cites " + name + ": " + sc.quote([3]span{{cited.from, cited.to}})})
		}
	}
}

// subCite writes "CONV 35.1.a" for CONV 35 and "1a".
func subCite(name, sub string) string {
	if sub == "" {
		return ""
	}
	return name + "." + strings.Join(strings.Split(sub, ""), ".")
}

func (c *Classifier) dampen(t *tally) {
	for _, d := range c.damping {
		if t.weight[d.when] < d.atLeast {
			continue
		}
		for _, k := range d.kinds {
			// What is certain is not argued away.
			if w := t.weight[k]; w > 0 && w < weightReplyCode {
				t.add(k, Evidence{"dampened", round(w*d.factor - w), fmt.Sprintf("a %s has to speak of it too", kinds[d.when])})
			}
		}
	}
}

// choose ranks the kinds and accepts one, two or none.
func (c *Classifier) choose(t *tally, result *Result) {
	order := make([]int, 0, len(kinds))
	for k, w := range t.weight {
		if w > 0 {
			order = append(order, k)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.weight[b], t.weight[a]) })
	for _, k := range order[:min(len(order), maxCandidates)] {
		if kinds[k] != request.Unclassified {
			result.Candidates = append(result.Candidates, Candidate{kinds[k], round(t.weight[k] / (t.weight[k] + prior)), strongest(t.evidence[k])})
		}
	}
	if len(order) == 0 {
		result.Kinds = []request.Kind{request.Unclassified}
		return
	}
	first, rival, second := order[0], 0.0, -1
	named := formKinds(result.Form)
	inForm := func(k int) bool { return slices.Contains(named, kinds[k]) }
	for _, k := range order[1:] {
		if second < 0 && t.weight[k] >= c.weigh.Second && t.weight[k] >= t.weight[first]/4 && (c.goTogether(first, k) || inForm(first) && inForm(k)) {
			second = k
			continue
		}
		rival = max(rival, t.weight[k])
	}
	result.Confidence = round(t.weight[first] / (t.weight[first] + rival + prior))
	if kinds[first] == request.Unclassified || result.Confidence < c.weigh.Threshold {
		result.Kinds = []request.Kind{request.Unclassified}
		return
	}
	result.Kinds = []request.Kind{kinds[first]}
	if second >= 0 {
		result.Kinds = append(result.Kinds, kinds[second])
		if c.comesFirst(second, first) {
			slices.Reverse(result.Kinds)
		}
	}
}

// goTogether reports whether one message may ask both, as the vocabulary says.
func (c *Classifier) goTogether(a, b int) bool {
	return slices.Contains(c.together, [2]int{a, b}) || slices.Contains(c.together, [2]int{b, a})
}

func (c *Classifier) comesFirst(a, b int) bool { return slices.Contains(c.together, [2]int{a, b}) }

// emergency decides whether life or safety is at risk (SAP 3.2.c): on facts
// told or, failing facts either way, on the claim alone. A person decides.
func (c *Classifier) emergency(sc *scratch, result *Result) (told bool) {
	var facts, claims, against float64
	for i := range c.rules {
		r, got := &c.rules[i], &sc.scores[i]
		if got.count == 0 || r.target == targetKind {
			continue
		}
		e := Evidence{r.name, round(got.total()), sc.quote(got.spans)}
		switch r.target {
		case targetFact:
			facts += got.total()
			e.Text = "danger to life or safety: " + e.Text
		case targetClaim:
			claims += got.total()
			e.Text = "called an emergency: " + e.Text
		case targetAgainst:
			against += got.total()
			e.Text, e.Weight = "no danger to persons: "+e.Text, -e.Weight
		}
		if len(result.Evidence) < maxEvidence {
			result.Evidence = append(result.Evidence, e)
		}
	}
	for i := range sc.cited {
		n := sc.cited[i]
		n.resolve(sc.context)
		if n.instrument == instrumentProtocol && (n.number == 9 || n.number == 10) && !n.negated {
			claims++
			result.Evidence = append(result.Evidence, Evidence{"emergency-article", 1, "cites " + n.String()})
			break
		}
	}
	if result.Form != nil && yes(result.Form["emergency"]) || slices.Contains(formKinds(result.Form), request.EmergencyDisclosure) || slices.Contains(formKinds(result.Form), request.EmergencyMLA) {
		claims++
		result.Evidence = append(result.Evidence, Evidence{"emergency-form", 1, "the form block says so"})
	}
	result.ClaimsEmergency = claims >= 1
	result.Emergency = facts >= 1 || claims >= 1 && against < 1
	if result.Emergency && facts < 1 {
		result.Evidence = append(result.Evidence, Evidence{"emergency-without-facts", 0, "claimed without facts: a person decides at once"})
	}
	return facts >= 1
}

// language is the one whose function words are most frequent, if they are
// frequent enough and no other comes near.
func (c *Classifier) language(sc *scratch) string {
	best, second := 0, int32(0)
	for i := 1; i < len(sc.speech); i++ {
		if best == 0 || sc.speech[i] > sc.speech[best] {
			if best > 0 {
				second = max(second, sc.speech[best])
			}
			best = i
		} else {
			second = max(second, sc.speech[i])
		}
	}
	if best == 0 || sc.speech[best] < 3 || sc.speech[best]*100 < sc.words*8 || sc.speech[best] < second*3/2 {
		return ""
	}
	return c.languages[best-1]
}

// quote shows the words that a rule met.
func (sc *scratch) quote(spans [3]span) string {
	var words []string
	for _, s := range spans {
		if s.to > s.from {
			words = append(words, string(sc.folded[s.from:min(s.to, s.from+4*maxShown)]))
		}
	}
	return `"` + shown(strings.Join(words, " + ")) + `"`
}

// shown makes text of a message fit for a line of evidence.
func shown(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	for i, n := 0, 0; i < len(s); n++ {
		if n == maxShown-1 {
			return s[:i] + "…"
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return s
}

// strongest returns the weightiest reasons first.
func strongest(list []Evidence) []Evidence {
	slices.SortStableFunc(list, func(a, b Evidence) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	return list[:min(len(list), maxEvidence)]
}

func round(x float64) float64 { return math.Round(x*100) / 100 }
