package classify

import (
	"slices"
	"testing"
	"time"
)

func TestReferences(t *testing.T) {
	got := builtIn(t).Classify(Input{
		Subject: "Re: [XA-2026-000123-K] logs",
		Body:    "About xb-1-2026-000007-q, not XA-2026-00123-K, AXA-2026-000123-KK or 12-2026-000123-K.\n\n> XC-2025-999999-7\n",
	})
	if want := []string{"XA-2026-000123-K", "XB-1-2026-000007-Q"}; !slices.Equal(got.References, want) || got.Reference != want[0] {
		t.Errorf("got %v, first %q, want %v", got.References, got.Reference, want)
	}
	if want := []string{"XC-2025-999999-7"}; !slices.Equal(got.QuotedReferences, want) {
		t.Errorf("quoted: got %v, want %v", got.QuotedReferences, want)
	}
}

func TestTheirReference(t *testing.T) {
	tests := []struct{ subject, body, want string }{
		{"", "Our reference: AG/INT/2026/0063", "AG/INT/2026/0063"},
		{"", "2. Reference / case number: CC-26-881", "CC-26-881"},
		{"", "Ref. no. UCJ 2026/1002", "UCJ 2026/1002"},
		{"", "N/Réf. : PG-26/0412", "PG-26/0412"},
		{"", "Your ref. BB-IN-2026-207, our ref. XC-77/26.", "XC-77/26"},
		{"", "Your reference: BB-IN-2026-207", ""},
		{"K-2026-551 you can let it go", "Thanks.", "K-2026-551"},
		{"XA-2026-000123-K", "Thanks.", ""},
		{"", "Address 192.0.2.7, http://a.example/2026-11, rowan-2026@mail.example, +999 555 0101", ""},
		{"", "Reference is made to your letter.", ""},
	}
	c := builtIn(t)
	for _, tt := range tests {
		if got := c.Classify(Input{Subject: tt.subject, Body: tt.body + "\n"}).TheirReference; got != tt.want {
			t.Errorf("%q %q: got %q, want %q", tt.subject, tt.body, got, tt.want)
		}
	}
}

func TestReplyCode(t *testing.T) {
	day := time.Date(2027, 1, 22, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		body  string
		code  string
		until time.Time
	}{
		{"Reply code: PRESERVED until 2027-01-22", "PRESERVED", day},
		{"Dear colleagues,\n\nreply code : preserved, from 2026-11-23 until 22 January 2027", "PRESERVED", day},
		{"Code de réponse : EXTENDED jusqu’au 22/01/2027", "EXTENDED", day},
		{"Code de réponse\u00a0: EXTENDED jusqu’au 22 janvier 2027", "EXTENDED", day},
		{"PRESERVED until 22.01.2027\nRegards", "PRESERVED", day},
		{"REFUSED sovereignty", "REFUSED", time.Time{}},
		{"Partial data only, sorry", "", time.Time{}},
		{"Reply code: PERHAPS until 2027-01-22", "", time.Time{}},
		{"Reply code: PRESERVED until 2027-02-31", "PRESERVED", time.Time{}},
		{"> Reply code: PRESERVED until 2027-01-22", "", time.Time{}},
	}
	c := builtIn(t)
	for _, tt := range tests {
		got := c.Classify(Input{Body: "\n" + tt.body + "\n", Headers: header("in-reply-to", "<1@b.example>")})
		if got.ReplyCode != tt.code || !got.Until.Equal(tt.until) {
			t.Errorf("%q: got %q until %v, want %q until %v", tt.body, got.ReplyCode, got.Until, tt.code, tt.until)
		}
	}
}
