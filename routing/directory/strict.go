package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decode reads the JSON document into the structs. encoding/json alone would
// accept repeated names, names in another case and null, and stop at the first
// fault, so the tokens are walked beside the structs first.
func decode(doc []byte) (*Document, error) {
	var f findings
	switch {
	case len(doc) > MaxDocumentBytes:
		f.add(CodeSyntax, "", "", fmt.Sprintf("the document has %d bytes, at most %d are read", len(doc), MaxDocumentBytes),
			"check that this is the Directory")
	case !utf8.Valid(doc):
		f.add(CodeSyntax, "", "", "the document is not UTF-8", "save it as UTF-8")
	default:
		w := &walker{findings: &f, doc: doc, dec: json.NewDecoder(bytes.NewReader(doc)), line: 1}
		w.document()
	}
	if len(f.list) > 0 {
		return nil, &InvalidError{f.list}
	}
	var d Document
	if err := json.Unmarshal(doc, &d); err != nil {
		f.add(CodeSyntax, "", "", err.Error(), "see docs/directory.md for the format")
		return nil, &InvalidError{f.list}
	}
	return &d, nil
}

// maxNesting bounds the recursion; the format itself is 7 deep.
const maxNesting = 16

// walker compares the tokens of a document with the shape of [Document].
type walker struct {
	*findings
	doc     []byte
	dec     *json.Decoder
	line    int   // line of offset
	offset  int64 // how far lines were counted
	nesting int
}

var (
	timeType = reflect.TypeFor[time.Time]()
	dateType = reflect.TypeFor[Date]()
	nameForm = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)
)

const seeFormat = "see docs/directory.md for the format"

func (w *walker) document() {
	w.dec.UseNumber()
	if err := w.value(reflect.TypeFor[Document](), ""); err != nil {
		w.addSyntax(err)
		return
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		w.fault(CodeSyntax, "", "something follows the end of the document", "remove what stands after the last }")
	}
}

func (w *walker) addSyntax(err error) {
	fault := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		fault = "the document ends too early"
	}
	w.fault(CodeSyntax, "", fault, "mend the JSON or fetch the file again")
}

var (
	errNesting = errors.New("nested too deeply")
	errEnough  = errors.New("too many faults")
)

// value reads one value that should have type t; nil means the value belongs
// to an unknown field and is skipped. Only broken JSON is returned as error.
func (w *walker) value(t reflect.Type, path string) error {
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	if w.full() {
		return errEnough
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		if t != nil {
			w.scalar(t, path, tok)
		}
		return nil
	}
	if w.nesting++; w.nesting > maxNesting {
		return errNesting
	}
	defer func() { w.nesting-- }()
	if delim == '{' {
		if t != nil && (t == timeType || t == dateType || t.Kind() != reflect.Struct && t.Kind() != reflect.Map) {
			w.fault(CodeType, path, "an object stands where "+want(t)+" belongs", seeFormat)
			t = nil
		}
		return w.object(t, path)
	}
	if t != nil && t.Kind() != reflect.Slice {
		w.fault(CodeType, path, "a list stands where "+want(t)+" belongs", seeFormat)
		t = nil
	}
	return w.array(t, path)
}

func (w *walker) object(t reflect.Type, path string) error {
	seen := map[string]bool{}
	for w.dec.More() {
		tok, err := w.dec.Token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		shown := name
		if !nameForm.MatchString(name) {
			shown = strconv.QuoteToASCII(cut(name))
		}
		at := strings.TrimPrefix(path+"."+shown, ".")
		if seen[name] {
			w.fault(CodeRepeated, at, "the field is given twice", "keep one")
		}
		seen[name] = true
		field, known := fieldType(t, name)
		if t != nil && !known {
			w.fault(CodeUnknownField, at, "unknown field", "remove it, or "+seeFormat)
		}
		if err := w.value(field, at); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // the closing brace
	return err
}

func (w *walker) array(t reflect.Type, path string) error {
	var elem reflect.Type
	if t != nil {
		elem = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // the closing bracket
	return err
}

// scalar checks a text, number, true, false or null.
func (w *walker) scalar(t reflect.Type, path string, tok json.Token) {
	ok, fault := false, ""
	switch v := tok.(type) {
	case string:
		switch {
		case t == timeType:
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				fault = strconv.QuoteToASCII(cut(v)) + " is not a time"
			}
			ok = true
		case t == dateType:
			if _, err := ParseDate(v); err != nil {
				fault = strconv.QuoteToASCII(cut(v)) + " is not a date"
			}
			ok = true
		default:
			ok = t.Kind() == reflect.String
		}
	case bool:
		ok = t.Kind() == reflect.Bool
	case json.Number:
		switch t.Kind() {
		case reflect.Int, reflect.Uint64:
			ok = true
			// 2^53: above it other JSON readers round.
			if n, err := strconv.ParseUint(v.String(), 10, 64); err != nil || n > 1<<53 {
				fault = cut(v.String()) + " is not a whole number from 0 to 2^53"
			}
		}
	case nil:
		w.fault(CodeType, path, "null stands where "+want(t)+" belongs", "leave the field out when it is not known")
		return
	}
	switch {
	case !ok:
		w.fault(CodeType, path, fmt.Sprintf("%v stands where %s belongs", shape(tok), want(t)), seeFormat)
	case fault != "":
		w.fault(CodeValue, path, fault, "write "+want(t))
	}
}

// fault records a finding together with the line that was read last.
func (w *walker) fault(code, path, fault, remedy string) {
	end := min(w.dec.InputOffset(), int64(len(w.doc)))
	if end > w.offset {
		w.line += bytes.Count(w.doc[w.offset:end], []byte{'\n'})
		w.offset = end
	}
	at := fmt.Sprintf("line %d", w.line)
	if path != "" {
		at += ": " + path
	}
	w.add(code, "", at, fault, remedy)
}

// fieldType returns the type of the field that JSON calls name.
func fieldType(t reflect.Type, name string) (reflect.Type, bool) {
	switch {
	case t == nil:
		return nil, false
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	}
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == name && tag != "-" && tag != "" {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

// want names in words what belongs in a field of type t.
func want(t reflect.Type) string {
	switch {
	case t == timeType:
		return "a time such as 2026-02-01T09:00:00Z"
	case t == dateType:
		return "a date such as 2004-07-01"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

func shape(tok json.Token) string {
	switch tok.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	}
	return "a number"
}

// cut bounds what a message repeats of the document, in characters.
func cut(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
