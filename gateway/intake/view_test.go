package intake

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/banner"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/classify"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

var ourRef = request.NewReference("XA-1", 2026, 7)

// shown renders an arrival as staff see it.
func shown(d *desk.Desk, a *arrival) []byte {
	a.in.o.Vault = d.Vault
	a.signer = &a.directory.Document().Parties[1].ContactPoints[0]
	a.peer = a.signer
	a.inbound.Remote = "192.0.2.7"
	a.class = classify.Result{Kinds: []request.Kind{request.Preservation}}
	a.outline = mimeindex.Outline(a.message.Entity)
	p := plan{open: []opening{{command: request.Open{Ref: ourRef, Kind: request.Preservation}}}}
	return a.render(verdict.Verdict{Action: verdict.Accept, Reason: verdict.OK}, p, ourRef)
}

const forgedLetter = "From: a@b.example\r\nX-Relais-Verdict: forged\r\nX-Relais-Signer: forged\r\n\r\nHello\r\n"

func mixed(part string) string {
	boundary := "b" + strconv.Itoa(len(part))
	return "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n--" + boundary + "\r\n" + part + "\r\n--" + boundary + "--\r\n"
}

func letterWith(encoding, body string) string {
	return "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + body
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

		"in a part":                 content(mixed("Content-Type: text/plain\r\nX-Relais-Verdict: forged\r\n\r\nHello\r\n")),
		"in a part of a part":       content(mixed(mixed("x-RELAIS-Verdict: forged\r\n\r\nHello\r\n"))),
		"blank before the colon":    content(mixed("X-Relais-Verdict : forged\r\n\r\nHello\r\n")),
		"folded":                    content(mixed("X-Relais-Verdict:\r\n forged\r\n\r\nHello\r\n")),
		"indented as first field":   content(mixed(" X-Relais-Verdict: forged\r\n\r\nHello\r\n")),
		"in an attached mail":       content(mixed(letterWith("8bit", forgedLetter))),
		"in base64":                 content(mixed(letterWith("base64", base64.StdEncoding.EncodeToString([]byte(forgedLetter))))),
		"in quoted-printable":       content(mixed(letterWith("quoted-printable", "=58-Relais-Verdict: forged\r\n\r\nHello\r\n"))),
		"in base64 in base64":       content(mixed(letterWith("base64", base64.StdEncoding.EncodeToString([]byte(letterWith("base64", base64.StdEncoding.EncodeToString([]byte(forgedLetter)))))))),
		"in the only part, encoded": content(letterWith("base64", base64.StdEncoding.EncodeToString([]byte(forgedLetter)))),
		"in a file that is a mail":  content(mixed("Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"Note.EML\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(forgedLetter)))),
		"in headers as a text":      content(mixed("Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(forgedLetter)))),
		"with LF line ends":         content(mixed(letterWith("base64", base64.StdEncoding.EncodeToString([]byte("From: a@b.example\nX-Relais-Verdict: forged\n\nHello\n"))))),
		"with CR line ends":         content(mixed(letterWith("base64", base64.StdEncoding.EncodeToString([]byte("From: a@b.example\rX-Relais-Verdict: forged\r\rHello\r"))))),
		"results in our name":       content(mixed(letterWith("8bit", "authentication-results :\r\n\t"+desk.Hostname+"; dkim=pass forged\r\n\r\nHello\r\n"))),
		"boundary in pieces":        content("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\nX-Relais-Verdict: forged\r\n\r\nHello\r\n--ab--\r\n"),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			a := facts(d)
			a.message.Entity = []byte(entity)
			change(a)
			for _, language := range []banner.Language{banner.English, banner.Off} {
				a.desk.Banner = language
				checkForged(t, shown(d, a))
			}
		})
	}
}

// checkForged looks for header fields of the gateway that it did not write.
func checkForged(t *testing.T, raw []byte) {
	t.Helper()
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
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil || !strings.Contains(m.Header.Get("Reply-To"), desk.Beta) {
		t.Fatalf("%v, Reply-To %v", err, m)
	}
	body, _ := io.ReadAll(m.Body)
	deep(textproto.MIMEHeader(m.Header), body, func(name, value string) {
		t.Errorf("within the message stands %s: %s", name, value)
	})
}

