package banner

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"relais.example/routing/verdict"
)

// Language is what the note is written in.
type Language string

// The languages; Off stands for no note.
const (
	English Language = "en"
	French  Language = "fr"
	Off     Language = "off"
)

// Description is the Content-Description of the part that holds the note. The
// first part with it is the gateway's.
const Description = "Note by the gateway"

// width is the longest line of a note in characters: mail programs that quote
// it need not wrap it.
const width = 72

// Note writes the note, with CRLF line ends, and returns it with its mark.
// Nothing in it was written by the sender.
func (f Findings) Note(language Language, marks Marks) (note, mark string) {
	w := english()
	if language == French {
		w = french()
	}
	var b strings.Builder
	line := func(label, text string) { wrap(&b, label+text) }
	verb := w.accepted
	if f.Verdict.Action == verdict.Quarantine {
		verb = w.held
	}
	b.WriteString(" " + w.title + "\r\n")
	line(verb+" ("+string(f.Verdict.Reason)+"): ", w.meaning(f.Verdict.Reason)+".")
	f.describeSigner(w, line)
	if f.Encrypted {
		line(w.encrypted, fmt.Sprintf(w.yes, f.Cipher))
	} else {
		line(w.encrypted, w.inClear)
	}
	f.describeRequest(w, line)
	for _, one := range f.Warnings {
		line(w.attention, warningWords(w, one)+".")
	}
	wrap(&b, w.below)
	mark = marks.mark(f.Message, b.String())
	return opening + mark + "]" + b.String() + closing + mark + "]\r\n", mark
}

func (f Findings) describeSigner(w words, line func(label, text string)) {
	if f.Signer == nil {
		line(w.signedBy, w.nobody)
		return
	}
	line(w.signedBy, fmt.Sprintf("%s, %s (%s)", f.Signer.ID, oneLine(f.Signer.Institution), oneLine(f.Party)))
	expires := w.never
	if !f.Expires.IsZero() {
		expires = fmt.Sprintf(w.until, f.Expires.UTC().Format(time.DateOnly))
	}
	text := expires
	for _, h := range f.Health {
		switch h {
		case HealthExpires:
			text += "; " + w.expiresSoon
		case HealthWeak:
			text += "; " + w.weak
		}
	}
	line(w.key, f.Fingerprint+", "+text)
	signed := f.SignedAt.UTC().Format("2006-01-02 15:04 UTC") + ", " + ageWords(w, f.Age) + ", " + f.Algorithm
	switch f.Freshness {
	case Old:
		signed += " (" + w.old + ")"
	case Future:
		signed += " (" + w.future + ")"
	}
	line(w.signed, signed)
	covers := w.whole
	if f.Covered != CoveredWhole {
		covers = w.nothing
	}
	if len(f.Protected) > 0 {
		covers += ", " + fmt.Sprintf(w.withHeader, strings.Join(f.Protected, ", "))
	} else {
		covers += ", " + w.withoutHeader
	}
	line(w.covers, covers)
	line(w.addressed, addressedWords(w, f.Addressed))
}

func (f Findings) describeRequest(w words, line func(label, text string)) {
	what := joinKinds(f.Kinds)
	if f.Reference != "" {
		what = string(f.Reference) + ", " + what
	}
	line(w.request, what)
	if f.Emergency != "" {
		line(w.emergency, emergencyWords(w, f.Emergency))
	}
	if len(f.Deadlines) > 0 { // the others stand in the header: the note is to be short
		d := f.Deadlines[0]
		line(w.deadline, fmt.Sprintf("%s, %s (%s)", d.At.UTC().Format("2006-01-02 15:04 UTC"), d.Clock, d.Article))
	}
}

// wrap writes text in lines of at most width characters; a line that goes on
// is indented.
func wrap(b *strings.Builder, text string) {
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteString("\r\n  ")
			column = 2
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteString("\r\n")
}

// oneLine takes out of a name control and direction characters, and what HTML
// writes in two ways.
func oneLine(s string) string {
	return cut(strings.Map(func(r rune) rune {
		if r == '&' {
			return '+'
		}
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")), 200)
}
