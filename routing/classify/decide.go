package classify

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"relais.example/routing/classify/linear"
	"relais.example/routing/request"
)

const (
	maxCandidates  = 6
	maxEvidence    = 8
	maxShown       = 60   // characters of the message shown in evidence
	leastCandidate = 0.03 // probability below which a kind is not worth a person's look
	sureOf         = 0.99 // what is certain, as a probability
)

// tally is the weight that rules and articles gather per kind, with its
// reasons.
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
	t := c.gather(sc, headers, result)
	certain, why := c.certain(headers, result)
	c.scoreInto(sc, &t)
	c.judgeEmergency(sc, result)
	c.choose(sc, &t, certain, why, result)
	switch result.Kinds[0] {
	case request.Auto:
		if !sc.emergency.told() {
			result.Emergency = false // "in emergencies call ..." of an absent officer
		}
	case request.EmergencyDisclosure, request.EmergencyMLA:
		result.ClaimsEmergency = result.ClaimsEmergency || !result.Emergency
	}
}

// scoreInto puts the score of each kind, and of an emergency, into sc.output.
func (c *Classifier) scoreInto(sc *scratch, t *tally) {
	if c.model == nil {
		sc.output = append(append(sc.output[:0], given(t)...), 0)
		return
	}
	sc.reader.text.Scores(sc.output)
	for k, g := range given(t) {
		sc.output[k] += c.model.Numbers[numberGiven] * g
	}
}

// gather weighs rules and articles, and notes for the model what the message is
// made up of.
func (c *Classifier) gather(sc *scratch, headers map[string][]string, result *Result) tally {
	c.weighEmergency(sc, result)
	t := tally{make([]float64, len(kinds)), make([][]Evidence, len(kinds))}
	c.tallyRules(&t, sc, sc.emergency.found())
	c.tallyArticles(&t, sc, result)
	c.dampen(&t)
	c.describe(sc, headers, result)
	return t
}

// given is what the model is told of the rules' weights.
func given(t *tally) []float32 {
	g := make([]float32, len(t.weight))
	for k, w := range t.weight {
		g[k] = given1(w)
	}
	return g
}

func given1(weight float64) float32 { return float32(math.Log1p(max(0, weight))) }

// certain names the kinds that leave no doubt, with the reason: headers of
// machines before the form block before a reply code.
func (c *Classifier) certain(headers map[string][]string, result *Result) ([]request.Kind, Evidence) {
	if why, sure := automatic(headers); sure {
		return []request.Kind{request.Auto}, Evidence{"machine-header", 0, "a machine sent it: " + shown(why)}
	}
	if result.Form != nil {
		if named := formKinds(result.Form); len(named) > 0 {
			return named, Evidence{"form-kind", 0, fmt.Sprintf("the form block names %s", kindNames(named))}
		}
		result.Evidence = append(result.Evidence, Evidence{"form-without-kind", 0, "the form block names no known kind"})
	}
	if result.ReplyCode != "" {
		return []request.Kind{request.Response}, Evidence{"reply-code", 0, "reply code " + result.ReplyCode}
	}
	return nil, Evidence{}
}

func kindNames(list []request.Kind) string {
	names := make([]string, len(list))
	for i, k := range list {
		names[i] = string(k)
	}
	return strings.Join(names, " and ")
}

// describe notes the make-up of the message for the model.
func (c *Classifier) describe(sc *scratch, headers map[string][]string, result *Result) {
	r := &sc.reader
	if sc.inThread {
		r.makeUp("answers an earlier message")
	}
	if why, sure := automatic(headers); why != "" && !sure {
		r.makeUp("header often set by machines")
	}
	if len(result.References) > 0 {
		r.makeUp("names a reference of ours")
	}
	if sc.ownRef != nil {
		r.makeUp("names a reference of theirs")
	}
	for _, name := range result.Articles {
		r.makeUp("cites " + name)
	}
	for i := range sc.cited {
		if sc.cited[i].negated && sc.cited[i].valid() {
			r.makeUp("excludes " + sc.cited[i].String())
		}
	}
	questions, boxes, quotedLines := 0, 0, 0
	for i := range sc.lines {
		l := &sc.lines[i]
		switch l.part {
		case partNew:
			questions += strings.Count(l.text, "?")
			if box(bytes.TrimSpace(l.folded)) != boxNone {
				boxes++
			}
		case partQuoted:
			quotedLines++
		}
	}
	r.makeUp("question marks: " + size(questions))
	r.makeUp("lines with boxes: " + size(boxes))
	if quotedLines > 0 {
		r.makeUp("quotes earlier messages")
	}
	for _, name := range sc.emergency.rules {
		r.makeUp("emergency rule " + name)
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
	x.emergency = sc.emergency.found() || sc.emergency.claims >= 1
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
			if !r.emergency.holds(sc.emergency.found()) {
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
			if w := t.weight[k]; w > 0 {
				t.add(k, Evidence{"dampened", round(w*d.factor - w), fmt.Sprintf("a %s has to speak of it too", kinds[d.when])})
			}
		}
	}
}

