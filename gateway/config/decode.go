package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills the struct from the YAML tree. It does not stop at the first
// problem, and it remembers the line of every key for the checks that follow.
type decoder struct {
	file     string
	problems []Problem
	lines    map[string]int  // key -> line
	bad      map[string]bool // keys that have a problem already
}

func (d *decoder) problem(line int, key, format string, args ...any) {
	d.bad[key] = true
	d.problems = append(d.problems, Problem{d.file, line, key, fmt.Sprintf(format, args...)})
}

// at reports a problem of a key that may stand in the file, or not: then the
// line of the nearest key above it is given. One problem per key is enough.
func (d *decoder) at(key, format string, args ...any) {
	if d.bad[key] {
		return
	}
	d.problem(d.line(key), key, format, args...)
}

func (d *decoder) line(key string) int {
	for key != "" {
		if line := d.lines[key]; line > 0 {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 1
}

// structure decodes node into the struct that into points to. A nil node is an
// empty mapping.
func (d *decoder) structure(node ast.Node, into any) {
	d.fill(node, reflect.ValueOf(into).Elem(), "", 1)
}

func (d *decoder) fill(node ast.Node, v reflect.Value, prefix string, line int) {
	seen := map[string]int{}
	for _, pair := range d.pairs(node, strings.TrimSuffix(prefix, ".")) {
		name, at := text(pair.Key), lineOf(pair.Key)
		field, ok := fieldByKey(v.Type(), name)
		key := prefix + name
		switch {
		case !ok:
			d.problem(at, key, "unknown key%s", suggest(name, keysOf(v.Type())))
			continue
		case seen[name] > 0:
			d.problem(at, key, "given twice; the first is on line %d", seen[name])
			continue
		}
		seen[name] = at
		d.lines[key] = at
		d.value(pair.Value, v.FieldByIndex(field.Index), key, field.Tag)
	}
	for _, field := range reflect.VisibleFields(v.Type()) {
		name := field.Tag.Get("yaml")
		key := prefix + name
		if field.Type.Kind() == reflect.Struct && seen[name] == 0 {
			d.fill(nil, v.FieldByIndex(field.Index), key+".", line)
		}
		if field.Tag.Get("required") == "true" && !d.bad[key] && isEmpty(v.FieldByIndex(field.Index)) {
			where := line
			if seen[name] > 0 {
				where = seen[name]
			}
			d.problem(where, key, "missing; give %s", wanted(field))
		}
	}
}

func isEmpty(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

func (d *decoder) pairs(node ast.Node, key string) []*ast.MappingValueNode {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	d.problem(lineOf(node), key, "is %s; write keys and values here", nodeName(node))
	return nil
}

// value decodes one node into one field.
func (d *decoder) value(node ast.Node, v reflect.Value, key string, tag reflect.StructTag) {
	switch {
	case v.Kind() == reflect.Struct:
		d.fill(node, v, key+".", d.lines[key])
	case v.Kind() == reflect.Slice:
		d.list(node, v, key, tag)
	case v.Kind() == reflect.Map:
		d.strings(node, v, key, tag)
	default:
		d.scalar(node, v, key, tag)
	}
}

func (d *decoder) list(node ast.Node, v reflect.Value, key string, tag reflect.StructTag) {
	seq, ok := node.(*ast.SequenceNode)
	if _, null := node.(*ast.NullNode); null || node == nil {
		return
	}
	if !ok {
		d.problem(lineOf(node), key, "is %s; write a list: [one, two] or one \"- \" line for each", nodeName(node))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(seq.Values)))
	for i, item := range seq.Values {
		itemKey := fmt.Sprintf("%s[%d]", key, i)
		d.lines[itemKey] = lineOf(item)
		e := reflect.New(v.Type().Elem()).Elem()
		if e.Kind() == reflect.Struct {
			setDefaults(e.Addr().Interface())
		}
		d.value(item, e, itemKey, tag)
		v.Set(reflect.Append(v, e))
	}
}

func (d *decoder) strings(node ast.Node, v reflect.Value, key string, tag reflect.StructTag) {
	out := map[string]string{}
	for _, pair := range d.pairs(node, key) {
		name, item := text(pair.Key), ""
		itemKey := key + "." + name
		if first := d.lines[itemKey]; first > 0 {
			d.problem(lineOf(pair.Key), itemKey, "given twice; the first is on line %d", first)
			continue
		}
		d.lines[itemKey] = lineOf(pair.Key)
		d.scalar(pair.Value, reflect.ValueOf(&item).Elem(), itemKey, "")
		out[name] = item
	}
	v.Set(reflect.ValueOf(out))
}

func (d *decoder) scalar(node ast.Node, v reflect.Value, key string, tag reflect.StructTag) {
	switch node.(type) {
	case nil, *ast.NullNode:
		d.problem(d.line(key), key, "has no value; write one (\"\" for empty) or remove the line")
		return
	case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
	default:
		d.problem(lineOf(node), key, "is %s; write a single value", nodeName(node))
		return
	}
	if err := setScalar(v, text(node), tag); err != nil {
		d.problem(lineOf(node), key, "%s", err)
	}
}

// setScalar parses s into v and checks it by the tags of its field.
func setScalar(v reflect.Value, s string, tag reflect.StructTag) error {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		n, err := ParseDuration(s)
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
		return checkRange(int64(n), s, tag, func(s string) int64 { n, _ := ParseDuration(s); return int64(n) })
	case v.Kind() == reflect.Bool:
		if s != "true" && s != "false" {
			return fmt.Errorf("%q is neither true nor false", clip(s))
		}
		v.SetBool(s == "true")
		return nil
	case tag.Get("is") == "size":
		n, err := parseSize(s)
		if err != nil {
			return err
		}
		v.SetInt(n)
		return checkRange(n, s, tag, func(s string) int64 { n, _ := parseSize(s); return n })
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number%s", clip(s), allowedRange(tag))
		}
		v.SetInt(n)
		return checkRange(n, s, tag, func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n })
	}
	v.SetString(s)
	if def := tag.Get("default"); s == "" && def != "" && tag.Get("is") != "listen" && tag.Get("is") != "date" && tag.Get("oneof") == "" {
		return fmt.Errorf("must not be empty; the default is %q", def)
	}
	return checkString(s, tag)
}

