package banner

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"relais.example/routing/directory"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// marks are those of a gateway with that key.
func marks(key string) Marks {
	return func(purpose, s string) string {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(purpose + "\x00" + s))
		return hex.EncodeToString(m.Sum(nil)[:16])
	}
}

var at = time.Date(2026, 11, 23, 16, 30, 0, 0, time.UTC)

func signed() Findings {
	return Findings{
		Message: "sig:1", Reference: request.NewReference("XA-1", 2026, 7), Verdict: verdict.Verdict{Action: verdict.Accept, Reason: verdict.OK},
		Signer: &directory.ContactPoint{ID: "XB-1", Institution: "Unité R&D <Bétalande>"}, Party: "Betaland", Fingerprint: strings.Repeat("AB12", 10),
		Covered: CoveredWhole, Protected: []string{"From", "To", "Date", "Subject"}, Addressed: AddressedByKey,
		SignedAt: at, Age: 90 * time.Minute, Freshness: Fresh, Algorithm: "Ed25519", Hash: "SHA-512", Health: []Health{HealthOK},
		Encrypted: true, Cipher: "AES-256", Kinds: []request.Kind{request.Preservation}, Digest: strings.Repeat("0", 64),
		Deadlines: []request.Deadline{{Clock: "acknowledge", Article: "policy", At: at.Add(24 * time.Hour)}},
	}
}

func TestNoteSaysWhatTheHeadersSay(t *testing.T) {
	tests := []struct {
		name         string
		change       func(*Findings)
		note, header string // what each must hold
	}{
		{"who signed", func(*Findings) {}, "Signed by: XB-1, Unité R+D <Bétalande> (Betaland)", "X-Relais-Signer: XB-1; " + strings.Repeat("AB12", 10) + "; "},
		{"key", func(*Findings) {}, strings.Repeat("AB12", 10) + ", never expires", "X-Relais-Key: ok; Ed25519 with SHA-512; never expires"},
		{"key ends", func(f *Findings) { f.Expires, f.Health = at.Add(240*time.Hour), []Health{HealthExpires} }, "expires 2026-12-03; expires soon", "X-Relais-Key: expires-soon; Ed25519 with SHA-512; expires 2026-12-03"},
		{"weak key", func(f *Findings) { f.Health = []Health{HealthExpires, HealthWeak} }, "held together by SHA-1", "X-Relais-Key: expires-soon weak-self-signatures;"},
		{"what is covered", func(*Findings) {}, "Covers: the whole message, header From, To, Date, Subject", "X-Relais-Covered: whole; signed header: From To Date Subject"},
		{"no header is", func(f *Findings) { f.Protected = nil }, "but nothing of its header: From, To, Date and Subject are not proven", "X-Relais-Covered: whole; no header is signed"},
		{"to us by header", func(f *Findings) { f.Addressed = AddressedByHeader }, "this desk (the signed To or Cc names it)", "X-Relais-Addressed: us-by-header; "},
		{"to nobody", func(f *Findings) { f.Addressed = AddressedUnstated }, "it may have been meant for others", "X-Relais-Addressed: unstated; "},
		{"to others", func(f *Findings) { f.Addressed = AddressedOthers }, "others, not this desk", "X-Relais-Addressed: others; "},
		{"when", func(*Findings) {}, "Signed: 2026-11-23 16:30 UTC, 90 min before it came, Ed25519", "X-Relais-Signed-At: 2026-11-23T16:30:00Z; fresh; 90 min before it came"},
		{"at once", func(f *Findings) { f.Age = time.Second }, "less than a minute before it came", "; fresh; less than a minute before it came"},
		{"long ago", func(f *Findings) { f.Age, f.Freshness = 100*24*time.Hour, Old }, "100 days before it came, Ed25519 (old: is it still wanted?)", "; old; 100 days before it came"},
		{"in the future", func(f *Findings) { f.Age, f.Freshness = -3*time.Hour, Future }, "3 h after it came, Ed25519 (their clock runs ahead)", "; future; 3 h after it came"},
		{"encrypted", func(*Findings) {}, "Encrypted: yes, AES-256", "X-Relais-Encrypted: yes; AES-256"},
		{"in clear", func(f *Findings) { f.Encrypted = false }, "Encrypted: NO, sent in clear", "X-Relais-Encrypted: no; it was sent in clear"},
		{"accepted", func(*Findings) {}, "ACCEPTED (ok): encrypted, and signed by", "X-Relais-Verdict: accept; ok; encrypted, and signed by"},
		{"held", func(f *Findings) { f.Verdict = verdict.Verdict{Action: verdict.Quarantine, Reason: verdict.NotBound} }, "HELD (not-bound): signed by a listed", "X-Relais-Verdict: quarantine; not-bound; signed by a listed"},
		{"nobody signed", func(f *Findings) { f.Signer = nil }, "Signed by: nobody. Who wrote this is not proven.", "X-Relais-Signer: none; nobody signed the message"},
		{"request", func(*Findings) {}, "Request: XA-1-2026-000007-8, PRESERVATION", "X-Relais-Reference: XA-1-2026-000007-8"},
		{"no request", func(f *Findings) { f.Reference = "" }, "Request: PRESERVATION", "X-Relais-Kind: PRESERVATION"},
		{"deadline", func(*Findings) {}, "Deadline: 2026-11-24 16:30 UTC, acknowledge (policy)", "X-Relais-Deadline: acknowledge; 2026-11-24T16:30:00Z; policy"},
		{"emergency", func(f *Findings) { f.Emergency = EmergencyClaimed }, "Emergency: claimed; a person must confirm", "X-Relais-Emergency: claimed; "},
		{"the word emergency", func(f *Findings) { f.Emergency = EmergencyMentioned }, "Emergency: the word is used", "X-Relais-Emergency: mentioned; "},
		{"a warning", func(f *Findings) { f.Warnings = []Warning{{WarnRemote, 3}} }, "ATTENTION: the HTML asks for remote content (3)", "X-Relais-Warning: remote-content; the HTML asks for remote content (3)"},
		{"original kept", func(*Findings) {}, "", "X-Relais-Original: stored; sha256 000"},
		{"original attached", func(f *Findings) { f.Attached = true }, "", "X-Relais-Original: attached; sha256 000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := signed()
			tt.change(&f)
			note, mark := f.Note(English, marks("k"))
			if plain := strings.ReplaceAll(note, "\r\n  ", " "); !strings.Contains(plain, tt.note) {
				t.Errorf("the note lacks %q:\n%s", tt.note, note)
			}
			var header strings.Builder
			for _, one := range f.Fields(mark) {
				header.WriteString(one[0] + ": " + one[1] + "\n")
			}
			if !strings.Contains(header.String(), tt.header) || !strings.Contains(header.String(), "; mark "+mark+"\n") {
				t.Errorf("the header lacks %q or the mark:\n%s", tt.header, header.String())
			}
			if strings.Contains(header.String(), "%!") || strings.Contains(note, "%!") {
				t.Errorf("a wording does not fit:\n%s\n%s", header.String(), note)
			}
		})
	}
}

