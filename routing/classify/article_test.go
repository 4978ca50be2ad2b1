package classify

import (
	"slices"
	"testing"
)

// TestArticles reads citations in their instrument.
func TestArticles(t *testing.T) {
	tests := []struct {
		body string
		want []string
	}{
		{"under Article 29 of the Convention on Cybercrime", []string{"CONV 29"}},
		{"Articles 25, 27 and 31 of the Convention", []string{"CONV 25", "CONV 27", "CONV 31"}},
		{"Arts. 29/30 ETS 185", []string{"CONV 29", "CONV 30"}},
		{"Articles 29 to 31 of the Convention", []string{"CONV 29", "CONV 30", "CONV 31"}},
		{"Art. 29.7 and Art. 35(1)(c)", []string{"CONV 29", "CONV 35"}},
		{"Article 35 paragraph 1 c of the Convention", []string{"CONV 35"}},
		{"au titre de l’article 29, paragraphe 7, et de l’article 30", []string{"CONV 29", "CONV 30"}},
		{"artículo 29 del Convenio de Budapest", []string{"CONV 29"}},
		{"artigo 29.º da Convenção", []string{"CONV 29"}},
		{"Sözleşmenin 29. maddesi", []string{"CONV 29"}},
		{"nach Artikel 31 des Übereinkommens", []string{"CONV 31"}},
		// The trap: the same numbers in two instruments.
		{"Article 9 of the Second Additional Protocol", []string{"SAP 9"}},
		{"Article 9 of the Convention (child abuse material), request under Article 29", []string{"CONV 9", "CONV 29"}},
		{"Convention, Article 29; Second Additional Protocol, Article 9", []string{"CONV 29", "SAP 9"}},
		{"l’article 10 du Deuxième Protocole additionnel", []string{"SAP 10"}},
		{"Article 9 request: the kidnappers will kill the hostages tonight", []string{"SAP 9"}},
		{"Articles 2 and 8 of the Convention", []string{"CONV 2", "CONV 8"}},
		// Other laws.
		{"Article 29 GDPR", nil},
		{"Article 29 of the Penal Code", nil},
		{"article 9 du code pénal", nil},
		{"our Criminal Code, Article 31", nil},
		{"Article 6 of the European Convention on Human Rights", nil},
		{"Article 34 of the Convention on the Rights of the Child", nil},
		{"Article 6 of the First Additional Protocol", nil},
		{"by whatever process your law calls for under Article 31", []string{"CONV 31"}},
		// No citations.
		{"an article 29 pages long, 2026", []string{"CONV 29"}}, // cannot be told apart
		{"the article, 29 copies", nil},
		{"Article 212 of the Convention", nil},
		{"Article 2026", nil},
		{"state of the art 5 years ago", nil},
	}
	c := builtIn(t)
	for _, tt := range tests {
		if got := c.Classify(Input{Body: tt.body + "\n"}).Articles; !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %v, want %v", tt.body, got, tt.want)
		}
	}
}

func TestArticlesOfQuotedTextAreLeftOut(t *testing.T) {
	got := builtIn(t).Classify(Input{Body: "Any news? We wait, Article 29.\n\n> Article 31 of the Convention\n\n-----Original Message-----\nArticle 34\n"})
	if !slices.Equal(got.Articles, []string{"CONV 29"}) {
		t.Errorf("got %v", got.Articles)
	}
}
