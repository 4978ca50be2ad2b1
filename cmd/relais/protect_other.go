//go:build !linux

package main

// protectMemory does nothing where the system has no such calls.
func protectMemory() error { return nil }
