package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

func entry(i int) Entry {
	e := Entry{Desk: fmt.Sprintf("XA-%d", i%3+1), Seq: uint64(i), Record: fmt.Appendf(nil, `{"id":"%d","by":"gateway  amy"}`, i)}
	if i%2 == 0 {
		e.UIDs = fmt.Sprintf("%d,%d", i, i+1)
	}
	return e
}

func entries(n int) []Entry {
	var out []Entry
	for i := range n {
		out = append(out, entry(i))
	}
	return out
}

// open opens the journal in dir and returns it with what it holds.
func open(t testing.TB, dir string) (j *Journal, held []Entry, torn int64) {
	t.Helper()
	j, torn, err := Open(dir, nil, func(e Entry) error { held = append(held, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, held, torn
}

// written returns the bytes of a journal that holds n entries.
func written(t testing.TB, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	j, _, _ := open(t, dir)
	if err := j.Append(entries(n)...); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return files(t, dir)[FileName]
}

// folder returns a folder whose journal is content.
func folder(t testing.TB, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// files returns the content of every file in dir.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[n.Name()] = b
	}
	return out
}

func TestWhatWasAppendedIsThereAfterReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	var want []Entry
	for round := range 4 {
		j, held, torn := open(t, dir)
		if !reflect.DeepEqual(held, want) || torn != 0 {
			t.Fatalf("round %d: holds %v and %d torn bytes, want %v", round, held, torn, want)
		}
		batch := []Entry{entry(3 * round), entry(3*round + 1), entry(3*round + 2)}
		want = append(want, batch...)
		if err := errors.Join(j.Append(), j.Append(batch...), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	st, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("journal has mode %v, %v; want 0600: it is the audit log", st.Mode(), err)
	}
}

func TestALocalNoteConcernsNoDesk(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := open(t, dir)
	if err := errors.Join(j.Append(Entry{Record: []byte("{}")}), j.Append(Entry{Desk: "-", Record: nil}), j.Close()); err != nil {
		t.Fatal(err)
	}
	_, held, _ := open(t, dir)
	want := []Entry{{Desk: "-", Record: []byte("{}")}, {Desk: "-", Record: []byte{}}}
	if !reflect.DeepEqual(held, want) {
		t.Errorf("got %+v, want %+v", held, want)
	}
}

// TestWhatCouldNotBeReadBackIsRefused: a confirmed entry must not make the
// next start fail.
func TestWhatCouldNotBeReadBackIsRefused(t *testing.T) {
	bad := map[string]Entry{
		"line end in the record": {Desk: "XA-1", Seq: 1, Record: []byte("{\n}")},
		"line end in the desk":   {Desk: "XA\n1", Seq: 1, Record: []byte("{}")},
		"space in the desk":      {Desk: "XA 1", Seq: 1, Record: []byte("{}")},
		"space in the UIDs":      {Desk: "XA-1", Seq: 1, UIDs: "1, 2", Record: []byte("{}")},
		"UIDs like none":         {Desk: "XA-1", Seq: 1, UIDs: "-", Record: []byte("{}")},
		"too long":               {Desk: "XA-1", Seq: 1, Record: bytes.Repeat([]byte("x"), maxEntry)},
	}
	dir := t.TempDir()
	j, _, _ := open(t, dir)
	for name, e := range bad {
		t.Run(name, func(t *testing.T) {
			if err := j.Append(entry(1), e); err == nil || errors.Is(err, ErrBroken) {
				t.Errorf("got %v, want a refusal that does not break the journal", err)
			}
		})
	}
	longest := Entry{Desk: "XA-1", Seq: 1<<64 - 1, Record: bytes.Repeat([]byte("x"), maxEntry-4)}
	if err := errors.Join(j.Append(longest, entry(2)), j.Close()); err != nil {
		t.Fatal(err)
	}
	if _, held, _ := open(t, dir); !reflect.DeepEqual(held, []Entry{longest, entry(2)}) {
		t.Errorf("%d entries after reopening, want the two that were not refused", len(held))
	}
}

// TestAStartThatCannotUseAnEntryLeavesTheJournalAlone: what apply says is told.
func TestAStartThatCannotUseAnEntryLeavesTheJournalAlone(t *testing.T) {
	torn := append(written(t, 3), "half a li"...)
	dir := folder(t, torn)
	cause := errors.New("record 2 is missing")
	_, _, err := Open(dir, nil, func(e Entry) error {
		if e.Seq == 1 {
			return cause
		}
		return nil
	})
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
	if !maps.EqualFunc(files(t, dir), map[string][]byte{FileName: torn}, bytes.Equal) {
		t.Error("the folder was changed")
	}
}

// TestManyAppenders: each finds its own entries in its own order, calls with
// several entries keep them together, and nothing is lost.
func TestManyAppenders(t *testing.T) {
	const appenders, rounds = 50, 20
	dir := t.TempDir()
	j, _, _ := open(t, dir)
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			desk := fmt.Sprintf("D%d", a)
			for i := range rounds {
				pair := []Entry{{Desk: desk, Seq: uint64(2*i + 1), Record: []byte("first")}, {Desk: desk, Seq: uint64(2*i + 2), Record: []byte("second")}}
				if err := j.Append(pair...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, held, torn := open(t, dir)
	if len(held) != appenders*rounds*2 || torn != 0 {
		t.Fatalf("%d entries and %d torn bytes, want %d", len(held), torn, appenders*rounds*2)
	}
	last := map[string]uint64{}
	for i, e := range held {
		if e.Seq != last[e.Desk]+1 {
			t.Fatalf("%s: entry %d follows %d", e.Desk, e.Seq, last[e.Desk])
		}
		last[e.Desk] = e.Seq
		if string(e.Record) == "first" && held[i+1].Desk != e.Desk {
			t.Fatalf("entries of one call were parted at %d", i)
		}
	}
}

// TestEachWhileAppending: a reader sees an unbroken beginning, with everything
// that was durable when it started.
func TestEachWhileAppending(t *testing.T) {
	j, _, _ := open(t, t.TempDir())
	var wg sync.WaitGroup
	const n = 100
	var mu sync.Mutex
	durable := 0
	wg.Go(func() {
		for i := range n {
			if err := j.Append(Entry{Desk: "XA-1", Seq: uint64(i + 1), Record: []byte("{}")}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			durable = i + 1
			mu.Unlock()
		}
	})
	for range 3 {
		wg.Go(func() {
			for done := false; !done && !t.Failed(); {
				mu.Lock()
				atLeast := durable
				mu.Unlock()
				var seen uint64
				err := j.Each(func(e Entry) error {
					if seen++; e.Seq != seen {
						return fmt.Errorf("entry %d follows %d", e.Seq, seen-1)
					}
					return nil
				})
				if err != nil || seen < uint64(atLeast) {
					t.Errorf("saw %d entries of %d durable ones, %v", seen, atLeast, err)
				}
				done = atLeast == n
			}
		})
	}
	wg.Wait()
}

func TestEachStopsWhenAsked(t *testing.T) {
	j, _, _ := open(t, folder(t, written(t, 5)))
	stop := errors.New("enough")
	seen := 0
	if err := j.Each(func(Entry) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("saw %d entries, %v", seen, err)
	}
}

func TestVerifyReports(t *testing.T) {
	whole := written(t, 7)
	lastLine := bytes.Split(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))[6]
	chain := string(lastLine[:len(genesis)])
	tests := []struct {
		name    string
		content []byte
		want    Report
	}{
		{"whole", whole, Report{Entries: 7, Bytes: int64(len(whole)), Chain: chain}},
		{"torn", append(slices.Clone(whole), "0123456789"...), Report{Entries: 7, Bytes: int64(len(whole)), Torn: 10, Chain: chain}},
		{"empty", nil, Report{Chain: genesis}},
		{"only torn", []byte("abc"), Report{Torn: 3, Chain: genesis}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.content)
			got, err := Verify(dir)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
			if !maps.EqualFunc(files(t, dir), map[string][]byte{FileName: tt.content}, bytes.Equal) {
				t.Error("verifying changed the folder")
			}
		})
	}
	if _, err := Verify(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no journal: got %v", err)
	}
}

// TestVerifyWhileAppending: a gateway that works is never called torn for
// more than the line that is just being written.
func TestVerifyWhileAppending(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := open(t, dir)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 100 {
			if err := j.Append(entry(i)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 50 {
		if r, err := Verify(dir); err != nil || r.Torn < 0 || r.Torn > 256 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	wg.Wait()
}
