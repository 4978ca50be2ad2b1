// Package classify says what a message asks or does, in the kinds of the
// Convention on Cybercrime and of its Second Additional Protocol, and why it
// thinks so. What is certain comes first (headers of machines, the machine
// form, reply codes); the rest is weighed from articles cited in their
// instrument and from words. The words are data: see configs/vocabulary.
//
// It proposes. Whatever it does not know well enough it leaves to a person, and
// so it does with every emergency.
package classify

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"relais.example/routing/classify/linear"
	"relais.example/routing/request"
)

// Bounds of one message.
const (
	MaxText    = 256 << 10 // bytes of body that are read
	maxSubject = 4 << 10
)

// Classifier holds the compiled vocabulary. It is immutable and safe for
// concurrent use.
type Classifier struct {
	matcher        *matcher
	markers        markers
	replyLabels    prefixes
	formKeys       map[string]bool
	months         map[string]int
	languages      []string
	rules          []rule
	kindRules      ruleSet
	emergencyRules ruleSet
	articles       map[string][]articleRule
	damping        []damping
	thread         []articleRule
	together       [][2]int
	weigh          weighing
	known          struct {
		not, ask, earlier, seeBelow                          family
		article, articlePart, convention, protocol, otherLaw family
		ownReference, yourReference, reference               family
	}
	familyNames []string
	familyHash  []uint32 // of the names: the same in every vocabulary
	model       *linear.Model
	pool        *sync.Pool // of *scratch
}

// scratch is the memory of one call, used again by the next.
type scratch struct {
	folded    []byte
	lines     []line
	scanner   scanner
	scores    []score
	cited     []citation
	speech    []int32 // function words per language
	heard     int32   // words among which they were counted
	words     int32
	before    mask // families of the sentence before
	ownRef    []byte
	ownWorth  int
	seesBelow bool
	inThread  bool
	context   context
	emergency emergencyTally
	work      int
	reader    reader
	output    []float32
}

func (c *Classifier) newScratch() *scratch {
	sc := &scratch{scores: make([]score, len(c.rules)), speech: make([]int32, len(c.languages)+1)}
	sc.scanner.m, sc.scanner.not = c.matcher, c.known.not
	sc.scanner.emit = func(s *sentence) { c.judge(sc, s) }
	if c.model != nil {
		sc.reader.text = linear.NewText(c.model)
		sc.output = make([]float32, c.model.Outputs)
	}
	return sc
}

// release empties the memory of a call and keeps it for the next; nothing of
// the message stays in it.
func (c *Classifier) release(sc *scratch) {
	clear(sc.folded)
	clear(sc.lines)
	sc.folded, sc.lines, sc.cited = sc.folded[:0], sc.lines[:0], sc.cited[:0]
	clear(sc.scores)
	clear(sc.speech)
	sc.words, sc.heard, sc.before, sc.ownRef, sc.ownWorth, sc.seesBelow = 0, 0, mask{}, nil, 0, false
	sc.emergency = emergencyTally{rules: sc.emergency.rules[:0]}
	sc.context, sc.work, sc.scanner.work, sc.scanner.s.text = context{}, 0, 0, nil
	c.pool.Put(sc)
}

// Classify says what in asks or does. It is pure and deterministic, does no
// I/O, and takes time linear in the size of in.
func (c *Classifier) Classify(in Input) Result {
	result, _ := c.classify(in)
	return result
}

// classify also returns the number of steps taken, by which tests see that
// work grows with the text only.
func (c *Classifier) classify(in Input) (Result, int) {
	sc := c.pool.Get().(*scratch)
	defer c.release(sc)
	result := c.prepare(sc, in)
	c.decide(sc, in.Headers, &result)
	return result, sc.work + sc.scanner.work
}

// prepare reads the message: all that needs no weighing.
func (c *Classifier) prepare(sc *scratch, in Input) Result {
	sc.reader.reset()
	subject, _ := cutText(in.Subject, maxSubject)
	subject = strings.ReplaceAll(subject, "\n", " ")
	body, cut := cutText(in.Body, MaxText)
	result := Result{Cut: cut}

	sc.folded = appendFolded(sc.folded, subject, maxSubject)
	sc.folded = append(sc.folded, '\n')
	subjectEnd := len(sc.folded)
	sc.folded = appendFolded(sc.folded, body, MaxText)
	sc.lines = splitLines(sc.lines, body, sc.folded[subjectEnd:], subjectEnd)

	formFrom, formTo, formQuoted := findForm(sc.lines)
	if formTo > 0 && !formQuoted {
		for i := formFrom; i < formTo; i++ {
			sc.lines[i].part = partForm
		}
	}
	c.markers.markParts(sc.lines)
	result.NothingNew = nothingNew(sc.lines)
	if formTo > 0 && (!formQuoted || result.NothingNew) {
		result.Form = c.parseForm(sc.lines[formFrom+1 : max(formFrom+1, formTo-1)])
		sc.addForm(result.Form)
	}

	c.listen(sc, subjectEnd)
	c.read(sc, subjectEnd, len(sc.folded))
	c.references(sc, subject, &result)
	sc.inThread = inThread(in, sc.lines)
	if ref := result.Form["reference"]; ref != "" && len(ref) <= maxReference {
		result.TheirReference = ref
	} else if sc.ownRef != nil {
		result.TheirReference = asWritten(sc.ownRef, subject, body)
	}
	if cut {
		result.Evidence = append(result.Evidence, Evidence{Rule: "cut", Text: "only the first 256 KiB of the text were read"})
	}
	return result
}

