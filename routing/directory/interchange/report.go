package interchange

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"relais.example/routing/directory"
)

// WriteText writes the report of an import for people: what was understood,
// guessed and left out, the open errors of the draft, and what changes.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "read: %s\n", t.describe())
		for _, c := range t.Columns {
			switch {
			case c.Field == "":
				fmt.Fprintf(&b, "  %s: left out\n", quote(c.Heading))
			case c.Guessed:
				fmt.Fprintf(&b, "  %s: %s (guessed)\n", quote(c.Heading), c.Field)
			default:
				fmt.Fprintf(&b, "  %s: %s\n", quote(c.Heading), c.Field)
			}
		}
	}
	guessed, left := r.split()
	section(&b, "guessed, in the draft; look at each", guessed)
	section(&b, "left out or doubtful", left)
	section(&b, "open errors of the draft: it cannot be signed with them", r.Problems)
	section(&b, "changes against the current version; !! marks keys", r.Changes)
	if len(r.Changes) == 0 {
		b.WriteString("no change against the current version\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func section[T fmt.Stringer](b *strings.Builder, title string, list []T) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "%s (%d):\n", title, len(list))
	for _, v := range list {
		fmt.Fprintf(b, "  %s\n", strings.TrimSpace(v.String()))
	}
}

// split parts the findings into guesses and what was left out.
func (r *Result) split() (guessed, left []Finding) {
	for _, f := range r.Findings {
		if f.Guessed() {
			guessed = append(guessed, f)
		} else {
			left = append(left, f)
		}
	}
	return guessed, left
}

// WriteJSON writes the same report for programs. The draft is not in it.
func (r *Result) WriteJSON(w io.Writer) error {
	guessed, left := r.split()
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Tables   []Table             `json:"tables"`
		Guessed  []Finding           `json:"guessed"`
		LeftOut  []Finding           `json:"left_out"`
		Problems []directory.Problem `json:"problems"`
		Changes  []directory.Change  `json:"changes"`
	}{slices.Clip(r.Tables), guessed, left, r.Problems, r.Changes})
}
