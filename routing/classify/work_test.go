package classify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relais.example/routing/request"
)

// maxWorkPerByte bounds the steps that one byte of text may cost: letters read,
// phrases tried and rules tried. Being a constant it makes the work linear.
// The worst texts found so far take about a third of it.
const maxWorkPerByte = 150

// checkWork classifies and compares the steps taken with the size of the text.
func checkWork(t *testing.T, c *Classifier, in Input) {
	t.Helper()
	got, work := c.classify(in)
	size := min(len(in.Subject), maxSubject) + min(len(in.Body), MaxText)
	if limit := maxWorkPerByte * (size + 64); work > limit {
		t.Errorf("%d steps for %d bytes, more than %d", work, size, limit)
	}
	if len(got.Kinds) == 0 || len(got.Kinds) > 2 || got.Confidence < 0 || got.Confidence > 1 {
		t.Errorf("kinds %v, confidence %v", got.Kinds, got.Confidence)
	}
	for _, k := range got.Kinds {
		if _, err := request.ParseKind(string(k)); err != nil {
			t.Error(err)
		}
	}
	if len(got.Articles) > maxArticles || len(got.References) > maxReferences || len(got.Candidates) > maxCandidates || len(got.Form) > maxFormKeys {
		t.Errorf("over a bound: %d articles, %d references, %d candidates, %d fields", len(got.Articles), len(got.References), len(got.Candidates), len(got.Form))
	}
}

// hostile texts aim at each stage: sentence marks, boxes, phrases that begin
// and do not end, articles, form keys, references, quote marks.
func hostile() []string {
	return []string{
		"a.b!c?d;e ", "[x] ", "[ ] keep ", "( ", "request for mutual legal ", "our request of our request ", "preserve data delete ask please kindly ",
		"article 29, 30, 31 ", "article ", "art. 29 of the ", "not not never ", "kind: ", "kind: x reference: ", ":", "XA-2026-000123-K ", "2026-", "> ", ">\n", "\n",
		"-----original message\n", "on \nwrote:\n", "from:\nto:\nsubject:\n", "ﷺ", "é́", "\u00ad", "\xff", "=== 24/7 request v1 ===\n", "=== 24/7 request v1 ===\nkind: a\n=== end ===\n",
		"kill tonight now girl hostage subscriber ", "-- \n", "(((((((", "reference: ", "a-1-b-2-c-3-", "ref. 1.2.3.4.",
	}
}

func TestWorkIsLinear(t *testing.T) {
	c := builtIn(t)
	for _, unit := range hostile() {
		for _, size := range []int{1 << 10, MaxText} {
			body := strings.Repeat(unit, size/len(unit))
			checkWork(t, c, Input{Subject: body[:min(len(body), 9000)], Body: body})
			checkWork(t, c, Input{Body: "=== 24/7 REQUEST v1 ===\n" + body})
		}
	}
}

func FuzzClassify(f *testing.F) {
	c, err := Default()
	if err != nil {
		f.Fatal(err)
	}
	for _, unit := range hostile() {
		f.Add("subject", strings.Repeat(unit, 20), "no")
	}
	file, err := os.Open(filepath.Join("testdata", "labelled.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	samples, err := ReadSamples(file)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range samples {
		f.Add(s.Headers["Subject"], s.Body, s.Headers["Auto-Submitted"])
	}
	f.Fuzz(func(t *testing.T, subject, body, auto string) {
		in := Input{Subject: subject, Body: body, Headers: map[string][]string{"auto-submitted": {auto}}}
		checkWork(t, c, in)
		in.Body = strings.Repeat(body, min(50, 1+8192/(len(body)+1)))
		checkWork(t, c, in)
	})
}

func FuzzLiterals(f *testing.F) {
	f.Add("preserv*")
	f.Add("a * b")
	f.Fuzz(func(t *testing.T, phrase string) {
		words, err := literals(phrase)
		if err == nil && (len(words) == 0 || len(words) > maxPhrase) {
			t.Errorf("%q: %q", phrase, words)
		}
		if err == nil {
			if err := newMatcher().add(0, allLanguages, phrase); err != nil {
				t.Error(err)
			}
		}
	})
}

// typicalMail is 4 KiB: a request, a signature, a disclaimer, quoted history.
func typicalMail() Input {
	body := `Dear colleagues,

under Article 29 of the Convention on Cybercrime we request the expedited preservation of the account rosewood@post.example
and of the access logs of 192.0.2.14 from 1 to 15 March 2026. A request for mutual assistance under Article 31 will follow.

Facts: between 1 and 15 March 2026 an unknown person sent invoices with changed bank details to eleven companies in Gammaville.
Four of them paid, together 210,000. The messages came from the account named above. The provider keeps log-in records for a
short time only, and the person has begun to delete messages. We therefore ask you to act before the records are overwritten.

1. Offences: computer-related fraud (Article 8 of the Convention), up to ten years
2. Data: mailbox content, log-in records, registration details
3. [x] New request  [ ] Extension of previous request
4. Please keep this request confidential and do not inform the customer.

Our reference: GL-2026-311

`
	body += strings.Repeat("The company was told on the telephone that the transfer had been agreed with the head of the accounts department in Betaville.\n", 18)
	body += "-- \nNora Vellum\nCybercrime Unit, Gammaland Police\n\nThis e-mail and any attachments are confidential.\n\nOn 3 May 2026 XB duty wrote:\n"
	body += strings.Repeat("> we have received your message and will come back to you when the provider has answered us\n", 8)
	return Input{Subject: "Preservation of data, GL-2026-311", Body: body, Headers: map[string][]string{"in-reply-to": {"<1@b.example>"}}}
}

func BenchmarkClassify(b *testing.B) {
	c := builtIn(b)
	in := typicalMail()
	b.SetBytes(int64(len(in.Body)))
	b.ReportAllocs()
	for b.Loop() {
		c.Classify(in)
	}
}

func BenchmarkClassifyLongest(b *testing.B) {
	c := builtIn(b)
	in := Input{Body: strings.Repeat(typicalMail().Body[:1500], MaxText/1500)}
	b.SetBytes(int64(len(in.Body)))
	for b.Loop() {
		c.Classify(in)
	}
}
