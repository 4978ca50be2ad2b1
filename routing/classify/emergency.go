package classify

import (
	"slices"

	"relais.example/routing/classify/linear"
	"relais.example/routing/request"
)

// emergencyTally is what the rules say on risk to life or safety (SAP 3.2.c).
type emergencyTally struct {
	facts, claims, against float64
	rules                  []string
}

// told reports whether facts are told, not only claimed.
func (e *emergencyTally) told() bool { return e.facts >= 1 }

// found reports whether the rules alone see an emergency: facts or, failing
// facts either way, the claim.
func (e *emergencyTally) found() bool { return e.facts >= 1 || e.claims >= 1 && e.against < 1 }

// weighEmergency gathers what the rules, cited articles and the form say.
func (c *Classifier) weighEmergency(sc *scratch, result *Result) {
	sum := &sc.emergency
	for i := range c.rules {
		r, got := &c.rules[i], &sc.scores[i]
		if got.count == 0 || r.target == targetKind {
			continue
		}
		sum.rules = append(sum.rules, r.name)
		e := Evidence{r.name, round(got.total()), sc.quote(got.spans)}
		switch r.target {
		case targetFact:
			sum.facts += got.total()
			e.Text = "danger to life or safety: " + e.Text
		case targetClaim:
			sum.claims += got.total()
			e.Text = "called an emergency: " + e.Text
		case targetAgainst:
			sum.against += got.total()
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
			sum.claims++
			result.Evidence = append(result.Evidence, Evidence{"emergency-article", 1, "cites " + n.String()})
			break
		}
	}
	if named := formKinds(result.Form); result.Form != nil && yes(result.Form["emergency"]) || slices.Contains(named, request.EmergencyDisclosure) || slices.Contains(named, request.EmergencyMLA) {
		sum.claims++
		result.Evidence = append(result.Evidence, Evidence{"emergency-form", 1, "the form block says so"})
	}
	result.ClaimsEmergency = sum.claims >= 1
}

// isEmergency joins what the rules say with the model's probability. bound is
// calibrated on texts that the model had not seen. Where rules know the facts,
// or the sender calls it an emergency, the model need only not exclude it; where
// they see money, or that it is denied, over or an exercise, it must be surer.
func (e *emergencyTally) isEmergency(p, bound float32) bool {
	switch {
	case e.told():
		return p >= bound/4
	case e.against >= 3: // an exercise, or denied more than once
		return false
	case e.against >= 1.5: // denied, or over
		return p >= 0.97
	case e.against >= 1 && e.claims >= 1: // money or logs are called one
		return p >= 0.97
	case e.against >= 1: // money or logs are spoken of
		return p >= max(bound, 0.35)
	case e.claims >= 1:
		return p >= bound/4
	}
	return p >= bound
}

// dangerIn is the probability of an emergency: the model's own or, if greater,
// that of the kinds that are only used in one.
func dangerIn(scores []float32, temperature float32) float32 {
	var odds [64]float32
	n := copy(odds[:], scores[:len(kinds)])
	linear.Softmax(odds[:n], temperature)
	return max(linear.Sigmoid(scores[len(kinds)]), odds[kindIndex(request.EmergencyDisclosure)]+odds[kindIndex(request.EmergencyMLA)])
}

// leastDanger is what the strongest cues of an emergency must weigh together
// where no rule speaks of one. The bound on the probability is so low, to miss
// none, that "Hello" alone would pass it.
const leastDanger = 2

func weightOf(list []Evidence) (sum float64) {
	for _, e := range list {
		sum += e.Weight
	}
	return sum
}

// judgeEmergency decides whether life or safety is at risk. A missed emergency
// costs more than a person's look.
func (c *Classifier) judgeEmergency(sc *scratch, result *Result) {
	if c.model == nil {
		result.Emergency = sc.emergency.found()
		return
	}
	p := dangerIn(sc.output, c.model.Numbers[numberTemperature])
	result.Emergency = sc.emergency.isEmergency(p, c.model.Numbers[numberEmergency])
	if !result.Emergency {
		return
	}
	// The Network's own business: the form says so, and no rule speaks of danger.
	if named := formKinds(result.Form); !sc.emergency.found() && (slices.Contains(named, request.Ping) || slices.Contains(named, request.DirectoryChange)) {
		result.Emergency = false
		return
	}
	cues := sc.cues(c, len(kinds), -1, maxEmergencyCues, "danger to life or safety: ")
	if !sc.emergency.found() && weightOf(cues) < leastDanger {
		result.Emergency = false
		return
	}
	result.Evidence = append(result.Evidence, cues...)
	if !sc.emergency.told() {
		result.Evidence = append(result.Evidence, Evidence{"emergency-without-facts", 0, "no fact that the rules know: a person decides at once"})
	}
}
