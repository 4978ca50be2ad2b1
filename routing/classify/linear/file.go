package linear

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// The file of a model: magic, sizes, SHA-256 of the corpus, numbers, features
// as differences, weights, CRC-32 of all before; little endian.
const (
	magic      = "RLSLIN01"
	maxRows    = 1 << 20
	maxOutputs = 64
	maxNumbers = 256
)

type fileHead struct {
	Rows, Outputs, Numbers uint32
	Corpus                 [32]byte
	Scale                  [Blocks]float32
}

// Encode returns the file of m.
func (m *Model) Encode() []byte {
	out := []byte(magic)
	head := fileHead{uint32(len(m.Features)), uint32(m.Outputs), uint32(len(m.Numbers)), m.Corpus, m.Scale}
	for _, part := range []any{head, m.Bias, m.Numbers} {
		out, _ = binary.Append(out, binary.LittleEndian, part) // sizes are fixed: no error
	}
	last := Feature(0)
	for _, f := range m.Features {
		out = binary.AppendUvarint(out, uint64(f-last))
		last = f
	}
	for _, w := range m.Weights {
		out = append(out, byte(w))
	}
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}

// Decode reads the file of a model and checks every size in it.
func Decode(data []byte) (*Model, error) {
	if len(data) < len(magic)+4 || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("model: not a file of a classifier of this version; train it again with relais classify train")
	}
	body, sum := data[:len(data)-4], binary.LittleEndian.Uint32(data[len(data)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return nil, fmt.Errorf("model: checksum is wrong: the file is damaged")
	}
	r := bytes.NewReader(body[len(magic):])
	var head fileHead
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return nil, fmt.Errorf("model: head: %w", err)
	}
	if head.Rows > maxRows || head.Outputs == 0 || head.Outputs > maxOutputs || head.Numbers > maxNumbers {
		return nil, fmt.Errorf("model: %d rows, %d outputs, %d numbers: over a bound", head.Rows, head.Outputs, head.Numbers)
	}
	m := &Model{Outputs: int(head.Outputs), Corpus: head.Corpus, Scale: head.Scale, Bias: make([]float32, head.Outputs), Numbers: make([]float32, head.Numbers)}
	for _, part := range []any{m.Bias, m.Numbers} {
		if err := binary.Read(r, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("model: numbers: %w", err)
		}
	}
	m.Features = make([]Feature, head.Rows)
	last := uint64(0)
	for i := range m.Features {
		step, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, fmt.Errorf("model: features: %w", err)
		}
		if last += step; last > 1<<32-1 || i > 0 && step == 0 {
			return nil, fmt.Errorf("model: features are not in order")
		}
		m.Features[i] = Feature(last)
	}
	if r.Len() != len(m.Features)*m.Outputs {
		return nil, fmt.Errorf("model: %d bytes of weights, want %d", r.Len(), len(m.Features)*m.Outputs)
	}
	m.Weights = make([]int8, r.Len())
	rest := body[len(body)-r.Len():]
	for i, b := range rest {
		m.Weights[i] = int8(b)
	}
	if slices.ContainsFunc(m.Features, func(f Feature) bool { return f.Block() >= Blocks }) {
		return nil, fmt.Errorf("model: a feature of an unknown block")
	}
	m.index()
	return m, nil
}
