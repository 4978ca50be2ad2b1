package directory

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Every fault of a document is found, named with its entry and field, and the
// remedy said.
func TestFaultsOfTheContent(t *testing.T) {
	xa1 := func(d *Document) *ContactPoint { return &d.Parties[0].ContactPoints[0] }
	xb1 := func(d *Document) *ContactPoint { return &d.Parties[1].ContactPoints[0] }
	tests := []struct {
		name   string
		change func(*Document)
		want   string
	}{
		{"other format", func(d *Document) { d.Format = 2 }, "directory: format: format 2 is not known; write 1"},
		{"no version", func(d *Document) { d.Version = 0 }, "directory: version: the version number is missing"},
		{"no issue time", func(d *Document) { d.Issued = time.Time{} }, "directory: issued: "},
		{"no parties", func(d *Document) { d.Parties = nil }, "directory: parties: no Party is listed"},
		{"party code", func(d *Document) { d.Parties[2].Code = "xc" }, `directory: entry parties[2]: code: "xc" is not a country code`},
		{"party twice", func(d *Document) { d.Parties[2].Code = "XB"; d.Parties[2].ContactPoints = nil }, "directory: entry XB: code: the Party is listed twice"},
		{"no English name", func(d *Document) { d.Parties[1].Names = nil }, "directory: entry XB: names.en: the English name is missing"},
		{"name in no language", func(d *Document) { d.Parties[1].Names["English"] = "x" }, `directory: entry XB: names: "English" is not a language`},
		{"treaty backwards", func(d *Document) { d.Parties[0].Convention.Until = day("2001-01-01") }, "directory: entry XA: convention: it ends before it begins"},
		{"reservation", func(d *Document) { d.Parties[0].Reservations = []string{"29.4"} }, `directory: entry XA: reservations[0]: "29.4" is not an article; write it as CONV 29.4`},
		{"preservation", func(d *Document) { d.Parties[0].PreservationMaxDays = 4000 }, "directory: entry XA: preservation_max_days: out of range"},
		{"identifier", func(d *Document) { xb1(d).ID = "XB_1" }, `directory: entry parties[1].contact_points[0]: id: "XB_1" is not an identifier`},
		{"identifier of another Party", func(d *Document) { xb1(d).ID = "XA-9" }, "directory: entry XA-9: id: it stands under Party XB"},
		{"identifier twice", func(d *Document) { d.Parties[0].ContactPoints[1].ID = "XA-1" }, "directory: entry XA-1: id: the identifier is used twice"},
		{"role", func(d *Document) { xb1(d).Role = "judge" }, `directory: entry XB-1: role: unknown role "judge"; write police, prosecutor, ministry or mixed`},
		{"institution", func(d *Document) { xb1(d).Institution = "" }, "directory: entry XB-1: institution: it is missing"},
		{"control character", func(d *Document) { xb1(d).Unit = "Cyber\x1b[31m" }, "directory: entry XB-1: unit: it holds the invisible character U+001B"},
		{"turned writing", func(d *Document) { xb1(d).Unit = "Cyber\u202e" }, "directory: entry XB-1: unit: it holds the invisible character U+202E"},
		{"text too long", func(d *Document) { xb1(d).Unit = strings.Repeat("é", 501) }, "directory: entry XB-1: unit: it has 501 characters"},
		{"phone", func(d *Document) { xa1(d).Phones[0].Number = "0100" }, `directory: entry XA-1: phones[0].number: "0100" is not an international number`},
		{"phone use", func(d *Document) { xa1(d).Phones[0].Use = "home" }, `directory: entry XA-1: phones[0].use: unknown use "home"`},
		{"no address", func(d *Document) { xb1(d).Addresses = nil }, "directory: entry XB-1: addresses: no e-mail address is listed"},
		{"header injection", func(d *Document) { xb1(d).Addresses[0] = "a@b.example\r\nBcc: x@y.example" }, "directory: entry XB-1: addresses[0]: "},
		{"address twice", func(d *Document) { xa1(d).Addresses[1] = "CYBER@police.alphaland.example" }, "directory: entry XA-1: addresses[1]: address"},
		{"shared address", func(d *Document) { xb1(d).Addresses[0] = "Cyber@Police.Alphaland.example" }, `directory: entry XB-1: addresses[0]: address "Cyber@Police.Alphaland.example" already belongs to XA-1`},
		{"language", func(d *Document) { xa1(d).LanguagesIn[1] = "French" }, `directory: entry XA-1: languages_in[1]: "French" is not a language`},
		{"zone", func(d *Document) { xa1(d).Zone = "Europe/Alphaville" }, `directory: entry XA-1: zone: unknown time zone "Europe/Alphaville"`},
		{"zone of the machine", func(d *Document) { xa1(d).Zone = "Local" }, "directory: entry XA-1: zone: unknown time zone"},
		{"hours without zone", func(d *Document) { xb1(d).Zone = "" }, "directory: entry XB-1: zone: office hours are given without a time zone"},
		{"impossible hours", func(d *Document) { xb1(d).Hours = "Mo-Fr 18:00-08:00" }, `directory: entry XB-1: hours: "Mo-Fr 18:00-08:00" are no office hours`},
		{"impossible minute", func(d *Document) { xb1(d).Hours = "Mo-Fr 08:61-09:00" }, "directory: entry XB-1: hours: "},
		{"competence", func(d *Document) { xb1(d).Competences = append(xb1(d).Competences, "EXTRADITION") }, `directory: entry XB-1: competences[0]: unknown kind "EXTRADITION"`},
		{"backup unknown", func(d *Document) { xb1(d).Backup = "XB-2" }, `directory: entry XB-1: backup: "XB-2" is not in the Directory`},
		{"own backup", func(d *Document) { xb1(d).Backup = "XB-1" }, "directory: entry XB-1: backup: the contact point is its own backup"},
		{"no certificate", func(d *Document) { xb1(d).CertificatesArmored = []string{"none"} }, "directory: entry XB-1: certificates[0]: the certificate cannot be read"},
		{"private key", func(d *Document) {
			k, err := newKey(t, "Leaked", 0).Armor(nil)
			if err != nil {
				t.Fatal(err)
			}
			xb1(d).CertificatesArmored = []string{string(k)}
		}, "directory: entry XB-1: certificates[0]: the certificate cannot be read"},
		{"two certificates in one", func(d *Document) {
			xb1(d).CertificatesArmored[0] += armor(newKey(t, "Second", 0))
		}, "directory: entry XB-1: certificates[0]: it holds 2 certificates"},
		{"certificate twice", func(d *Document) {
			xb1(d).CertificatesArmored = append(xb1(d).CertificatesArmored, xb1(d).CertificatesArmored[0])
		}, ": the certificate is listed twice; keep the newer copy"},
		{"shared certificate", func(d *Document) { xb1(d).CertificatesArmored = xa1(d).CertificatesArmored }, ": the certificate already belongs to XA-1; a certificate belongs to exactly one contact point"},
		{"too many", func(d *Document) { xb1(d).LanguagesIn = make([]string, 51) }, "directory: entry XB-1: languages_in: 51 items are listed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := invented(t)
			tt.change(doc)
			_, err := Parse(encode(t, doc))
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("Parse: %v, want an InvalidError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if _, err := New(doc); err == nil {
				t.Error("New accepted what Parse refused")
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	doc := invented(t)
	doc.Parties[0].ContactPoints[0].Role = "judge"
	doc.Parties[1].ContactPoints[0].Zone = "Nowhere"
	doc.Parties[2].ContactPoints[0].Addresses = []string{"cyber@police.alphaland.example"}
	_, err := New(doc)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 {
		t.Errorf("want three lines, got:\n%v", err)
	}
}

func TestFaultsOfTheJSON(t *testing.T) {
	good := string(encode(t, invented(t)))
	tests := []struct {
		name, doc string
		want      []string
	}{
		{"empty", "", []string{"directory: line 1: the document ends too early"}},
		{"cut off", good[:len(good)/2], []string{"mend the JSON or fetch the file again"}},
		{"something behind", good + "{}", []string{"something follows the end of the document"}},
		{"not UTF-8", strings.Replace(good, "Alphaville", "Alpha\xff", 1), []string{"not UTF-8"}},
		{"a list", "[]", []string{"a list stands where an object belongs"}},
		{"nested", strings.Repeat(`{"a":`, 100), []string{"nested too deeply"}},
		{
			"unknown and repeated fields, all at once",
			strings.Replace(strings.Replace(good, `"role": "police",`, `"role": "police", "fax": {"a": [1]}, "role": "mixed",`, 1), `"version": 7`, `"Version": 7`, 1),
			[]string{
				"directory: line 3: \"Version\": unknown field; remove it, or see docs/directory.md",
				"parties[0].contact_points[0].fax: unknown field",
				"parties[0].contact_points[0].role: the field is given twice; keep one",
			},
		},
		{
			"wrong types, all at once",
			`{"format": "1", "version": 1.5, "issued": "yesterday", "parties": [{"code": 1, "names": {"en": null}, "convention": {"from": "1.7.2004"}, "formal_confirmation": "yes", "contact_points": {}}]}`,
			[]string{
				"format: text stands where a whole number belongs",
				"version: 1.5 is not a whole number",
				`issued: "yesterday" is not a time; write a time such as 2026-02-01T09:00:00Z`,
				"parties[0].code: a number stands where text belongs",
				"parties[0].names.en: null stands where text belongs; leave the field out",
				`parties[0].convention.from: "1.7.2004" is not a date; write a date such as 2004-07-01`,
				"parties[0].formal_confirmation: text stands where true or false belongs",
				"parties[0].contact_points: an object stands where a list belongs",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.doc))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got:\n%v\nwant %s", err, want)
				}
			}
		})
	}
}

