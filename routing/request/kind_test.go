package request

import "testing"

func TestParseKind(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		if got, err := ParseKind(string(k)); err != nil || got != k {
			t.Errorf("%s parses as %q, %v", k, got, err)
		}
		if seen[k] {
			t.Errorf("%s is listed twice", k)
		}
		seen[k] = true
	}
	for _, s := range []string{"", "preservation", "PRESERVATION ", "NOTHING\nOF THE KIND"} {
		if got, err := ParseKind(s); err == nil || got != "" {
			t.Errorf("%q parses as %q", s, got)
		}
	}
}

func TestKindsThatAskNothing(t *testing.T) {
	for _, k := range Kinds() {
		want := k != FollowUp && k != Withdrawal && k != Response && k != Auto
		if k.Asks() != want {
			t.Errorf("%s asks: %v, want %v", k, k.Asks(), want)
		}
	}
}

// TestReplyCodes: a code waits for the requester, tells something meanwhile,
// or answers; never two of these.
func TestReplyCodes(t *testing.T) {
	for code, want := range map[string]string{
		"": "final", CodePreserved: "final", CodeExtended: "final", "REFUSED": "final", "NO_DATA": "final",
		"NEED_INFO": "waits", "NEED_TRANSLATION": "waits", "CONDITIONS": "waits",
		CodeAckReceived: "interim", "POSTPONED": "interim",
	} {
		got := "interim"
		switch {
		case CodeWaits(code) && CodeFinal(code):
			got = "both"
		case CodeWaits(code):
			got = "waits"
		case CodeFinal(code):
			got = "final"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", code, got, want)
		}
	}
}
