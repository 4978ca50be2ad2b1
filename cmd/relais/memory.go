package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent lets more garbage gather than Go does by itself before it is
// collected: the gateway needs little memory, and each message leaves about a
// hundred kilobytes behind.
const gcPercent = 400

// tuneMemory trades memory for processor time as far as there is memory: near
// three quarters of what the machine or the control group has, garbage is
// collected more often again. GOGC and GOMEMLIMIT, where set, win.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(availableMemory(os.ReadFile) / 4 * 3)
	}
}

// availableMemory returns the memory that this process may use, in bytes: on
// Linux the least of the machine's and of the limits of its control groups
// (version 2). Elsewhere nothing is known, and the answer is very large.
func availableMemory(readFile func(string) ([]byte, error)) int64 {
	least := int64(math.MaxInt64)
	if text, err := readFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
				if kilobytes, err := strconv.ParseInt(f[1], 10, 53); err == nil {
					least = kilobytes << 10
				}
			}
		}
	}
	text, err := readFile("/proc/self/cgroup")
	if err != nil {
		return least
	}
	group, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "0::/")
	for ok {
		if text, err := readFile(filepath.Join("/sys/fs/cgroup", group, "memory.max")); err == nil {
			if bytes, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bytes > 0 { // else "max"
				least = min(least, bytes)
			}
		}
		if group == "" || group == "." {
			break
		}
		group = filepath.Dir(group)
	}
	return least
}
