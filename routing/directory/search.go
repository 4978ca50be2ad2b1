package directory

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"relais.example/routing/request"
)

// Hit is one result of a search.
type Hit struct {
	ContactPoint *ContactPoint
	Party        *Party
	Score        int // higher is better; comparable within one search only
}

// Bounds of a query, which may come from a mail.
const (
	maxQueryBytes = 500
	maxQueryWords = 12
)

// Search returns the contact points that match every word of query, best
// first, at most limit of them (0: all). A word matches the beginning of a word
// in any field: identifier, Party in each of its languages, role in English
// and French, institution, unit, addresses, telephones, kinds, fingerprints.
// Case and diacritics do not matter. A whole word counts more than a
// beginning, an identifier more than a line of the postal address.
func (d *Directory) Search(query string, limit int) []Hit {
	if len(query) > maxQueryBytes {
		return nil
	}
	words := queryWords(query)
	if len(words) == 0 || len(words) > maxQueryWords {
		return nil
	}
	x := d.index()
	var total []int32
	for _, w := range words {
		scores := x.word(w)
		if total == nil {
			total = scores
			continue
		}
		for i := range total {
			if total[i] == 0 || scores[i] == 0 {
				total[i] = 0
				continue
			}
			total[i] += scores[i]
		}
	}
	var hits []Hit
	for i, s := range total {
		if s > 0 {
			hits = append(hits, Hit{x.entries[i].cp, x.entries[i].party, int(s)})
		}
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	if limit > 0 && len(hits) > limit {
		hits = hits[:limit]
	}
	return hits
}

// index lists every word of the Directory in order, with the entries it
// stands in.
type index struct {
	entries []indexEntry // in the order of the document
	words   []string     // sorted
	posts   [][]posting  // parallel to words
}

type indexEntry struct {
	cp    *ContactPoint
	party *Party
}

type posting struct {
	entry  int32
	weight int32
}

// Weights of the fields.
const (
	weightID     = 100
	weightParty  = 40
	weightName   = 30 // role, institution
	weightUnit   = 20
	weightReach  = 15 // addresses, telephones, fingerprints
	weightKind   = 5
	weightPostal = 3
)

// word scores every entry for one word of the query: 0 is no match.
func (x *index) word(w string) []int32 {
	scores := make([]int32, len(x.entries))
	x.prefix(w, scores)
	if s, plural := strings.CutSuffix(w, "s"); plural && len(s) >= 4 {
		x.prefix(s, scores)
	}
	parts := splitWord(w)
	if len(parts) < 2 || len(parts) > maxQueryWords {
		return scores
	}
	// A compound that stands nowhere as written: all its parts must match.
	both := x.word(parts[0])
	for _, p := range parts[1:] {
		for i, s := range x.word(p) {
			both[i] = min(both[i], s)
		}
	}
	for i := range scores {
		scores[i] = max(scores[i], both[i])
	}
	return scores
}

// prefix raises the scores of the entries with a word that begins with w.
func (x *index) prefix(w string, scores []int32) {
	for i := sort.SearchStrings(x.words, w); i < len(x.words) && strings.HasPrefix(x.words[i], w); i++ {
		factor := int32(2)
		if len(x.words[i]) == len(w) {
			factor = 3 // the whole word
		}
		for _, p := range x.posts[i] {
			scores[p.entry] = max(scores[p.entry], factor*p.weight)
		}
	}
}

func newIndex(doc *Document) *index {
	b := builder{posts: map[string]map[int32]int32{}}
	for i := range doc.Parties {
		p := &doc.Parties[i]
		for j := range p.ContactPoints {
			b.entry = int32(len(b.entries))
			b.entries = append(b.entries, indexEntry{&p.ContactPoints[j], p})
			b.contactPoint(p, &p.ContactPoints[j])
		}
	}
	return b.index()
}

type builder struct {
	entries []indexEntry
	entry   int32
	posts   map[string]map[int32]int32 // word, entry, weight
}

func (b *builder) contactPoint(p *Party, cp *ContactPoint) {
	b.text(cp.ID, weightID)
	b.text(p.Code, weightParty)
	for _, name := range p.Names {
		b.text(name, weightParty)
	}
	b.text(roleWords(cp.Role), weightName)
	b.text(cp.Institution, weightName)
	b.text(cp.Unit, weightUnit)
	for _, a := range cp.Addresses {
		b.text(a, weightReach)
	}
	for _, t := range cp.Phones {
		b.add(joinGroups(t.Number, "0123456789", "+-.()/ "), weightReach)
		b.text(t.Number, weightPostal)
	}
	for _, c := range cp.certificates {
		fpr := foldText(c.Fingerprint())
		b.add(fpr, weightReach)
		for _, n := range []int{16, 8} { // the long and the short key id
			if len(fpr) > n {
				b.add(fpr[len(fpr)-n:], weightReach)
			}
		}
	}
	kinds := cp.Competences
	if len(kinds) == 0 {
		kinds = request.Kinds() // competent for everything
	}
	for _, k := range kinds {
		if k.Asks() {
			b.text(string(k), weightKind)
		}
	}
	for _, l := range append(slices.Clone(cp.LanguagesIn), cp.LanguagesOut...) {
		b.text(l, weightKind)
	}
	b.text(cp.Postal, weightPostal)
	b.text(cp.Hours, weightPostal)
	b.text(cp.Zone, weightPostal)
	b.text(cp.Backup, weightPostal)
}

// roleWords gives the role's names in English and French.
func roleWords(r Role) string {
	switch r {
	case Police:
		return "police law enforcement policier"
	case Prosecutor:
		return "prosecutor prosecution procureur parquet"
	case Ministry:
		return "ministry central authority ministère autorité centrale"
	case Mixed:
		return "mixed police prosecutor mixte procureur"
	}
	return ""
}

// text adds each word of s, whole and in its parts.
func (b *builder) text(s string, weight int32) {
	for _, w := range strings.Fields(foldText(s)) {
		b.add(trimWord(w), weight)
		if parts := splitWord(w); len(parts) > 1 {
			for _, p := range parts {
				b.add(p, weight)
			}
		}
	}
}

func (b *builder) add(word string, weight int32) {
	if word == "" {
		return
	}
	m := b.posts[word]
	if m == nil {
		m = map[int32]int32{}
		b.posts[word] = m
	}
	m[b.entry] = max(m[b.entry], weight)
}

func (b *builder) index() *index {
	x := &index{entries: b.entries}
	for w := range b.posts {
		x.words = append(x.words, w)
	}
	slices.Sort(x.words)
	x.posts = make([][]posting, len(x.words))
	for i, w := range x.words {
		for entry, weight := range b.posts[w] {
			x.posts[i] = append(x.posts[i], posting{entry, weight})
		}
		slices.SortFunc(x.posts[i], func(a, b posting) int { return cmp.Compare(a.entry, b.entry) })
	}
	return x
}
