package linear

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Example is one labelled text.
type Example struct {
	Features []Feature
	Given    []float32 // per class: what is known of it beforehand; its weight is trained too
	Target   []float32 // per class, sum 1
	Flag     bool      // the yes/no output, last of the row
	Weight   float32   // of the text in the training, 1 by default
}

// Options of Train.
type Options struct {
	Classes      int
	Epochs       int
	MinTexts     int     // a feature must occur in so many texts
	Rate         float32 // step of AdaGrad
	Decay        float32 // L2
	Dropout      float32 // share of features that a text loses in each round
	FlagPositive float32 // weight of texts with the flag
	Seed         uint64
}

// Train fits a model: a multinomial logistic regression over the classes and a
// logistic regression for the flag, by AdaGrad in an order drawn from Seed. The
// same examples in the same order always give the same model. Numbers[0] of
// the model is the weight of Given.
func Train(examples []Example, o Options) *Model {
	outputs := o.Classes + 1
	m := &Model{Outputs: outputs, Features: shared(examples, o.MinTexts), Bias: make([]float32, outputs)}
	m.index()
	t := trainer{o: o, m: m, given: 1, weights: make([]float32, len(m.Features)*outputs), squares: make([]float32, len(m.Features))}
	texts := make([]rows, len(examples))
	for i, e := range examples {
		for _, f := range e.Features {
			if row := m.Row(f); row >= 0 {
				texts[i][f.Block()] = append(texts[i][f.Block()], row)
			}
		}
	}
	random := rand.New(rand.NewPCG(o.Seed, 247))
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	for range o.Epochs {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			t.step(examples[i], t.thin(texts[i], random))
		}
	}
	m.quantise(t.weights)
	m.Numbers = []float32{t.given}
	return m
}

type rows [Blocks][]int32

// shared returns the features of at least so many texts, sorted.
func shared(examples []Example, texts int) []Feature {
	count := map[Feature]int{}
	for _, e := range examples {
		for _, f := range e.Features {
			count[f]++
		}
	}
	var kept []Feature
	for f, n := range count {
		if n >= texts {
			kept = append(kept, f)
		}
	}
	slices.Sort(kept)
	return kept
}

type trainer struct {
	o             Options
	m             *Model
	weights       []float32
	squares       []float32 // per row: AdaGrad's sum of squares
	biasSquares   float32
	given         float32
	givenSquares  float32
	scores, slope [maxOutputs]float32
	kept          rows
}

// thin leaves out features by chance, so that the model learns not to rely on
// single ones.
func (t *trainer) thin(all rows, random *rand.Rand) rows {
	if t.o.Dropout == 0 {
		return all
	}
	for b := range all {
		t.kept[b] = t.kept[b][:0]
		for _, row := range all[b] {
			if random.Float32() >= t.o.Dropout {
				t.kept[b] = append(t.kept[b], row)
			}
		}
	}
	return t.kept
}

// step follows the slope of one text. Products are converted explicitly, which
// forbids the compiler to fuse them: every machine gets the same numbers.
func (t *trainer) step(e Example, text rows) {
	n := t.m.Outputs
	scores, slope := t.scores[:n], t.slope[:n]
	copy(scores, t.m.Bias)
	for b := range text {
		u := float32(blockWeight[b] * unit(len(text[b])))
		for _, row := range text[b] {
			w := t.weights[int(row)*n : int(row)*n+n]
			for k := range scores {
				scores[k] += float32(w[k] * u)
			}
		}
	}
	for k, g := range e.Given {
		scores[k] += float32(t.given * g)
	}
	Softmax(scores[:t.o.Classes], 1)
	for k := range t.o.Classes {
		slope[k] = float32(e.Weight * (scores[k] - e.Target[k]))
	}
	flag := n - 1
	slope[flag] = Sigmoid(scores[flag])
	if e.Flag {
		slope[flag] = float32(t.o.FlagPositive * (slope[flag] - 1))
	}
	steepness := float32(0)
	for _, x := range slope {
		steepness += float32(x * x)
	}
	for b := range text {
		u := float32(blockWeight[b] * unit(len(text[b])))
		for _, row := range text[b] {
			at := int(row) * n
			t.squares[row] += float32(float32(u*u) * steepness)
			t.descend(t.weights[at:at+n], slope, u, t.o.Rate/float32(math.Sqrt(float64(t.squares[row])+1e-8)), t.o.Decay)
		}
	}
	t.biasSquares += steepness
	t.descend(t.m.Bias, slope, 1, 0.3*t.o.Rate/float32(math.Sqrt(float64(t.biasSquares)+1e-8)), 0)
	sum := float32(0)
	for k, g := range e.Given {
		sum += float32(slope[k] * g)
	}
	t.givenSquares += float32(sum * sum)
	t.given -= float32(0.1*t.o.Rate*sum) / float32(math.Sqrt(float64(t.givenSquares)+1e-6))
}

func (t *trainer) descend(w, slope []float32, u, rate, decay float32) {
	rate *= u
	keep := 1 - float32(rate*decay)
	for k, s := range slope {
		w[k] = float32(w[k]*keep) - float32(rate*s)
	}
}

// quantise rounds the weights to 8 bits. The largest thousandth of a block is
// clipped, so that the steps stay small.
func (m *Model) quantise(weights []float32) {
	n := m.Outputs
	m.Weights = make([]int8, len(weights))
	var sizes [Blocks][]float32
	for row, f := range m.Features {
		for _, w := range weights[row*n : row*n+n] {
			sizes[f.Block()] = append(sizes[f.Block()], max(w, -w))
		}
	}
	for b := range sizes {
		if m.Scale[b] = 1; len(sizes[b]) > 0 {
			slices.Sort(sizes[b])
			m.Scale[b] = max(sizes[b][len(sizes[b])*9995/10000], 1e-6) / 127
		}
	}
	for row, f := range m.Features {
		for k := range n {
			w := weights[row*n+k] / m.Scale[f.Block()]
			m.Weights[row*n+k] = int8(math.Round(float64(max(-127, min(127, w)))))
		}
	}
}
