package journal

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// wantCorrupt opens a journal with that content and checks that it is refused
// at that line, by Open and by Verify, and that nothing is changed.
func wantCorrupt(t *testing.T, content []byte, line int, offset int64) {
	t.Helper()
	dir := folder(t, content)
	_, _, err := Open(dir, nil, func(Entry) error { return nil })
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		t.Errorf("Open: got %v, want a CorruptError at line %d", err, line)
		return
	}
	if corrupt.Line != line || corrupt.Offset != offset || corrupt.Path != filepath.Join(dir, FileName) {
		t.Errorf("Open: corrupt at line %d (byte %d) of %s, want line %d (byte %d)", corrupt.Line, corrupt.Offset, corrupt.Path, line, offset)
	}
	if !strings.Contains(err.Error(), "backup") {
		t.Errorf("%q does not say what to do", err)
	}
	if r, err := Verify(dir); !errors.As(err, &corrupt) || corrupt.Line != line || r.Torn != 0 {
		t.Errorf("Verify: got %+v, %v, want a CorruptError at line %d", r, err, line)
	}
	if !maps.EqualFunc(files(t, dir), map[string][]byte{FileName: content}, bytes.Equal) {
		t.Error("a corrupt journal was changed")
	}
}

// TestEveryByteOfALineIsGuarded changes each byte of a line in the middle, its
// line end included, in three ways.
func TestEveryByteOfALineIsGuarded(t *testing.T) {
	content := written(t, 6)
	starts := lineStarts(content)
	const line = 4 // counted from 1
	for at := starts[line-1]; at < starts[line]; at++ {
		for _, b := range []byte{content[at] ^ 1, content[at] ^ 0x20, '\n'} {
			if b == content[at] {
				continue
			}
			changed := slices.Clone(content)
			changed[at] = b
			wantCorrupt(t, changed, line, int64(starts[line-1]))
		}
	}
}

func TestFirstAndLastLineAreGuarded(t *testing.T) {
	content := written(t, 6)
	starts := lineStarts(content)
	for _, line := range []int{1, 6} {
		for _, at := range []int{0, 63, 64, 65, 70, 80} {
			changed := slices.Clone(content)
			changed[starts[line-1]+at] ^= 1
			wantCorrupt(t, changed, line, int64(starts[line-1]))
		}
	}
}

