// Command generate writes the files that are made from the configuration
// struct. Its argument is the root of the project.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"relais.example/gateway/config"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate ROOT")
		os.Exit(2)
	}
	files := map[string][]byte{
		"configs/relais.example.yaml": config.Example(),
		"docs/configuration.md":       config.Describe(),
	}
	for name, data := range files {
		if err := write(filepath.Join(os.Args[1], name), data); err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making folder: %w", err)
	}
	return os.WriteFile(path, data, 0o644)
}
