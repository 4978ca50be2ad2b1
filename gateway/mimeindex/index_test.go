package mimeindex

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

const mixed = "From: a@xb.example\r\nSubject: outer\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n" +
	"--a b\r\n\r\nfirst\r\n" +
	"--a b \t\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n" +
	"--in\r\nContent-Type: text/plain\r\nX-A: 1\r\n\r\nplain\r\nlines\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>\r\n--in--\r\nepilogue\r\n" +
	"--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: single\r\n\r\nonly text\r\n" +
	"--a b\r\nContent-Type: application/pdf; name=\"a;b.pdf\"\r\nContent-Transfer-Encoding: BASE64\r\nContent-Disposition: attachment; filename=x.pdf\r\n\r\naGVsbG8=\r\n--a b--\r\n"

func section(part []int, spec imap.PartSpecifier) *imap.FetchItemBodySection {
	return &imap.FetchItemBodySection{Part: part, Specifier: spec}
}

func TestSections(t *testing.T) {
	raw := []byte(mixed)
	x := Build(raw)
	for _, test := range []struct {
		part []int
		spec imap.PartSpecifier
		want string
	}{
		{nil, "", mixed},
		{nil, "HEADER", mixed[:strings.Index(mixed, "preamble")]},
		{nil, "TEXT", mixed[strings.Index(mixed, "preamble"):]},
		{nil, "MIME", ""},
		{[]int{1}, "", "first"},
		{[]int{1}, "MIME", "\r\n"},
		{[]int{1}, "HEADER", ""},
		{[]int{2}, "MIME", "Content-Type: message/rfc822\r\n\r\n"},
		{[]int{2}, "HEADER", "Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"},
		{[]int{2, 1}, "", "plain\r\nlines"},
		{[]int{2, 1}, "MIME", "Content-Type: text/plain\r\nX-A: 1\r\n\r\n"},
		{[]int{2, 2}, "", "<p>"},
		{[]int{2, 3}, "", ""},
		{[]int{3, 1}, "", "only text"},
		{[]int{3}, "TEXT", "only text"},
		{[]int{3, 1, 1}, "", ""},
		{[]int{3, 2}, "", ""},
		{[]int{4}, "", "aGVsbG8="},
		{[]int{5}, "", ""},
		{[]int{0}, "", ""},
		{[]int{1, 1}, "", ""},
	} {
		if got := x.Section(raw, section(test.part, test.spec)); string(got) != test.want {
			t.Errorf("BODY[%v %s] is %q, want %q", test.part, test.spec, got, test.want)
		}
	}
	if got, err := x.Binary(raw, []int{4}); err != nil || string(got) != "hello" {
		t.Errorf("BINARY[4] is %q, %v", got, err)
	}
	if got := x.Section([]byte("another message"), section(nil, "")); got != nil {
		t.Errorf("bytes of another message were cut: %q", got)
	}
}

func TestSinglePart(t *testing.T) {
	raw := []byte("Subject: x\r\n\r\nbody\r\n")
	x := Build(raw)
	for spec, want := range map[imap.PartSpecifier]string{"": "body\r\n", "MIME": "Subject: x\r\n\r\n", "TEXT": ""} {
		if got := x.Section(raw, section([]int{1}, spec)); string(got) != want {
			t.Errorf("BODY[1 %s] is %q", spec, got)
		}
	}
}

func TestHeaderFields(t *testing.T) {
	raw := []byte("Subject: a\r\n folded\r\nno colon here\r\nX-B : 1\r\nsubject: b\r\nX-C: 2\r\n\r\nbody")
	x := Build(raw)
	for _, test := range []struct {
		only, not []string
		want      string
	}{
		{[]string{"SUBJECT"}, nil, "Subject: a\r\n folded\r\nsubject: b\r\n\r\n"},
		{[]string{"x-b", "x-none"}, nil, "X-B : 1\r\n\r\n"},
		{nil, []string{"subject", "x-c"}, "no colon here\r\nX-B : 1\r\n\r\n"},
	} {
		s := &imap.FetchItemBodySection{Specifier: "HEADER", HeaderFields: test.only, HeaderFieldsNot: test.not}
		got := x.Section(raw, s)
		if string(got) != test.want {
			t.Errorf("%v/%v: %q, want %q", test.only, test.not, got, test.want)
		}
		if cached, ok := x.HeaderSection(s); !ok || !bytes.Equal(cached, got) {
			t.Errorf("%v/%v: without the body %q", test.only, test.not, cached)
		}
	}
}

