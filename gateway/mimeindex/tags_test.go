package mimeindex

import (
	"strings"
	"testing"
	"time"
)

func TestTagsBecomeText(t *testing.T) {
	for in, want := range map[string]string{
		"a<b>c</b>d":                              "a c d",
		"a<BR/>b</p >c<break>d":                   "a\nb\nc d",
		"a<!-- <b> x -->b":                        "a b",
		"a<!-- b <i>c":                            "a c",
		"a<style type=x>p{}</STYLE >b<styled>c":   "a b c",
		"a<script>x</script>b<script>y</script>c": "a b c",
		"a<script>b":                              "a b",
		"a &lt;b&gt; &amp; c <":                   "a <b> & c <",
		"<head><title>x</title>y</head>z":         " y z",
	} {
		if got := stripTags(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Patterns took minutes for a few of these, which anybody can send encrypted in
// the name of a listed address.
func TestTagsMadeToTakeLongDoNot(t *testing.T) {
	for _, piece := range []string{"<!--", "<", "<style>", "<script", "</", "</script", "<style></", "<p>", "&", "<!-- -->", "<style></style>"} {
		s := strings.Repeat(piece, (8<<20)/len(piece))
		start := time.Now()
		stripTags(s)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%d bytes of %q took %s", len(s), piece, took)
		}
	}
}
