package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

// Each of two changes at the same time makes a subkey; neither may be lost,
// because its certificate may be on its way to the Directory already.
func TestTwoRotationsAtOnceLoseNoSubkey(t *testing.T) {
	site := filepath.Join(t.TempDir(), "site")
	relais := func(args ...string) error {
		cmd := newRootCommand()
		cmd.SetArgs(args)
		cmd.SetOut(new(strings.Builder))
		return cmd.ExecuteContext(t.Context())
	}
	if err := relais("init", site); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	failed := make([]error, 2)
	for i := range failed {
		both.Go(func() { failed[i] = relais("key", "rotate", "--config", filepath.Join(site, "relais.yaml")) })
	}
	both.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(site, "keys", "XA-1.asc"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := pgp.ReadKey(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(k.Parts()); n != 4 {
		t.Errorf("%d parts, want the primary key and three subkeys", n)
	}
}

func TestValidity(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2y": "2028-01-31", "18m": "2027-07-31", "90d": "2026-05-01", "48h": "2026-02-02", "2030-12-31": "2030-12-31", "never": "0001-01-01",
		"": "", "0d": "", "y": "", "2": "", "-1y": "", "1y2m": "", "2w": "", "1e3d": "", "65535y": "", "2026-01-31": "", "99999999999y": "",
	} {
		end, err := parseValid(text, at)
		if got := end.Format(time.DateOnly); err == nil && got != want || err != nil && want != "" {
			t.Errorf("%q: %s %v, want %q", text, got, err, want)
		}
	}
}
