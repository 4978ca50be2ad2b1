package reach

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"relais.example/routing/directory"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }

func points(t *testing.T) *directory.Directory {
	t.Helper()
	var cps []directory.ContactPoint
	for _, id := range []string{"XB-1", "XB-2", "XB-3", "XB-4", "XB-5", "XB-6"} {
		cps = append(cps, directory.ContactPoint{ID: id, Role: directory.Police, Institution: "=HYPERLINK(1) " + id, Addresses: []string{strings.ToLower(id) + "@betaland.example"}})
	}
	d, err := directory.New(&directory.Document{Format: directory.Format, Version: 1, Issued: noon, Parties: []directory.Party{
		{Code: "XB", Names: map[string]string{"en": "<b>Betaland"}, ContactPoints: cps},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func lines(t *testing.T) []Line {
	tests := []Test{
		{ContactPoint: "XB-1", Sent: at(-100), Answered: at(-98)},
		{ContactPoint: "XB-1", Sent: at(-80), Answered: at(-79)},
		{ContactPoint: "XB-1", Sent: at(-60), Answered: at(-20)},
		{ContactPoint: "XB-2", Sent: at(-100), Answered: at(-99)},
		{ContactPoint: "XB-2", Sent: at(-30)},
		{ContactPoint: "XB-3", Sent: at(-1)},
		{ContactPoint: "XB-4", Sent: at(-60), GivenUp: at(-12)},
		{ContactPoint: "XZ-1", Sent: at(-60)}, // no longer listed
	}
	return Lines(points(t), tests, []string{"XB-6"}, noon, 24*time.Hour)
}

func TestLinesAreTheWorstFirst(t *testing.T) {
	var got []string
	for _, l := range lines(t) {
		got = append(got, l.ContactPoint+" "+string(l.State))
	}
	if want := "XB-4 unreachable, XB-2 silent, XB-5 untested, XB-3 waiting, XB-1 reached"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	last := lines(t)[4]
	if last.Tests != 3 || last.Answered != 3 || last.Median != 2*time.Hour || !last.LastSuccess.Equal(at(-20)) || !last.LastTest.Equal(at(-60)) {
		t.Errorf("%+v", last)
	}
	if silent := lines(t)[1]; silent.Tests != 2 || silent.Answered != 1 || !silent.LastSuccess.Equal(at(-99)) {
		t.Errorf("%+v", silent)
	}
}

// What a contact point calls itself runs in no spreadsheet and in no browser.
func TestReportsAreHarmless(t *testing.T) {
	var c, h bytes.Buffer
	if err := WriteCSV(&c, lines(t)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&c).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.HasPrefix(cell, "=") {
				t.Errorf("cell %q", cell)
			}
		}
	}
	if got := strings.Join(rows[5], ";"); got != "XB-1;<b>Betaland;'=HYPERLINK(1) XB-1;reached;3;3;7200.0;2026-11-21T00:00:00Z;2026-11-22T16:00:00Z" {
		t.Errorf("row %s", got)
	}
	if err := WriteHTML(&h, lines(t), noon); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"23 November 2026, 12:00 UTC", "&lt;b&gt;Betaland", `class="silent"`, "3 of 3", "2h0m0s", "never"} {
		if !strings.Contains(h.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
