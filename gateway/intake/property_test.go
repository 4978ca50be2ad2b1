package intake

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

// fact is one thing that judge looks at. Its first value is in order; each
// other one is worse than the value that it names.
type fact struct {
	name   string
	values []value
}

type value struct {
	worseThan int
	apply     func(*arrival)
}

// signedFacts are those of a signed message.
func signedFacts(d *desk.Desk) []fact {
	without := d.Document(2, "XB-1")
	inOrder := value{-1, func(*arrival) {}}
	state := func(s pgp.SignatureState) value {
		return value{0, func(a *arrival) { a.message.Signature.State = s }}
	}
	protected := func(worseThan int, name, text string) value {
		return value{worseThan, func(a *arrival) { set(&a.message.Protected, name, text) }}
	}
	created := func(worseThan int, age time.Duration) value {
		return value{worseThan, func(a *arrival) { a.message.Signature.Created = a.at.Add(-age) }}
	}
	intended := func(worseThan int, i pgp.Intended) value {
		return value{worseThan, func(a *arrival) { a.message.Signature.Intended = i }}
	}
	return []fact{
		{"signature", []value{inOrder, state(pgp.SignatureBad), state(pgp.SignatureUnknownKey), state(pgp.SignatureExpiredKey), state(pgp.SignatureRevokedKey),
			state(pgp.SignatureNotYetValidKey), state(pgp.SignatureWeak), state(pgp.SignatureUnusableKey), state("unheard of")}},
		{"coverage", []value{inOrder, {0, func(a *arrival) { a.message.WholeSigned = false }}}},
		{"signer in the Directory", []value{inOrder, {0, func(a *arrival) { a.directory = without }}}},
		{"encryption", []value{inOrder, {0, func(a *arrival) { a.message.Encrypted = false }}}},
		{"time", []value{inOrder, created(0, 73*time.Hour), created(1, 366*24*time.Hour), created(0, -time.Hour), created(3, -1000*time.Hour)}},
		{"from", []value{inOrder, protected(0, "From", desk.Nobody), protected(1, "From", desk.Delta), protected(1, "From", "cp247@de1taland.example"),
			protected(1, "From", desk.Beta+", "+desk.BetaTwo), protected(1, "From", "nobody at all")}},
		{"outer from", []value{inOrder, {0, func(a *arrival) {
			a.message.Outer = append(a.message.Outer, pgpmime.Field{Name: "From", Value: desk.Delta})
		}}}},
		{"recipient", []value{inOrder, protected(0, "To", "undisclosed-recipients:;"), protected(1, "To", desk.Gamma)}},
		{"intended recipient", []value{inOrder, intended(0, pgp.IntendedOthers)}},
	}
}

var severity = map[verdict.Action]int{verdict.Accept: 0, verdict.Quarantine: 1, verdict.Reject: 2}

// Threat 3: whatever else holds, one bad fact is enough, and one that gets
// worse never makes the verdict better. Every combination is tried, under the
// default policy.
func TestNoFactOutweighsABadOne(t *testing.T) {
	d := desk.Open(t)
	all := signedFacts(d)
	combinations := 1
	for _, f := range all {
		combinations *= len(f.values)
	}
	unpack := func(n int) []int {
		chosen := make([]int, len(all))
		for i, f := range all {
			chosen[i], n = n%len(f.values), n/len(f.values)
		}
		return chosen
	}
	reasons, judged := make([]verdict.Reason, combinations), make([]int, combinations)
	in := facts(d).in
	for n := range combinations {
		a := facts(d)
		a.in = in
		for i, v := range unpack(n) {
			all[i].values[v].apply(a)
		}
		reasons[n] = a.judge()
		judged[n] = severity[verdict.Policy{}.Decide(reasons[n]).Action]
	}
	for n := range combinations {
		if (judged[n] == 0) != (n == 0) {
			t.Errorf("%v: %s", unpack(n), reasons[n])
		}
		weight := 1
		for i, v := range unpack(n) {
			if better := all[i].values[v].worseThan; better >= 0 {
				if m := n - (v-better)*weight; judged[n] < judged[m] {
					t.Errorf("%v: %s, but %v: %s, though %s is worse", unpack(m), reasons[m], unpack(n), reasons[n], all[i].name)
				}
			}
			weight *= len(all[i].values)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d combinations", combinations)
}

// What is not signed is never accepted, whatever it says of itself.
func TestUnsignedIsNeverAccepted(t *testing.T) {
	d := desk.Open(t)
	rapid.Check(t, func(t *rapid.T) {
		a := facts(d)
		m := a.message
		m.Signature = pgp.Signature{State: pgp.SignatureNone, Intended: rapid.SampledFrom([]pgp.Intended{pgp.IntendedForUs, pgp.IntendedUnstated}).Draw(t, "intended")}
		m.Encrypted, m.WholeSigned, m.PartSigned = rapid.Bool().Draw(t, "encrypted"), rapid.Bool().Draw(t, "whole"), rapid.Bool().Draw(t, "part")
		set(&m.Outer, "From", rapid.SampledFrom([]string{desk.Beta, desk.Delta, desk.Alpha, desk.Nobody, "", "a, b"}).Draw(t, "from"))
		if rapid.Bool().Draw(t, "no protected headers") {
			m.Protected = nil
		}
		r := a.judge()
		switch act := (verdict.Policy{}).Decide(r).Action; {
		case act == verdict.Accept, act == verdict.Quarantine && (r != verdict.UnsignedListed || !m.Encrypted || m.PartSigned):
			t.Fatalf("%s: %s", act, r)
		}
	})
}
