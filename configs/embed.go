// Package configs holds the configuration files that ship inside the program:
// the clocks, the vocabulary and the trained model of the classifier, and the
// words by which lists of contact points are read. An installation may replace
// them, but for the model, by files of its own. The model is made from
// corpus/*.jsonl, which is not built in.
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

// Model is the trained model of the classifier, written by relais classify
// train.
//
//go:embed classify.model
var Model []byte