func lineStarts(content []byte) []int {
	starts := []int{0}
	for i, b := range content {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

func TestLinesCannotBeTakenOutMovedOrAdded(t *testing.T) {
	content := written(t, 6)
	foreign := bytes.SplitAfter(written(t, 2), []byte("\n"))[1]
	tests := []struct {
		name string
		edit func(lines [][]byte) [][]byte
		line int
	}{
		{"first line deleted", func(l [][]byte) [][]byte { return l[1:] }, 1},
		{"third line deleted", func(l [][]byte) [][]byte { return slices.Delete(l, 2, 3) }, 3},
		{"lines two to four deleted", func(l [][]byte) [][]byte { return slices.Delete(l, 1, 4) }, 2},
		{"neighbours swapped", func(l [][]byte) [][]byte { l[2], l[3] = l[3], l[2]; return l }, 3},
		{"far lines swapped", func(l [][]byte) [][]byte { l[1], l[4] = l[4], l[1]; return l }, 2},
		{"last two swapped", func(l [][]byte) [][]byte { l[4], l[5] = l[5], l[4]; return l }, 5},
		{"line doubled", func(l [][]byte) [][]byte { return slices.Insert(l, 3, l[2]) }, 4},
		{"empty line", func(l [][]byte) [][]byte { return slices.Insert(l, 3, []byte("\n")) }, 4},
		{"line of another journal", func(l [][]byte) [][]byte { return slices.Insert(l, 3, foreign) }, 4},
		{"CRLF", func(l [][]byte) [][]byte { l[2] = append(bytes.TrimSuffix(l[2], []byte("\n")), "\r\n"...); return l }, 3},
		{"upper-case chain value", func(l [][]byte) [][]byte { l[2] = bytes.ToUpper(l[2]); return l }, 3},
		{"a second journal behind the first", func(l [][]byte) [][]byte { return append(l, l...) }, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := bytes.SplitAfter(bytes.Clone(content), []byte("\n"))
			edited := bytes.Join(tt.edit(lines[:6:6]), nil)
			wantCorrupt(t, edited, tt.line, int64(lineStarts(edited)[tt.line-1]))
		})
	}
}

func TestAnEndlessLineIsNotReadIntoMemory(t *testing.T) {
	content := written(t, 2)
	long := append(slices.Clone(content), bytes.Repeat([]byte("x"), 2*maxLine)...)
	wantCorrupt(t, append(long, '\n'), 3, int64(len(content)))
}

// TestCuttingAtALineEndShowsInTheChainValue: the file alone cannot tell, so
// Verify reports the value that can be compared with an earlier one.
func TestCuttingAtALineEndShowsInTheChainValue(t *testing.T) {
	content := written(t, 6)
	whole, err := Verify(folder(t, content))
	if err != nil {
		t.Fatal(err)
	}
	cut, err := Verify(folder(t, content[:lineStarts(content)[5]]))
	if err != nil || cut.Entries != 5 || cut.Chain == whole.Chain {
		t.Errorf("got %+v, %v", cut, err)
	}
}

// TestTornLastLine cuts the file at every byte of its last line, as a crash
// may: the rest survives, the piece is kept aside, and work goes on.
func TestTornLastLine(t *testing.T) {
	content := written(t, 4)
	last := lineStarts(content)[3]
	for cut := last; cut < len(content); cut++ {
		dir := folder(t, content[:cut])
		j, held, torn := open(t, dir)
		if !reflect.DeepEqual(held, entries(3)) || torn != int64(cut-last) {
			t.Fatalf("cut at %d: %d entries and %d torn bytes", cut, len(held), torn)
		}
		want := map[string][]byte{FileName: content[:last]}
		if cut > last {
			for name, piece := range files(t, dir) {
				if name != FileName && bytes.Equal(piece, content[last:cut]) {
					want[name] = piece
				}
			}
			if len(want) != 2 {
				t.Fatalf("cut at %d: the torn piece was not kept: %q", cut, files(t, dir))
			}
		}
		if !maps.EqualFunc(files(t, dir), want, bytes.Equal) {
			t.Fatalf("cut at %d: folder holds %q", cut, files(t, dir))
		}
		if err := errors.Join(j.Append(entry(3)), j.Close()); err != nil {
			t.Fatal(err)
		}
		if got := files(t, dir)[FileName]; !bytes.Equal(got, content) {
			t.Fatalf("cut at %d: after the entry was appended again:\n%s", cut, got)
		}
	}
}

// TestTwoCrashesAtTheSamePlace: the piece of the first is not overwritten.
func TestTwoCrashesAtTheSamePlace(t *testing.T) {
	content := written(t, 2)
	dir := folder(t, content)
	for _, piece := range []string{"first piece", "second piece"} {
		f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(piece); err != nil {
			t.Fatal(err)
		}
		f.Close()
		j, held, torn := open(t, dir)
		if len(held) != 2 || torn != int64(len(piece)) {
			t.Fatalf("%d entries and %d torn bytes", len(held), torn)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var aside []byte
	for name, b := range files(t, dir) {
		if name != FileName {
			aside = append(aside, b...)
		}
	}
	if !bytes.Contains(aside, []byte("first piece")) || !bytes.Contains(aside, []byte("second piece")) {
		t.Errorf("kept aside: %q", aside)
	}
}

// FuzzOpen gives Open a file of any content: it must not panic, must not
// change what it calls corrupt, and must keep every byte of what it takes.
func FuzzOpen(f *testing.F) {
	content := written(f, 3)
	f.Add(content)
	f.Add(content[:len(content)-5])
	f.Add(bytes.Replace(content, []byte("amy"), []byte("bob"), 1))
	f.Add([]byte{})
	f.Add([]byte("\n"))
	f.Add([]byte(strings.Repeat(" ", 70) + "\n"))
	f.Add([]byte(genesis + " - 0 - {}\n"))
	f.Add([]byte(genesis + " - 99999999999999999999 - {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := folder(t, content)
		n := 0
		j, torn, err := Open(dir, nil, func(Entry) error { n++; return nil })
		after := files(t, dir)
		if err != nil {
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Offset > int64(len(content)) {
				t.Fatalf("got %v", err)
			}
			if !maps.EqualFunc(after, map[string][]byte{FileName: content}, bytes.Equal) {
				t.Fatal("a corrupt journal was changed")
			}
			return
		}
		defer j.Close()
		kept := slices.Clone(after[FileName])
		for name, b := range after {
			if name != FileName {
				kept = append(kept, b...)
			}
		}
		if !bytes.Equal(kept, content) || torn != int64(len(content)-len(after[FileName])) || n != bytes.Count(content, []byte("\n")) {
			t.Fatalf("%d entries, %d torn bytes, folder %q", n, torn, after)
		}
		if r, err := Verify(dir); err != nil || r.Torn != 0 || r.Entries != n {
			t.Fatalf("afterwards: %+v, %v", r, err)
		}
	})
}
