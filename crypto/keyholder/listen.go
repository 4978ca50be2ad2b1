package keyholder

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxPath is what a Unix socket address takes.
const maxPath = 107

// Listener is a bound socket.
type Listener struct {
	*net.UnixListener
	lock *os.File // keeps a second keyholder away
}

// Close removes the socket.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	l.lock.Close()
	return err
}

// Listen binds the socket at path, mode 0660. A socket that a process left
// behind is replaced; one that is in use is an error. The empty file
// path + ".lock" beside it stays.
func Listen(path string) (*Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("keyholder socket %s: the path is longer than %d bytes", path, maxPath)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("keyholder socket: %w; make the folder, owned by the keyholder's user", err)
	}
	if info.Mode()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return nil, fmt.Errorf("keyholder socket: others could put another socket into the folder %s; run: chmod go-w %s", dir, dir)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyholder socket: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("keyholder socket: %s is in use by another keyholder; stop that one first: %w", path, err)
	}
	ln, err := bind(path)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("keyholder socket: %w", err)
	}
	return &Listener{ln, lock}, nil
}

// bind is called with the lock held: what stands at path is in nobody's use.
func bind(path string) (*net.UnixListener, error) {
	switch info, err := os.Lstat(path); {
	case err == nil && info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there and is no socket", path)
	case err == nil:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}
