package vault

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSealedTextOpensForItsPurposeAlone(t *testing.T) {
	open := func(key byte) *Vault {
		v, err := Open(t.TempDir(), bytes.Repeat([]byte{key}, KeySize), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		return v
	}
	v, other := open(1), open(2)
	sealed := v.Seal("query", "who is at XB-1")
	if strings.Contains(sealed, "XB") || sealed == v.Seal("query", "who is at XB-1") {
		t.Errorf("sealed as %q, always", sealed)
	}
	if got, err := v.Unseal("query", sealed); err != nil || got != "who is at XB-1" {
		t.Errorf("got %q, %v", got, err)
	}
	altered := "A" + sealed[1:]
	if altered == sealed {
		altered = "B" + sealed[1:]
	}
	for name, open := range map[string]func() (string, error){
		"other purpose": func() (string, error) { return v.Unseal("name", sealed) },
		"other key":     func() (string, error) { return other.Unseal("query", sealed) },
		"altered":       func() (string, error) { return v.Unseal("query", altered) },
		"cut short":     func() (string, error) { return v.Unseal("query", sealed[:10]) },
		"no base64":     func() (string, error) { return v.Unseal("query", "!") },
	} {
		if got, err := open(); !errors.Is(err, ErrDamaged) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
