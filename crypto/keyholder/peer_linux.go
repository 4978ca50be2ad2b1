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
