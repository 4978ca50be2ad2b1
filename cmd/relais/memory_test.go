package main

import (
	"io/fs"
	"math"
	"testing"
)

func TestAvailableMemory(t *testing.T) {
	machine := "MemTotal:        4000000 kB\nMemFree:          100000 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing known", nil, math.MaxInt64},
		{"the machine", map[string]string{"/proc/meminfo": machine}, 4000000 << 10},
		{"a service with a limit", map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "0::/system.slice/relais.service\n",
			"/sys/fs/cgroup/system.slice/relais.service/memory.max": "1073741824\n", "/sys/fs/cgroup/system.slice/memory.max": "max\n"}, 1 << 30},
		{"a limit further up", map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "0::/system.slice/relais.service\n",
			"/sys/fs/cgroup/system.slice/relais.service/memory.max": "1073741824\n", "/sys/fs/cgroup/system.slice/memory.max": "536870912\n"}, 512 << 20},
		{"a container", map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "268435456\n"}, 256 << 20},
		{"control groups of version 1", map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "12:memory:/x\n1:name=systemd:/\n"}, 4000000 << 10},
	} {
		got := availableMemory(func(path string) ([]byte, error) {
			text, ok := c.files[path]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		})
		if got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
