package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Example is configs/relais.example.yaml: every key with its documentation and
// its default, and invented values where there is no default.
func Example() []byte {
	var b bytes.Buffer
	b.WriteString(`# Relais configuration: every key, with its default. Made from the code by
# 'relais config example'; the same text as a table is docs/configuration.md.
#
# Only hostname, tls and desks are required. Durations: 30s, 15m, 72h, 30d.
# Sizes: 64KiB, 25MiB. Relative paths start at the folder of this file.
# Passwords and keys stand in files of their own (*_file), mode 0600.
# Check a changed file with: relais config check relais.yaml
`)
	exampleStruct(&b, reflect.TypeFor[Config](), "")
	return b.Bytes()
}

func exampleStruct(b *bytes.Buffer, t reflect.Type, indent string) {
	for i, f := range reflect.VisibleFields(t) {
		if i > 0 || indent == "" {
			b.WriteString("\n")
		}
		for _, line := range wrap(comment(f), 76-len(indent)) {
			fmt.Fprintf(b, "%s# %s\n", indent, line)
		}
		switch name := f.Tag.Get("yaml"); {
		case f.Type.Kind() == reflect.Struct:
			fmt.Fprintf(b, "%s%s:\n", indent, name)
			exampleStruct(b, f.Type, indent+"  ")
		case nested(f):
			exampleList(b, f, indent, name)
		default:
			fmt.Fprintf(b, "%s%s\n", indent, assignment(f))
		}
	}
}

// exampleList shows one element; in comments when the list is optional.
func exampleList(b *bytes.Buffer, f reflect.StructField, indent, name string) {
	mark := ""
	if f.Tag.Get("required") != "true" {
		fmt.Fprintf(b, "%s%s: []\n", indent, name)
		mark = "# "
	} else {
		fmt.Fprintf(b, "%s%s:\n", indent, name)
	}
	for i, field := range reflect.VisibleFields(f.Type.Elem()) {
		bullet := "  "
		if i == 0 {
			bullet = "- "
		}
		for _, line := range wrap(comment(field), 70-len(indent)) {
			fmt.Fprintf(b, "%s%s    # %s\n", indent, mark, line)
		}
		fmt.Fprintf(b, "%s%s  %s%s\n", indent, mark, bullet, assignment(field))
	}
}

// comment is the documentation of a field and what it may be.
func comment(f reflect.StructField) string {
	text := f.Tag.Get("doc")
	if f.Tag.Get("required") == "true" {
		text += " Required."
	}
	if a := allowed(f); a != "" {
		text += " (" + a + ")"
	}
	return text
}

// allowed is the unit and the range, or nothing.
func allowed(f reflect.StructField) string {
	var parts []string
	if u := f.Tag.Get("unit"); u != "" {
		parts = append(parts, u)
	}
	if one := f.Tag.Get("oneof"); one != "" {
		parts = append(parts, strings.ReplaceAll(one, "|", ", "))
	}
	switch low, high := f.Tag.Get("min"), f.Tag.Get("max"); {
	case low != "" && high != "":
		parts = append(parts, low+" to "+high)
	case low != "":
		parts = append(parts, low+" or more")
	}
	return strings.Join(parts, "; ")
}

// assignment is "key: value" with the default, or else the example.
func assignment(f reflect.StructField) string {
	name, value := f.Tag.Get("yaml"), f.Tag.Get("default")
	example := f.Tag.Get("example")
	switch f.Type.Kind() {
	case reflect.Slice:
		if value == "" {
			value = example
		}
		return name + ": [" + strings.ReplaceAll(value, ",", ", ") + "]"
	case reflect.Map:
		return name + ": {" + example + "}"
	case reflect.String:
		if f.Tag.Get("required") == "true" {
			value = example
		}
		if value == "" || strings.HasPrefix(value, ":") {
			value = strconv.Quote(value)
		}
		if f.Tag.Get("required") != "true" && example != "" {
			value += " # e.g. " + example
		}
	}
	return name + ": " + value
}

