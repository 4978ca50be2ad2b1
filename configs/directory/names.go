//go:build ignore

// Command names writes the English and French names of countries and languages
// anew, from the Unicode CLDR data of golang.org/x/text:
//
//	go run configs/directory/names.go configs/directory
//
// What people write beside these names stands in columns.yaml.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run configs/directory/names.go FOLDER")
	}
	for name, content := range map[string]string{"countries.yaml": countries(), "languages.yaml": languages()} {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(content), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func countries() string {
	var b strings.Builder
	b.WriteString("# ISO 3166-1 codes with their names. Written by names.go: do not edit.\n")
	for a := 'A'; a <= 'Z'; a++ {
		for z := 'A'; z <= 'Z'; z++ {
			code := string([]rune{a, z})
			r, err := language.ParseRegion(code)
			if err != nil || !r.IsCountry() || r.Canonicalize() != r || slices.Contains([]string{"AC", "CP", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN"}, code) || a == 'X' && code != "XK" || code == "ZZ" {
				continue
			}
			write(&b, code, display.English.Regions().Name(r), display.French.Regions().Name(r))
		}
	}
	return b.String()
}

func languages() string {
	var b strings.Builder
	seen := map[string]bool{} // CLDR names some codes alike
	b.WriteString("# ISO 639-1 codes with the names of the languages in English, in French and in themselves. Written by names.go: do not edit.\n")
	for a := 'a'; a <= 'z'; a++ {
		for z := 'a'; z <= 'z'; z++ {
			code := string([]rune{a, z})
			t, err := language.Parse(code)
			if err != nil || t.String() != code {
				continue
			}
			en := display.English.Languages().Name(t)
			if en == "" || en == code || strings.HasPrefix(en, "Unknown") || seen[en] {
				continue
			}
			seen[en] = true
			write(&b, code, en, display.French.Languages().Name(t), display.Self.Name(t))
		}
	}
	return b.String()
}

func write(b *strings.Builder, code string, names ...string) {
	var list []string
	for _, n := range names {
		if n != "" && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "%q: [", code)
	for i, n := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%q", n)
	}
	b.WriteString("]\n")
}
