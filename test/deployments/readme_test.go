package deployments

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// Who reads the README sees every package of the three lower floors, and none
// that is gone.
func TestTheReadmeShowsEveryPackage(t *testing.T) {
	_, house, _ := strings.Cut(read(t, "README.md"), "\n## The house\n")
	house, _, found := strings.Cut(house, "\nTwo processes run")
	if !found {
		t.Fatal("README.md: no section \"The house\"")
	}
	// A name stands at the left or in the middle, with two blanks before it and
	// its description behind it.
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)  ([a-z]+) {2,}[A-Za-z/]`).FindAllStringSubmatch(house, -1) {
		shown[m[1]] = true
	}
	there := map[string]bool{}
	for _, floor := range []string{"gateway", "routing", "crypto"} {
		root := os.DirFS("../../" + floor)
		err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if err == nil && path.Ext(p) == ".go" && path.Dir(p) != "." {
				there[path.Base(path.Dir(p))] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Parts of the package above them, which need no line of their own.
	delete(there, "generate")
	delete(there, "envelope")
	if len(there) < 30 {
		t.Fatalf("only %d packages found", len(there))
	}
	for name := range there {
		if !shown[name] {
			t.Errorf("README.md does not show the package %s", name)
		}
	}
	for name := range shown {
		if !there[name] {
			t.Errorf("README.md shows %q, which is no package", name)
		}
	}
}
