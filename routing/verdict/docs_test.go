package verdict

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const page = "../../docs/reason-codes.md"

// row is the line of the table that describes e.
func row(e Entry) string {
	changeable := "yes"
	if e.Fixed {
		changeable = "no"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %d %s | %s | %s |", e.Reason, e.Default, changeable, e.Code, e.Status, e.Text, e.Meaning)
}

// The table of docs/reason-codes.md says exactly what the set says, in its
// order, and every code has a line that says what to do.
func TestPageAndSetAgree(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	advice := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "| `"):
			rows = append(rows, line)
		case strings.HasPrefix(line, "- `"):
			code, rest, _ := strings.Cut(line[len("- `"):], "`")
			if advice[code] {
				t.Errorf("%s: %s is advised on twice", page, code)
			}
			advice[code] = len(rest) > 20
		}
	}
	for i, e := range All() {
		if i >= len(rows) || rows[i] != row(e) {
			t.Errorf("%s: row %d must be\n%s", page, i+1, row(e))
		}
		if !advice[string(e.Reason)] {
			t.Errorf("%s: no line '- `%s`: ...' that says what to do", page, e.Reason)
		}
		delete(advice, string(e.Reason))
	}
	if len(rows) > len(All()) {
		t.Errorf("%s: %d rows for %d reasons", page, len(rows), len(All()))
	}
	for code := range advice {
		t.Errorf("%s: advice on %s, which is no reason", page, code)
	}
}
