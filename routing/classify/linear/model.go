// Package linear is a small linear classifier over hashed features: one row of
// weights per feature that the training texts share, 8 bits a weight. It knows
// nothing of mail; routing/classify says what the features and outputs are.
//
// A feature belongs to a block (letters, words, structure). Within a block all
// features of a text weigh the same and together have length 1, so that a long
// text does not shout down a short one.
package linear

import "math"

// Blocks is the number of blocks.
const Blocks = 3

// Feature is a hashed feature of one text. The two bits at the top are its
// block.
type Feature uint32

// New returns the feature of a block with this hash.
func New(block int, hash uint32) Feature { return Feature(uint32(block)<<30 | hash>>2) }

// Block returns the block of f.
func (f Feature) Block() int { return int(f >> 30) }

// Model holds the weights. It is immutable and safe for concurrent use.
type Model struct {
	Outputs  int             // weights per row
	Features []Feature       // sorted; row i belongs to Features[i]
	Weights  []int8          // len(Features) * Outputs
	Scale    [Blocks]float32 // one step of a weight in each block
	Bias     []float32       // per output
	Numbers  []float32       // further trained numbers and those of calibration, in the order of the caller
	Corpus   [32]byte        // SHA-256 of the texts it was trained on
	slots    []slot
	filter   []uint64 // bit set of what may be a known feature: most unknown ones end here
}

type slot struct {
	feature Feature
	row     int32 // -1: free
}

const filterBits = 18

// index makes the table that Row looks up.
func (m *Model) index() {
	size := 1
	for size < 2*len(m.Features)+2 {
		size *= 2
	}
	m.slots = make([]slot, size)
	for i := range m.slots {
		m.slots[i].row = -1
	}
	m.filter = make([]uint64, 1<<filterBits/64)
	for row, f := range m.Features {
		at := spread(f) & uint32(size-1)
		for m.slots[at].row >= 0 {
			at = (at + 1) & uint32(size-1)
		}
		m.slots[at] = slot{f, int32(row)}
		bit := spread(f) >> (32 - filterBits)
		m.filter[bit/64] |= 1 << (bit % 64)
	}
}

func spread(f Feature) uint32 { return uint32(f) * 2654435769 }

// Row returns the row of a feature, or -1 if the model does not know it.
func (m *Model) Row(f Feature) int32 {
	h := spread(f)
	bit := h >> (32 - filterBits)
	if m.filter[bit/64]&(1<<(bit%64)) == 0 {
		return -1
	}
	mask := uint32(len(m.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		if s := &m.slots[at]; s.row < 0 || s.feature == f {
			return s.row
		}
	}
}

// Text gathers the known features of one text. Its memory is used again.
type Text struct {
	m     *Model
	seen  []uint32 // per row: the text that last had it
	now   uint32
	rows  [Blocks][]int32
	sums  [Blocks][]int32
	share [Blocks]float32
}

// NewText returns memory for texts judged by m.
func NewText(m *Model) *Text {
	t := &Text{m: m, seen: make([]uint32, len(m.Features)), now: 1}
	for b := range t.sums {
		t.sums[b] = make([]int32, m.Outputs)
	}
	return t
}

// Reset forgets the text.
func (t *Text) Reset() {
	if t.now++; t.now == 0 {
		clear(t.seen)
		t.now = 1
	}
	for b := range t.rows {
		t.rows[b] = t.rows[b][:0]
		clear(t.sums[b])
	}
}

// Add takes in a feature. It returns its row, or -1 if it is unknown or was
// there before.
func (t *Text) Add(f Feature) int32 {
	row := t.m.Row(f)
	if row < 0 || t.seen[row] == t.now {
		return -1
	}
	t.seen[row] = t.now
	b := f.Block()
	t.rows[b] = append(t.rows[b], row)
	n := t.m.Outputs
	sums := t.sums[b][:n]
	for k, w := range t.m.Weights[int(row)*n : int(row)*n+n] {
		sums[k] += int32(w)
	}
	return row
}

// Scores puts the score of each output into out.
func (t *Text) Scores(out []float32) {
	copy(out, t.m.Bias)
	for b := range t.rows {
		t.share[b] = t.m.Scale[b] * float32(blockWeight[b]*unit(len(t.rows[b])))
		for k, s := range t.sums[b] {
			out[k] += float32(t.share[b] * float32(s))
		}
	}
}

// Part is what the feature of a row adds to an output of this text, after
// Scores.
func (t *Text) Part(row int32, output int) float32 {
	return t.share[t.m.Features[row].Block()] * float32(t.m.Weights[int(row)*t.m.Outputs+output])
}

// blockWeight is the length of each block in a text.
var blockWeight = [Blocks]float32{1, 1.2, 3.5}

// unit is what each of n features has, so that together they have length 1.
func unit(n int) float32 {
	if n == 0 {
		return 0
	}
	return float32(1 / math.Sqrt(float64(n)))
}

// Softmax turns scores into shares of 1, at a temperature.
func Softmax(scores []float32, temperature float32) {
	top := scores[0]
	for _, s := range scores {
		top = max(top, s)
	}
	sum := float32(0)
	for k, s := range scores {
		scores[k] = float32(math.Exp(float64((s - top) / temperature)))
		sum += scores[k]
	}
	for k := range scores {
		scores[k] /= sum
	}
}

// Sigmoid is the probability that belongs to a score.
func Sigmoid(score float32) float32 { return float32(1 / (1 + math.Exp(-float64(score)))) }
