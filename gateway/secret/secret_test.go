package secret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func put(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileThatOthersMayReadOrChangeIsRefused(t *testing.T) {
	for mode, good := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true, 0o640: false, 0o660: false, 0o620: false, 0o604: false, 0o602: false, 0o644: false, 0o777: false,
	} {
		path := put(t, "x", mode)
		err := Check(path)
		if good != (err == nil) || err != nil && !strings.HasSuffix(err.Error(), "run: chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
		if _, readErr := Read(path); good != (readErr == nil) {
			t.Errorf("mode %o was read: %v", mode, readErr)
		}
	}
	if err := Check(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
	if err := Check(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestOnlyRootAndWeOwnSecrets(t *testing.T) {
	for _, tt := range []struct {
		owner, us, folderOwner int
		folder                 fs.FileMode
		good                   bool
	}{
		{0, 1000, 0, 0o755, true}, {1000, 1000, 0, 0o755, true}, {0, 0, 0, 0o755, true},
		{1001, 1000, 0, 0o755, false}, {1001, 1000, 1001, 0o700, false}, {1001, 1000, 1000, 0o700, false},
		{1001, 0, 0, 0o755, false}, {1001, 0, 1002, 0o700, false}, // root's look at the files of the gateway's user:
		{1001, 0, 1001, 0o700, true}, {1001, 0, 1001, 0o755, true}, {1001, 0, 1001, 0o770, false}, {1001, 0, 1001, 0o1777, false},
	} {
		if mayOwn(tt.owner, tt.us, tt.folderOwner, tt.folder) != tt.good {
			t.Errorf("%+v", tt)
		}
	}
}

// Giving files away is root's right: as another user, the test above remains.
func TestAFileOfAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	path := put(t, "x", 0o600)
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := Check(path); err == nil || !strings.Contains(err.Error(), "uid 12345") || !strings.Contains(err.Error(), "run: chown 0 ") {
		t.Errorf("got %v", err)
	}
	// Root that looks after the folder of the gateway's user.
	folder := filepath.Dir(path)
	if err := os.Chown(folder, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := Check(path); err != nil {
		t.Errorf("in that user's own folder: %v", err)
	}
	if err := os.Chmod(folder, 0o770); err != nil {
		t.Fatal(err)
	}
	if Check(path) == nil || CheckFolder(path) == nil {
		t.Error("others may write to the folder")
	}
	if err := os.Chmod(folder, 0o777|fs.ModeSticky); err != nil || CheckFolder(path) != nil {
		t.Errorf("a folder such as /tmp: %v %v", err, CheckFolder(path))
	}
}

func TestCredentialsOfSystemdAreTaken(t *testing.T) {
	path := put(t, "open sesame\n", 0o440)
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
	found, err := CredentialPath("secret")
	if err != nil || found != path {
		t.Fatalf("%s %v", found, err)
	}
	if line, err := ReadLine(found); err != nil || string(line) != "open sesame" {
		t.Errorf("%q %v", line, err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "../secret"} {
		if _, err := CredentialPath(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if other := put(t, "x", 0o440); Check(other) == nil {
		t.Error("a file outside of the credentials is exempt")
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := CredentialPath("secret"); err == nil || !strings.Contains(err.Error(), "LoadCredential=secret:") {
		t.Errorf("without systemd: %v", err)
	}
}

func TestReadLineWantsOneLine(t *testing.T) {
	for content, want := range map[string]string{
		"a b\r\n": "a b", "a": "a", "a \n": "a ", "": "is empty", "\n": "is empty", "a\nb": "more than one line", "a\x00": "more than one line",
	} {
		got, err := ReadLine(put(t, content, 0o600))
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && string(got) != want {
			t.Errorf("%q: %q %v", content, got, err)
		}
	}
	if _, err := Read(put(t, strings.Repeat("x", maxBytes+1), 0o600)); err == nil {
		t.Error("a secret of a megabyte was read")
	}
}

func TestCreateNeverOverwritesAndReplaceKeepsTheOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	path := filepath.Join(dir, "key")
	if err := Create(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("two")); !errors.Is(err, ErrExists) {
		t.Errorf("overwritten: %v", err)
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Create(filepath.Join(dir, "link"), []byte("two")); !errors.Is(err, ErrExists) {
		t.Errorf("written through a link: %v", err)
	}
	uid := 12345 // giving files away is root's right
	if os.Geteuid() != 0 {
		uid = os.Geteuid()
	}
	if err := errors.Join(os.Chown(path, uid, -1), os.Chmod(path, 0o644), Replace(path, []byte("three"))); err != nil {
		t.Fatal(err)
	}
	expect(t, path, "three", "-rw------- "+strconv.Itoa(uid))
	if err := errors.Join(os.Chown(dir, uid, -1), CreatePublic(filepath.Join(dir, "public"), []byte("four"))); err != nil {
		t.Fatal(err)
	}
	expect(t, filepath.Join(dir, "public"), "four", "-rw-r--r-- "+strconv.Itoa(uid))
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

func expect(t *testing.T, path, content, is string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().String() + " " + strconv.Itoa(owner(info)); string(b) != content || got != is {
		t.Errorf("%s: %q %s, want %q %s", path, b, got, content, is)
	}
}
