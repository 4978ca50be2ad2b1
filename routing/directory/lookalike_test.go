package directory

import (
	"strings"
	"testing"
)

func TestAddressesThatLookAlikeHaveOneSkeleton(t *testing.T) {
	const listed = "cp247@millcorner.example"
	for _, like := range []string{
		listed, "CP247@MILLCORNER.EXAMPLE", "cp247@mi11corner.example", "cp247@mIllcorner.example", "cp247@millcomer.example",
		"cp247@rnillcorner.example", "cp247@mіllcorner.example", "ср247@millcorner.example", "cp247@míllcorner.example",
		"cp247@millc0rner.example", "cp247@ｍillcorner.example", "cp247@mill\u00adcorner.example", "cp247@millcorner。example",
		"cp247@xn--mllcorner-v9h.example",
	} {
		if skeleton(like) != skeleton(listed) {
			t.Errorf("%q is %q, want %q", like, skeleton(like), skeleton(listed))
		}
	}
	for _, other := range []string{"cp248@millcorner.example", "cp247@milcorner.example", "cp247@millcorner.test", "cp247.millcorner.example", "cp247@mill-corner.example"} {
		if skeleton(other) == skeleton(listed) {
			t.Errorf("%q counts as a look-alike", other)
		}
	}
}

// The examples of RFC 3492 section 7.1 that fit into a label, and what is none.
func TestLabelsAreDecoded(t *testing.T) {
	for label, want := range map[string]string{
		"xn--bcher-kva":                                     "bücher",
		"XN--BCHER-KVA":                                     "BüCHER",
		"xn--ihqwcrb4cv8a8dqg056pqjye":                      "他们为什么不说中文",
		"xn--ihqwctvzc91f659drss3x8bo0yb":                   "他們爲什麽不說中文",
		"xn--Proprostnemluvesky-uyb24dma41a":                "Pročprostěnemluvíčesky",
		"xn--4dbcagdahymbxekheh6e0a7fei0b":                  "למההםפשוטלאמדבריםעברית",
		"xn--PorqunopuedensimplementehablarenEspaol-fmd56a": "PorquénopuedensimplementehablarenEspañol",
		"xn--d9juau41awczczp":                               "そのスピードで",
	} {
		if got, ok := decodeLabel(label); !ok || got != want {
			t.Errorf("%s is %q, %t; want %q", label, got, ok, want)
		}
	}
	for _, label := range []string{"", "xn--", "alphaland", "xn--alphaland-", "xn--999999999", "xn--\xff", "xn--a-_", "xn--" + strings.Repeat("9", 70)} {
		if got, ok := decodeLabel(label); ok {
			t.Errorf("%s is %q", label, got)
		}
	}
}

func FuzzDecodeLabel(f *testing.F) {
	f.Add("xn--bcher-kva")
	f.Add("xn--999999999")
	f.Fuzz(func(t *testing.T, label string) {
		if shown, ok := decodeLabel(label); ok && (shown == "" || len(shown) > 4*63) {
			t.Errorf("%q is %q", label, shown)
		}
	})
}
