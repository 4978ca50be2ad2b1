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

// judgeEmergency decides whether life or safety is at risk, by the rules and by
// the model: either is enough, because a missed emergency costs more than a
// person's look.
func (c *Classifier) judgeEmergency(sc *scratch, result *Result) {
	result.Emergency = sc.emergency.found()
	if c.model != nil {
		if p := linear.Sigmoid(sc.output[len(kinds)]); p >= c.model.Numbers[numberEmergency] {
			result.Emergency = true
			result.Evidence = append(result.Evidence, sc.cues(c, len(kinds), -1, maxEmergencyCues, "danger to life or safety: ")...)
		}
	}
	if result.Emergency && !sc.emergency.told() {
		result.Evidence = append(result.Evidence, Evidence{"emergency-without-facts", 0, "no fact that the rules know: a person decides at once"})
	}
}