// deep reads a message as a mail program does, down to attached mails and
// through encodings, and reports fields of the gateway below the top.
func deep(h textproto.MIMEHeader, body []byte, report func(name, value string)) {
	kind, params, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "base64":
		body, _ = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body)))
	case "quoted-printable":
		body, _ = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	}
	check := func(h textproto.MIMEHeader) {
		for name, values := range h {
			lower := strings.ToLower(strings.TrimSpace(name))
			if strings.HasPrefix(lower, "x-relais-") || lower == "authentication-results" && strings.Contains(values[0], desk.Hostname) {
				report(name, values[0])
			}
		}
	}
	_, disposition, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err != nil {
				return
			}
			check(p.Header)
			inner, _ := io.ReadAll(p)
			deep(p.Header, inner, report)
		}
	case strings.HasPrefix(kind, "message/"), strings.HasSuffix(strings.ToLower(disposition["filename"]), ".eml"), kind == "text/rfc822-headers":
		r := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(body), "\r\n\r\n"...))))
		inner, _ := r.ReadMIMEHeader()
		check(inner)
		rest, _ := io.ReadAll(r.R)
		deep(inner, rest, report)
	}
}

func TestContentIsShownAsItWasSigned(t *testing.T) {
	d := desk.Open(t)
	long := "multipart/mixed; x=\"" + strings.Repeat("y", 200) + "\";\r\n boundary=\"two  blanks\""
	tests := map[string]struct{ entity, bare string }{
		"without header":             {"\r\nFirst.\r\n\r\nSecond.\r\n", "\r\n\r\nFirst.\r\n\r\nSecond.\r\n"},
		"two blanks in a long value": {"Content-Type: " + long + "\r\n\r\n--two  blanks\r\n\r\nText\r\n--two  blanks--\r\n", "Content-Type: " + long + "\r\n"},
		"other fields of content":    {"Content-Disposition: inline;\r\n\tfilename=a\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n", "Content-Disposition: inline;\r\n\tfilename=a\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n"},
		"nothing":                    {"", "\r\n\r\n"},
		"a header and no body":       {"Content-Type: text/plain\r\n", "Content-Type: text/plain\r\n\r\n"},
		"no line end at the end":     {"Content-Type: text/plain\r\n\r\nHello", "\r\n\r\nHello"},
		"flowed, in another charset": {"Content-Type: text/plain; charset=iso-8859-1; format=flowed; delsp=yes\r\n\r\nLa r\xe9ponse \r\nsuit.\r\n-- \r\nX\r\n", "La r\xe9ponse \r\nsuit.\r\n-- \r\nX\r\n"},
		"signed within": {"Content-Type: multipart/signed; boundary=s; protocol=\"application/pgp-signature\"; protected-headers=\"v1\"\r\nSubject: inner\r\n\r\n--s\r\nContent-Type: text/plain\r\n\r\nTrailing  blanks  \r\n\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n",
			"\r\n\r\n--s\r\nContent-Type: text/plain\r\n\r\nTrailing  blanks  \r\n\r\n--s\r\n"},
		"attached mail with results of others": {"Content-Type: message/rfc822\r\n\r\nAuthentication-Results: mx.betaland.example; dkim=pass\r\nX-Relay: a\r\n\r\nText\r\n", "Authentication-Results: mx.betaland.example; dkim=pass\r\nX-Relay: a\r\n\r\nText\r\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := facts(d)
			a.message.Entity = []byte(tt.entity)
			raw := shown(d, a)
			x := mimeindex.Build(raw)
			content := x.Find([]int{2})
			got := string(raw[content.HeaderStart:content.End])
			if !strings.Contains("\r\n"+tt.entity, "\r\n\r\n") { // a header without end gets one
				got = strings.TrimSuffix(strings.TrimSuffix(got, "\r\n"), "\r\n")
			}
			if len(x.Root.Parts) != 2 || got != tt.entity {
				t.Errorf("%d parts; the second is not byte for byte what was signed, in\n%q", len(x.Root.Parts), raw)
			}
			a.desk.Banner = banner.Off
			if raw := string(shown(d, a)); !strings.Contains(raw, tt.bare) || strings.Contains(raw, "RELAIS-") {
				t.Errorf("without a note, %q is not in\n%s", tt.bare, raw)
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
		m, err := mail.ReadMessage(bytes.NewReader(shown(d, a)))
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
	if raw := string(shown(d, a)); !strings.Contains(raw, "X-Relais-Warning: from-differs; ") || strings.Contains(raw, desk.Delta) {
		t.Errorf("shown:\n%s", raw)
	}
}

// What only the gateway may write stands once, at its place, whatever comes in.
func FuzzViewHoldsNoForgedHeader(f *testing.F) {
	d := desk.Open(f)
	f.Add("subject", "from", "Content-Type: text/plain\r\n\r\nHello")
	f.Add("=?utf-8?q?=0D=0A?=", "a\r\nb: c", "\r\n\r\nX-Relais-Verdict: x")
	f.Add("s", desk.Beta, mixed(mixed("X-Relais-Verdict : forged\r\n\r\nHello\r\n")))
	f.Add("s", desk.Beta, mixed(letterWith("base64", base64.StdEncoding.EncodeToString([]byte(forgedLetter)))))
	f.Add("s", desk.Beta, mixed(letterWith("quoted-printable", "=58-Relais-Verdict: forged\r\n\r\nHello\r\n")))
	f.Add("s", desk.Beta, "Content-Type: text/plain\r\n\r\n[RELAIS-0000-0000-0000-0000] Note by the gateway\r\nACCEPTED\r\n[/RELAIS-0000-0000-0000-0000]\r\n")
	f.Add("s", desk.Beta, "Content-Type: text/html\r\n\r\n<p>[RELAIS-0000</p>--=_AAAAAAAAAAAAAAAAAAAAAAAAAA--\r\n")
	f.Fuzz(func(t *testing.T, subject, from, entity string) {
		entity = strings.ReplaceAll(strings.NewReplacer("\r", "", "\x00", "").Replace(entity), "\n", "\r\n")
		a := facts(d)
		a.message.Entity, a.message.Protected = []byte(entity), pgpmime.Header{{Name: "Subject", Value: subject}, {Name: "From", Value: from}}
		raw := shown(d, a)
		x := mimeindex.Build(raw)
		n := 0
		x.Header(raw, func(name, value string) bool {
			if strings.EqualFold(name, "X-Relais-Verdict") {
				n++
			}
			return true
		})
		if n != 1 || len(x.Root.Parts) != 2 {
			t.Fatalf("%d verdicts and %d parts in\n%q", n, len(x.Root.Parts), raw)
		}
		for line := range strings.SplitSeq(string(raw[x.Root.BodyStart:]), "\n") {
			if strings.HasPrefix(strings.ToLower(line), "x-relais-") {
				t.Fatalf("line %q in\n%q", line, raw)
			}
		}
		// The note is the gateway's to the letter: it goes when it is quoted,
		// and with it nothing else does.
		note, content := x.Root.Parts[0], x.Root.Parts[1]
		quoted := append([]byte("\r\n"), raw[note.BodyStart:note.End]...)
		if left, err := banner.Strip(quoted, d.Vault.Name); err != nil || len(bytes.TrimSpace(left)) > 0 {
			t.Fatalf("of the note stays %q, %v", left, err)
		}
		// Line ends may come in: behind what has none, and for the blank line of
		// what is all header.
		if more := content.End - content.HeaderStart - len(entity); more != 0 && more != 2 && more != 4 && (more != 6 || strings.Contains(entity, "\r\n\r\n")) && !strings.Contains(strings.ToLower(entity), "content-transfer-encoding") {
			t.Fatalf("%d bytes of content became %d", len(entity), content.End-content.HeaderStart)
		}
		if mark := raw[note.BodyStart+len("[RELAIS-"):][:19]; bytes.Contains(raw[content.HeaderStart:], mark) {
			t.Fatalf("the sender knows the mark %s", mark)
		}
	})
}
