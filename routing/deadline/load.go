package deadline

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"relais.example/configs"
	"relais.example/routing/request"
)

const (
	policy    = "policy"
	allAsking = "asks" // stands for every kind that asks something
	maxFile   = 1 << 20
	maxLength = 3660 * 24 * time.Hour // ten years: longer is a slip of the pen
)

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	articlePattern = regexp.MustCompile(`^(CONV|SAP) [0-9]{1,2}(\.[0-9a-z]{1,2})*$`)
	lengthPattern  = regexp.MustCompile(`^([0-9]{1,5})([smhd])$`)
)

// Load reads a clocks file. The error lists every fault with line and key.
func Load(path string) (*Clocks, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading clocks: %w", err)
	}
	clocks, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("clocks file %s: %w", path, err)
	}
	return clocks, nil
}

// Default returns the clocks that ship with the program.
func Default() (*Clocks, error) {
	data, err := configs.Clocks.ReadFile("clocks.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading built-in clocks: %w", err)
	}
	return Parse(data)
}

// Parse reads the text of a clocks file. The error lists every fault with line
// and key.
func Parse(data []byte) (*Clocks, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("not valid YAML: %s", firstLine(err.Error()))
	}
	r := &reader{clocks: &Clocks{byName: map[string]int{}}}
	r.file(file)
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	return r.clocks, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// reader walks the file and keeps every fault, so that one run shows them all.
type reader struct {
	clocks *Clocks
	faults []error
}

func (r *reader) fault(n ast.Node, key, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("line %d: %s: %s", n.GetToken().Position.Line, key, fmt.Sprintf(format, args...)))
}

func (r *reader) file(f *ast.File) {
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		r.faults = append(r.faults, errors.New("line 1: clocks: write one list of clocks"))
		return
	}
	root := f.Docs[0].Body
	for _, entry := range entries(root) {
		if key := entry.Key.String(); key != "clocks" {
			r.fault(entry.Key, key, "unknown key; only \"clocks\" is known here")
			continue
		}
		list, ok := entry.Value.(*ast.SequenceNode)
		if !ok {
			r.fault(entry.Key, "clocks", "must be a list")
			continue
		}
		for _, node := range list.Values {
			r.clock(node)
		}
	}
	if len(r.faults) == 0 {
		r.complete(root)
	}
}

