package linear

import (
	"bytes"
	"testing"
)

// two kinds of text that share a feature of their own and one in common.
func examples() []Example {
	own := [2]Feature{New(0, 400), New(1, 800)}
	both := New(2, 1200)
	var list []Example
	for i := range 40 {
		k := i % 2
		target := []float32{0, 0}
		target[k] = 1
		list = append(list, Example{Features: []Feature{own[k], both}, Given: []float32{0, 0}, Target: target, Flag: k == 1, Weight: 1})
	}
	return list
}

func options() Options {
	return Options{Classes: 2, Epochs: 30, MinTexts: 2, Rate: 0.4, FlagPositive: 1, Seed: 1}
}

func judge(m *Model, features ...Feature) (odds []float32, flag float32) {
	text := NewText(m)
	text.Reset()
	for _, f := range features {
		text.Add(f)
		text.Add(f) // counted once
	}
	out := make([]float32, m.Outputs)
	text.Scores(out)
	Softmax(out[:2], 1)
	return out[:2], Sigmoid(out[2])
}

func TestTrainLearnsWhatTellsTheClassesApart(t *testing.T) {
	m := Train(examples(), options())
	for k, f := range []Feature{New(0, 400), New(1, 800)} {
		odds, flag := judge(m, f, New(2, 1200), New(1, 999999))
		if odds[k] < 0.9 || (flag > 0.5) != (k == 1) {
			t.Errorf("class %d: odds %v, flag %v", k, odds, flag)
		}
	}
	if odds, _ := judge(m, New(2, 1200)); odds[0] < 0.2 || odds[0] > 0.8 {
		t.Errorf("what both share tells them apart: %v", odds)
	}
}

func TestRareFeaturesAreLeftOut(t *testing.T) {
	list := append(examples(), Example{Features: []Feature{New(0, 4000)}, Given: []float32{0, 0}, Target: []float32{1, 0}, Weight: 1})
	if m := Train(list, options()); m.Row(New(0, 4000)) >= 0 || m.Row(New(0, 400)) < 0 {
		t.Error("a feature of one text is kept, or one of many is not")
	}
}

func TestFileRoundTrip(t *testing.T) {
	m := Train(examples(), options())
	m.Corpus[3] = 7
	file := m.Encode()
	again, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Encode(), file) {
		t.Error("the file changes when it is read and written again")
	}
	before, _ := judge(m, New(0, 400))
	if after, _ := judge(again, New(0, 400)); before[0] != after[0] {
		t.Errorf("odds %v before, %v after", before, after)
	}
	if !bytes.Equal(Train(examples(), options()).Encode(), func() []byte { m.Corpus[3] = 0; return m.Encode() }()) {
		t.Error("the same examples give another model")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Train(examples(), options()).Encode())
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := Decode(file)
		if err != nil {
			return
		}
		if again, err := Decode(m.Encode()); err != nil || len(again.Features) != len(m.Features) {
			t.Errorf("a model that was read cannot be read again: %v", err)
		}
	})
}
