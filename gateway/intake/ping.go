package intake

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"relais.example/routing/request"
)

// TestMessage is the text, with LF line ends, by which the contact point from
// tests whether another can be reached. A gateway answers it by itself.
func TestMessage(from, to string, ref request.Reference, sent time.Time) string {
	return testWords(to) + fmt.Sprintf(`
=== 24/7 REQUEST v1 ===
kind: PING
reference: %s
from: %s
sent: %s
=== END ===
`, ref, from, sent.UTC().Format(time.RFC3339))
}

// testWords is what people read of it.
func testWords(to string) string {
	return fmt.Sprintf(`This is a test: can %[1]s be reached? It asks for nothing else.
A Relais gateway answers by itself. Otherwise please press Reply and send
the message back as it is.

Ceci est un test : %[1]s est-il joignable ? Rien d'autre n'est demandé.
Une passerelle Relais répond d'elle-même. Sinon, veuillez cliquer sur
« Répondre » et renvoyer le message tel quel.
`, to)
}

// answersTest reports whether the message is a test of this contact point that
// the gateway answers: it says in the form, which leaves no doubt, that it is
// one, and nothing beside it but what a gateway writes there. The answer closes
// the request and nobody reads it, so nothing less will do.
func (a *arrival) answersTest() bool {
	if !a.desk.Acknowledge || a.automatic() || a.class.Emergency || a.class.ClaimsEmergency || a.class.Cut ||
		a.class.Form["kind"] != string(request.Ping) || len(a.class.Kinds) != 1 || !plainText(a.outline.Root) {
		return false
	}
	text := a.outline.Reading(a.message.Entity, maxServed+1)
	words, onlyForm := besideForm(text)
	if len(text) > maxServed || !onlyForm {
		return false
	}
	return (words == "" || words == letters(testWords(a.desk.ID))) && aboutTest(a.subject())
}

// aboutTest reports whether a subject says nothing but that the message is a
// test: what it says beside that, a person must read.
func aboutTest(subject string) bool {
	subject = referenceForm.ReplaceAllString(subject, " ")
	for _, word := range strings.FieldsFunc(strings.ToLower(subject), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if !slices.Contains(subjectWords, word) {
			return false
		}
	}
	return true
}

var (
	referenceForm = regexp.MustCompile(`\[[A-Z0-9-]{1,40}\]`)
	subjectWords  = strings.Fields("ping test of the contact point reachability please answer re 24 7 network")
)

// testField is a line of the form that says nothing but who tests, and when.
var testField = regexp.MustCompile(`(?i)^(kind|reference|from|to|sent)[ \t]*:[ \t]*\S{0,40}$`)

// besideForm returns the letters that stand beside the form of a text. ok is
// false if the form, of which there must be one, holds other lines than those
// of a test.
func besideForm(text string) (words string, ok bool) {
	before, form, begun := strings.Cut(text, "=== 24/7 REQUEST v1 ===")
	form, after, ended := strings.Cut(form, "=== END ===")
	for line := range strings.Lines(form) {
		if line = strings.TrimSpace(line); line != "" && !testField.MatchString(line) {
			return "", false
		}
	}
	return letters(before) + letters(after), begun && ended
}

// letters is what mail programs leave alone when they wrap and encode a text:
// its letters and digits, of whatever script, without accented ones.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r | 0x20
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r >= 0x250:
			return r
		}
		return -1
	}, text)
}
