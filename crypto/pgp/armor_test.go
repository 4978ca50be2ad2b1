package pgp

import (
	"bytes"
	"encoding/base64"
	"math/rand"
	"strings"
	"testing"
)

// Armor comes in lines of any length: everybody writes 64 or 76 characters,
// mail servers wrap again.
func TestArmorInLinesOfAnyLength(t *testing.T) {
	data := make([]byte, 1000)
	rand.New(rand.NewSource(1)).Read(data)
	for size := 997; size <= 1000; size++ {
		text := base64.StdEncoding.EncodeToString(data[:size])
		for width := 1; width < 90; width++ {
			var b strings.Builder
			b.WriteString("-----BEGIN PGP MESSAGE-----\r\n\r\n")
			for rest := text; rest != ""; {
				n := min(width, len(rest))
				b.WriteString(rest[:n] + " \r\n")
				rest = rest[n:]
			}
			b.WriteString("-----END PGP MESSAGE-----\r\n")
			_, content, rest, err := dearmor([]byte(b.String()))
			// A line of five characters that begins with "=" is a checksum.
			if err != nil || !bytes.Equal(content, data[:size]) || len(rest) != 0 {
				t.Fatalf("%d bytes in lines of %d: %v", size, width, err)
			}
		}
	}
}

func TestBrokenArmorIsRefused(t *testing.T) {
	for name, lines := range map[string]string{
		"nothing": "", "rest of a group": "AAAA\nAA\n", "more behind the padding": "AA==\nAAAA\n", "padding in the middle": "A=AA\n",
		"padding over the line": "AA=\nA\n", "no base64": "AA!A\n", "only padding": "====\n",
	} {
		if _, content, _, err := dearmor([]byte("-----BEGIN PGP MESSAGE-----\n\n" + lines + "-----END PGP MESSAGE-----\n")); err == nil {
			t.Errorf("%s: %x", name, content)
		}
	}
}
