package interchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hasFinding(r *Result, code string, at Place) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == code && (at == (Place{}) || f.Place == at) })
}

// LibreOffice wrote this file, from a .doc that it made of the sample.
func TestAFileOfLibreOffice(t *testing.T) {
	checkSample(t, importFile(t, "contacts.docx", read(t, "testdata/contacts-libreoffice.docx"), nil))
}

// openpyxl wrote this file: a title over the table, merged cells, a date, a
// number where a telephone belongs, formulas, a hidden row and a hidden sheet.
func TestAFileOfOpenpyxl(t *testing.T) {
	r := importFile(t, "list.xlsx", read(t, "testdata/openpyxl.xlsx"), nil)
	points := pointsOf(r.Draft)
	if len(points) != 2 {
		t.Fatalf("%d contact points, want 2: %v", len(points), r.Findings)
	}
	if p := r.Draft.Parties[0]; p.Code != "XA" || p.Convention.From.String() != "2004-07-01" || p.PreservationMaxDays != 90 {
		t.Errorf("the Party: %+v", p)
	}
	if p := points["XA-2"].Phones[0]; p.Number != "" || p.Written != "99915550200" {
		t.Errorf("a number without country code: %+v", p)
	}
	if len(points["XA-2"].Addresses) != 0 {
		t.Error("the value of a formula was taken")
	}
	sheet := `sheet "Contact points"`
	for code, at := range map[string]Place{
		CellFormula: {"list.xlsx", sheet, 4, 5}, DoubtfulPhone: {"list.xlsx", sheet, 4, 4}, CellHidden: {"list.xlsx", `sheet "Old"`, 0, 0},
	} {
		if !hasFinding(r, code, at) {
			t.Errorf("no finding %s at %s: %v", code, at, r.Findings)
		}
	}
	if !hasFinding(r, CellHidden, Place{"list.xlsx", sheet, 5, 0}) {
		t.Error("the hidden row is not reported")
	}
}

// checkSmall asserts what must come out of the small list.
func checkSmall(t *testing.T, r *Result) {
	t.Helper()
	points := pointsOf(r.Draft)
	b := points["XB-1"]
	if len(points) != 2 || b == nil || b.Addresses[0] != "cyber@police.betaland.example" || len(b.Phones) != 2 || b.Phones[1].Use != "out-of-hours" || b.Postal != "1 rue du Port\n1000 Ville" {
		t.Fatalf("%d contact points, XB-1 %+v\n%v", len(points), b, r.Findings)
	}
}

// pathWith leaves only the given programs to be found.
func pathWith(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, target := range programs {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestADocIsReadByAntiword(t *testing.T) {
	antiword, err := exec.LookPath("antiword")
	if err != nil {
		t.Fatal("antiword is not installed: run scripts/install-test-tools.sh")
	}
	pathWith(t, map[string]string{"antiword": antiword})
	r := importFile(t, "small.doc", read(t, "testdata/small.doc"), nil)
	checkSmall(t, r)
	if !hasFinding(r, LossyConversion, Place{}) {
		t.Error("nothing says that antiword may lose tables")
	}
}

// A program that behaves as soffice does, as far as the call goes: it wants the
// options in this order and writes the .docx beside the source.
func TestADocIsReadByLibreOffice(t *testing.T) {
	dir := t.TempDir()
	docx := filepath.Join(dir, "converted.docx")
	if err := os.WriteFile(docx, smallList(), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "office")
	content := "#!/bin/sh\ncase \"$*\" in\n*UserInstallation=file://*--headless*--convert-to\\ docx\\ --outdir*list.doc) ;;\n*) exit 3 ;;\nesac\nwhile [ \"$1\" != --outdir ]; do shift; done\n/bin/cp " + docx + " \"$2/list.docx\"\n"
	if err := os.WriteFile(script, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	pathWith(t, map[string]string{"soffice": script})
	checkSmall(t, importFile(t, "small.doc", read(t, "testdata/small.doc"), nil))
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, "small.doc", read(t, "testdata/small.doc"), RefusedDamaged)
}

// A converter that hangs is ended together with what it started.
func TestAConverterThatHangsIsEnded(t *testing.T) {
	dir := t.TempDir()
	pidFile, script := filepath.Join(dir, "pid"), filepath.Join(dir, "office")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n/bin/sleep 600 &\necho $! > "+pidFile+"\nwait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	pathWith(t, map[string]string{"soffice": script})
	ctx, cancel := context.WithCancel(t.Context())
	var pid int
	go func() { // the hurry begins when the converter has
		defer cancel()
		for pid == 0 && ctx.Err() == nil {
			raw, _ := os.ReadFile(pidFile)
			if strings.HasSuffix(string(raw), "\n") {
				pid, _ = strconv.Atoi(strings.TrimSpace(string(raw)))
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := Import(ctx, []File{{"small.doc", read(t, "testdata/small.doc")}}, Options{Vocabulary: vocabulary(t), Issued: now})
	<-ctx.Done()
	var refused *RefusedError
	if !errors.As(err, &refused) || pid == 0 {
		t.Fatalf("%v, process %d", err, pid)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(state), ") Z ") {
			return // gone, or waiting to be collected
		}
		if time.Now().After(end) {
			t.Fatal("what the converter started still runs")
		}
	}
}

func TestADocWithoutConverterSaysWhatToInstall(t *testing.T) {
	pathWith(t, nil)
	err := refusedWith(t, "small.doc", read(t, "testdata/small.doc"), RefusedConverter)
	if !strings.Contains(err.Error(), "libreoffice-writer-nogui or antiword") {
		t.Errorf("%v", err)
	}
}

// refusedWith imports a file that must be refused, and nothing of it taken.
func refusedWith(t *testing.T, name string, data []byte, code string) error {
	t.Helper()
	r, err := Import(context.Background(), []File{{name, data}}, Options{Vocabulary: vocabulary(t), Issued: now, Parties: partyMap40()})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != code || refused.Place.File != name || r != nil {
		t.Fatalf("got %v, want a refusal %s of %s", err, code, name)
	}
	return err
}
