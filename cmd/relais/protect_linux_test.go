package main

import (
	"syscall"
	"testing"
)

func TestTheMemoryOfTheGatewayIsNotDumped(t *testing.T) {
	if err := protectMemory(); err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil || limit != (syscall.Rlimit{}) {
		t.Errorf("core dumps up to %+v, %v", limit, err)
	}
	const prGetDumpable = 3
	if dumpable, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prGetDumpable, 0, 0); errno != 0 || dumpable != 0 {
		t.Errorf("dumpable %d, %v", dumpable, errno)
	}
}
