package classify

import (
	"slices"
	"testing"
)

func TestWordsAreFoundByLettersOfAnyScript(t *testing.T) {
	m := newMatcher()
	for _, w := range []string{"preserv*", "preserve", "logs", "статья"} {
		if err := m.add(0, allLanguages, w); err != nil {
			t.Fatal(err)
		}
	}
	m.functionWord("the", 1)
	m.pack()
	for _, c := range []struct {
		text, word string
		found      []string
		speech     languageSet
	}{
		{"preserving it", "preserving", []string{"preserv*"}, 0},
		{"preserve.", "preserve", []string{"preserv*", "preserve"}, 0},
		{"preserv", "preserv", []string{"preserv*"}, 0},
		{"preser", "preser", nil, 0},
		{"logs, data", "logs", []string{"logs"}, 0},
		{"log", "log", nil, 0},
		{"logs2", "logs2", nil, 0},
		{"logsи", "logsи", nil, 0},
		{"статья 29", "статья", []string{"статья"}, 0},
		{"статьям", "статьям", nil, 0},
		{"стать", "стать", nil, 0},
		{"сто", "сто", nil, 0},
		{"the data", "the", nil, 1},
		{"then", "then", nil, 0},
	} {
		var got wordMatches
		end, _ := m.letters.word([]byte(c.text), 0, &got)
		var want []int32
		for _, w := range c.found {
			want = append(want, m.literals[w])
		}
		if c.text[:end] != c.word || !slices.Equal(got.list[:got.n], want) || got.speech != c.speech {
			t.Errorf("%q: word %q, literals %v, speech %d; want %q, %v, %d", c.text, c.text[:end], got.list[:got.n], got.speech, c.word, want, c.speech)
		}
	}
}
