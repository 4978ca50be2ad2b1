package directory

import (
	"strings"
	"testing"
	"time"
)

func TestDiff(t *testing.T) {
	before := invented(t)
	old := mustNew(t, before)
	if changes := Diff(old, old); len(changes) != 0 {
		t.Fatalf("Diff(a, a) = %v", changes)
	}
	after := invented(t)
	for i := range before.Parties { // the same keys, but for the change below
		for j := range before.Parties[i].ContactPoints {
			after.Parties[i].ContactPoints[j].CertificatesArmored = before.Parties[i].ContactPoints[j].CertificatesArmored
		}
	}
	newKey, oldKey := newKey(t, "New", 0), old.byID["XA-1"].certificates[0]
	xa1 := &after.Parties[0].ContactPoints[0]
	xa1.CertificatesArmored = []string{armor(newKey)}
	xa1.LanguagesIn = []string{"fr", "en"} // order does not count
	xa1.Addresses = []string{xa1.Addresses[1], xa1.Addresses[0]}
	after.Parties[1].SecondProtocol = Treaty{From: day("2026-01-01")}
	after.Parties[1].ContactPoints[0].Unit = ""
	after.Parties[2] = Party{Code: "XD", Names: map[string]string{"en": "Deltaland"}}

	var lines []string
	for _, c := range Diff(old, mustNew(t, after)) {
		lines = append(lines, c.String())
	}
	want := map[string]bool{
		"   ~ XA-1: addresses: cyber@police.alphaland.example, duty@police.alphaland.example -> duty@police.alphaland.example, cyber@police.alphaland.example": true,
		"!! - XA-1: certificates: " + KeyText(oldKey):               true,
		"!! + XA-1: certificates: " + KeyText(newKey.Certificate()): true,
		"   + XB: second_protocol: from 2026-01-01":                 true,
		"   - XB-1: unit: Cybercrime Department":                    true,
		"   - XC: Party Gammaland":                                  true,
		"   - XC-1: contact point Ministry of Justice":              true,
		"   + XD: Party Deltaland":                                  true,
	}
	for _, l := range lines {
		if !want[l] {
			t.Errorf("unexpected: %s", l)
		}
		delete(want, l)
	}
	for l := range want {
		t.Errorf("missing: %s\ngot:\n%s", l, strings.Join(lines, "\n"))
	}
}

func TestDiffShowsRemovedKeys(t *testing.T) {
	before, after := invented(t), invented(t)
	after.Parties[0].ContactPoints = nil
	keys := 0
	for _, c := range Diff(mustNew(t, before), mustNew(t, after)) {
		if c.Key && strings.HasPrefix(c.Entry, "XA-") {
			keys++
			if c.New != "" {
				t.Errorf("a removed key is shown as new: %v", c)
			}
		}
	}
	if keys != 2 {
		t.Errorf("%d key changes for XA, want 2", keys)
	}
}

func TestKeyTextSaysExpiry(t *testing.T) {
	k := newKey(t, "Soon", 365*24*time.Hour).Certificate()
	if got := KeyText(k); !strings.HasPrefix(got, k.Fingerprint()) || !strings.HasSuffix(got, "expires 2026-02-01)") {
		t.Error(got)
	}
}
