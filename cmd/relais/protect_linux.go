package main

import (
	"fmt"
	"syscall"
)

// prSetDumpable is PR_SET_DUMPABLE of prctl(2).
const prSetDumpable = 4

// protectMemory keeps the memory of the process, which holds keys and opened
// mail, out of core dumps and away from debuggers of the same user. It is not
// locked against swapping: that would need the right to lock as much memory as
// large messages take; the systemd unit takes the swap away instead.
func protectMemory() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("switching core dumps off: %w", err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0); errno != 0 {
		return fmt.Errorf("closing the memory to debuggers: %w", errno)
	}
	return nil
}
