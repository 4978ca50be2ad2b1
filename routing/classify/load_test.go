package classify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relais.example/configs"
)

// copyVocabulary writes the built-in files to a folder, so that a test can
// spoil one.
func copyVocabulary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := configs.Vocabulary.ReadDir("vocabulary")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := configs.Vocabulary.ReadFile("vocabulary/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadOwnVocabulary(t *testing.T) {
	dir := copyVocabulary(t)
	own := "families:\n  keep: [embalm*]\n"
	if err := os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	body := "Please have the mailbox embalmed.\n"
	if got := c.Classify(Input{Body: body}).Kinds[0]; got != "PRESERVATION" {
		t.Errorf("with the new word: %s", got)
	}
	if got := builtIn(t).Classify(Input{Body: body}).Kinds[0]; got != "UNCLASSIFIED" {
		t.Errorf("without it: %s", got)
	}
}

func TestLoadListsEveryFault(t *testing.T) {
	dir := copyVocabulary(t)
	own := `families:
  spare: [word]
  keep: ["*", "a b c d e f g h i"]
rules:
  - {name: no-kind, kind: KEEP, weight: 1, all: [keep]}
  - {name: no-family, kind: PING, weight: 1, all: [kept]}
  - {name: no-weight, kind: PING, all: [keep]}
  - {name: nothing, kind: PING, weight: 1}
  - {name: when, kind: PING, weight: 1, all: [keep], emergency: maybe}
months: [january]
together: [[PING]]
`
	if err := os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir)
	if err == nil {
		t.Fatal("a faulty vocabulary was accepted")
	}
	for _, want := range []string{
		`family "spare" is used by no rule`, `"*": a * stands at the end of a word`, `write 1 to 8 words`,
		`rule no-kind: unknown kind "KEEP"`, `rule no-family: unknown family "kept"`, `rule no-weight: weight 0`,
		`rule nothing: all must name at least one family`, `rule when: emergency: "maybe"`, `months: 1 given`, `write two kinds`, "own.yaml",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("got:\n%v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, content := range map[string]string{
		"unknown key":      "familes: {}\n",
		"not YAML":         "families: [\n",
		"missing families": "language: xx\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty folder was accepted")
	}
}

func TestReadSamplesListsEveryFault(t *testing.T) {
	_, err := ReadSamples(strings.NewReader("{\n{\"kinds\":[\"PING\"]}\n\n{\"kinds\":[]}\n{\"kinds\":[\"PONG\"]}\n"))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"line 1:", "line 4: kinds: missing", `line 5: kinds: unknown kind "PONG"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
}
