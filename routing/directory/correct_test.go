package directory

import (
	"encoding/json"
	"strings"
	"testing"
)

// Each field is a change, as it was, or refused by its code; nothing else
// happens to what is listed.
func TestFieldsThatAContactPointGives(t *testing.T) {
	d, err := New(invented(t))
	if err != nil {
		t.Fatal(err)
	}
	cp, _ := d.ContactPoint("XA-1")
	before, _ := json.Marshal(cp)
	for name, c := range map[string]struct {
		form map[string]string
		want string // changes; same; codes
	}{
		"a change":               {map[string]string{"unit": "Unit 7"}, "unit Cybercrime Unit>Unit 7;;"},
		"as it is":               {map[string]string{"unit": "Cybercrime Unit", "languages_in": "fr, en"}, ";unit,languages_in;"},
		"left empty":             {map[string]string{"unit": " ", "kind": "DIRECTORY_CHANGE"}, ";;"},
		"emptied":                {map[string]string{"backup": "-"}, "backup XA-2>;;"},
		"a required one emptied": {map[string]string{"institution": "-"}, ";;missing"},
		"another's address":      {map[string]string{"addresses": "parquet@justice.alphaland.example"}, ";;shared-address"},
		"own entry":              {map[string]string{"contact_point": "xa-1", "telephone": "+999 1 555 0111 (mobile)"}, "phones +999 1 555 0100 (office), +999 1 555 0199 (out-of-hours)>+999 1 555 0111 (mobile);;"},
		"another's entry":        {map[string]string{"id": "XA-2", "unit": "Unit 7"}, ";;not-own-entry"},
		"another Party":          {map[string]string{"party": "XB"}, ";;fixed-field"},
		"an unknown field":       {map[string]string{"colour": "blue"}, ";;unknown-field"},
		"hours without their zone": {
			map[string]string{"hours": "Mo-Fr 08:00-18:00", "zone": "-"}, "hours 24/7>Mo-Fr 08:00-18:00;;missing"},
		"wrapped":                 {map[string]string{"unit": "Unit 7 hours: Mo-Fr 08:00-18:00 zone: Europe/Rome"}, "unit Cybercrime Unit>Unit 7,hours 24/7>Mo-Fr 08:00-18:00,zone Europe/Paris>Europe/Rome;;"},
		"good beside bad":         {map[string]string{"unit": "Unit 7", "backup": "XZ-9"}, "unit Cybercrime Unit>Unit 7;;unknown-backup"},
		"what would turn writing": {map[string]string{"unit": "Unit \u202e7"}, ";;bad-value"},
	} {
		got := d.Correct(cp, ReadForm(c.form))
		var changes, codes []string
		for _, f := range got.Changes {
			changes = append(changes, f.Path+" "+f.Old+">"+f.New)
			if again := cp.clone(); again.Apply(f) != nil || again.text(f.Path) != f.New {
				t.Errorf("%s: %s cannot be applied", name, f.Path)
			} else if stale := cp.clone(); f.Old != "" && stale.Set(f.Path, `"other"`) == nil && stale.Apply(f) == nil {
				t.Errorf("%s: %s was applied to an entry that says something else by now", name, f.Path)
			}
		}
		for _, p := range got.Refused {
			codes = append(codes, p.Code)
		}
		if is := strings.Join(changes, ",") + ";" + strings.Join(got.Same, ",") + ";" + strings.Join(codes, ","); is != c.want {
			t.Errorf("%s: %s, want %s", name, is, c.want)
		}
	}
	if after, _ := json.Marshal(cp); string(after) != string(before) {
		t.Error("the entry itself was changed")
	}
}

// Certificates: a new one is named, another's refused, one left out would go.
func TestCertificatesThatAContactPointGives(t *testing.T) {
	d, err := New(invented(t))
	if err != nil {
		t.Fatal(err)
	}
	cp, _ := d.ContactPoint("XA-1")
	other, _ := d.ContactPoint("XA-2")
	own, fresh := cp.CertificatesArmored[0], armor(newKey(t, "New", 0))
	give := func(list ...string) Correction {
		value, _ := json.Marshal(append([]string{}, list...))
		return d.Correct(cp, Asked{"certificates": value})
	}
	if c := give(own); len(c.Certificates)+len(c.Changes)+len(c.Refused) != 0 || len(c.Same) != 1 {
		t.Errorf("as it is: %+v", c)
	}
	if c := give(own, fresh); len(c.Certificates) != 1 || len(c.Changes)+len(c.Refused) != 0 {
		t.Errorf("one more: %+v", c)
	}
	c := give(fresh)
	if len(c.Certificates) != 1 || len(c.Changes) != 1 || len(c.Refused) != 0 {
		t.Fatalf("in its place: %+v", c)
	}
	entry := cp.clone()
	if err := entry.Apply(c.Changes[0]); err != nil || len(entry.CertificatesArmored) != 0 || len(cp.CertificatesArmored) != 1 {
		t.Errorf("applied: %d left, %v", len(entry.CertificatesArmored), err)
	}
	for code, list := range map[string][]string{
		CodeSharedKey: {own, other.CertificatesArmored[0]}, CodeMissing: nil, CodeCertificate: {"no key"}, CodeDuplicate: {own, own},
	} {
		if c := give(list...); len(c.Refused) != 1 || c.Refused[0].Code != code || len(c.Changes) != 0 {
			t.Errorf("%s: %+v", code, c)
		}
	}
}

func FuzzReadEntry(f *testing.F) {
	doc := invented(f)
	d, err := New(doc)
	if err != nil {
		f.Fatal(err)
	}
	cp, _ := d.ContactPoint("XA-1")
	text, _ := json.Marshal(cp)
	f.Add(text)
	f.Add([]byte(`{"id":"XA-1","phones":[{"number":"+999 1","use":null}],"unit":{},"id":"XA-1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		asked, err := ReadEntry(raw)
		if err != nil {
			return
		}
		for _, change := range d.Correct(cp, asked).Changes {
			entry := cp.clone()
			if err := entry.Apply(change); err != nil {
				t.Errorf("%s cannot be applied: %v", change.Path, err)
			}
			if change.Path != "certificates" && len(d.checkEntry(entry)) > 0 && len(d.Correct(cp, asked).Changes) == 1 {
				t.Errorf("%s has faults: %v", change.Path, d.checkEntry(entry))
			}
		}
	})
}