func TestBodyStructure(t *testing.T) {
	x := Build([]byte(mixed))
	var got []string
	x.BodyStructure().Walk(func(path []int, part imap.BodyStructure) bool {
		got = append(got, fmt.Sprintf("%v %s", path, part.MediaType()))
		return true
	})
	want := "[[] multipart/mixed [1] text/plain [2] message/rfc822 [3] message/rfc822 [4] application/pdf]"
	if fmt.Sprint(got) != want {
		t.Errorf("structure is %v, want %v", got, want)
	}
	top := x.BodyStructure().(*imap.BodyStructureMultiPart)
	inner := top.Children[1].(*imap.BodyStructureSinglePart).MessageRFC822
	if inner.Envelope.Subject != "inner" || inner.BodyStructure.MediaType() != "multipart/alternative" || inner.NumLines != 14 {
		t.Errorf("embedded message: %+v", inner)
	}
	text := inner.BodyStructure.(*imap.BodyStructureMultiPart).Children[0].(*imap.BodyStructureSinglePart)
	if text.Size != 12 || text.Text.NumLines != 1 {
		t.Errorf("text part: %+v", text)
	}
	pdf := top.Children[3].(*imap.BodyStructureSinglePart)
	if pdf.Params["name"] != "a;b.pdf" || pdf.Encoding != "base64" || pdf.Filename() != "x.pdf" {
		t.Errorf("attachment: %+v", pdf)
	}
}

func TestBrokenMailBecomesALeaf(t *testing.T) {
	deep := strings.Builder{}
	for i := range 10_000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	for name, test := range map[string]struct{ raw, want string }{
		"empty":                      {"", "text/plain"},
		"multipart without part":     {"Content-Type: multipart/mixed; boundary=x\r\n\r\nno part", "text/plain"},
		"only the closing delimiter": {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n", "text/plain"},
		"multipart without boundary": {"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n", "text/plain"},
		"no type at all":             {"Content-Type: ;;;\r\n\r\n", "text/plain"},
		"base64 message":             {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==", "application/octet-stream"},
		"part without blank line":    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nno header\r\n--x--", "multipart/mixed"},
		"nested 10,000 times":        {deep.String(), "multipart/mixed"},
		"line feeds only":            {"Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n", "multipart/mixed"},
	} {
		x := Build([]byte(test.raw))
		if got := x.BodyStructure().MediaType(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		check(t, []byte(test.raw))
	}
}

func TestManyParts(t *testing.T) {
	raw := []byte("Content-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\n\r\npart\r\n", 5000) + "--x--\r\n")
	x := Build(raw)
	n := len(x.Root.Parts)
	if n != MaxParts-1 {
		t.Errorf("%d parts", n)
	}
	if last := x.Section(raw, section([]int{n}, "")); !bytes.HasSuffix(last, []byte("--x\r\n\r\npart")) {
		t.Error("the rest is not reachable")
	}
}

func TestEnvelope(t *testing.T) {
	x := Build([]byte("Date: Mon, 2 Mar 2026 10:00:00 +0100\r\nSubject: =?utf-8?q?a?=\r\n b\r\nSubject: second\r\n" +
		"From: \"Doe, \\\"J\\\"\" <j@xb.example>, k@xc.example (Kay), broken, <>\r\n" +
		"To: Desk: a@xa.example, =?utf-8?q?B?= <b@xa.example>;, c@xa.example\r\n" +
		"Message-ID:\r\n <1@xb.example>\r\nIn-Reply-To: <2@xb.example> junk <3@xb.example>\r\n\r\n"))
	e := x.Envelope()
	if !e.Date.Equal(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)) || e.Subject != "=?utf-8?q?a?= b" || e.MessageID != "1@xb.example" {
		t.Errorf("%+v", e)
	}
	if got := fmt.Sprint(e.From); got != `[{Doe, "J" j xb.example} {Kay k xc.example} { broken MISSING_DOMAIN}]` {
		t.Errorf("From is %s", got)
	}
	if got := fmt.Sprint(e.To); got != `[{ Desk } { a xa.example} {=?utf-8?q?B?= b xa.example} {  } { c xa.example}]` {
		t.Errorf("To is %s", got)
	}
	if got := fmt.Sprint(e.InReplyTo); got != "[2@xb.example 3@xb.example]" {
		t.Errorf("In-Reply-To is %s", got)
	}
}

func TestTexts(t *testing.T) {
	raw := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nStrom =FC\r\n" +
		"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw7\r\nw=!!\r\n" +
		"--b\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff\r\n" +
		"--b\r\nContent-Type: application/pdf\r\n\r\nhidden\r\n--b--\r\n")
	var got []string
	Build(raw).Texts(raw, func(s string) bool { got = append(got, s); return true })
	if want := "[Strom ü ü \uFFFD]"; fmt.Sprint(got) != want {
		t.Errorf("texts are %q", got)
	}
}

