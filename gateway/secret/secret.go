// Package secret reads and writes the files that hold secrets: private keys,
// passphrases, passwords. A file that somebody else may read or change is
// refused.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxBytes bounds what is read: no secret is that long.
const maxBytes = 1 << 20

// Check reports what is wrong with the owner or the mode of a secret file: nil,
// or an error that names the command which mends it. A file that does not exist
// is an error too.
//
// The owner must be root or the user that this process runs as. Root may also
// look after the files of the user whom the folder belongs to: that user could
// put other files there anyway.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return check(path, info)
}

func check(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if isCredential(path) {
		return nil // systemd.exec(5): made by systemd, for this service only
	}
	if mode := info.Mode().Perm(); mode&0o066 != 0 {
		return fmt.Errorf("%s is open to other users of this machine (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	folder, err := os.Stat(filepath.Dir(resolve(path)))
	if err != nil {
		return err
	}
	if uid := owner(info); !mayOwn(uid, os.Geteuid(), owner(folder), folder.Mode()) {
		return fmt.Errorf("%s belongs to another user (uid %d), who may change it; run: chown %d %s", path, uid, os.Geteuid(), path)
	}
	return nil
}

// mayOwn judges the owner of a file for the user us.
func mayOwn(owner, us, folderOwner int, folder fs.FileMode) bool {
	if owner == 0 || owner == us {
		return true
	}
	return us == 0 && folderOwner == owner && folder.Perm()&0o022 == 0
}

// CheckFolder reports what is wrong with the folder of a secret file: whoever
// may write to it can put another file in its place.
func CheckFolder(path string) error {
	if isCredential(path) {
		return nil
	}
	dir := filepath.Dir(resolve(path))
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	// The sticky bit, as of /tmp, keeps others from replacing files.
	if mode := info.Mode(); mode.Perm()&0o022 != 0 && mode&fs.ModeSticky == 0 {
		return fmt.Errorf("the folder %s may be changed by other users of this machine (mode %04o); run: chmod go-w %s", dir, mode.Perm(), dir)
	}
	return nil
}

// Read returns the content of a secret file that passes [Check].
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, not of what lies there now
	if err != nil {
		return nil, err
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(b) > maxBytes {
		err = fmt.Errorf("%s has more than %d bytes", path, maxBytes)
	}
	return b, err
}

// ReadLine returns the one line of a password or passphrase file, without its
// end.
func ReadLine(path string) ([]byte, error) {
	b, err := Read(path)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	case bytes.ContainsAny(b, "\r\n\x00"):
		return nil, fmt.Errorf("%s has more than one line", path)
	}
	return b, nil
}

// CredentialPath returns where systemd puts a credential of the service
// (LoadCredential= or LoadCredentialEncrypted= in its unit).
func CredentialPath(name string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("credential %q: CREDENTIALS_DIRECTORY is not set; start the gateway by systemd, with LoadCredential=%s:/path in its unit", name, name)
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", fmt.Errorf("%q is not the name of a credential", name)
	}
	return filepath.Join(dir, name), nil
}

func isCredential(path string) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	return dir != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir)
}

func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func owner(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return os.Geteuid()
}

// ErrExists is returned by [Create] for a path that is taken.
var ErrExists = errors.New("it exists already and is never overwritten; choose another name or move it away")