func TestFaultListIsBounded(t *testing.T) {
	doc := `{"x":[` + strings.Repeat(`{"A":1,"A":1},`, 50_000) + `1]}`
	_, err := Parse([]byte(doc))
	var invalid *InvalidError
	if !errors.As(err, &invalid) || len(invalid.Problems) > maxProblems {
		t.Fatalf("want at most %d findings", maxProblems)
	}
	if !strings.Contains(err.Error(), "stopped after") {
		t.Error("the error does not say that it is cut")
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		addr string
		ok   bool
	}{
		{"cyber@police.example", true},
		{"a.b+c_d=e@x-y.police.example", true},
		{"éric.müller@police.example", true},
		{"цыбер@police.example", true},
		{"a@xn--bcher-kva.example", true},
		{"", false}, {"cyber", false}, {"@police.example", false}, {"cyber@", false},
		{"cyber@police", false}, {"cyber@bücher.example", false}, {"cyber@[192.0.2.1]", false},
		{".cyber@police.example", false}, {"cyber.@police.example", false}, {"cy..ber@police.example", false},
		{"cy ber@police.example", false}, {"cyber@police.example ", false}, {"cyber@police.example\r\n", false},
		{"cyber\x00@police.example", false}, {"a@b@police.example", false}, {`"cy ber"@police.example`, false},
		{"<cyber@police.example>", false}, {"Cyber <cyber@police.example>", false}, {"a,b@police.example", false},
		{"cyber\u200b@police.example", false}, {"cyber\u202e@police.example", false}, {"cyber\u00a0@police.example", false},
		{"cyber@-police.example", false}, {"cyber@police..example", false}, {"cyber@police.example.", false},
		{strings.Repeat("a", 65) + "@police.example", false}, {"a@" + strings.Repeat("a", 64) + ".example", false},
		{"a@" + strings.Repeat("abcdefg.", 40) + "example", false}, {"a\xff@police.example", false},
	}
	for _, tt := range tests {
		if fault := checkAddress(tt.addr); (fault == "") != tt.ok {
			t.Errorf("checkAddress(%q) = %q, want ok %v", tt.addr, fault, tt.ok)
		}
	}
}

