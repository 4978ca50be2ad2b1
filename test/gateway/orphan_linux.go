package gateway

import "syscall"

// notOrphaned ends a program with the thread that started it, so that a test
// that is killed leaves none behind.
func notOrphaned() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
