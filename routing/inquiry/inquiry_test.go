package inquiry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/request"
)

func TestRead(t *testing.T) {
	tests := []struct{ subject, text, want string }{
		{"find Betaland", "", "[find Betaland]"},
		{"FIND  betaland   police?", "", "[find betaland police]"},
		{"Question", "find XB\n\nkey xb-1\nWho handles emergency_disclosure in xb now?\n\nThank you\nfind XC\n", "[find XB key XB-1 who handles EMERGENCY_DISCLOSURE in XB now]"},
		{"Who handles PRESERVATION in XB", "", "[who handles PRESERVATION in XB now]"},
		{"help", "help\n", "[help]"},
		{"x", "find a\nfind b\nfind c\nfind d\nfind e\n-- \nOffice\n", "[find a find b find c find d find e]"},
		{"x", "find a\nfind b\nfind c\nfind d\nfind e\nfind f\n", "[]"},
		// No inquiry: an ordinary request that only mentions such words.
		{"Request", "Dear colleagues,\nfind enclosed our request\n", "[]"},
		{"find", "", "[]"},
		{"Request", "find enclosed our request\n\nThe facts are these: a child is missing.\n", "[]"},
		{"find XB", "find XB\nIt is urgent: a child is missing.\n", "[]"},
		{"find enclosed our request for the preservation of logs in case 12", "", "[]"},
		{"key", "key to the case\n", "[]"},
		{"who handles MAGIC in XB", "", "[]"},
		{"find " + strings.Repeat("x", 300), "", "[]"},
	}
	for _, tt := range tests {
		questions, _ := Read(tt.subject, tt.text)
		if got := fmt.Sprint(questions); got != tt.want {
			t.Errorf("%q, %q: %s, want %s", tt.subject, tt.text, got, tt.want)
		}
	}
}

func sample(t testing.TB) (*directory.Directory, *pgp.Certificate) {
	t.Helper()
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key, err := pgp.GenerateKey("Betaland", "desk@betaland.example", pgp.Curve25519, created, 0)
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.New(&directory.Document{Format: directory.Format, Version: 7, Issued: created, Parties: []directory.Party{
		{Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{
			{ID: "XB-1", Role: directory.Police, Institution: "Cybercrime Centre", Hours: "24/7", Addresses: []string{"desk@betaland.example"},
				Phones: []directory.Phone{{Number: "+999 1 555 0100", Use: "out-of-hours"}}, CertificatesArmored: []string{string(key.Certificate().Armor())}},
			{ID: "XB-2", Role: directory.Prosecutor, Institution: "Prosecutor General", Hours: "Mo-Fr 08:00-18:00", Zone: "UTC", Addresses: []string{"pg@betaland.example"},
				Competences: []request.Kind{request.StoredDataMLA}},
		}},
		{Code: "XC", Names: map[string]string{"en": "Gammaland"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return d, key.Certificate()
}

func TestAnswer(t *testing.T) {
	d, cert := sample(t)
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	tests := []struct {
		ask      string
		contains []string
		lacks    string
	}{
		{"find prosecutor betaland", []string{"XB-2", "Prosecutor General", "pg@betaland.example", "out of hours now", "STORED_DATA_MLA"}, "XB-1"},
		{"find XB", []string{"XB-1", "XB-2", "+999 1 555 0100", "at work now", cert.Fingerprint()}, "Nothing"},
		{"find nowhere", []string{"Nothing found"}, "XB"},
		{"key XB-1", []string{"XB-1: ", cert.Fingerprint(), "usable", "BEGIN PGP PUBLIC KEY BLOCK"}, "NOT"},
		{"key XB-2", []string{"no certificate", "version 7"}, "BEGIN"},
		{"key XB-9", []string{"no contact point XB-9"}, "BEGIN"},
		{"who handles EMERGENCY_DISCLOSURE in XB now", []string{"XB-1"}, "XB-2"},
		{"who handles PRESERVATION in XC", []string{"No contact point of XC"}, "XB-1"},
		{"who handles PRESERVATION in XD", []string{"no Party XD"}, "XB-1"},
		{"help", []string{"who handles KIND"}, "XB-2"},
	}
	for _, tt := range tests {
		questions, _ := Read(tt.ask, "")
		if len(questions) != 1 {
			t.Fatalf("%q is no question", tt.ask)
		}
		got := Answer(d, questions[0], at, pgp.DefaultPolicy())
		for _, want := range tt.contains {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in\n%s", tt.ask, want, got)
			}
		}
		if strings.Contains(got, tt.lacks) {
			t.Errorf("%s: %q is in\n%s", tt.ask, tt.lacks, got)
		}
	}
}

// Whatever is asked, the answer is bounded and every question reads back as
// itself.
func FuzzRead(f *testing.F) {
	f.Add("find XB", "key XB-1\nwho handles PING in XB now")
	f.Add("", "find \x00\r\n?")
	d, _ := sample(f)
	f.Fuzz(func(t *testing.T, subject, text string) {
		questions, _ := Read(subject, text)
		if len(questions) > MaxQuestions {
			t.Fatalf("%d questions", len(questions))
		}
		for _, q := range questions {
			if again, _ := Read(q.String(), ""); len(again) != 1 || again[0] != q {
				t.Fatalf("%q reads back as %v", q, again)
			}
			if n := len(Answer(d, q, time.Unix(1800000000, 0), pgp.DefaultPolicy())); n == 0 || n > 1<<16 {
				t.Fatalf("%q is answered with %d bytes", q, n)
			}
		}
	})
}
