package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"relais.example/crypto/pgp"
)

var entryType = reflect.TypeFor[ContactPoint]()

// maxEntryBytes bounds one entry in JSON; its certificates are most of it.
const maxEntryBytes = 1 << 20

// ErrNoEntry means that a text is not the JSON of one entry.
var ErrNoEntry = errors.New("not the JSON of one entry")

// ReadEntry reads one contact point's entry, as it stands in the document or as
// the API shows it. Only that it is JSON without repeated names, and has an
// identifier, is checked here; see [Directory.Correct]. The error wraps
// [ErrNoEntry].
func ReadEntry(raw []byte) (Asked, error) {
	if len(raw) > maxEntryBytes || !utf8.Valid(raw) {
		return nil, fmt.Errorf("%w: it is not UTF-8, or has more than %d bytes", ErrNoEntry, maxEntryBytes)
	}
	var f findings
	if !checkShape(&f, raw, nil, "") {
		return nil, fmt.Errorf("%w: %s", ErrNoEntry, f.list[0].Fault)
	}
	var asked Asked
	if err := json.Unmarshal(raw, &asked); err != nil || asked["id"] == nil {
		return nil, fmt.Errorf("%w: it has no id", ErrNoEntry)
	}
	return asked, nil
}

// checkShape walks one JSON value beside the type that it should have; nil
// stands for any. It reports whether nothing is wrong.
func checkShape(f *findings, raw []byte, t reflect.Type, path string) bool {
	w := &walker{findings: f, doc: raw, dec: json.NewDecoder(bytes.NewReader(raw)), line: 1}
	w.dec.UseNumber()
	err := w.value(t, path)
	if err == nil {
		if _, more := w.dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the end")
		}
	}
	if err != nil {
		w.addSyntax(err)
	}
	return len(f.list) == 0
}

// Set gives a field of the entry, by its name in JSON, the value that stands as
// JSON in value. Nothing is checked but that it can be read.
func (cp *ContactPoint) Set(field, value string) error {
	target := fieldOf(reflect.ValueOf(cp).Elem(), field)
	if !target.IsValid() || !slices.Contains(corrigible, field) {
		return fmt.Errorf("entry %s: there is no field %q to set", cp.ID, cut(field))
	}
	fresh := reflect.New(target.Type())
	if err := json.Unmarshal([]byte(value), fresh.Interface()); err != nil {
		return fmt.Errorf("entry %s: %s: %w", cp.ID, field, err)
	}
	if fresh.Elem().Kind() == reflect.Slice && fresh.Elem().Len() == 0 {
		fresh.Elem().SetZero()
	}
	target.Set(fresh.Elem())
	return nil
}

// Apply makes the change in the entry. It refuses one whose field says
// something else by now than when the change was proposed.
func (cp *ContactPoint) Apply(c FieldChange) error {
	if c.Path == "certificates" {
		return cp.removeCertificates(c)
	}
	switch now := cp.text(c.Path); {
	case now == c.New:
		return nil // it says so already
	case now != c.Old:
		return fmt.Errorf("entry %s: %s was changed since the change was proposed; ask the contact point again", cp.ID, c.Path)
	}
	return cp.Set(c.Path, c.Value)
}

func (cp *ContactPoint) removeCertificates(c FieldChange) error {
	var gone []string
	if err := json.Unmarshal([]byte(c.Value), &gone); err != nil {
		return fmt.Errorf("entry %s: certificates: %w", cp.ID, err)
	}
	var kept []string
	for _, armored := range cp.CertificatesArmored {
		certs, err := pgp.ParseCertificates([]byte(armored))
		if err != nil || len(certs) != 1 || !slices.Contains(gone, certs[0].Fingerprint()) {
			kept = append(kept, armored)
		}
	}
	cp.CertificatesArmored = kept
	return nil
}

// clone copies what Set replaces; the rest is shared and must not be changed.
func (cp *ContactPoint) clone() *ContactPoint {
	c := *cp
	return &c
}

// text returns a field for people, as a comparison of versions shows it.
func (cp *ContactPoint) text(field string) string {
	for _, f := range fields(cp) {
		if f[0] == field {
			return f[1]
		}
	}
	return ""
}

// value returns a field as JSON.
func (cp *ContactPoint) value(field string) string {
	b, err := json.Marshal(fieldOf(reflect.ValueOf(cp).Elem(), field).Interface())
	if err != nil {
		panic(err) // texts and lists of texts
	}
	if string(b) == "null" {
		return "[]"
	}
	return string(b)
}

// fieldOf returns the field that JSON calls name; the zero Value if there is
// none.
func fieldOf(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag == name && tag != "-" {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}
