// Package configs holds the configuration files that ship inside the program:
// the clocks and the vocabulary of the classifier. An installation may replace
// them by files of its own.
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
