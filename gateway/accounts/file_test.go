package accounts

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cheap makes hashes fast enough for tests.
func cheap() cost { return cost{memory: 8 << 10, time: 1, threads: 1} }

const password = "correct horse battery"

func officer(user string) Account {
	return Account{User: user, Desk: "XA-1", Role: Officer, Name: "Ada Alpha", Address: user + "@alphaland.example", PasswordHash: hashWith(cheap(), password)}
}

func staffFile(t *testing.T, users ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "staff.yaml")
	for _, user := range users {
		if err := Add(path, officer(user)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestRolesSeeAndDoOnlyWhatTheyMay(t *testing.T) {
	for _, tt := range []struct {
		role                  Role
		read, answer, release bool
	}{
		{Officer, true, true, false},
		{Supervisor, true, true, true},
		{Auditor, false, false, false},
		{Admin, false, false, false},
		{"", false, false, false},
	} {
		if tt.role.MayRead() != tt.read || tt.role.MayAnswer() != tt.answer || tt.role.MayRelease() != tt.release {
			t.Errorf("%s: read %v, answer %v, release %v", tt.role, tt.role.MayRead(), tt.role.MayAnswer(), tt.role.MayRelease())
		}
	}
}

func TestAccountsSurviveTheFile(t *testing.T) {
	path := staffFile(t)
	names := []string{"Ada", "Zoë Müller", "- dash", "yes", "null", "a: b # c", `"quoted" 'both'`, "  spaced ", "0x10", "{x}", "*star", "日本"}
	var want []Account
	for i, name := range names {
		a := officer(string(rune('a' + i)))
		a.Name, a.Address = name, ""
		want = append(want, a)
		if err := Add(path, a); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	got, err := List(path)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d accounts: %v", len(got), err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

func TestChangesAreWrittenPrivatelyAndInOneStep(t *testing.T) {
	path := staffFile(t, "ada", "bo")
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if mode() != 0o600 {
		t.Errorf("new file has mode %o", mode())
	}
	hash := hashWith(cheap(), "another good password")
	if err := SetPassword(path, "ada", hash); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, "bo"); err != nil {
		t.Fatal(err)
	}
	if mode() != 0o600 {
		t.Errorf("changed file has mode %o", mode())
	}
	staff, err := List(path)
	if err != nil || len(staff) != 1 || staff[0].PasswordHash != hash {
		t.Errorf("%+v %v", staff, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("temporary files stay behind: %v %v", left, err)
	}
}

func TestRefusedChangesLeaveTheFileAlone(t *testing.T) {
	path := staffFile(t, "ada")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := officer("bo")
	bad.Role = "king"
	for name, err := range map[string]error{
		"exists already":    Add(path, officer("ada")),
		`role "king"`:       Add(path, bad),
		`no user "bo"`:      Remove(path, "bo"),
		`no user "cy"`:      SetPassword(path, "cy", bad.PasswordHash),
		"not an argon2id":   SetPassword(path, "ada", "plain"),
		"no such file or d": SetPassword(filepath.Join(t.TempDir(), "staff.yaml"), "ada", bad.PasswordHash),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("file changed: %v\n%s", err, after)
	}
}

func TestTwoCommandsAtOnceBothTakeEffect(t *testing.T) {
	path := staffFile(t)
	hash := hashWith(cheap(), password)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if err := Add(path, Account{User: "u" + string(rune('a'+i)), Desk: "XA-1", Role: Officer, Name: "N", PasswordHash: hash}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if staff, err := List(path); err != nil || len(staff) != 12 {
		t.Errorf("%d accounts, %v", len(staff), err)
	}
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	data := `staff:
  - {user: "Ada Alpha", desk: alpha, role: king, name: "", address: "Ada <a@alphaland.example>", password_hash: secret}
  - {user: bo, desk: XA-1, role: officer, name: Bo, password_hash: "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAA$AAAA"}
  - {user: bo, desk: XA-1, role: officer, name: Bo, password_hash: "` + hashWith(cheap(), password) + `"}
`
	_, err := parse([]byte(data))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`entry 1 (user "Ada Alpha"): user must be`, `desk "alpha"`, `role "king"`, "name must be", `address "Ada`, "not an argon2id hash",
		`entry 2 (user "bo"): password_hash asks for unreasonable work`, `entry 3 (user "bo"): the same user is entry 2 already`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
	if _, err := parse([]byte("staff:\n  - {user: bo, passwort: x}\n")); err == nil || !strings.Contains(err.Error(), "passwort") {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := parse([]byte(strings.Repeat("[", maxFile))); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("brackets: %v", err)
	}
}

func TestAStaffFileOpenToAllIsRefused(t *testing.T) {
	path := staffFile(t, "ada")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("staff: []\n"))
	f.Add([]byte("staff:\n  - {user: bo, desk: XA-1, role: officer, name: Bo, password_hash: \"" + hashWith(cheap(), password) + "\"}\n"))
	f.Add([]byte("staff: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		staff, err := parse(data)
		if err != nil {
			return
		}
		if err := check(staff); err != nil {
			t.Fatalf("accepted, then refused: %v", err)
		}
	})
}
