package keyholder

import (
	"net"
	"syscall"
)

// peer returns the user id of the process at the other end, as the kernel saw
// it when it connected; -1 with an error.
func peer(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var credentials *syscall.Ucred
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		credentials, optErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return -1, err
	}
	if optErr != nil {
		return -1, optErr
	}
	return int(credentials.Uid), nil
}

// Unreadable keeps core dumps and debuggers of the same user away from this
// process's memory (prctl(2), PR_SET_DUMPABLE).
func Unreadable() error {
	const setDumpable = 4
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setDumpable, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
