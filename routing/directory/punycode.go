package directory

import (
	"strings"
	"unicode/utf8"
)

// Parameters of punycode for domain names (RFC 3492 section 5).
const (
	punyBase        = 36
	punyMin         = 1
	punyMax         = 26
	punySkew        = 38
	punyDamp        = 700
	punyInitialBias = 72
	punyInitialN    = 0x80
)

// decodeLabel returns the letters that an xn-- label of a domain stands for
// (RFC 3492 section 6.2). ok is false for any other label, and for one that
// stands for ASCII alone, which no domain name may.
func decodeLabel(label string) (shown string, ok bool) {
	if len(label) < 4 || len(label) > 63 || !strings.EqualFold(label[:4], "xn--") {
		return "", false
	}
	label = label[4:]
	var out []rune
	if i := strings.LastIndexByte(label, '-'); i >= 0 {
		out, label = []rune(label[:i]), label[i+1:]
	}
	n, i, bias := punyInitialN, 0, punyInitialBias
	for first := true; label != ""; first = false {
		start, weight := i, 1
		for k := punyBase; ; k += punyBase {
			if label == "" {
				return "", false
			}
			digit := punyDigit(label[0])
			label = label[1:]
			if digit < 0 || digit > (1<<30-i)/weight {
				return "", false
			}
			i += digit * weight
			t := min(max(k-bias, punyMin), punyMax)
			if digit < t {
				break
			}
			if weight > 1<<30/(punyBase-t) {
				return "", false
			}
			weight *= punyBase - t
		}
		bias = punyAdapt(i-start, len(out)+1, first)
		n += i / (len(out) + 1)
		i %= len(out) + 1
		if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", false
		}
		out = append(out[:i], append([]rune{rune(n)}, out[i:]...)...)
		i++
	}
	for _, r := range out {
		if r >= utf8.RuneSelf {
			return string(out), true
		}
	}
	return "", false
}

func punyDigit(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= '0' && c <= '9':
		return int(c-'0') + 26
	}
	return -1
}

// punyAdapt is RFC 3492 section 6.1.
func punyAdapt(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > (punyBase-punyMin)*punyMax/2 {
		delta /= punyBase - punyMin
		k += punyBase
	}
	return k + (punyBase-punyMin+1)*delta/(delta+punySkew)
}