// Describe is docs/configuration.md.
func Describe() []byte {
	var b bytes.Buffer
	b.WriteString("# Configuration\n\n" +
		"Made from the code by `relais config describe`; `make generate` writes it again. " +
		"The same keys as a file to start from: [configs/relais.example.yaml](../configs/relais.example.yaml).\n\n" +
		"- `relais config check relais.yaml` reports everything that is wrong at once, each with its line.\n" +
		"- Unknown keys are errors. So are anchors, aliases and tags.\n" +
		"- Durations: `30s`, `15m`, `72h`, `30d`, `1d12h`. Sizes: `64KiB`, `25MiB`, or a number of bytes.\n" +
		"- Relative paths start at the folder of the configuration file.\n" +
		"- Secrets stand in files of their own (`*_file`), which nobody but their owner may read or change (`chmod 600`); the owner is the gateway's user or root.\n" +
		"- **required** in the column Default: the key must be given.\n")
	var plain []reflect.StructField
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if !nested(f) {
			plain = append(plain, f)
		}
	}
	b.WriteString("\n## Top level\n\n")
	describeTable(&b, plain)
	describeNested(&b, reflect.TypeFor[Config](), "")
	return b.Bytes()
}

func describeNested(b *bytes.Buffer, t reflect.Type, prefix string) {
	for _, f := range reflect.VisibleFields(t) {
		if !nested(f) {
			continue
		}
		name, elem := prefix+f.Tag.Get("yaml"), f.Type
		if elem.Kind() == reflect.Slice {
			name, elem = name+"[]", elem.Elem()
		}
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n", name, f.Tag.Get("doc"))
		var plain []reflect.StructField
		for _, sub := range reflect.VisibleFields(elem) {
			if !nested(sub) {
				plain = append(plain, sub)
			}
		}
		describeTable(b, plain)
		describeNested(b, elem, name+".")
	}
}

func describeTable(b *bytes.Buffer, fields []reflect.StructField) {
	b.WriteString("| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n")
	for _, f := range fields {
		def := f.Tag.Get("default")
		switch {
		case f.Tag.Get("required") == "true":
			def = "**required**"
		case def == "" && f.Type.Kind() == reflect.Map:
			def = "`{}`"
		case def == "":
			def = "`\"\"`"
		default:
			def = "`" + def + "`"
		}
		what := typeName(f)
		if a := allowed(f); a != "" {
			what += "; " + a
		}
		text := f.Tag.Get("doc")
		if e := f.Tag.Get("example"); e != "" {
			text += " Example: `" + e + "`."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Tag.Get("yaml"), def, what, text)
	}
}

func nested(f reflect.StructField) bool {
	return f.Type.Kind() == reflect.Struct ||
		f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct
}

// typeName says in words what a field takes.
func typeName(f reflect.StructField) string {
	is := map[string]string{
		"hostname": "host name", "newpath": "folder, made when missing", "dir": "folder",
		"file": "file", "secretfile": "file, secret", "socket": "socket", "listen": "host:port, :port or empty",
		"hostport": "host:port", "size": "size", "desk": "identifier such as XA-1",
		"redisurl": "URL", "credential": "name of a credential", "inbox": "decrypted", "sha256": "64 hex digits",
		"date": "day (2027-12-31) or empty", "fingerprint": "40 or 64 hex digits",
		"reasons": "reason codes and actions",
	}[f.Tag.Get("is")]
	switch {
	case is != "" && f.Type.Kind() == reflect.Slice:
		return "list of: " + is
	case is != "":
		return is
	case f.Tag.Get("oneof") != "":
		return "one of"
	case f.Type == reflect.TypeFor[time.Duration]():
		return "duration"
	case f.Type == reflect.TypeFor[[]time.Duration]():
		return "list of durations"
	case f.Type.Kind() == reflect.Bool:
		return "true or false"
	case f.Type.Kind() == reflect.String:
		return "text"
	}
	return "number"
}

// wanted is the end of the message about a missing key.
func wanted(f reflect.StructField) string {
	if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
		return "a list with at least one entry; see 'relais config example'"
	}
	if f.Type.Kind() == reflect.Slice {
		return fmt.Sprintf("a list, e.g. [%s]", f.Tag.Get("example"))
	}
	return fmt.Sprintf("e.g. %q", f.Tag.Get("example"))
}

// wrap cuts text into lines of at most width characters, at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
