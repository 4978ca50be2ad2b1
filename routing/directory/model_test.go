package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"relais.example/routing/request"
)

func TestFaultsOfVouchersAndProvenance(t *testing.T) {
	tests := []struct {
		name   string
		change func(*ContactPoint, *Document)
		code   string
		want   string
	}{
		{"voucher for another's key", func(cp *ContactPoint, d *Document) {
			cp.Vouchers[0].Fingerprint = strings.Repeat("A", 40)
		}, CodeValue, "vouchers[0].fingerprint"},
		{"no fingerprint", func(cp *ContactPoint, d *Document) { cp.Vouchers[0].Fingerprint = "abc" }, CodeValue, "vouchers[0].fingerprint"},
		{"two vouchers", func(cp *ContactPoint, d *Document) { cp.Vouchers = append(cp.Vouchers, cp.Vouchers[0]) }, CodeDuplicate, "vouchers[1].fingerprint"},
		{"way unknown", func(cp *ContactPoint, d *Document) { cp.Vouchers[0].How = "by mail" }, CodeUnknown, "vouchers[0].how"},
		{"nobody", func(cp *ContactPoint, d *Document) { cp.Vouchers[0].By = "" }, CodeMissing, "vouchers[0].by"},
		{"no time", func(cp *ContactPoint, d *Document) { cp.Vouchers[0].At = time.Time{} }, CodeMissing, "vouchers[0].at"},
		{"usable before vouched", func(cp *ContactPoint, d *Document) { cp.Vouchers[0].EmergenciesFrom = now.AddDate(-1, 0, 0) }, CodeValue, "vouchers[0].emergencies_from"},
		{"no such field", func(cp *ContactPoint, d *Document) { cp.Provenance = map[string]Provenance{"fax": {Source: "x"}} }, CodeUnknownField, "provenance"},
		{"nothing said", func(cp *ContactPoint, d *Document) { cp.Provenance = map[string]Provenance{"phones": {}} }, CodeMissing, "provenance.phones"},
		{"verified some day", func(cp *ContactPoint, d *Document) {
			cp.Provenance = map[string]Provenance{"phones": {VerifiedBy: "Secretariat"}}
		}, CodeMissing, "provenance.phones.verified"},
		{"of the Party", func(cp *ContactPoint, d *Document) {
			d.Parties[0].Provenance = map[string]Provenance{"phones": {Source: "x"}}
		}, CodeUnknownField, "provenance"},
		{"written with a bell", func(cp *ContactPoint, d *Document) { cp.Phones[0].Written = "01\a" }, CodeValue, "phones[0].written"},
		{"blank in front", func(cp *ContactPoint, d *Document) { cp.Unit = " Unit" }, CodeValue, "unit"},
		{"digest", func(cp *ContactPoint, d *Document) { d.Previous = "ABC" }, CodeValue, "previous"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := invented(t)
			doc.Check()
			cp := &doc.Parties[0].ContactPoints[0]
			cp.Vouchers = []Voucher{{Fingerprint: cp.certificates[0].Fingerprint(), How: CallBack, By: "Desk officer", At: now, EmergenciesFrom: now.Add(time.Hour)}}
			if p := doc.Check(); len(p) > 0 {
				t.Fatalf("faults before the change: %v", p)
			}
			tt.change(cp, doc)
			found := doc.Check()
			if !slices.ContainsFunc(found, func(p Problem) bool { return p.Code == tt.code && p.Field == tt.want }) {
				t.Errorf("want %s at %s, got %v", tt.code, tt.want, found)
			}
			if read, again, err := ReadDraft(encode(t, doc)); err != nil || read == nil || len(again) != len(found) {
				t.Errorf("the draft lost its findings in a file: %v, %v", again, err)
			}
		})
	}
}

func TestANewKeyCoolsDownBeforeItCountsForEmergencies(t *testing.T) {
	doc := invented(t)
	doc.Check()
	cp := &doc.Parties[0].ContactPoints[0]
	fresh, old := cp.certificates[0].Fingerprint(), doc.Parties[0].ContactPoints[1].certificates[0].Fingerprint()
	cp.Vouchers = []Voucher{{Fingerprint: fresh, How: OldKey, By: "Desk officer", At: now, EmergenciesFrom: now.Add(72 * time.Hour)}}
	d := mustNew(t, doc)
	if d.UsableForEmergencies(fresh, now.Add(72*time.Hour-time.Second)) {
		t.Error("the new key counts before its cool-down passed")
	}
	if !d.UsableForEmergencies(strings.ToLower(fresh), now.Add(72*time.Hour)) {
		t.Error("the new key does not count after its cool-down")
	}
	if !d.UsableForEmergencies(old, now) {
		t.Error("a key listed before vouchers were kept does not count")
	}
	if d.UsableForEmergencies(strings.Repeat("0", 40), now.AddDate(1, 0, 0)) {
		t.Error("a key that is not listed counts")
	}
}

