package deadline

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/routing/request"
)

var write = flag.Bool("write", false, "write the table of docs/deadlines.md instead of comparing it")

func TestEveryFaultIsListedWithLineAndKey(t *testing.T) {
	_, err := Load(filepath.Join("testdata", "faulty.yaml"))
	if err == nil {
		t.Fatal("a faulty file was accepted")
	}
	for _, want := range []string{
		`line 3: name: "Acknowledge": use small letters`,
		`line 4: article: "Art. 29"`,
		`line 5: kinds: unknown kind "PRESERVE"`,
		`line 6: direction: "inward": use one of received, sent`,
		`line 7: length: "24 hours"`,
		`line 8: start: "arrived": use one of`,
		`line 10: remind: unknown key`,
		`line 11: stop: missing`,
		`line 13: emergency: must be true or false`,
		`line 16: length: must be more than 0`,
		`line 23: start: a clock of direction "received" cannot start with "sent"`,
		`line 25: reminders: the longest is not shorter than the clock`,
		`line 26: name: "late" is used twice`,
		`line 32: stop: closed both starts and stops the clock`,
		`line 33: alarm: unknown key`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("got:\n%v", err)
	}
}

func TestAFileThatLeavesAKindWithoutDeadlineIsRefused(t *testing.T) {
	data := "clocks:\n  - {name: ping, article: policy, kinds: [PING], direction: received, length: 24h, start: received, stop: answered}\n"
	_, err := Parse([]byte(data))
	if err == nil || !strings.Contains(err.Error(), "no clock starts when a PRESERVATION is received") {
		t.Errorf("got %v", err)
	}
}

func TestParseRefusesWithoutPanic(t *testing.T) {
	for _, data := range []string{"", "clocks", "clocks: 5", "clocks: [5, [6], null]", "clocks:\n  - name:", "- a", "\t", "clocks: []\n---\nclocks: []", "clocks:\n - {name: [a], kinds: 7, length: {}, reminders: x, emergency: []}"} {
		if _, err := Parse([]byte(data)); err == nil {
			t.Errorf("accepted %q", data)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "reading clocks") {
		t.Errorf("missing file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("clocks:\n  - {name: ping, article: policy, kinds: [asks], direction: received, length: 24h, start: received, stop: answered}\n")
	f.Add("clocks: [5, null, {name: }]")
	f.Fuzz(func(t *testing.T, data string) {
		clocks, err := Parse([]byte(data))
		if err != nil {
			return
		}
		for _, kind := range request.Kinds() {
			if kind.Asks() && len(clocks.For(kind, false, Received, time.Time{})) == 0 {
				t.Errorf("accepted a file that leaves %s without deadline", kind)
			}
		}
	})
}

// TestDocumentedClocks keeps docs/deadlines.md and configs/clocks.yaml equal:
// go test ./routing/deadline -run TestDocumentedClocks -write renews the table.
func TestDocumentedClocks(t *testing.T) {
	const begin, end = "<!-- clocks: begin -->\n", "<!-- clocks: end -->"
	path := filepath.Join("..", "..", "docs", "deadlines.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks %q and %q", path, begin, end)
	}
	want := table(builtIn(t))
	if *write {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("the table in docs/deadlines.md differs from configs/clocks.yaml; renew it with -write\nwant:\n%s", want)
	}
}

func table(c *Clocks) string {
	var b strings.Builder
	for _, direction := range []string{Received, Sent} {
		fmt.Fprintf(&b, "\n### Requests %s\n\n| Clock | Basis | Kinds | Length | Starts | Stops | Reminders before | Escalates after |\n|---|---|---|---|---|---|---|---|\n", direction)
		for _, clock := range c.All() {
			if clock.Direction != direction {
				continue
			}
			emergency := ""
			if clock.Emergency {
				emergency = " (emergency only)"
			}
			fmt.Fprintf(&b, "| `%s`%s: %s | %s | %s | %s | %s | %s | %s | %s |\n", clock.Name, emergency, clock.Note, clock.Article,
				kinds(clock.Kinds), length(clock.Length), clock.Start, clock.Stop, lengths(clock.Reminders), length(clock.EscalateAfter))
		}
	}
	b.WriteString("\n")
	return b.String()
}

func kinds(list []request.Kind) string {
	asking, others := 0, []string{}
	for _, k := range list {
		if k.Asks() {
			asking++
		} else {
			others = append(others, string(k))
		}
	}
	all := 0
	for _, k := range request.Kinds() {
		if k.Asks() {
			all++
		}
	}
	if asking == all {
		return strings.Join(append([]string{"all that ask"}, others...), ", ")
	}
	names := []string{}
	for _, k := range list {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func length(d time.Duration) string {
	switch {
	case d == 0:
		return "at once"
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

func lengths(list []time.Duration) string {
	s := []string{}
	for _, d := range list {
		s = append(s, length(d))
	}
	return strings.Join(s, ", ")
}
