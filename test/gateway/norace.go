//go:build !race

package gateway

var buildFlags []string
