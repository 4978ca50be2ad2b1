package gateway

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaryVariable names the program under test. If it is set already, that
// program is tested instead of a new one.
const binaryVariable = "RELAIS_BINARY"

// Main builds relais, runs the tests of a package and returns the exit status:
//
//	func TestMain(m *testing.M) { os.Exit(gateway.Main(m)) }
func Main(m *testing.M) int {
	if os.Getenv(binaryVariable) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "relais-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "building relais:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "relais")
	args := append(append([]string{"build"}, buildFlags...), "-o", path, "relais.example/cmd/relais")
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building relais:", err)
		return 1
	}
	os.Setenv(binaryVariable, path)
	return m.Run()
}

// Need ends the test when a program that make test installs is missing.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is not installed: run make test, which installs what the tests need", p)
		}
	}
}
