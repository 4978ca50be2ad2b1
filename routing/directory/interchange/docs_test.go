package interchange

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every code of a finding or refusal stands in the tables of the description,
// and the tables name no other.
func TestCodesAreDescribed(t *testing.T) {
	page, err := os.ReadFile("../../../docs/directory.md")
	if err != nil {
		t.Fatal(err)
	}
	_, imports, _ := strings.Cut(string(page), "### Findings of an import")
	imports, _, ok := strings.Cut(imports, "## Exporting")
	if !ok {
		t.Fatal("docs/directory.md has no findings of an import")
	}
	codes := map[string]bool{}
	for _, file := range []string{"finding.go", "container.go", "xml.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				for i, v := range s.(*ast.ValueSpec).Values {
					lit, ok := v.(*ast.BasicLit)
					if !ok || lit.Kind != token.STRING || !s.(*ast.ValueSpec).Names[i].IsExported() {
						continue
					}
					code, _ := strconv.Unquote(lit.Value)
					codes[code] = true
				}
			}
		}
	}
	if len(codes) < 50 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for code := range codes {
		if !strings.Contains(imports, "`"+code+"`") {
			t.Errorf("docs/directory.md does not describe %s", code)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(imports, -1) {
		if !codes[m[1]] {
			t.Errorf("docs/directory.md describes %s, which is no code", m[1])
		}
	}
}
