package classify

import (
	"maps"
	"slices"
)

// ending is what a word may be when it ends at a node.
type ending struct {
	exact  int32       // literal that ends here
	stem   int32       // literal with * that ends here
	speech languageSet // languages that this is a function word of, shifted right by one
}

type draftNode struct {
	ending
	next map[byte]int32
}

// letterTable is the packed form of the letters. Looking up words is mostly
// waiting for memory: one step reads one number, and the nodes where stems end
// have the highest numbers, so that they are known without looking.
type letterTable struct {
	next      [][letterSlots]uint16 // node behind each letter, 0: none
	others    map[otherLetter]uint16
	endings   []ending
	firstStem uint16
}

// otherLetter is a step by a byte that is no a-z, 0-9.
type otherLetter struct {
	node   uint16
	letter byte
}

const (
	letterSlots = 36        // 0-9, a-z
	maxLetters  = 1<<16 - 1 // nodes of the table
)

// functionWord notes that a word tells the language with this number (1 and
// up); some are common to several.
func (m *matcher) functionWord(w string, speech uint8) {
	at := int32(0)
	for _, b := range appendFolded(nil, w, 64) {
		at = m.child(at, b)
	}
	m.draft[at].speech |= 1 << (speech - 1)
}

func (m *matcher) child(at int32, b byte) int32 {
	if next := m.draft[at].next[b]; next != 0 {
		return next
	}
	if m.draft[at].next == nil {
		m.draft[at].next = map[byte]int32{}
	}
	next := int32(len(m.draft))
	m.draft = append(m.draft, draftNode{})
	m.draft[at].next[b] = next
	return next
}

// pack makes the tables from the draft, which must not have more than
// maxLetters nodes.
func (m *matcher) pack() {
	order := levels(m.draft)
	stem := func(n int32) bool { return m.draft[n].stem != 0 }
	plain := slices.DeleteFunc(slices.Clone(order), stem)
	order = append(plain, slices.DeleteFunc(order, func(n int32) bool { return !stem(n) })...)
	number := make([]uint16, len(m.draft))
	for at, n := range order {
		number[n] = uint16(at)
	}
	t := letterTable{next: make([][letterSlots]uint16, len(order)), endings: make([]ending, len(order)), others: map[otherLetter]uint16{}, firstStem: uint16(len(plain))}
	for at, n := range order {
		t.endings[at] = m.draft[n].ending
		for b, next := range m.draft[n].next {
			if slot := slotOf[b]; slot != noSlot {
				t.next[at][slot] = number[next]
			} else {
				t.others[otherLetter{uint16(at), b}] = number[next]
			}
		}
	}
	m.letters, m.draft = t, nil
	m.begins = make([]int32, len(m.literals)+1)
	for _, e := range m.phrases[0].edges {
		m.begins[e.literal] = e.node
	}
}

// levels lists the nodes level by level: the nodes that most words pass lie
// together.
func levels(draft []draftNode) []int32 {
	order := make([]int32, 1, len(draft))
	for at := 0; at < len(order); at++ {
		next := draft[order[at]].next
		for _, b := range slices.Sorted(maps.Keys(next)) {
			order = append(order, next[b])
		}
	}
	return order
}

// slotOf numbers 0-9 and a-z.
var slotOf = func() (slots [256]uint8) {
	for b := range slots {
		switch {
		case '0' <= b && b <= '9':
			slots[b] = uint8(b - '0')
		case 'a' <= b && b <= 'z':
			slots[b] = uint8(b-'a') + 10
		default:
			slots[b] = noSlot
		}
	}
	return slots
}()

const noSlot = letterSlots

// word looks up the word that begins at text[start]. It returns where the word
// ends and how many letters were looked up.
func (t *letterTable) word(text []byte, start int, out *wordMatches) (end, steps int) {
	out.n, out.speech = 0, 0
	node, i := uint16(0), start
	for i < len(text) {
		if slot := slotOf[text[i]]; slot < letterSlots {
			node = t.next[node][slot]
			i++
		} else if size := letterLen(text[i:]); size > 0 {
			node = t.other(node, text[i:i+size])
			i += size
		} else {
			break
		}
		if node == 0 {
			return wordEnd(text, i), i - start
		}
		if node >= t.firstStem {
			out.add(t.endings[node].stem)
		}
	}
	out.add(t.endings[node].exact)
	out.speech = t.endings[node].speech
	return i, i - start
}

// other goes on from node by the bytes of one letter.
func (t *letterTable) other(node uint16, letter []byte) uint16 {
	for _, b := range letter {
		if node = t.others[otherLetter{node, b}]; node == 0 {
			return 0
		}
	}
	return node
}
