package request

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReferenceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contactPoint := rapid.StringMatching(`[A-Z]{2}(-[A-Z0-9]{1,4})?`).Draw(t, "contact point")
		r := NewReference(contactPoint, rapid.IntRange(2000, 9999).Draw(t, "year"), rapid.Uint64Range(0, 999_999_999).Draw(t, "n"))
		for _, typed := range []string{string(r), strings.ToLower(string(r)), "  " + string(r) + "\t\r\n"} {
			got, err := ParseReference(typed)
			if err != nil || got != r {
				t.Fatalf("%q parses as %q, %v", typed, got, err)
			}
		}
		if r.ContactPoint() != contactPoint {
			t.Fatalf("contact point of %s is %q, want %q", r, r.ContactPoint(), contactPoint)
		}
		if found := FindReferences("Re: your "+string(r)+", please", 5); !slices.Equal(found, []Reference{r}) {
			t.Fatalf("found %v in a subject, want %s", found, r)
		}
	})
}

// TestCheckCharacterFollowsISO7064 uses the worked example of GRid, which
// takes the same MOD 37,36.
func TestCheckCharacterFollowsISO7064(t *testing.T) {
	if got := checkCharacter("A1-2425G-ABC1234002"); got != 'M' {
		t.Errorf("got %c, want M", got)
	}
}

func samples() []Reference {
	var out []Reference
	for _, contactPoint := range []string{"XA", "XA-1", "XB-2", "XC-PROS"} {
		for n := uint64(1); n < 2_000_000; n = n*7 + 3 {
			out = append(out, NewReference(contactPoint, 2026, n), NewReference(contactPoint, 1999, n))
		}
	}
	return out
}

// TestEverySubstitutionIsCaught: one wrong letter or digit anywhere, the check
// character included.
func TestEverySubstitutionIsCaught(t *testing.T) {
	for _, r := range samples() {
		for i := range r {
			if r[i] == '-' {
				continue
			}
			for _, c := range []byte(checkAlphabet) {
				wrong := string(r[:i]) + string(c) + string(r[i+1:])
				if got, err := ParseReference(wrong); c != r[i] && err == nil {
					t.Errorf("%s was typed for %s and passed as %s", wrong, r, got)
				}
			}
		}
	}
}

