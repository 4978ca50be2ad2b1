package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// made says what wrote the mails of a folder of testdata, and when.
type made struct {
	name, version string
	at            time.Time
}

type madeFile struct {
	Program string    `json:"program"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}

func readRecord(t testing.TB, folder string) made {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", folder, "made.json"))
	must(t, err)
	var f madeFile
	must(t, json.Unmarshal(text, &f))
	return made{f.Program, f.Version, f.At}
}

// With -record the newer programs write their mails anew, and read what Relais
// seals; without, the test makes sure that the records are there.
func TestRecord(t *testing.T) {
	if *record == "" {
		for _, folder := range recorded {
			if r := readRecord(t, folder); r.name == "" || r.version == "" || r.at.IsZero() {
				t.Errorf("%s: %+v", folder, r)
			}
		}
		return
	}
	for folder, p := range map[string]program{"gnupg-2.4": newGPG(t, *record), "sq-1.3": newSQ(t, *record), "rnp-0.17": newRNP(t, *record)} {
		dir := filepath.Join("testdata", folder)
		must(t, os.RemoveAll(dir))
		must(t, os.MkdirAll(dir, 0o755))
		at := time.Now().UTC().Truncate(time.Second)
		for _, s := range append(shapes(t), keyShapes()...) {
			if raw := s.mail(t, p); raw != "" {
				must(t, os.WriteFile(filepath.Join(dir, s.file+".eml"), []byte(raw), 0o644))
			}
		}
		text, err := json.MarshalIndent(madeFile{p.name(), p.version(), at}, "", "  ")
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "made.json"), append(text, '\n'), 0o644))
		readsOurs(t, newPage(t), p.(reader))
	}
}
