package accounts

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Lengths of a password in bytes. The upper bound keeps a client from making
// the gateway hash megabytes.
const (
	MinPassword = 12
	MaxPassword = 1024
)

// cost is the work of one argon2id hash (RFC 9106).
type cost struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
}

// today is the cost of new hashes: near the second recommendation of RFC 9106
// section 4, with one lane, because two logins are checked at a time.
func today() cost { return cost{memory: 64 << 10, time: 2, threads: 1} }

// Hash makes the argon2id hash of password as a PHC string. The password must
// have MinPassword to MaxPassword bytes.
func Hash(password string) (string, error) {
	switch n := len(password); {
	case n < MinPassword:
		return "", fmt.Errorf("the password has %d bytes; use at least %d", n, MinPassword)
	case n > MaxPassword:
		return "", fmt.Errorf("the password has %d bytes; use at most %d", n, MaxPassword)
	}
	return hashWith(today(), password), nil
}

func hashWith(c cost, password string) string {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails (crypto/rand, Go 1.24)
	sum := c.sum(password, salt)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

// sum normalises first, as RFC 8265 section 4.2 does: one keyboard composes an
// accent, another does not.
func (c cost) sum(password string, salt []byte) []byte {
	return argon2.IDKey(norm.NFC.Bytes([]byte(password)), salt, c.time, c.memory, c.threads, 32)
}

// stored is a parsed PHC string.
type stored struct {
	cost
	salt, sum []byte
}

func (s stored) matches(password string) bool {
	return subtle.ConstantTimeCompare(s.cost.sum(password, s.salt), s.sum) == 1
}

// nobody is what the password of an unknown user is compared with, so that it
// takes as long as a known user's.
func nobody() stored {
	return stored{cost: today(), salt: make([]byte, 16), sum: make([]byte, 32)}
}

func parseHash(phc string) (stored, error) {
	wrong := errors.New("password_hash is not an argon2id hash; set it with 'relais staff password'")
	parts := strings.Split(phc, "$")
	if len(phc) > 256 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return stored{}, wrong
	}
	var s stored
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &s.memory, &s.time, &s.threads); err != nil {
		return stored{}, wrong
	}
	if parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", s.memory, s.time, s.threads) {
		return stored{}, wrong
	}
	if s.memory < 8<<10 || s.memory > 1<<20 || s.time < 1 || s.time > 16 || s.threads < 1 || s.threads > 16 {
		return stored{}, errors.New("password_hash asks for unreasonable work (8 MiB to 1 GiB, 1 to 16 passes, 1 to 16 lanes are allowed)")
	}
	var err error
	if s.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(s.salt) < 8 {
		return stored{}, wrong
	}
	if s.sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(s.sum) != 32 {
		return stored{}, wrong
	}
	return s, nil
}

// Generate makes a password of 24 letters and digits, about 120 bits, without
// those that are easily confused.
func Generate() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32 of them: no modulo bias
	raw := make([]byte, 24)
	rand.Read(raw)
	out := make([]byte, 0, 29)
	for i, b := range raw {
		if i > 0 && i%4 == 0 {
			out = append(out, '-')
		}
		out = append(out, letters[b%32])
	}
	return string(out)
}
