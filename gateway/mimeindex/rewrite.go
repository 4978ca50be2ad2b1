package mimeindex

import "slices"

// Edit replaces the bytes of a message from From up to To.
type Edit struct {
	From, To int
	With     []byte
}

// Rewrite returns a copy of raw with edits that do not overlap, or raw itself
// if there are none.
func Rewrite(raw []byte, edits []Edit) []byte {
	if len(edits) == 0 {
		return raw
	}
	edits = slices.SortedFunc(slices.Values(edits), func(a, b Edit) int { return a.From - b.From })
	size := len(raw)
	for _, e := range edits {
		size += len(e.With) - (e.To - e.From)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range edits {
		out = append(append(out, raw[at:e.From]...), e.With...)
		at = e.To
	}
	return append(out, raw[at:]...)
}
