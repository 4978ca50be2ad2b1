package intake

import (
	"bytes"
	"net/mail"
	"regexp"
	"strings"
	"testing"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/classify"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

var ourRef = request.NewReference("XA-1", 2026, 7)

// shown renders an arrival as staff see it.
func shown(a *arrival) []byte {
	a.signer = &a.directory.Document().Parties[1].ContactPoints[0]
	a.peer = a.signer
	a.inbound.Remote = "192.0.2.7"
	a.class = classify.Result{Kinds: []request.Kind{request.Preservation}}
	p := plan{open: []opening{{command: request.Open{Ref: ourRef, Kind: request.Preservation}}}}
	return a.render(verdict.Verdict{Action: verdict.Accept, Reason: verdict.OK}, p, ourRef)
}

var fieldLine = regexp.MustCompile(`^([A-Za-z0-9-]+:|[ \t])`)

func TestNothingInAMessageWritesHeadersOfItsOwn(t *testing.T) {
	d := desk.Open(t)
	const entity = "Content-Type: text/plain\r\n\r\nHello\r\n"
	protected := func(name, value string) func(*arrival) {
		return func(a *arrival) { set(&a.message.Protected, name, value) }
	}
	content := func(text string) func(*arrival) { return func(a *arrival) { a.message.Entity = []byte(text) } }
	tests := map[string]func(*arrival){
		"line end in an encoded subject":      protected("Subject", "=?utf-8?q?a=0D=0AX-Relais-Verdict:_forged?="),
		"line end in a subject, twice over":   protected("Subject", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D0D=3D0AX-Relais-Verdict:=5Fforged=3F=3D?="),
		"NUL in an encoded subject":           protected("Subject", "=?utf-8?q?a=00b?="),
		"bytes that are no UTF-8":             protected("Subject", "a\xff\xfe"),
		"a raw line end, should one get here": protected("From", desk.Beta+"\r\nX-Relais-Verdict: forged"),
		"a raw folded line":                   protected("To", "a@b.example,\r\n X-Relais-Verdict: forged <c@d.example>"),
		"an enormous To":                      protected("To", strings.Repeat("a@b.example, ", 4000)+"a@b.example"),
		"a verdict among the protected ones":  protected("X-Relais-Verdict", "forged"),
		"a verdict outside":                   func(a *arrival) { set(&a.message.Outer, "X-Relais-Verdict", "forged") },
		"a verdict at the top of the content": content("X-Relais-Verdict: forged\r\nx-relais-signer: forged\r\n" + entity),
		"a verdict folded into a content type": content(
			"Content-Type: text/plain;\r\n x=\"\r\n X-Relais-Verdict: forged\"\r\n\r\nHello\r\n"),
		"a field name with a blank":      content("Content-Type : text/plain\r\n\r\nHello\r\n"),
		"content without header":         content("\r\nX-Relais-Verdict: forged\r\n\r\nHello\r\n"),
		"nothing but a header":           content("Content-Type: text/plain\r\nX-Relais-Verdict: forged\r\n"),
		"another Reply-To":               protected("Reply-To", desk.Delta),
		"content that hides in a header": content("Content-Description: x\r\nX-Relais-Kind: forged\r\n\r\nHello\r\n"),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			a := facts(d)
			a.message.Entity = []byte(entity)
			change(a)
			raw := shown(a)
			head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
			for _, line := range strings.Split(string(head), "\r\n") {
				if !fieldLine.MatchString(line) || strings.ContainsAny(line, "\r\n\x00") {
					t.Errorf("line %q", line)
				}
			}
			verdicts := 0
			mimeindex.Build(raw).Header(raw, func(name, value string) bool {
				lower := strings.ToLower(name)
				if strings.HasPrefix(lower, "x-relais-") && strings.Contains(value, "forged") {
					t.Errorf("%s: %s", name, value)
				}
				if lower == "x-relais-verdict" {
					verdicts++
				}
				if strings.ContainsAny(value, "\r\n\x00") && lower != "content-type" {
					t.Errorf("%s decodes to %q", name, value)
				}
				return true
			})
			if verdicts != 1 {
				t.Errorf("%d verdicts", verdicts)
			}
			if m, err := mail.ReadMessage(bytes.NewReader(raw)); err != nil || !strings.Contains(m.Header.Get("Reply-To"), desk.Beta) {
				t.Errorf("%v, Reply-To %v", err, m)
			}
		})
	}
}

