package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
)

// A change goes into a draft when two people confirmed it, nobody altered it,
// and the entry still says what it said.
func TestConfirmedChangesGoIntoADraft(t *testing.T) {
	store, err := pending.OpenStore(filepath.Join(t.TempDir(), "pending"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c, _, err := store.Propose(pending.Proposal{
		Kind: pending.Field, ContactPoint: "XB-1", Path: "unit", Carrier: pending.Message, Signer: "0123", Desk: "XA-1", Seen: now.Add(-time.Hour), Version: 1,
		Fields: []directory.FieldChange{{Path: "unit", Old: "Unit 1", New: "Unit 2", Value: `"Unit 2"`}},
	})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(unit string, alter func(string) string) (string, error) {
		t.Helper()
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "change.json")
		if err := os.WriteFile(file, []byte(alter(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		doc := &directory.Document{Parties: []directory.Party{{Code: "XB", ContactPoints: []directory.ContactPoint{{ID: "XB-1", Unit: unit}}}}}
		err = applyChange(doc, file)
		return doc.Parties[0].ContactPoints[0].Unit, err
	}
	as := func(s string) string { return s }
	refused := func(what, unit string, alter func(string) string, why string) {
		t.Helper()
		if is, err := apply(unit, alter); err == nil || !strings.Contains(err.Error(), why) || is != unit {
			t.Errorf("%s: %s, %v", what, is, err)
		}
	}
	refused("not confirmed", "Unit 1", as, "open")
	for _, who := range []string{"amy", "ben"} {
		if c, err = store.Confirm(c.ID, pending.Confirmation{By: who, How: "met in person", Reached: now, At: now}); err != nil {
			t.Fatal(err)
		}
	}
	if unit, err := apply("Unit 1", as); err != nil || unit != "Unit 2" {
		t.Errorf("confirmed: %s, %v", unit, err)
	}
	if unit, err := apply("Unit 2", as); err != nil || unit != "Unit 2" {
		t.Errorf("there already: %s, %v", unit, err)
	}
	refused("changed meanwhile", "Unit 3", as, "was changed since")
	refused("altered", "Unit 1", func(s string) string { return strings.ReplaceAll(s, "Unit 2", "Unit 9") }, "altered")
}
