package envelope

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct{ in, want string }{ // want "": refused
		{"desk@alphaland.example", "desk@alphaland.example"},
		{"a.b+c@alphaland.example", "a.b+c@alphaland.example"},
		{`"a b"@alphaland.example`, `"a b"@alphaland.example`},
		{`"plain"@alphaland.example`, "plain@alphaland.example"},
		{`"a\"b\\c"@alphaland.example`, `"a\"b\\c"@alphaland.example`},
		{`"x> NOTIFY=NEVER "@alphaland.example`, `"x> NOTIFY=NEVER "@alphaland.example`},
		{`"a@b"@alphaland.example`, `"a@b"@alphaland.example`},
		{"désk@gammaländ.example", "désk@gammaländ.example"},
		{"a@[192.0.2.1]", "a@[192.0.2.1]"},
		{"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
		{"", ""},
		{"postmaster", ""},
		{"@alphaland.example", ""},
		{"a@", ""},
		{"a@b@alphaland.example", ""},
		{"a..b@alphaland.example", ""},
		{".a@alphaland.example", ""},
		{"a.@alphaland.example", ""},
		{"a b@alphaland.example", ""},
		{"a@x..y", ""},
		{"a@-x.example", ""},
		{"a@x.example.", ""},
		{"a@x_y.example", ""},
		{"a@x.example> SIZE=1", ""},
		{"a\r@alphaland.example", ""},
		{"\"a\r\nRCPT\"@alphaland.example", ""},
		{"\"a\x00\"@alphaland.example", ""},
		{"a\xff@alphaland.example", ""},
		{"a\u0085@alphaland.example", ""},
		{`"open@alphaland.example`, ""},
		{`"open\`, ""},
		{`""@alphaland.example`, ""},
		{"a@[192.0.2.999]", ""},
		{"a@[IPv6:192.0.2.1]", ""},
		{"a@[IPv6:fe80::1%eth0]", ""},
		{strings.Repeat("a", 65) + "@alphaland.example", ""},
		{"a@" + strings.Repeat("a", 64) + ".example", ""},
		{"a@" + strings.Repeat("a.", 140) + "example", ""},
	}
	for _, tt := range tests {
		a, err := Parse(tt.in)
		if tt.want == "" {
			if !errors.Is(err, ErrAddress) {
				t.Errorf("Parse(%q) = %v, %v; want ErrAddress", tt.in, a, err)
			}
			continue
		}
		if err != nil || a.String() != tt.want {
			t.Errorf("Parse(%q) = %q, %v; want %q", tt.in, a.String(), err, tt.want)
		}
	}
}

func TestFromUnquotedQuotesAgain(t *testing.T) {
	a, err := FromUnquoted("x> NOTIFY=NEVER @alphaland.example")
	if err != nil || a.String() != `"x> NOTIFY=NEVER "@alphaland.example` {
		t.Errorf("got %q, %v", a.String(), err)
	}
	a, err = FromUnquoted("a@b@alphaland.example")
	if err != nil || a.Local != "a@b" || a.String() != `"a@b"@alphaland.example` {
		t.Errorf("got %q, %v", a.String(), err)
	}
	if _, err := FromUnquoted("nobody"); !errors.Is(err, ErrAddress) {
		t.Errorf("got %v", err)
	}
}

func TestASCII(t *testing.T) {
	if !(Address{"a", "b.example"}).ASCII() || (Address{"é", "b.example"}).ASCII() || (Address{"a", "bé.example"}).ASCII() {
		t.Error("wrong ASCII verdict")
	}
}

// What is accepted is written so that it reads back as the same address and
// holds nothing that could end a command or its address.
func FuzzAddress(f *testing.F) {
	f.Add("desk@alphaland.example")
	f.Add(`"x> NOTIFY=NEVER "@alphaland.example`)
	f.Add("a\\\"@b@[192.0.2.1]")
	f.Fuzz(func(t *testing.T, s string) {
		for _, read := range []func(string) (Address, error){Parse, FromUnquoted} {
			a, err := read(s)
			if err != nil {
				continue
			}
			wire := a.String()
			if strings.ContainsAny(wire, "\r\n\x00") {
				t.Fatalf("control character in %q", wire)
			}
			if !strings.HasPrefix(wire, `"`) && strings.ContainsAny(wire, " <>") {
				t.Fatalf("unquoted separator in %q", wire)
			}
			again, err := Parse(wire)
			if err != nil || again != a {
				t.Fatalf("%q reads back as %v, %v; want %v", wire, again, err, a)
			}
		}
	})
}