func checkRange(n int64, s string, tag reflect.StructTag, parse func(string) int64) error {
	if low := tag.Get("min"); low != "" && n < parse(low) {
		return fmt.Errorf("%s is too small%s", s, allowedRange(tag))
	}
	if high := tag.Get("max"); high != "" && n > parse(high) {
		return fmt.Errorf("%s is too large%s", s, allowedRange(tag))
	}
	return nil
}

func allowedRange(tag reflect.StructTag) string {
	switch low, high := tag.Get("min"), tag.Get("max"); {
	case low != "" && high != "":
		return fmt.Sprintf("; use %s to %s", low, high)
	case low != "":
		return fmt.Sprintf("; use %s or more", low)
	}
	return ""
}

// setDefaults fills the struct that p points to from the default tags.
func setDefaults(p any) {
	v := reflect.ValueOf(p).Elem()
	for _, field := range reflect.VisibleFields(v.Type()) {
		f, def := v.FieldByIndex(field.Index), field.Tag.Get("default")
		switch {
		case f.Kind() == reflect.Struct:
			setDefaults(f.Addr().Interface())
		case def == "":
		case f.Kind() == reflect.Slice:
			for _, one := range strings.Split(def, ",") {
				e := reflect.New(f.Type().Elem()).Elem()
				_ = setScalar(e, one, "") // a test parses every default
				f.Set(reflect.Append(f, e))
			}
		default:
			_ = setScalar(f, def, field.Tag)
		}
	}
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	fields := reflect.VisibleFields(t)
	i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("yaml") == key })
	if i < 0 {
		return reflect.StructField{}, false
	}
	return fields[i], true
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(t) {
		keys = append(keys, f.Tag.Get("yaml"))
	}
	return keys
}

// walkStrings calls f for every string, and every string in a list, below the
// struct that p points to, with its key and the kind in its "is" tag.
func walkStrings(p any, f func(key, is string, s *string)) {
	walk(reflect.ValueOf(p).Elem(), "", "", f)
}

func walk(v reflect.Value, key, is string, f func(key, is string, s *string)) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range reflect.VisibleFields(v.Type()) {
			name := field.Tag.Get("yaml")
			if key != "" {
				name = key + "." + name
			}
			walk(v.FieldByIndex(field.Index), name, field.Tag.Get("is"), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", key, i), is, f)
		}
	case reflect.String:
		f(key, is, v.Addr().Interface().(*string))
	}
}

func lineOf(node ast.Node) int {
	if node == nil {
		return 1
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		return max(t.Position.Line, 1)
	}
	return 1
}

// text is the value as written, without quotes.
func text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n")
	}
	if t := node.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func nodeName(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "an anchor, alias or tag, which are not used here"
	}
	return "a single value"
}
