package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"relais.example/routing/request"
)

func ids(hits []Hit) []string {
	var list []string
	for _, h := range hits {
		list = append(list, h.ContactPoint.ID)
	}
	return list
}

func TestSearch(t *testing.T) {
	d := mustNew(t, invented(t))
	fpr := d.byID["XB-1"].certificates[0].Fingerprint()
	grouped := ""
	for i := 0; i < len(fpr); i += 4 {
		grouped += fpr[i:i+4] + " "
	}
	tests := []struct {
		query string
		want  string
	}{
		{"cybercrime prosecutor Betaland", "XB-1"},
		{"cyber prosec beta", "XB-1"},
		{"CYBERCRIME  PROSECUTORS, betaland!", "XB-1"},
		{"procureur bêtalande", "XB-1"},
		{"procureur BETALANDE", "XB-1"},
		{"parquet general", "XA-2 XB-1"}, // XB-1 is a prosecutor, so a parquet too
		{"Alphaland", "XA-1 XA-2"},
		{"alphalande police", "XA-1"},
		{"XA-2", "XA-2 XA-1"}, // XA-1 names it as its backup
		{"xb", "XB-1"},
		{"cyber@prosecution.betaland.example", "XB-1"},
		{"prosecution.betaland.example", "XB-1"},
		{"+999 1 555", "XA-1"},
		{"999-1-555-0199", "XA-1"},
		{fpr, "XB-1"},
		{strings.ToLower(fpr[len(fpr)-16:]), "XB-1"},
		{"0x" + fpr[len(fpr)-16:], "XB-1"},
		{grouped, "XB-1"},
		{"STORED_DATA_MLA alphaland", "XA-1 XA-2"},
		{"preservation alphaland", "XA-1"},
		{"alphaville", "XA-1"},
		{"ministère gammaland", "XC-1"},
		{"police Gammaland", ""},
		{"nowhere", ""},
		{"", ""},
		{" ?! ", ""},
		{strings.Repeat("x ", 300), ""},
	}
	for _, tt := range tests {
		got := ids(d.Search(tt.query, 0))
		if strings.Join(got, " ") != tt.want {
			t.Errorf("Search(%q) = %v, want %s", tt.query, got, tt.want)
		}
	}
	if got := d.Search("alphaland", 1); len(got) != 1 {
		t.Errorf("limit not kept: %v", ids(got))
	}
}

func TestSearchRanksNameAboveAddress(t *testing.T) {
	doc := invented(t)
	doc.Parties[2].ContactPoints[0].Postal = "Betaland Square 1"
	if got := ids(mustNew(t, doc).Search("betaland", 0)); !slices.Equal(got, []string{"XB-1", "XC-1"}) {
		t.Errorf("got %v", got)
	}
}

// Every entry is the first hit for its own identifier, and a hit for each of
// its addresses, whatever else the Directory holds.
func TestSearchFindsEveryEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := &Document{Format: Format, Version: 1, Issued: now}
		for _, code := range rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z]{2}`), 1, 6, rapid.ID).Draw(t, "codes") {
			p := Party{Code: code, Names: map[string]string{"en": "Land " + code}}
			for i := range rapid.IntRange(0, 12).Draw(t, "n") {
				id := fmt.Sprintf("%s-%d", code, i+1)
				p.ContactPoints = append(p.ContactPoints, ContactPoint{
					ID: id, Role: rapid.SampledFrom([]Role{Police, Prosecutor, Ministry, Mixed}).Draw(t, "role"),
					Institution: strings.TrimSpace("Institution " + rapid.StringMatching(`[A-Za-zéèüøß' -]{0,20}`).Draw(t, "institution")),
					Addresses:   []string{strings.ToLower(id) + "@" + rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "domain") + ".example"},
				})
			}
			doc.Parties = append(doc.Parties, p)
		}
		d, err := New(doc)
		if err != nil {
			t.Fatal(err)
		}
		if changes := Diff(d, d); len(changes) != 0 {
			t.Fatalf("Diff(a, a) = %v", changes)
		}
		for id, cp := range d.byID {
			if hits := d.Search(id, 0); len(hits) == 0 || hits[0].ContactPoint != cp {
				t.Fatalf("Search(%q) = %v", id, ids(hits))
			}
			if hits := d.Search(cp.Addresses[0], 0); !slices.Contains(ids(hits), id) {
				t.Fatalf("Search(%q) = %v", cp.Addresses[0], ids(hits))
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		d := mustNew(b, crowd(n))
		d.Search("warm up", 1) // the index is built at the first search
		for _, query := range []string{"cybercrime prosecutor Betaland", "c", "police 24", "XA-7"} {
			b.Run(fmt.Sprintf("entries=%d/query=%s", n, strings.ReplaceAll(query, " ", "+")), func(b *testing.B) {
				began := cpuTime(b)
				for b.Loop() {
					d.Search(query, 20)
				}
				b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
			})
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	doc := mustNew(b, crowd(10_000)).Document()
	for b.Loop() {
		newIndex(doc)
	}
}

// crowd returns a document of n contact points without certificates.
func crowd(n int) *Document {
	doc := &Document{Format: Format, Version: 1, Issued: now}
	lands := []string{"Alphaland", "Betaland", "Gammaland", "Deltaland", "Epsilonland"}
	roles := []Role{Police, Prosecutor, Ministry, Mixed}
	for i := range min(n, 26*26) {
		code := string([]byte{'A' + byte(i/26), 'A' + byte(i%26)})
		p := Party{Code: code, Names: map[string]string{"en": lands[i%5] + " " + code, "fr": lands[i%5] + "e " + code}}
		for j := i; j < n; j += 26 * 26 {
			id := fmt.Sprintf("%s-%d", code, j/676+1)
			p.ContactPoints = append(p.ContactPoints, ContactPoint{
				ID: id, Role: roles[j%4], Institution: fmt.Sprintf("Office %d of Cybercrime", j), Unit: "24/7 Contact Point",
				Postal: fmt.Sprintf("%d Main Street\nCapital City %d", j, j), Addresses: []string{fmt.Sprintf("cyber@unit%d.%s.example", j, strings.ToLower(code))},
				Phones: []Phone{{Number: fmt.Sprintf("+999 1 555 %06d", j), Use: "office"}}, Hours: "24/7", LanguagesIn: []string{"en", "fr"},
				Competences: []request.Kind{request.Preservation, request.EmergencyDisclosure},
			})
		}
		doc.Parties = append(doc.Parties, p)
	}
	return doc
}
