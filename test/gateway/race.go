//go:build race

package gateway

// buildFlags make the program under test look for data races when the test
// does.
var buildFlags = []string{"-race"}
