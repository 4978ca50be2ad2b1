package deployments

import (
	"regexp"
	"strings"
	"testing"
)

func TestEveryDirectDependencyHasAReason(t *testing.T) {
	docs := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| \\S.{19,} \\|$").FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		docs[m[1]] = true
	}
	required := map[string]bool{}
	inside := false
	for line := range strings.Lines(read(t, "go.mod")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			inside = true
		case line == ")":
			inside = false
		case (inside || strings.HasPrefix(line, "require ")) && line != "" && !strings.HasSuffix(line, "// indirect"):
			required[strings.Fields(strings.TrimPrefix(line, "require "))[0]] = true
		}
	}
	if len(required) == 0 {
		t.Fatal("no requirement found in go.mod")
	}
	for module := range required {
		if !docs[module] {
			t.Errorf("docs/dependencies.md gives no reason for %s", module)
		}
	}
	for module := range docs {
		if !required[module] {
			t.Errorf("docs/dependencies.md speaks of %s, which go.mod does not require", module)
		}
	}
}
