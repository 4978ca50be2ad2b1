package config

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the size of a configuration file in bytes.
const maxFile = 256 << 10

// Problem is one thing that is wrong in a configuration file.
type Problem struct {
	File string
	Line int    // from 1
	Key  string // such as desks[0].key_files; empty for the file as a whole
	Text string // what is wrong and what is allowed
}

// String is file:line: key: text.
func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Key, p.Text)
}

// Errors is everything that is wrong with a file, in the order of its lines.
type Errors []Problem

// Error has one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads the file at path, checks everything that can be checked without
// the network, the files it names included, and resolves its paths. The error
// is Errors when the content is wrong. Desks' keys that a keyholder reads are
// not looked at.
func Load(path string) (*Config, error) {
	c, d, err := load(path)
	if err != nil {
		return nil, err
	}
	if c != nil {
		c.checkFiles(d)
	}
	if len(d.problems) > 0 {
		return nil, d.errors()
	}
	return c, nil
}

// LoadKeyholder is Load for 'relais keyholder': of the files it looks at the
// desks' keys and passphrases only.
func LoadKeyholder(path string) (*Config, error) {
	c, d, err := load(path)
	if err != nil {
		return nil, err
	}
	if c != nil {
		c.checkPaths(d, ofDesk)
		if c.Keyholder.Socket == "" {
			d.at("keyholder.socket", "is not set; give the path of the socket to listen on, e.g. \"/run/relais-keyholder/socket\"")
		}
	}
	if len(d.problems) > 0 {
		return nil, d.errors()
	}
	return c, nil
}

// Read is Load without a look at the files that the configuration names: some
// of them may not be there yet.
func Read(path string) (*Config, error) {
	c, d, err := load(path)
	if err != nil {
		return nil, err
	}
	if len(d.problems) > 0 {
		return nil, d.errors()
	}
	return c, nil
}

func load(path string) (*Config, *decoder, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading configuration: %w", err)
	}
	c, d := decode(data, path)
	if c != nil {
		c.resolve(filepath.Dir(path))
	}
	return c, d, nil
}

// Parse checks data without looking at the files it names, and leaves relative
// paths as they are. file is the name used in errors.
func Parse(data []byte, file string) (*Config, error) {
	c, d := decode(data, file)
	if len(d.problems) > 0 {
		return nil, d.errors()
	}
	return c, nil
}

// Default is a configuration with every default; required values are empty.
func Default() *Config {
	c := &Config{}
	setDefaults(c)
	return c
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are allowed", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// decode returns nil when data is no YAML mapping at all; otherwise it returns
// what could be understood beside the problems, so that the files can be
// checked in the same run.
func decode(data []byte, file string) (*Config, *decoder) {
	d := &decoder{file: file, lines: map[string]int{}, bad: map[string]bool{}}
	root := d.parse(data)
	if len(d.problems) > 0 {
		return nil, d
	}
	c := Default()
	d.structure(root, c)
	c.check(d)
	return c, d
}

// parse returns the root node; nil for an empty file.
func (d *decoder) parse(data []byte) (root ast.Node) {
	// The parser is written for files of friends: what it trips over must
	// still be reported as an error of the file.
	defer func() {
		if r := recover(); r != nil {
			d.problem(1, "", "not valid YAML")
			root = nil
		}
	}()
	if len(data) > maxFile {
		d.problem(1, "", "%d bytes; at most %d are allowed", len(data), maxFile)
		return nil
	}
	if line := tooDeep(data); line > 0 {
		d.problem(line, "", "brackets or indentation nested too deeply")
		return nil
	}
	// Repeated keys are found by the decoder, which goes on to the next error.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, text := 1, err.Error()
		if e, ok := err.(yaml.Error); ok {
			text = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				line = max(t.Position.Line, 1)
			}
		}
		d.problem(line, "", "not valid YAML: %s", text)
		return nil
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		d.problem(lineOf(file.Docs[1].Body), "", "a second document begins here; a configuration file holds one")
		return nil
	}
	if len(file.Docs) == 0 {
		return nil
	}
	return file.Docs[0].Body
}

// tooDeep returns the line where more than 32 brackets are open or a line is
// indented by more than 256 characters, both far beyond any real file, because
// the parser recurses without a bound of its own. 0 means neither.
func tooDeep(data []byte) int {
	open := 0
	for i, line := range strings.Split(string(data), "\n") {
		if len(line)-len(strings.TrimLeft(line, " \t-?:")) > 256 {
			return i + 1
		}
		open += strings.Count(line, "[") + strings.Count(line, "{")
		if open > 32 {
			return i + 1
		}
		open = max(0, open-strings.Count(line, "]")-strings.Count(line, "}"))
	}
	return 0
}

func (d *decoder) errors() Errors {
	sort.SliceStable(d.problems, func(i, j int) bool { return d.problems[i].Line < d.problems[j].Line })
	return Errors(d.problems)
}
