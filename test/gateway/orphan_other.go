//go:build !linux

package gateway

import "syscall"

func notOrphaned() *syscall.SysProcAttr { return nil }
