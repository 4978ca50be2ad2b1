package directory

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// LooksLike returns the contact points one of whose addresses a reader could
// take addr for, such as cp247@a1phaland.example for cp247@alphaland.example.
// An address that is listed itself is like its own contact point.
func (d *Directory) LooksLike(addr string) []*ContactPoint {
	return d.lookalikes()[skeleton(addr)]
}

func (d *Directory) indexLookalikes() map[string][]*ContactPoint {
	out := map[string][]*ContactPoint{}
	for i := range d.doc.Parties {
		for j := range d.doc.Parties[i].ContactPoints {
			cp := &d.doc.Parties[i].ContactPoints[j]
			for _, a := range cp.Addresses {
				s := skeleton(a)
				out[s] = append(out[s], cp)
			}
		}
	}
	return out
}

// skeleton returns the same text for addresses that look alike (after Unicode
// TS 39, with the characters that pass in addresses).
func skeleton(addr string) string {
	if at := strings.LastIndexByte(addr, '@'); at >= 0 {
		// What is no valid name is shown as it stands, and compared so.
		shown, _ := idna.Punycode.ToUnicode(addr[at+1:])
		addr = addr[:at+1] + shown
	}
	var b strings.Builder
	b.Grow(len(addr))
	for _, r := range norm.NFKD.String(addr) {
		r = unicode.ToLower(r)
		switch like := likeASCII[r]; {
		case unicode.In(r, unicode.Mn, unicode.Cf): // an accent, or nothing to be seen
		case like != 0:
			b.WriteRune(like)
		case unicode.Is(unicode.Pd, r):
			b.WriteByte('-')
		default:
			b.WriteRune(r)
		}
	}
	return pairs.Replace(b.String())
}

// pairs of letters that look like one.
var pairs = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d")

// likeASCII maps small letters and digits to the one they look like. Capital I
// is a small i by then, which is why i, l and 1 are one.
var likeASCII = func() map[rune]rune {
	out := map[rune]rune{}
	for _, group := range []string{
		"aаαɑ", "bьβƅ", "cсϲ", "dԁđ", "eеεє", "gɡց", "hһнհ", "jјյ", "kкκ", "mм", "nпηո", "oоοօσ0øᴏ", "pрρ", "qԛզ",
		"rг", "sѕ", "tтτ", "uυսμ", "vνѵ", "wԝω", "xхχ", "yуγ", "liіιıɩӏł1|!", "zᴢ", "3зӡ", "6б", ".。",
	} {
		first := rune(0)
		for _, r := range group {
			if first == 0 {
				first = r
			}
			out[r] = first
		}
	}
	return out
}()
