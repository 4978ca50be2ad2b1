package pgp

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var states = []SignatureState{
	SignatureNone, SignatureGood, SignatureBad, SignatureUnknownKey, SignatureExpiredKey, SignatureRevokedKey,
	SignatureNotYetValidKey, SignatureWeak, SignatureUnusableKey,
}

// Threat 3: no sequence of checks lets a failed check be overwritten by a later
// success.
func TestNoSequenceOverwritesAFailure(t *testing.T) {
	signers := []*Certificate{nil, {fingerprint: "A"}, {fingerprint: "B"}}
	one := rapid.Custom(func(t *rapid.T) Signature {
		s := Signature{
			State: rapid.OneOf(rapid.Just(SignatureGood), rapid.SampledFrom(states)).Draw(t, "state"), Signer: rapid.SampledFrom(signers).Draw(t, "signer"), Count: 1,
			Intended: rapid.SampledFrom([]Intended{IntendedUnstated, IntendedForUs, IntendedOthers}).Draw(t, "intended"),
		}
		s.Digest[0] = rapid.Byte().Draw(t, "digest")
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(one, 1, 8).Draw(t, "signatures")
		result, first := list[0], list[0].State
		good := first == SignatureGood
		for _, s := range list[1:] {
			before := result
			result = result.And(s)
			good = good && s.State == SignatureGood && s.Signer == list[0].Signer
			if before.State != SignatureGood && (result.State != before.State || result.Signer != before.Signer) {
				t.Fatalf("%s of %v became %s of %v", before.State, before.Signer, result.State, result.Signer)
			}
			if before.Intended != IntendedUnstated && before.State == SignatureGood && result.State == SignatureGood && result.Intended != before.Intended {
				t.Fatalf("meant for %s became %s", before.Intended, result.Intended)
			}
		}
		if (result.State == SignatureGood) != good {
			t.Fatalf("%s from %+v", result.State, list)
		}
		if result.Count != len(list) || len(result.Further) != len(list)-1 {
			t.Fatalf("%d signatures, %d further digests, of %d", result.Count, len(result.Further), len(list))
		}
		// None is forgotten against replay.
		all := append(slices.Clone(result.Further), result.Digest)
		for _, s := range list {
			if !slices.Contains(all, s.Digest) {
				t.Fatalf("digest %x is not among %x", s.Digest[0], all)
			}
		}
	})
}

// However the checks are grouped, the outcome is as good.
func TestGroupingChangesNoOutcome(t *testing.T) {
	a, b := &Certificate{fingerprint: "A"}, &Certificate{fingerprint: "B"}
	var all []Signature
	for _, state := range states {
		for _, signer := range []*Certificate{a, b} {
			all = append(all, Signature{State: state, Signer: signer, Count: 1})
		}
	}
	for _, x := range all {
		for _, y := range all {
			for _, z := range all {
				left, right := x.And(y).And(z), x.And(y.And(z))
				if (left.State == SignatureGood) != (right.State == SignatureGood) || left.Count != right.Count {
					t.Fatalf("%s %s %s: %s or %s", x.State, y.State, z.State, left.State, right.State)
				}
			}
		}
	}
}
