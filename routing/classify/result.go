package classify

import (
	"time"

	"relais.example/routing/request"
)

// Input is one message as intake hands it over.
type Input struct {
	Subject string              // decoded
	Body    string              // decoded plain text, new text and quoted history alike
	Headers map[string][]string // lower-case names, as signed where protected
}

// Evidence is one reason, in words for people.
type Evidence struct {
	Rule   string  // stable name of the rule, such as "form-kind" or "keep-data"
	Weight float64 // what it added (negative: what it took away)
	Text   string  // short explanation; words of the message cut to 60 characters
}

// Candidate is a kind that the message may be of.
type Candidate struct {
	Kind     request.Kind
	Score    float64 // 0 to 1
	Evidence []Evidence
}

// Result is what the classifier makes of a message. It proposes; a person
// confirms a refusal, a transfer or an emergency.
type Result struct {
	Kinds           []request.Kind // never empty; first = to be handled first; a second only if the mail asks two things
	Confidence      float64        // 0 to 1, of the first kind or, in triage, of the best candidate
	Emergency       bool           // risk to life or safety told, or claimed with nothing told to the contrary
	ClaimsEmergency bool           // called an emergency by the sender, whatever the facts
	Candidates      []Candidate    // ranked, best first; empty if nothing was found

	Articles         []string          // cited in the new text: "CONV 29", "SAP 9"
	Reference        string            // the first of References, or ""
	References       []string          // what has the form of our references, in subject and new text; check characters not verified
	QuotedReferences []string          // the same in quoted history only
	TheirReference   string            // the sender's own reference, as written
	ReplyCode        string            // of ReplyCodes, such as PRESERVED
	Until            time.Time         // date named with the reply code, 00:00 UTC of that day; zero if none
	Form             map[string]string // fields of the machine form block; nil if none
	Language         string            // "en", "fr"; "" if not recognised
	Evidence         []Evidence        // of everything but the kinds: emergency, form, cut
	NothingNew       bool              // no text of its own, but perhaps one that it quotes or a form
	Cut              bool              // the text was longer than MaxText and only its beginning was read
}

// ClockKinds returns the kinds whose clocks run: the kinds found or, in
// triage, all candidates besides UNCLASSIFIED, of which the shortest counts.
func (r Result) ClockKinds() []request.Kind {
	if r.Kinds[0] != request.Unclassified {
		return r.Kinds
	}
	all := []request.Kind{request.Unclassified}
	for _, c := range r.Candidates {
		all = append(all, c.Kind)
	}
	return all
}
