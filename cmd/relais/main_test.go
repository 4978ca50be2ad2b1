package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"relais": main})
}

// TestCommandLine runs testdata/script: what each command prints and refuses.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(e *testscript.Env) error { e.Setenv("HOME", e.WorkDir); return nil },
	})
}

// TestDemo runs the main job once, as a newcomer does first.
func TestDemo(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := runDemo(t.Context(), f, t.TempDir(), false); err != nil {
		out, _ := os.ReadFile(f.Name())
		t.Fatalf("%v\n%s", err, out)
	}
}