func TestPartial(t *testing.T) {
	const huge = 1<<63 - 1
	for _, test := range []struct {
		offset, size int64
		want         string
	}{
		{0, 3, "abc"}, {1, huge, "bcdef"}, {huge, huge, ""}, {6, 1, ""}, {5, 9, "f"}, {0, 0, ""}, {-1, 5, ""}, {0, -5, ""},
	} {
		if got := Partial([]byte("abcdef"), &imap.SectionPartial{Offset: test.offset, Size: test.size}); string(got) != test.want {
			t.Errorf("<%d.%d> is %q, want %q", test.offset, test.size, got, test.want)
		}
	}
}

// check tests what must hold for any message.
func check(t *testing.T, raw []byte) {
	t.Helper()
	x := Build(raw)
	if got := x.Section(raw, section(nil, "")); !bytes.Equal(got, raw) {
		t.Fatalf("BODY[] has %d of %d bytes", len(got), len(raw))
	}
	header, text := x.Section(raw, section(nil, "HEADER")), x.Section(raw, section(nil, "TEXT"))
	if !bytes.Equal(append(bytes.Clone(header), text...), raw) {
		t.Fatal("header and text are not the message")
	}
	parts := 0
	var walk func(p *Part, from, to, depth int)
	walk = func(p *Part, from, to, depth int) {
		parts++
		if p.HeaderStart < from || p.BodyStart < p.HeaderStart || p.End < p.BodyStart || p.End > to {
			t.Fatalf("part %d..%d..%d lies outside %d..%d", p.HeaderStart, p.BodyStart, p.End, from, to)
		}
		if got := bytes.Count(raw[p.BodyStart:p.End], []byte("\n")); got != p.Lines {
			t.Fatalf("part has %d lines, index says %d", got, p.Lines)
		}
		at := p.BodyStart
		for _, child := range p.Parts {
			walk(child, at, p.End, depth+1)
			at = child.End
		}
		if depth > MaxDepth {
			t.Fatalf("depth %d", depth)
		}
	}
	walk(x.Root, 0, len(raw), 1)
	if parts > MaxParts {
		t.Fatalf("%d parts", parts)
	}
	checkStructure(t, x.BodyStructure())
	x.Texts(raw, func(string) bool { return true })
	x.Header(raw, func(string, string) bool { return true })
	x.Section(raw, section([]int{1, 1, 1}, "MIME"))
	x.Binary(raw, []int{1})
}

// checkStructure tests what the response writer relies on.
func checkStructure(t *testing.T, bs imap.BodyStructure) {
	t.Helper()
	switch bs := bs.(type) {
	case *imap.BodyStructureMultiPart:
		if len(bs.Children) == 0 || bs.Extended == nil {
			t.Fatal("a multipart without parts or extension")
		}
		for _, child := range bs.Children {
			checkStructure(t, child)
		}
	case *imap.BodyStructureSinglePart:
		if bs.Type == "" || bs.Subtype == "" || bs.Extended == nil || (bs.Type == "text") != (bs.Text != nil) || bs.Type == "multipart" {
			t.Fatalf("leaf %+v", bs)
		}
		if bs.MessageRFC822 != nil {
			checkStructure(t, bs.MessageRFC822.BodyStructure)
		} else if bs.Type == "message" && bs.Subtype == "rfc822" {
			t.Fatal("a message without envelope")
		}
	}
}

func FuzzBuild(f *testing.F) {
	for _, seed := range []string{
		mixed, "", "\r\n", "\n\n", "a", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n--x--\r\n--x\r\n",
		"Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: x\n\n--d\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n--d--",
		"Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/a; boundary=\"\\\"\"\r\n\r\n--\"\r\n\r\n--\"--",
		"From: a <b@c>, (d, e:f;\"\r\nTo: x: y@z;\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { check(t, raw) })
}