// Whatever parses can be encoded and parsed again, and indexes without panic.
func FuzzParse(f *testing.F) {
	doc := invented(f)
	f.Add(encode(f, doc))
	doc.Check()
	cp := &doc.Parties[0].ContactPoints[0]
	cp.Vouchers = []Voucher{{Fingerprint: cp.certificates[0].Fingerprint(), How: CallBack, By: "Secretariat", At: now, EmergenciesFrom: now}}
	cp.Provenance = map[string]Provenance{"phones": {Source: "declaration", Verified: day("2026-01-01"), VerifiedBy: "Secretariat"}}
	f.Add(encode(f, doc))
	cp.Vouchers = nil
	doc.Parties[0].ContactPoints[0].CertificatesArmored = nil
	f.Add(encode(f, &Document{Format: 1, Version: 1, Issued: now, Parties: doc.Parties[:1]}))
	f.Add([]byte(`{"format":1,"version":1,"issued":"2026-02-01T09:00:00Z","parties":[{"code":"XA","names":{"en":"A"},"contact_points":[]}]}`))
	f.Add([]byte(`{"format":1,"format":1,"FORMAT":null,"parties":[[{}]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse(data)
		if err != nil {
			return
		}
		d := mustNew(t, doc)
		again, err := Parse(encode(t, doc))
		if err != nil {
			t.Fatalf("what was parsed does not parse again: %v", err)
		}
		if changes := Diff(d, mustNew(t, again)); len(changes) > 0 {
			t.Fatalf("encoding changed the document: %v", changes)
		}
		d.Search("a", 0)
	})
}