// cutText cuts s to limit bytes, between runes.
func cutText(s string, limit int) (string, bool) {
	if len(s) <= limit {
		return s, false
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit], true
}

// inThread reports whether a message answers another.
func inThread(in Input, lines []line) bool {
	if len(in.Headers["in-reply-to"]) > 0 || len(in.Headers["references"]) > 0 {
		return true
	}
	subject := strings.ToLower(strings.TrimSpace(in.Subject[:min(len(in.Subject), 8)]))
	if strings.HasPrefix(subject, "re:") || strings.HasPrefix(subject, "re :") {
		return true
	}
	return slices.ContainsFunc(lines, func(l line) bool { return l.part == partQuoted })
}

// nothingNew reports whether a message has no text of its own, so that what it
// quotes must be meant.
func nothingNew(lines []line) bool {
	letters := 0
	for i := range lines {
		if lines[i].part == partNew {
			if letters += len(bytes.TrimSpace(lines[i].folded)); letters >= 8 {
				return false
			}
		}
	}
	return true
}

// addForm puts the free text of a form where the rules read it; the names of
// its fields are no evidence.
func (sc *scratch) addForm(form map[string]string) {
	for _, key := range []string{"facts", "summary", "emergency_facts", "urgency", "data", "description", "message", "offences", "instructions"} {
		if value := form[key]; value != "" {
			sc.lines = append(sc.lines, line{text: value, from: len(sc.folded)})
			sc.folded = appendFolded(sc.folded, value, maxFormValue)
			sc.lines[len(sc.lines)-1].folded = sc.folded[sc.lines[len(sc.lines)-1].from:]
			sc.folded = append(sc.folded, '\n')
		}
	}
}

// read sends the subject and the new text through the scanner, and quoted text
// too where the new text points to it.
func (c *Classifier) read(sc *scratch, subjectEnd, end int) {
	s := &sc.scanner
	s.s.text = sc.folded[:end]
	s.s.subject, s.s.quoted = true, false
	s.line(0, subjectEnd-1, false)
	s.s.subject = false
	sc.before = mask{}
	sc.readPart(func(p partOf) bool { return p == partNew })
	if sc.seesBelow || nothingNew(sc.lines) {
		s.s.quoted = true
		sc.readPart(func(p partOf) bool { return p == partQuoted })
	}
}

func (sc *scratch) readPart(wanted func(partOf) bool) {
	for i := range sc.lines {
		l := &sc.lines[i]
		if !wanted(l.part) {
			sc.scanner.flush()
			continue
		}
		from := l.from
		if l.part == partQuoted {
			from += len(l.folded) - len(bytes.TrimLeft(l.folded, "> |\t"))
		}
		wrapped := len(l.folded) >= shortLine && i+1 < len(sc.lines) && wanted(sc.lines[i+1].part)
		sc.scanner.line(from, l.from+len(l.folded), wrapped)
	}
	sc.scanner.flush()
}

// judge takes in one sentence.
func (c *Classifier) judge(sc *scratch, s *sentence) {
	sc.words += int32(len(s.tokens))
	sc.reader.sentence(c, s, sc.scanner.commas)
	if s.present.empty() && s.negated.empty() {
		sc.before = mask{}
		c.takeReference(sc, s)
		return
	}
	base := 1.0
	switch {
	case s.subject:
		base = c.weigh.Subject
	case s.quoted:
		base = c.weigh.Quoted
	case s.ticked:
		base = c.weigh.Ticked
	}
	asking, earlier := s.present.has(c.known.ask), s.present.has(c.known.earlier)
	factor := func(r *rule) float64 {
		f := base
		if r.target == targetKind && kinds[r.kind].Asks() {
			if asking {
				f *= c.weigh.Ask
			}
			if earlier && kinds[r.kind] != request.Extension {
				f *= c.weigh.Earlier
			}
		}
		return f
	}
	c.apply(sc, &c.kindRules, s, nil, factor)
	c.apply(sc, &c.emergencyRules, s, &sc.before, factor)
	sc.before = s.present
	sc.seesBelow = sc.seesBelow || s.present.has(c.known.seeBelow) && !s.quoted

	sc.context.convention = sc.context.convention || s.present.has(c.known.convention)
	sc.context.protocol = sc.context.protocol || s.present.has(c.known.protocol)
	if s.present.has(c.known.article) || s.negated.has(c.known.article) {
		f := base
		if earlier {
			f *= c.weigh.Earlier
		}
		sc.cited = c.citations(sc.cited, s, f)
	}
	c.takeReference(sc, s)
}

// takeReference keeps the sender's own reference if this sentence has a better
// one than those before.
func (c *Classifier) takeReference(sc *scratch, s *sentence) {
	if s.quoted || sc.ownWorth >= worthOwn {
		return
	}
	if value, worth := c.ownReference(s); worth > sc.ownWorth {
		sc.ownRef, sc.ownWorth = value, worth
	}
}

// references finds our references and the reply code in the text as written.
func (c *Classifier) references(sc *scratch, subject string, result *Result) {
	result.References = appendReferences(nil, subject)
	first := true
	for i := range sc.lines {
		l := &sc.lines[i]
		switch l.part {
		case partNew, partForm:
			result.References = appendReferences(result.References, l.text)
			if result.ReplyCode == "" && len(bytes.TrimSpace(l.folded)) > 0 {
				result.ReplyCode, result.Until = c.replyCode(*l, first)
				first = false
			}
		case partQuoted:
			result.QuotedReferences = appendReferences(result.QuotedReferences, l.text)
		}
	}
	if len(result.References) > 0 {
		result.Reference = result.References[0]
	}
}
