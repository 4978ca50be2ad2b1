package intake

import (
	"strings"
	"testing"
	"time"
)

func TestRemoteContentIsCounted(t *testing.T) {
	for html, want := range map[string]int{
		`<img src="https://x.example/a.png">`:                           1,
		`<IMG SRC = ' HTTP://x.example/a.png'>`:                         1,
		`<img src=//x.example/a.png>`:                                   1,
		`<img srcset="https://x.example/a 1x"><video poster=http://x/>`: 2,
		`<td background="http://x.example/a">`:                          1,
		`<style>a{background:url( "https://x.example/a")}</style>`:      1,
		`<style>@import "https://x.example/a";</style>`:                 1,
		`<style>@import url(//x.example/a);</style>`:                    1,
		`<link rel=stylesheet href="https://x.example/a.css">`:          1,
		"<link rel=stylesheet\r\n href='//x.example/a.css'>":            1,
		`<a href="https://x.example/">https://x.example/</a>`:           0,
		`<link rel=x><a href="https://x.example/">`:                     0,
		`<img src="cid:1"> // not an address`:                           0,
		`<a title="mysrc=https://x.example/">`:                          0,
		`<a href="https://x.example/?src=https://y.example/">`:          1, // too careful
		``: 0,
	} {
		if got := remoteLoads(html); got != want {
			t.Errorf("%s: %d, want %d", html, got, want)
		}
	}
}

// A pattern took seconds for each of these; a message can hold hundreds.
func TestHTMLMadeToTakeLongDoesNot(t *testing.T) {
	for _, piece := range []string{"<link a ", "<link href=", "//", "src=//", "a ", "src=  ", "url('//"} {
		html := strings.Repeat(piece, maxHTML/len(piece))
		start := time.Now()
		remoteLoads(html)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%d bytes of %q took %s", len(html), piece, took)
		}
	}
	if start := time.Now(); remoteLoads("src="+strings.Repeat(" ", maxHTML)+"//") != 0 || time.Since(start) > 2*time.Second {
		t.Error("blanks")
	}
}
