package directory

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"relais.example/routing/request"
)

const schemaFile = "../../configs/directory/schema.json"

func readSchema(t *testing.T) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s, parsed.(map[string]any)
}

func conforms(t *testing.T, s *jsonschema.Schema, doc []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestDocumentsConformToTheSchema(t *testing.T) {
	s, _ := readSchema(t)
	sample, err := os.ReadFile(sampleDir + "sample.json")
	if err != nil {
		t.Fatal(err)
	}
	full := invented(t)
	full.Check()
	cp := &full.Parties[0].ContactPoints[0]
	full.Previous = strings.Repeat("0a", 32)
	cp.Phones[0].Written = "00 999 1 555 0100"
	cp.Vouchers = []Voucher{{Fingerprint: cp.certificates[0].Fingerprint(), How: OldKey, By: "Secretariat", At: now, EmergenciesFrom: now.Add(time.Hour)}}
	cp.Provenance = map[string]Provenance{"phones": {Source: "declaration", Verified: day("2026-01-01"), VerifiedBy: "Secretariat"}}
	full.Parties[0].Provenance = map[string]Provenance{"names": {Source: "declaration"}}
	for name, doc := range map[string][]byte{"sample": sample, "invented": encode(t, invented(t)), "full": encode(t, full), "crowd": encode(t, crowd(700))} {
		if _, err := Parse(doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := conforms(t, s, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the schema refuses, the program refuses too: it may be stricter, never
// more lenient.
func TestTheSchemaIsNoStricterThanTheProgram(t *testing.T) {
	s, _ := readSchema(t)
	changes := map[string]func(*Document){
		"format":      func(d *Document) { d.Format = 2 },
		"version":     func(d *Document) { d.Version = 0 },
		"previous":    func(d *Document) { d.Previous = "x" },
		"no parties":  func(d *Document) { d.Parties = nil },
		"code":        func(d *Document) { d.Parties[0].Code = "Xa" },
		"names":       func(d *Document) { d.Parties[0].Names = map[string]string{"fr": "Alphalande"} },
		"language":    func(d *Document) { d.Parties[0].ContactPoints[0].LanguagesIn = []string{"English"} },
		"reservation": func(d *Document) { d.Parties[0].Reservations = []string{"29.4"} },
		"days":        func(d *Document) { d.Parties[0].PreservationMaxDays = -1 },
		"role":        func(d *Document) { d.Parties[0].ContactPoints[0].Role = "judge" },
		"institution": func(d *Document) { d.Parties[0].ContactPoints[0].Institution = "" },
		"hours":       func(d *Document) { d.Parties[0].ContactPoints[0].Hours = "day and night" },
		"phone":       func(d *Document) { d.Parties[0].ContactPoints[0].Phones[0].Number = "0100" },
		"use":         func(d *Document) { d.Parties[0].ContactPoints[0].Phones[0].Use = "home" },
		"address":     func(d *Document) { d.Parties[0].ContactPoints[0].Addresses[0] = "a b@police.example" },
		"kind":        func(d *Document) { d.Parties[0].ContactPoints[0].Competences = []request.Kind{"EXTRADITION"} },
		"backup":      func(d *Document) { d.Parties[0].ContactPoints[0].Backup = "the others" },
		"certificate": func(d *Document) { d.Parties[0].ContactPoints[0].CertificatesArmored = []string{"none"} },
		"until":       func(d *Document) { d.Parties[0].Convention = Treaty{Until: day("2020-01-01")} },
		"voucher": func(d *Document) {
			d.Parties[0].ContactPoints[0].Vouchers = []Voucher{{Fingerprint: "x", How: OldKey, By: "S", At: now}}
		},
		"provenance": func(d *Document) {
			d.Parties[0].ContactPoints[0].Provenance = map[string]Provenance{"fax": {Source: "x"}}
		},
		"control character": func(d *Document) { d.Parties[0].ContactPoints[0].Unit = "a\x07b" },
	}
	for name, change := range changes {
		doc := invented(t)
		change(doc)
		raw := encode(t, doc)
		if conforms(t, s, raw) == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
		if _, err := Parse(raw); err == nil {
			t.Errorf("%s: the program accepts it", name)
		}
	}
}

// Schema and structs name the same fields and the same codes.
func TestSchemaAndStructsAgree(t *testing.T) {
	_, raw := readSchema(t)
	defs := raw["$defs"].(map[string]any)
	for name, typ := range map[string]reflect.Type{
		"": reflect.TypeFor[Document](), "party": reflect.TypeFor[Party](), "contact_point": reflect.TypeFor[ContactPoint](), "treaty": reflect.TypeFor[Treaty](),
		"phone": reflect.TypeFor[Phone](), "voucher": reflect.TypeFor[Voucher](), "provenance": reflect.TypeFor[Provenance](),
	} {
		def := raw
		if name != "" {
			def = defs[name].(map[string]any)
		}
		var fields []string
		for i := range typ.NumField() {
			if tag, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); tag != "" && tag != "-" {
				fields = append(fields, tag)
			}
		}
		slices.Sort(fields)
		if got := members(def["properties"]); !slices.Equal(got, fields) {
			t.Errorf("%s: the schema has %v, the struct %v", name, got, fields)
		}
		if def["additionalProperties"] != false {
			t.Errorf("%s: the schema lets unknown fields pass", name)
		}
	}
	at := func(path ...string) any {
		var v any = defs
		for _, p := range path {
			v = v.(map[string]any)[p]
		}
		return v
	}
	var kinds []string
	for _, k := range request.Kinds() {
		kinds = append(kinds, string(k))
	}
	party, contactPoint := ProvenanceFields()
	sets := []struct {
		got  any
		want []string
	}{
		{at("contact_point", "properties", "competences", "items", "enum"), kinds},
		{at("contact_point", "properties", "role", "enum"), []string{string(Police), string(Prosecutor), string(Ministry), string(Mixed)}},
		{at("voucher", "properties", "how", "enum"), []string{string(OldKey), string(CallBack)}},
		{at("party", "properties", "provenance", "propertyNames", "enum"), party},
		{at("contact_point", "properties", "provenance", "propertyNames", "enum"), contactPoint},
	}
	for _, s := range sets {
		var got []string
		for _, v := range s.got.([]any) {
			got = append(got, v.(string))
		}
		if !slices.Equal(got, s.want) {
			t.Errorf("the schema has %v, the program %v", got, s.want)
		}
	}
	for path, want := range map[string]any{
		at("phone", "properties", "number", "pattern").(string):                phoneForm.String(),
		at("contact_point", "properties", "id", "pattern").(string):            idForm.String(),
		at("party", "properties", "code", "pattern").(string):                  partyForm.String(),
		at("language", "pattern").(string):                                     languageForm.String(),
		at("voucher", "properties", "fingerprint", "pattern").(string):         fingerprintForm.String(),
		at("party", "properties", "reservations", "items", "pattern").(string): reservationForm.String(),
	} {
		if path != want {
			t.Errorf("the schema has the form %s, the program %s", path, want)
		}
	}
}

func members(v any) []string {
	var list []string
	for k := range v.(map[string]any) {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