func TestContentIsShownAsItWasSigned(t *testing.T) {
	d := desk.Open(t)
	long := "multipart/mixed; x=\"" + strings.Repeat("y", 200) + "\";\r\n boundary=\"two  blanks\""
	tests := map[string]struct{ entity, want string }{
		"without header":               {"\r\nFirst.\r\n\r\nSecond.\r\n", "\r\n\r\nFirst.\r\n\r\nSecond.\r\n"},
		"two blanks in a long value":   {"Content-Type: " + long + "\r\n\r\n--two  blanks\r\n\r\nText\r\n--two  blanks--\r\n", "Content-Type: " + long + "\r\n"},
		"a verdict in a nested letter": {"Content-Type: message/rfc822\r\n\r\nX-Relais-Verdict: theirs\r\n\r\nText\r\n", "\r\n\r\nX-Relais-Verdict: theirs\r\n\r\nText\r\n"},
		"other fields of content":      {"Content-Disposition: inline;\r\n\tfilename=a\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n", "Content-Disposition: inline;\r\n\tfilename=a\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := facts(d)
			a.message.Entity = []byte(tt.entity)
			if raw := string(shown(a)); !strings.Contains(raw, tt.want) {
				t.Errorf("%q is not in\n%s", tt.want, raw)
			}
		})
	}
}

// An answer goes by the first reference in the subject.
func TestOurReferenceStandsFirst(t *testing.T) {
	d := desk.Open(t)
	other := string(request.NewReference("XA-1", 2026, 1))
	for subject, want := range map[string]string{
		"Hello":                              "[" + string(ourRef) + "] Hello",
		"Re: [" + string(ourRef) + "] Hello": "Re: [" + string(ourRef) + "] Hello",
		other + " and " + string(ourRef):     "[" + string(ourRef) + "] " + other + " and " + string(ourRef),
	} {
		a := facts(d)
		a.message.Entity = []byte("\r\nHello\r\n")
		set(&a.message.Protected, "Subject", subject)
		m, err := mail.ReadMessage(bytes.NewReader(shown(a)))
		if err != nil || m.Header.Get("Subject") != want {
			t.Errorf("%q is shown as %q, %v; want %q", subject, m.Header.Get("Subject"), err, want)
		}
	}
}

func TestStaffSeeThatTheOuterSenderDiffers(t *testing.T) {
	d := desk.Open(t)
	a := facts(d)
	a.message.Entity = []byte("\r\nHello\r\n")
	set(&a.message.Outer, "From", "\"Police\" <"+desk.Delta+">")
	if raw := string(shown(a)); !strings.Contains(raw, "X-Relais-Differs: ") || strings.Contains(raw, desk.Delta) {
		t.Errorf("shown:\n%s", raw)
	}
}

func FuzzViewHoldsNoForgedHeader(f *testing.F) {
	d := desk.Open(f)
	f.Add("subject", "from", "Content-Type: text/plain\r\n\r\nHello")
	f.Add("=?utf-8?q?=0D=0A?=", "a\r\nb: c", "\r\n\r\nX-Relais-Verdict: x")
	f.Fuzz(func(t *testing.T, subject, from, entity string) {
		entityRaw := strings.ReplaceAll(strings.NewReplacer("\r", "", "\x00", "").Replace(entity), "\n", "\r\n")
		a := facts(d)
		a.message.Entity, a.message.Protected = []byte(entityRaw), pgpmime.Header{{Name: "Subject", Value: subject}, {Name: "From", Value: from}}
		raw := shown(a)
		n := 0
		mimeindex.Build(raw).Header(raw, func(name, value string) bool {
			if strings.EqualFold(name, "X-Relais-Verdict") {
				n++
			}
			return true
		})
		if n != 1 {
			t.Fatalf("%d verdicts in\n%q", n, raw)
		}
	})
}
