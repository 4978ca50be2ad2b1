// Package interop reads what other OpenPGP programs and mail clients write, has
// them read what Relais writes, and writes docs/interop.md from what it saw.
package interop

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const pagePath = "../../docs/interop.md"

// page collects results; it becomes docs/interop.md.
type page struct {
	mu       sync.Mutex
	programs map[string]string // name: version and how it was tried
	cells    map[[2]string]string
	shapes   []string // rows in order
	ours     []string
}

func newPage(t testing.TB) *page {
	p := &page{programs: map[string]string{}, cells: map[[2]string]string{}}
	for _, s := range append(shapes(t), keyShapes()...) {
		p.shapes = append(p.shapes, s.name)
	}
	for _, algorithm := range ours {
		for _, kind := range oursKinds {
			p.ours = append(p.ours, "to "+algorithm+": "+kind)
		}
	}
	return p
}

func (p *page) program(name, version, how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.programs[name] = "| " + name + " | " + version + " | " + how + " |"
}

func (p *page) wrote(program, row, result string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cells[[2]string{program, row}] = result
}

func (p *page) read(program, row, result string) { p.wrote(program, row, result) }

func (p *page) table(b *strings.Builder, title string, columns, rows []string) {
	fmt.Fprintf(b, "| %s | %s |\n|---%s|\n", title, strings.Join(columns, " | "), strings.Repeat("|---", len(columns)))
	for _, row := range rows {
		b.WriteString("| " + row)
		for _, column := range columns {
			b.WriteString(" | " + p.cells[[2]string{column, row}])
		}
		b.WriteString(" |\n")
	}
}

// columns in an order that does not change with the run: those that run, then
// those that were recorded.
func (p *page) columns(rows []string) (columns []string) {
	for name := range p.programs {
		if _, ok := p.cells[[2]string{name, rows[0]}]; ok {
			columns = append(columns, name)
		}
	}
	slices.SortFunc(columns, func(a, b string) int {
		ra, rb := strings.Contains(p.programs[a], "recorded"), strings.Contains(p.programs[b], "recorded")
		if ra != rb {
			if rb {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return columns
}

const intro = `# Interoperability

Written by the tests of test/interop, which fail when this page is not what they see. To write it anew:
` + "`go test ./test/interop -update`" + `.

## What others write and Relais reads

**read**: opened, the signature is good, of the right key and over everything; what a person reads, each attachment and each header
field that the row is about is what was written. A [reason code](reason-codes.md): opened or refused as that code says, which
is what the row calls for. **–**: the program has no way to write this.

Rows that begin with "as" are laid out by hand the way those mail programs do it; signatures and encryption in them are made by the
program of the column. Desk keys are of the same kind as the sender's in the rows that begin with "key".

`

const outro = `
A v6 key locked with Argon2 (RFC 9580) is unlocked, decrypts and signs; 25 MiB of attachments written by GnuPG 2.2 and by go-crypto
come out byte for byte. Both are tests of their own.

`

const reverse = `## What Relais writes and others read

**verified**: decrypted, the signature is the sender's and good, and what comes out is byte for byte the block of protected headers
(RFC 9788: the real Subject, ` + "`hp=\"cipher\"`, an `HP-Outer`" + ` field for each outer one) and the body; outside stands the
Subject "..." only. Both sides have a key of the kind named. **–**: the program knows no such keys. The newer programs were given
the same when their mails were recorded (test/interop/testdata/README.md).

`

const versions = `
## Versions

Of the run that wrote this page; other patch versions do not change it.

`

func (p *page) String() string {
	var b strings.Builder
	b.WriteString(intro)
	p.table(&b, "shape", p.columns(p.shapes), p.shapes)
	b.WriteString(outro + reverse)
	p.table(&b, "message", p.columns(p.ours), p.ours)
	b.WriteString(versions + "| program | version | how |\n|---|---|---|\n")
	var rows []string
	for _, row := range p.programs {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	b.WriteString(strings.Join(rows, "\n") + "\n")
	return b.String()
}

var versionCell = regexp.MustCompile(`(?m)^(\| \S.* [\d.]+) \| [\d.]+ \|`)

// finish compares the page with docs/interop.md, versions left out, or writes
// it. A run of some of the tests proves nothing about the page.
func (p *page) finish(t *testing.T) {
	t.Helper()
	for _, column := range p.columns(p.shapes) {
		for _, row := range p.shapes {
			if p.cells[[2]string{column, row}] == "" {
				t.Logf("%s: %s was not run: the page is not compared", column, row)
				return
			}
		}
	}
	if len(p.programs) == 0 {
		return
	}
	if *update {
		must(t, os.WriteFile(pagePath, []byte(p.String()), 0o644))
		return
	}
	text, err := os.ReadFile(pagePath)
	must(t, err)
	clean := func(s string) []string {
		return strings.Split(versionCell.ReplaceAllString(s, "$1 |"), "\n")
	}
	want, got := clean(p.String()), clean(string(text))
	for i := range max(len(want), len(got)) {
		w, g := "", ""
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Fatalf("docs/interop.md, line %d, says\n%s\nand the run yields\n%s\nrun: go test ./test/interop -update", i+1, g, w)
		}
	}
}
