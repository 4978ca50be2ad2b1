// Package configs holds the configuration files that ship inside the program:
// the clocks, the vocabulary of the classifier, and the words by which lists of
// contact points are read. An installation may replace them by files of its own.
package configs

import "embed"

// Clocks holds clocks.yaml, read by routing/deadline.
//
//go:embed clocks.yaml
var Clocks embed.FS

// Vocabulary holds vocabulary/*.yaml, read by routing/classify.
//
//go:embed vocabulary/*.yaml
var Vocabulary embed.FS

// Directory holds directory/columns.yaml, countries.yaml and languages.yaml,
// read by routing/directory/interchange, and the published JSON Schema of the
// Directory, schema.json.
//
//go:embed directory/*.yaml directory/schema.json
var Directory embed.FS
