package verdict

import "testing"

// Whatever is configured, nothing is accepted that nobody signed, and no fixed
// reason changes.
func TestPolicyAcceptsOnlyWhatIsSigned(t *testing.T) {
	for _, e := range All() {
		for _, a := range []Action{Accept, Quarantine, Reject} {
			_, err := ParsePolicy(map[string]string{string(e.Reason): string(a)})
			allowed := !e.Fixed && !(e.Reason == UnsignedListed && a == Accept)
			if (err == nil) != allowed {
				t.Errorf("%s: %s: %v", e.Reason, a, err)
			}
			want := e.Default
			if allowed {
				want = a
			}
			if got := (Policy{e.Reason: a}).Decide(e.Reason); got != (Verdict{want, e.Reason}) {
				t.Errorf("%s, configured as %s: %s", e.Reason, a, got.Action)
			}
		}
		if accepted := e.Default == Accept; accepted != (e.Reason == OK || e.Reason == Duplicate) {
			t.Errorf("%s is %s", e.Reason, e.Default)
		}
	}
	if _, err := ParsePolicy(map[string]string{"brilliant": "accept"}); err == nil {
		t.Error("an unknown reason passes")
	}
	if _, err := ParsePolicy(map[string]string{"not-bound": "maybe"}); err == nil {
		t.Error("an unknown action passes")
	}
}
