// Package envelope parses and writes the addresses of SMTP commands (RFC 5321
// 4.1.2, RFC 6531 3.3). What it writes can never carry anything but an address
// to the next hop: a local part that needs quotes gets them.
package envelope

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of RFC 5321 4.5.3.1, in bytes.
const (
	maxLocal  = 64
	maxDomain = 255
	maxLabel  = 63
)

// ErrAddress is wrapped by every error of this package. The errors name what
// is wrong, never the address.
var ErrAddress = errors.New("not an e-mail address")

// Address is a mailbox: local part without quotes, and domain or address
// literal as written.
type Address struct {
	Local, Domain string
}

// Parse reads an address in wire form, such as a@b.example or "a b"@b.example.
func Parse(s string) (Address, error) {
	if !strings.HasPrefix(s, `"`) {
		local, domain, ok := strings.Cut(s, "@")
		if !ok {
			return Address{}, fmt.Errorf("%w: no domain", ErrAddress)
		}
		if !isDotString(local) {
			return Address{}, fmt.Errorf("%w: local part needs quotes", ErrAddress)
		}
		return checked(local, domain)
	}
	var local strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i == len(s) {
				return Address{}, fmt.Errorf("%w: quotes not closed", ErrAddress)
			}
			local.WriteByte(s[i])
		case '"':
			domain, ok := strings.CutPrefix(s[i+1:], "@")
			if !ok {
				return Address{}, fmt.Errorf("%w: no domain", ErrAddress)
			}
			return checked(local.String(), domain)
		default:
			local.WriteByte(s[i])
		}
	}
	return Address{}, fmt.Errorf("%w: quotes not closed", ErrAddress)
}

// FromUnquoted reads an address whose quotes were already taken away, as
// go-smtp hands it over: everything before the last @ is the local part.
func FromUnquoted(s string) (Address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, fmt.Errorf("%w: no domain", ErrAddress)
	}
	return checked(s[:at], s[at+1:])
}

// String returns the wire form, with quotes and backslashes where needed.
func (a Address) String() string {
	if isDotString(a.Local) {
		return a.Local + "@" + a.Domain
	}
	var b strings.Builder
	b.Grow(len(a.Local) + len(a.Domain) + 8)
	b.WriteByte('"')
	for i := 0; i < len(a.Local); i++ {
		if a.Local[i] == '"' || a.Local[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(a.Local[i])
	}
	b.WriteString(`"@`)
	b.WriteString(a.Domain)
	return b.String()
}

// ASCII says whether the address can be sent without SMTPUTF8.
func (a Address) ASCII() bool {
	return isASCII(a.Local) && isASCII(a.Domain)
}

func checked(local, domain string) (Address, error) {
	switch {
	case local == "" || len(local) > maxLocal:
		return Address{}, fmt.Errorf("%w: local part of %d bytes, allowed are 1 to %d", ErrAddress, len(local), maxLocal)
	case !isPrintable(local):
		return Address{}, fmt.Errorf("%w: control character or broken UTF-8 in the local part", ErrAddress)
	case !isDomain(domain):
		return Address{}, fmt.Errorf("%w: domain is malformed", ErrAddress)
	}
	return Address{Local: local, Domain: domain}, nil
}

// isDotString tells whether s may stand without quotes (Dot-string, with the
// UTF-8 of RFC 6531).
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf, isAlphanumeric(c), strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
		case c == '.' && s[i-1] != '.':
		default:
			return false
		}
	}
	return true
}

func isDomain(s string) bool {
	if s == "" || len(s) > maxDomain {
		return false
	}
	if s[0] == '[' {
		return isLiteral(s)
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// isLabel accepts letters, digits and inner hyphens, and letters of other
// scripts (U-labels, RFC 5890).
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if !isAlphanumeric(byte(r)) && r != '-' {
				return false
			}
		case !unicode.In(r, unicode.L, unicode.M, unicode.Nd):
			return false
		}
	}
	return true
}

// isLiteral accepts [192.0.2.1] and [IPv6:2001:db8::1] (RFC 5321 4.1.3).
func isLiteral(s string) bool {
	if s[len(s)-1] != ']' {
		return false
	}
	inner := s[1 : len(s)-1]
	if len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:") {
		ip, err := netip.ParseAddr(inner[5:])
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	ip, err := netip.ParseAddr(inner)
	return err == nil && ip.Is4()
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isPrintable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && !unicode.IsGraphic(r) {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