// choose ranks the kinds and accepts one, two or none.
func (c *Classifier) choose(sc *scratch, t *tally, certain []request.Kind, why Evidence, result *Result) {
	odds := sc.output[:len(kinds)]
	if c.model == nil {
		linear.Softmax(odds, 1)
	} else {
		linear.Softmax(odds, c.model.Numbers[numberTemperature])
	}
	order := make([]int, len(kinds))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(odds[b], odds[a]) })
	if len(certain) > 0 {
		c.settle(certain, why, order, odds, t, result)
		return
	}
	if sc.words == 0 { // nothing to go by
		result.Kinds = []request.Kind{request.Unclassified}
		return
	}
	first, second := order[0], -1
	confidence := float64(odds[first])
	for _, k := range order[1:] {
		if float64(odds[k]) >= c.weigh.Second && c.goTogether(first, k) || c.comesFirst(first, k) && t.asksByArticle(k) {
			second = k
			confidence += float64(odds[k])
			break
		}
	}
	for i, k := range order[:maxCandidates] {
		if i > 0 && odds[k] < leastCandidate {
			break
		}
		if kinds[k] != request.Unclassified {
			rival := order[0]
			if i == 0 {
				rival = order[1]
			}
			result.Candidates = append(result.Candidates, Candidate{kinds[k], round(float64(odds[k])), c.reasons(sc, t, k, rival, i < explained)})
		}
	}
	result.Confidence = round(min(confidence, 1))
	result.Kinds = []request.Kind{request.Unclassified}
	if kinds[first] == request.Unclassified || confidence < c.weigh.Threshold {
		return
	}
	if result.Kinds[0] = kinds[first]; second < 0 {
		return
	}
	if result.Kinds = append(result.Kinds, kinds[second]); c.comesFirst(second, first) {
		slices.Reverse(result.Kinds)
	}
}

// secondByRules is what the rules for a kind must weigh together, beside its
// article, for it to be the second thing that a message asks.
const secondByRules = 1.5

// asksByArticle reports whether the message cites the article of a kind and asks
// for it in words, too. The model divides one whole among all kinds, so that
// something asked plainly leaves little for what is asked in one line more. It
// never takes the first place by that.
func (t *tally) asksByArticle(k int) bool {
	article, words := false, 0.0
	for _, e := range t.evidence[k] {
		if e.Rule == "article" {
			article = true
		} else {
			words += e.Weight
		}
	}
	return article && words >= secondByRules
}

// settle takes the certain kinds; the others stay as candidates.
func (c *Classifier) settle(certain []request.Kind, why Evidence, order []int, odds []float32, t *tally, result *Result) {
	result.Kinds, result.Confidence = certain, sureOf
	for _, k := range certain {
		result.Candidates = append(result.Candidates, Candidate{k, sureOf, append([]Evidence{why}, strongest(t.evidence[kindIndex(k)])...)})
	}
	for _, k := range order[:maxCandidates-len(certain)] {
		if kinds[k] != request.Unclassified && odds[k] >= leastCandidate && !slices.Contains(certain, kinds[k]) {
			result.Candidates = append(result.Candidates, Candidate{kinds[k], round(float64(odds[k]) * (1 - sureOf)), strongest(t.evidence[k])})
		}
	}
}

// goTogether reports whether one message may ask both, as the vocabulary says.
func (c *Classifier) goTogether(a, b int) bool {
	return slices.Contains(c.together, [2]int{a, b}) || slices.Contains(c.together, [2]int{b, a})
}

func (c *Classifier) comesFirst(a, b int) bool { return slices.Contains(c.together, [2]int{a, b}) }

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
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Evidence) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	return list[:min(len(list), maxEvidence)]
}

func round(x float64) float64 { return math.Round(x*100) / 100 }