// entries returns the keys of a mapping; the parser gives a lone key as a node
// of another type.
func entries(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// clock reads one clock of the list.
func (r *reader) clock(node ast.Node) {
	var c Clock
	before := len(r.faults)
	at := map[string]ast.Node{}
	for _, entry := range entries(node) {
		key := entry.Key.String()
		at[key] = entry.Value
		r.field(&c, key, entry)
	}
	for _, key := range []string{"name", "article", "kinds", "direction", "length", "start", "stop"} {
		if at[key] == nil {
			r.fault(node, key, "missing")
		}
	}
	if len(r.faults) > before {
		return
	}
	r.consistent(c, at)
	r.clocks.byName[c.Name] = len(r.clocks.clocks)
	r.clocks.clocks = append(r.clocks.clocks, c)
}

func (r *reader) field(c *Clock, key string, entry *ast.MappingValueNode) {
	value := entry.Value
	switch key {
	case "name":
		if c.Name = r.text(key, value); !namePattern.MatchString(c.Name) {
			r.fault(value, key, "%q: use small letters, digits and hyphens", c.Name)
		}
	case "article":
		if c.Article = r.text(key, value); c.Article != policy && !articlePattern.MatchString(c.Article) {
			r.fault(value, key, "%q: write \"CONV 29.7\", \"SAP 9.6\" or \"policy\"", c.Article)
		}
	case "note":
		c.Note = r.text(key, value)
	case "kinds":
		c.Kinds = r.kinds(key, value)
	case "direction":
		c.Direction = r.oneOf(key, value, []string{Received, Sent})
	case "emergency":
		if err := yaml.NodeToValue(value, &c.Emergency); err != nil {
			r.fault(value, key, "must be true or false")
		}
	case "length":
		if c.Length = r.duration(key, value, r.text(key, value)); c.Length == 0 {
			r.fault(value, key, "must be more than 0")
		}
	case "start":
		c.Start = r.oneOf(key, value, Events())
	case "stop":
		c.Stop = r.oneOf(key, value, Events())
	case "reminders":
		for _, s := range r.list(key, value) {
			c.Reminders = append(c.Reminders, r.duration(key, value, s))
		}
		slices.SortFunc(c.Reminders, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	case "escalate_after":
		c.EscalateAfter = r.duration(key, value, r.text(key, value))
	default:
		r.fault(entry.Key, key, "unknown key")
	}
}

// consistent checks what only shows when the whole clock is known.
func (r *reader) consistent(c Clock, at map[string]ast.Node) {
	if _, twice := r.clocks.byName[c.Name]; twice {
		r.fault(at["name"], "name", "%q is used twice", c.Name)
	}
	if c.Start == c.Stop {
		r.fault(at["stop"], "stop", "%s both starts and stops the clock", c.Stop)
	}
	if c.Direction == Received && c.Start == EventSent || c.Direction == Sent && c.Start == EventReceived {
		r.fault(at["start"], "start", "a clock of direction %q cannot start with %q", c.Direction, c.Start)
	}
	if len(c.Reminders) > 0 && c.Reminders[0] >= c.Length {
		r.fault(at["reminders"], "reminders", "the longest is not shorter than the clock")
	}
}

// complete refuses a file in which a request could arrive and nothing would
// ever fall due.
func (r *reader) complete(root ast.Node) {
	for _, kind := range request.Kinds() {
		if kind.Asks() && len(r.clocks.For(kind, false, Received, time.Time{})) == 0 {
			r.fault(root, "clocks", "no clock starts when a %s is received", kind)
		}
	}
}

func (r *reader) text(key string, n ast.Node) string {
	var s string
	if err := yaml.NodeToValue(n, &s); err != nil {
		r.fault(n, key, "must be text")
	}
	return s
}

func (r *reader) list(key string, n ast.Node) []string {
	var s []string
	if err := yaml.NodeToValue(n, &s); err != nil {
		r.fault(n, key, "must be a list")
	}
	return s
}

func (r *reader) oneOf(key string, n ast.Node, allowed []string) string {
	s := r.text(key, n)
	if !slices.Contains(allowed, s) {
		r.fault(n, key, "%q: use one of %s", s, strings.Join(allowed, ", "))
	}
	return s
}

func (r *reader) kinds(key string, n ast.Node) []request.Kind {
	var kinds []request.Kind
	for _, s := range r.list(key, n) {
		if s == allAsking {
			for _, k := range request.Kinds() {
				if k.Asks() {
					kinds = append(kinds, k)
				}
			}
			continue
		}
		k, err := request.ParseKind(s)
		if err != nil {
			r.fault(n, key, "%v; use the names of docs/classification.md, or %q", err, allAsking)
			continue
		}
		kinds = append(kinds, k)
	}
	if len(kinds) == 0 {
		r.fault(n, key, "must name at least one kind")
	}
	return kinds
}

// duration reads "15m", "24h" or "60d"; a day is 24 hours. Seconds are for
// drills.
func (r *reader) duration(key string, n ast.Node, s string) time.Duration {
	m := lengthPattern.FindStringSubmatch(s)
	if m == nil {
		r.fault(n, key, "%q: write minutes, hours or days such as 15m, 24h or 60d", s)
		return 1 // not zero: one fault is enough
	}
	count, _ := strconv.Atoi(m[1]) // the pattern allows five digits only
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]]
	if d := time.Duration(count) * unit; d <= maxLength {
		return d
	}
	r.fault(n, key, "%s: longer than ten years", s)
	return 1
}
