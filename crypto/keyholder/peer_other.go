//go:build !linux

package keyholder

import (
	"errors"
	"net"
)

var errLinuxOnly = errors.New("the keyholder needs Linux, which tells who is at the other end of a socket")

func peer(*net.UnixConn) (int, error) { return -1, errLinuxOnly }
