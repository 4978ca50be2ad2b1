package accounts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"

	"relais.example/gateway/secret"
)

const (
	maxFile  = 4 << 20 // bytes
	maxStaff = 10000   // accounts
)

var (
	userPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,63}$`)
	deskPattern = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,8}$`)
)

type document struct {
	Staff []Account `yaml:"staff"`
}

// read parses the file at path and reports everything that is wrong with its
// accounts at once.
func read(path string) ([]Account, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading staff file: %w", err)
	}
	if err := secret.Check(path); err != nil {
		return nil, fmt.Errorf("staff file %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("staff file %s has %d bytes; at most %d are allowed", path, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading staff file: %w", err)
	}
	staff, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("staff file %s: %w", path, err)
	}
	return staff, nil
}

func parse(data []byte) (staff []Account, err error) {
	defer func() { // the YAML library is not made for hostile input
		if recover() != nil {
			staff, err = nil, errors.New("not valid YAML")
		}
	}()
	// Nor is it for deep nesting, whose cost grows with the square. No staff
	// file comes near this bound.
	nesting := 0
	for _, mark := range []string{"[", "{", "- ", "? "} {
		nesting += bytes.Count(data, []byte(mark))
	}
	if len(data) > maxFile || nesting > 2*maxStaff {
		return nil, errors.New("too large, or nested too deeply")
	}
	var doc document
	if err := yaml.UnmarshalWithOptions(data, &doc, yaml.Strict()); err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	if err := check(doc.Staff); err != nil {
		return nil, err
	}
	return doc.Staff, nil
}

// check returns every problem of every account, joined.
func check(staff []Account) error {
	var problems []error
	if len(staff) > maxStaff {
		return fmt.Errorf("%d accounts; at most %d are allowed", len(staff), maxStaff)
	}
	seen := map[string]int{}
	for i, a := range staff {
		for _, p := range a.problems() {
			problems = append(problems, fmt.Errorf("entry %d (user %q): %w", i+1, a.User, p))
		}
		if first := seen[a.User]; first > 0 && a.User != "" {
			problems = append(problems, fmt.Errorf("entry %d (user %q): the same user is entry %d already", i+1, a.User, first))
		} else {
			seen[a.User] = i + 1
		}
	}
	return errors.Join(problems...)
}

func (a Account) problems() []error {
	var out []error
	wrong := func(format string, args ...any) { out = append(out, fmt.Errorf(format, args...)) }
	if !userPattern.MatchString(a.User) {
		wrong("user must be 1 to 64 of a-z 0-9 . _ @ + -, and begin with a letter or digit")
	}
	if !deskPattern.MatchString(a.Desk) {
		wrong("desk %q is not the identifier of a contact point; use e.g. XA-1", a.Desk)
	}
	if !slices.Contains(Roles(), a.Role) {
		wrong("role %q is unknown; use officer, supervisor, auditor, admin or peer", a.Role)
	}
	if a.Name == "" || len(a.Name) > 200 || strings.ContainsFunc(a.Name, unicode.IsControl) {
		wrong("name must be 1 to 200 bytes without control characters")
	}
	if a.Address != "" {
		if parsed, err := mail.ParseAddress(a.Address); err != nil || parsed.Address != a.Address || len(a.Address) > 254 {
			wrong("address %q is not a plain mail address", a.Address)
		}
	}
	if _, err := parseHash(a.PasswordHash); err != nil {
		wrong("%w", err)
	}
	return out
}

// Add adds a to the staff file at path, which is made when it is missing.
func Add(path string, a Account) error {
	return change(path, true, func(staff []Account) ([]Account, error) {
		if find(staff, a.User) >= 0 {
			return nil, fmt.Errorf("user %q exists already; use 'relais staff password' to change the password", a.User)
		}
		return append(staff, a), nil
	})
}

// SetPassword gives user another password hash, as made by Hash.
func SetPassword(path, user, hash string) error {
	return change(path, false, func(staff []Account) ([]Account, error) {
		i := find(staff, user)
		if i < 0 {
			return nil, fmt.Errorf("no user %q; 'relais staff list' shows them", user)
		}
		staff[i].PasswordHash = hash
		return staff, nil
	})
}

// Remove takes user out of the staff file.
func Remove(path, user string) error {
	return change(path, false, func(staff []Account) ([]Account, error) {
		i := find(staff, user)
		if i < 0 {
			return nil, fmt.Errorf("no user %q; 'relais staff list' shows them", user)
		}
		return slices.Delete(staff, i, i+1), nil
	})
}

// List returns the accounts of the staff file at path, in its order.
func List(path string) ([]Account, error) { return read(path) }

func find(staff []Account, user string) int {
	return slices.IndexFunc(staff, func(a Account) bool { return a.User == user })
}

// change rewrites the file under a lock of its folder, so that two runs of
// 'relais staff' at the same time both take effect.
func change(path string, mayCreate bool, edit func([]Account) ([]Account, error)) error {
	unlock, err := secret.Lock(path)
	if err != nil {
		return fmt.Errorf("changing staff file: %w", err)
	}
	defer unlock()
	staff, err := read(path)
	if err != nil && !(mayCreate && errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if staff, err = edit(staff); err != nil {
		return err
	}
	if err := check(staff); err != nil {
		return err
	}
	data, err := yaml.Marshal(document{Staff: staff})
	if err != nil {
		return fmt.Errorf("writing staff file: %w", err)
	}
	if back, err := parse(data); err != nil || !slices.Equal(back, staff) {
		return fmt.Errorf("writing staff file: the accounts cannot be written as YAML; use plainer names (%v)", err)
	}
	head := "# Staff accounts of Relais, written by 'relais staff'. Send SIGHUP to the gateway after changes.\n"
	if err := secret.Replace(path, append([]byte(head), data...)); err != nil {
		return fmt.Errorf("writing staff file: %w", err)
	}
	return nil
}