// TestTranspositionsOfDigits swaps each pair of neighbouring digits, hyphens
// set aside. MOD 37,36 catches all but a few of those that differ by one.
func TestTranspositionsOfDigits(t *testing.T) {
	tried, missed := 0, 0
	for _, r := range samples() {
		for i := range r[:len(r)-2] {
			j := i + 1
			if r[j] == '-' {
				j++
			}
			b := []byte(r)
			b[i], b[j] = b[j], b[i]
			if b[i] == b[j] || !digit(b[i]) || !digit(b[j]) {
				continue
			}
			tried++
			if _, err := ParseReference(string(b)); err == nil {
				missed++
				if difference := int(b[i]) - int(b[j]); difference != 1 && difference != -1 {
					t.Errorf("%s passed for %s", b, r)
				}
			}
		}
	}
	if missed*100 > tried {
		t.Errorf("%d of %d transpositions passed, want less than one in a hundred", missed, tried)
	}
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// TestTranspositionsThatTheCheckCharacterMisses states the limit exactly: two
// neighbours that follow each other in the alphabet (Z is followed by 0) can
// change places unseen behind one in 36 of what may stand before them, all
// other neighbours never.
func TestTranspositionsThatTheCheckCharacterMisses(t *testing.T) {
	for a := range checkAlphabet {
		for b := range a {
			missed := 0
			for before := range checkAlphabet { // each leads to another of the 36 states
				prefix, x, y := checkAlphabet[before:before+1], checkAlphabet[a:a+1], checkAlphabet[b:b+1]
				if checkCharacter(prefix+x+y) == checkCharacter(prefix+y+x) {
					missed++
				}
			}
			want := 0
			if a-b == 1 || a-b == 35 {
				want = 1
			}
			if missed != want {
				t.Errorf("%c and %c: missed behind %d of 36, want %d", checkAlphabet[a], checkAlphabet[b], missed, want)
			}
		}
	}
}

func TestFindReferencesInRunningText(t *testing.T) {
	a, b := NewReference("XA-1", 2026, 123), NewReference("XB", 2025, 1_234_567)
	mistyped := strings.Replace(string(a), "123", "132", 1)
	tests := []struct {
		name, text string
		limit      int
		want       []Reference
	}{
		{"none", "no reference here, call 555-2026-000123", 9, nil},
		{"subject", "Re: AW: [" + string(a) + "] preservation", 9, []Reference{a}},
		{"end of a sentence", "We refer to " + string(a) + ".", 9, []Reference{a}},
		{"lower case", "see " + strings.ToLower(string(a)), 9, []Reference{a}},
		{"two, in order, each once", string(b) + " and " + string(a) + "\r\n> " + string(b), 9, []Reference{b, a}},
		{"mistyped ones are passed over", mistyped + " or rather " + string(a), 9, []Reference{a}},
		{"the limit holds", string(b) + " " + string(a), 1, []Reference{b}},
		{"no room", string(a), 0, nil},
		{"glued to a word", "X" + string(a) + "X", 9, nil},
		{"a longer number", string(a) + "7", 9, nil},
		{"between letters of other scripts", "номер " + string(a) + "。", 9, []Reference{a}},
		{"broken over lines", string(a[:8]) + "\r\n" + string(a[8:]), 9, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := FindReferences(tt.text, tt.limit); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseReferenceSaysWhatIsWrong(t *testing.T) {
	good := string(NewReference("XA-1", 2026, 123))
	for _, tt := range []struct{ text, want string }{
		{"", "want the form"},
		{"hello", "want the form"},
		{good + "x", "want the form"},
		{good[:len(good)-2], "want the form"},
		{"XA-1-2026-00012-K", "want the form"},
		{"XA-1-26-000123-K", "want the form"},
		{"XA-TOOLONG-2026-000123-K", "want the form"},
		{good + "\n" + good, "want the form"},
		{strings.Replace(good, "2026", "2025", 1), "the check character does not match"},
	} {
		got, err := ParseReference(tt.text)
		if err == nil || got != "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %q, %v", tt.text, got, err)
		}
	}
}

func TestContactPointOfSomethingElse(t *testing.T) {
	for _, r := range []Reference{"", "XA", "XA-1-2026"} {
		if got := r.ContactPoint(); got != "" {
			t.Errorf("%q: got %q", r, got)
		}
	}
}

// FuzzParseReference: what is accepted is a fixed point, names its contact
// point and is found again in text.
func FuzzParseReference(f *testing.F) {
	for _, r := range samples()[:8] {
		f.Add(string(r))
	}
	f.Add(" xa-1-2026-000123-z ")
	f.Add("ſa-1-2026-000123-K")
	f.Add("XA-2026-2026-202600-2")
	f.Fuzz(func(t *testing.T, s string) {
		FindReferences(s, 3)
		r, err := ParseReference(s)
		if err != nil {
			if r != "" {
				t.Fatalf("%q: both %q and %v", s, r, err)
			}
			return
		}
		again, err := ParseReference(string(r))
		if err != nil || again != r {
			t.Fatalf("%q parses as %q, and that as %q, %v", s, r, again, err)
		}
		if r.ContactPoint() == "" || len(r) > 26 {
			t.Fatalf("%q: contact point %q", r, r.ContactPoint())
		}
		if found := FindReferences("("+string(r)+")", 1); len(found) != 1 || found[0] != r {
			t.Fatalf("%q is found as %v", r, found)
		}
	})
}

func TestMistypedReferenceOfOursIsNoticed(t *testing.T) {
	good := string(NewReference("XA-1", 2026, 99))
	wrong := good[:len(good)-1] + "?"
	for c := range strings.SplitSeq("0 1 2 3 4 5 6 7 8 9 A B", " ") {
		if !strings.HasSuffix(good, c) {
			wrong = good[:len(good)-1] + c
		}
	}
	for _, tt := range []struct{ subject, want string }{
		{"Re: [" + good + "] logs", ""},
		{"Re: [" + wrong + "] logs", wrong},
		{"Re: [" + wrong + "] logs, of another contact point", wrong},
		{"no reference at all", ""},
	} {
		if got := Mistyped(tt.subject, "XA-1"); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.subject, got, tt.want)
		}
	}
	if got := Mistyped("Re: ["+wrong+"]", "XB-1"); got != "" {
		t.Errorf("a reference of another contact point: %q, want nothing", got)
	}
}