func TestTreatiesGateKindsByDate(t *testing.T) {
	doc := invented(t)
	doc.Parties[1].SecondProtocol = Treaty{From: day("2026-01-01")}
	doc.Parties[1].Reservations = []string{"CONV 29.4", "SAP 7.9.a", "SAP 9.1.b"}
	d := mustNew(t, doc)
	tests := []struct {
		kind     request.Kind
		from, to string
		at       string
		want     Gate
	}{
		{request.Preservation, "XA", "XB", "2010-02-28", Gate{Reason: GateNotAParty, Article: "CONV 29", Reservations: []string{"CONV 29.4"}}},
		{request.Preservation, "XA", "XB", "2010-03-01", Gate{Open: true, Article: "CONV 29", Reservations: []string{"CONV 29.4"}}},
		{request.Preservation, "XA", "XC", "2025-06-01", Gate{Reason: GateNotAParty, Article: "CONV 29"}},
		{request.Preservation, "XZ", "XB", "2026-06-01", Gate{Reason: GateNotAParty, Article: "CONV 29", Reservations: []string{"CONV 29.4"}}},
		{request.EmergencyDisclosure, "XA", "XB", "2025-12-31", Gate{Reason: GateNotInForce, Article: "SAP 9", Reservations: []string{"SAP 9.1.b"}}},
		{request.EmergencyDisclosure, "XA", "XB", "2026-01-01", Gate{Open: true, Article: "SAP 9", Reservations: []string{"SAP 9.1.b"}}},
		{request.SubscriberOrder, "XA", "XB", "2026-01-01", Gate{Reason: GateReservedAway, Article: "SAP 7", Reservations: []string{"SAP 7.9.a"}}},
		{request.SubscriberOrder, "XB", "XA", "2026-01-01", Gate{Open: true, Article: "SAP 7"}},
		{request.Ping, "XZ", "XB", "2000-01-01", Gate{Open: true}},
	}
	for _, tt := range tests {
		got := d.Gate(tt.kind, tt.from, tt.to, day(tt.at).Time)
		if got.Open != tt.want.Open || got.Reason != tt.want.Reason || got.Article != tt.want.Article || !slices.Equal(got.Reservations, tt.want.Reservations) {
			t.Errorf("%s from %s to %s on %s: %+v, want %+v", tt.kind, tt.from, tt.to, tt.at, got, tt.want)
		}
	}
	for _, k := range request.Kinds() {
		if k.Asks() && article(k) == "" && k != request.Ping && k != request.DirectoryChange && k != request.Unclassified {
			t.Errorf("%s rests on no article", k)
		}
	}
	if !d.Handles("XA-2", request.EmergencyMLA, "XB", day("2026-02-01").Time) || d.Handles("XA-2", request.Preservation, "XB", day("2026-02-01").Time) {
		t.Error("competences are not respected")
	}
	if d.Handles("XA-2", request.EmergencyMLA, "XB", day("2025-02-01").Time) {
		t.Error("the Second Protocol was not in force for Betaland")
	}
}

func TestAReleaseFollowsTheOneBefore(t *testing.T) {
	b := newBench(t)
	first := b.version(t, 7)
	b.place(t, first)
	s := b.mustOpen(t, 7)
	chained := func(v uint64, previous pair) pair {
		doc := *b.base
		doc.Version, doc.Previous = v, ""
		if previous.doc != nil {
			sum := sha256.Sum256(previous.doc)
			doc.Previous = hex.EncodeToString(sum[:])
		}
		raw := encode(t, &doc)
		return pair{raw, sign(t, raw, b.authority)}
	}
	if err := s.Install(chained(8, b.version(t, 6)).doc, chained(8, b.version(t, 6)).sig, now); !errors.Is(err, ErrChain) {
		t.Fatalf("a version made after another one: %v", err)
	}
	if s.Current().Version() != 7 {
		t.Fatal("it came into force")
	}
	eight := chained(8, first)
	if err := s.Install(eight.doc, eight.sig, now); err != nil {
		t.Fatal(err)
	}
	if nine := chained(9, pair{}); !errors.Is(s.Install(nine.doc, nine.sig, now), ErrChain) {
		t.Error("a version that dropped the chain was installed")
	}
	if twelve := chained(12, first); s.Install(twelve.doc, twelve.sig, now) != nil {
		t.Error("a version after some that were missed was refused")
	}
}

func TestE164(t *testing.T) {
	for number, want := range map[string]string{
		"+999 1 555 0100": "+99915550100", "+999-1.555-0100 ext 12": "+99915550100", "0100": "", "": "",
	} {
		if got := (Phone{Number: number}).E164(); got != want {
			t.Errorf("%q: %q, want %q", number, got, want)
		}
	}
}

func TestDraftsAreCompared(t *testing.T) {
	doc := invented(t)
	doc.Parties[0].ContactPoints[0].Role = "judge"
	var added, changed int
	for _, c := range DiffDocuments(nil, doc) {
		if c.Field == "" {
			added++
		}
	}
	if added != 7 { // three Parties, four contact points
		t.Errorf("%d entries came, want 7", added)
	}
	for _, c := range DiffDocuments(invented(t), doc) {
		if c.Entry == "XA-1" && c.Field == "role" && c.New == "judge" {
			changed++
		}
	}
	if changed != 1 {
		t.Error("the changed role does not show")
	}
}