// Every language says everything, in lines that need no wrapping.
func TestEveryLanguageSaysEverything(t *testing.T) {
	for name, language := range map[string]Language{"en": English, "fr": French} {
		w := english()
		if language == French {
			w = french()
		}
		for _, e := range verdict.All() {
			if w.meaning(e.Reason) == "" {
				t.Errorf("%s: no words for %s", name, e.Reason)
			}
		}
		for _, code := range WarningCodes() {
			if w.warnings[code] == "" {
				t.Errorf("%s: no words for the warning %s", name, code)
			}
		}
		f := signed()
		f.Health, f.Emergency = []Health{HealthExpires, HealthWeak}, EmergencyMentioned
		for _, code := range WarningCodes() {
			n := 0
			if strings.Contains(w.warnings[code], "%d") {
				n = 12
			}
			f.Warnings = append(f.Warnings, Warning{code, n})
		}
		note, mark := f.Note(language, marks("k"))
		if !strings.HasPrefix(note, "[RELAIS-"+mark+"] "+w.title+"\r\n") || !strings.HasSuffix(note, "\r\n[/RELAIS-"+mark+"]\r\n") || strings.Contains(note, "%!") {
			t.Errorf("%s: note\n%s", name, note)
		}
		for line := range strings.SplitSeq(note, "\r\n") {
			if utf8.RuneCountInString(line) > width+2 || strings.ContainsAny(line, "\r\n\t") || line == "-- " {
				t.Errorf("%s: line %q", name, line)
			}
		}
	}
}

func TestAMarkIsOfOneGatewayOneMessageAndOneText(t *testing.T) {
	_, mark := signed().Note(English, marks("k"))
	if _, again := signed().Note(English, marks("k")); again != mark {
		t.Errorf("marks %s and %s of the same", mark, again)
	}
	if _, other := signed().Note(English, marks("another")); other == mark {
		t.Error("another gateway makes the same mark")
	}
	f := signed()
	f.Message = "sig:2"
	if _, other := f.Note(English, marks("k")); other == mark {
		t.Error("another message has the same mark")
	}
	f = signed()
	f.Verdict = verdict.Verdict{Action: verdict.Quarantine, Reason: verdict.NotBound}
	if _, other := f.Note(English, marks("k")); other == mark || other[:9] != mark[:9] {
		t.Errorf("another text has the mark %s beside %s", other, mark)
	}
}

func TestImitationsAreSeen(t *testing.T) {
	for text, want := range map[string]bool{
		"[RELAIS-0000-0000-0000-0000] Note by the gateway": true,
		"[relais-": true, "see [/RELAIS-1": true, "x-relais-verdict: accept": true, "X-RELAIS-": true, "- -[Relais-x": true,
		"": false, "-": false, "relais-": false, "le relais-routier": false, "the Relais gateway - a note": false, "[RELAIS]": false,
	} {
		if Imitated(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
