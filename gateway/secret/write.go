package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Create writes a new file that only its owner may read, all of it or nothing,
// and durably. It never takes the place of another file: the error is then
// [ErrExists]. Missing folders are made. As root, the file belongs to whom the
// folder belongs to.
func Create(path string, data []byte) error { return create(path, data, 0o600) }

// CreatePublic is [Create] for what everybody may read.
func CreatePublic(path string, data []byte) error { return create(path, data, 0o644) }

// Replace writes a file as [Create] does and takes the place of the one that is
// there. As root, its owner stays.
func Replace(path string, data []byte) error { return replace(path, data, 0o600) }

// ReplacePublic is [Replace] for what everybody may read.
func ReplacePublic(path string, data []byte) error { return replace(path, data, 0o644) }

func create(path string, data []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	like, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	temp, err := write(filepath.Dir(path), data, mode, like)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// Unlike a rename, a link fails where a file was made in the meantime. The
	// file systems of USB sticks have no links.
	switch err := os.Link(temp, path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", path, ErrExists)
	case err != nil:
		if err := os.Rename(temp, path); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(path))
}

func replace(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	like, err := os.Stat(path)
	if err != nil {
		like, err = os.Stat(dir)
	}
	if err != nil {
		return err
	}
	temp, err := write(dir, data, mode, like)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return syncFolder(dir)
}

// write puts data into a synced file beside its final place. Nobody else can
// read it at any moment.
func write(dir string, data []byte, mode fs.FileMode, like fs.FileInfo) (path string, err error) {
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return "", err
	}
	if s, ok := like.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err = f.Chown(int(s.Uid), int(s.Gid)); err != nil {
			return "", err
		}
	}
	if mode != 0o600 { // nor have they modes
		if err = f.Chmod(mode); err != nil {
			return "", err
		}
	}
	return f.Name(), f.Sync()
}

// Lock keeps others that lock the folder of path out of it until unlock is
// called, so that of two changes at the same time none is lost.
func Lock(path string) (unlock func(), err error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		folder.Close()
		return nil, fmt.Errorf("locking %s: %w", folder.Name(), err)
	}
	return func() { folder.Close() }, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
