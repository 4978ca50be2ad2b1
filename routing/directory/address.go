package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// checkAddress says what is wrong with an e-mail address, "" when nothing is.
// Only plain addresses are allowed: local part a dot-atom (RFC 5322 3.2.3) that
// may hold UTF-8 letters and digits (RFC 6531), domain a host name in its ASCII
// form. Quoted local parts, comments and address literals are not.
func checkAddress(addr string) string {
	if !utf8.ValidString(addr) {
		return "is not UTF-8"
	}
	if len(addr) > 254 { // RFC 5321 4.5.3.1.3, less the angle brackets
		return "is longer than 254 bytes"
	}
	local, domain, ok := strings.Cut(addr, "@")
	switch {
	case !ok || local == "" || domain == "":
		return "is not of the form name@domain"
	case len(local) > 64:
		return "has more than 64 bytes before the @"
	case strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "has a misplaced dot before the @"
	}
	for _, r := range local {
		if !allowedInLocal(r) {
			return "has a character that is not allowed before the @"
		}
	}
	return checkDomain(domain)
}

func allowedInLocal(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

func checkDomain(domain string) string {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "has no complete domain"
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return "has a domain that is not a host name"
		}
		for _, r := range l {
			if r >= utf8.RuneSelf {
				return "has a domain that is not ASCII (write its xn-- form)"
			}
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
				return "has a domain that is not a host name"
			}
		}
	}
	return ""
}

// foldAddress returns the form under which addresses are compared: without
// regard to case. A letter outside ASCII never folds to one inside (the Kelvin
// sign stays apart from k), so that no look-alike matches a listed address.
func foldAddress(addr string) string {
	ascii := true
	for i := range len(addr) {
		if addr[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(addr)
	}
	// Lower case first: normalising turns the Kelvin sign into a capital K,
	// which equals no folded k.
	lower := strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, addr)
	return asciiDomain(norm.NFC.String(lower))
}

// asciiDomain writes the domain of an address as the Directory does: programs
// that know RFC 6531 put "bücher.example" into From where the Directory has
// "xn--bcher-kva.example". Nothing is mapped here (RFC 5891 section 5.4): what
// is no valid name as it stands, such as one with a look-alike of an ASCII
// letter, equals nothing that is listed.
func asciiDomain(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	if at < 0 {
		return addr
	}
	domain, err := idna.Registration.ToASCII(addr[at+1:])
	if err != nil {
		return addr
	}
	return addr[:at+1] + domain
}

// AddressFault says what the Directory would refuse an e-mail address for; ""
// when it takes the address.
func AddressFault(addr string) string { return checkAddress(addr) }
