package classify

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
)

// ending is what a word may be when it ends at a node.
type ending struct {
	exact  int32 // literal that ends here
	stem   int32 // literal with * that ends here
	speech uint8 // language that this is a function word of; 0: none
}

type draftNode struct {
	ending
	next map[byte]int32
}

// letterNode is small, and the nodes that most words pass lie together, because
// looking up words is mostly waiting for memory.
type letterNode struct {
	ending
	others bool   // further letters are in matcher.others
	set    uint64 // letters that may follow, one bit for each letter slot
	first  int32  // node of the lowest of them; those of the others lie behind it
}

type otherLetter struct {
	node   int32
	letter byte
}

// functionWord notes that a word tells the language (1 and up).
func (m *matcher) functionWord(w string, speech uint8) {
	at := int32(0)
	for _, b := range appendFolded(nil, w, 64) {
		at = m.child(at, b)
	}
	m.draft[at].speech = speech
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

// pack turns the draft into letters, level by level.
func (m *matcher) pack() {
	m.letters, m.others = make([]letterNode, 1, len(m.draft)), map[otherLetter]int32{}
	order := []int32{0} // draft node of each letter node
	for at := 0; at < len(order); at++ {
		from := m.draft[order[at]]
		node := letterNode{ending: from.ending, first: int32(len(order))}
		for _, b := range slices.SortedFunc(maps.Keys(from.next), bySlot) {
			if slot := letterSlots[b]; slot != noSlot {
				node.set |= 1 << slot
			} else {
				node.others = true
				m.others[otherLetter{int32(at), b}] = int32(len(order))
			}
			order = append(order, from.next[b])
			m.letters = append(m.letters, letterNode{})
		}
		m.letters[at] = node
	}
	m.draft = nil
	m.begins = make([]int32, len(m.literals)+1)
	for _, e := range m.phrases[0].edges {
		m.begins[e.literal] = e.node
	}
}

// letterSlots numbers 0-9 and a-z in the order of their bytes.
var letterSlots = func() (slots [256]uint8) {
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

const noSlot = 63

func bySlot(a, b byte) int {
	return cmp.Or(cmp.Compare(letterSlots[a], letterSlots[b]), cmp.Compare(a, b))
}

// word looks a folded token up. It returns the letters it read.
func (m *matcher) word(token []byte, out *wordMatches) int {
	out.n, out.speech = 0, 0
	node, at := &m.letters[0], int32(0)
	for i, b := range token {
		slot := letterSlots[b]
		switch {
		case node.set>>slot&1 != 0:
			at = node.first + int32(bits.OnesCount64(node.set&(1<<slot-1)))
		case slot == noSlot && node.others:
			if at = m.others[otherLetter{at, b}]; at == 0 {
				return i + 1
			}
		default:
			return i + 1
		}
		node = &m.letters[at]
		out.add(node.stem)
	}
	out.add(node.exact)
	out.speech = node.speech
	return len(token)
}
