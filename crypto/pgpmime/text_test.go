package pgpmime

import "testing"

// What can be altered on the way decides only about bytes that are no UTF-8,
// and never turns ASCII into something else.
func TestCharacterSetOfInlineText(t *testing.T) {
	for _, c := range []struct{ text, armor, mail, want string }{
		{"hello", "", "", "utf-8"},
		{"hello", "iso-8859-15", "windows-1251", "utf-8"},
		{"h\u00e9llo", "iso-8859-15", "windows-1251", "utf-8"},
		{"h\xe9llo", "iso-8859-15", "windows-1251", "iso-8859-15"},
		{"h\xe9llo", "", "windows-1251", "windows-1251"},
		{"h\xe9llo", "", "", "iso-8859-1"},
		{"h\xe9llo", "utf-16le", "utf-16", "iso-8859-1"},
		{"h\xe9llo", "ibm037", "koi8-r", "koi8-r"},
		{"h\xe9llo", "no-such-set", "koi8-r", "koi8-r"},
		{"h\xe9llo", "koi8-r\r\nX: y", "", "iso-8859-1"},
		{"h\xe9llo", "koi8-r\"; x=\"y", "", "iso-8859-1"},
		{"h\xe9llo", "iso-2022-jp", "koi8-r", "iso-2022-jp"},
		{"\x1b$B%F\x1b(B", "iso-2022-jp", "", "iso-2022-jp"},
		{"\x1b$B%F\x1b(B", "koi8-r", "iso-2022-jp", "iso-2022-jp"},
		{"\x1b$B%F\x1b(B", "koi8-r", "", "utf-8"},
		{"hello", "iso-2022-jp", "", "utf-8"},
	} {
		if got := textCharset([]byte(c.text), c.armor, c.mail); got != c.want {
			t.Errorf("%q, armor %q, mail %q: %s, want %s", c.text, c.armor, c.mail, got, c.want)
		}
	}
}

func TestCharsetFieldOfArmor(t *testing.T) {
	for armored, want := range map[string]string{
		"-----BEGIN PGP MESSAGE-----\r\nVersion: x\r\ncharset: koi8-r \r\n\r\nAAAA": "koi8-r",
		"-----BEGIN PGP MESSAGE-----\n\nCharset: koi8-r\n":                          "",
		"-----BEGIN PGP MESSAGE-----\nAAAA\nCharset: koi8-r\n":                      "",
		"-----BEGIN PGP MESSAGE-----":                                               "",
		"":                                                                          "",
	} {
		if got := armorCharset([]byte(armored)); got != want {
			t.Errorf("%q: %q", armored, got)
		}
	}
}
