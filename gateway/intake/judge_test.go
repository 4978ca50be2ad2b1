package intake

import (
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

// facts returns an arrival at XA-1 of which everything is in order: signed by
// XB-1, fresh, and meant for XA-1.
func facts(d *desk.Desk) *arrival {
	at := time.Now().UTC()
	return &arrival{
		in: New(Options{Hostname: desk.Hostname, Rules: Rules{
			Window: 72 * time.Hour, MaxAge: 365 * 24 * time.Hour, ClockTolerance: 10 * time.Minute,
		}}),
		directory: d.Directory, desk: Desk{ID: "XA-1"}, at: at,
		message: &pgpmime.Message{
			Form: pgpmime.MIMEEncrypted, Encrypted: true, WholeSigned: true,
			Signature: pgp.Signature{
				State: pgp.SignatureGood, Signer: d.Keys["XB-1"].Certificate(), Created: at.Add(-time.Minute), Intended: pgp.IntendedUnstated, Count: 1,
			},
			Outer:     pgpmime.Header{{Name: "From", Value: desk.Beta}, {Name: "To", Value: desk.Alpha}},
			Protected: pgpmime.Header{{Name: "From", Value: desk.Beta}, {Name: "To", Value: desk.Alpha}},
		},
	}
}

// set replaces the first field of that name, or adds one.
func set(h *pgpmime.Header, name, value string) {
	for i, f := range *h {
		if f.Name == name {
			(*h)[i].Value = value
			return
		}
	}
	*h = append(*h, pgpmime.Field{Name: name, Value: value})
}

func TestEachFactHasItsReason(t *testing.T) {
	d := desk.Open(t)
	state := func(s pgp.SignatureState) func(*arrival) {
		return func(a *arrival) { a.message.Signature.State = s }
	}
	age := func(age time.Duration) func(*arrival) {
		return func(a *arrival) { a.message.Signature.Created = a.at.Add(-age) }
	}
	from := func(value string) func(*arrival) {
		return func(a *arrival) { set(&a.message.Protected, "From", value) }
	}
	unsigned := func(a *arrival) {
		a.message.Signature, a.message.WholeSigned, a.message.Protected = pgp.Signature{State: pgp.SignatureNone}, false, nil
	}
	tests := []struct {
		name   string
		change func(*arrival)
		want   verdict.Reason
	}{
		{"all in order", func(*arrival) {}, verdict.OK},
		{"another address of the signer", from(desk.BetaTwo), verdict.OK},
		{"address in capitals, with a name", from(`"Desk, Betaland" <CP247@BetaLand.example>`), verdict.OK},
		{"one address in group syntax", from("desks: " + desk.Beta + ";"), verdict.OK},
		{"a comment that holds another address", from(desk.Beta + " (" + desk.Delta + ")"), verdict.OK},
		{"a name that is another address", from(`"` + desk.Delta + `" <` + desk.Beta + ">"), verdict.OK},

		{"bad signature", state(pgp.SignatureBad), verdict.BadSignature},
		{"a state that nobody knows", state("brilliant"), verdict.BadSignature},
		{"altered on the way", func(a *arrival) {
			a.message.Encrypted, a.message.Altered = false, pgpmime.ReEncoded
			state(pgp.SignatureBad)(a)
		}, verdict.Altered},
		{"altered, by an unknown key", func(a *arrival) {
			a.message.Altered = pgpmime.ReEncoded
			state(pgp.SignatureUnknownKey)(a)
		}, verdict.UnknownKey},
		{"unknown key", state(pgp.SignatureUnknownKey), verdict.UnknownKey},
		{"expired key", state(pgp.SignatureExpiredKey), verdict.KeyExpired},
		{"revoked key", state(pgp.SignatureRevokedKey), verdict.KeyRevoked},
		{"key not yet valid", state(pgp.SignatureNotYetValidKey), verdict.KeyNotYetValid},
		{"weak", state(pgp.SignatureWeak), verdict.WeakSignature},
		{"unusable key", state(pgp.SignatureUnusableKey), verdict.KeyUnusable},
		{"good, but the key left the Directory meanwhile", func(a *arrival) { a.directory = d.Document(2, "XB-1") }, verdict.UnknownKey},
		{"good, but not over everything", func(a *arrival) { a.message.WholeSigned = false }, verdict.PartlySigned},

		{"no From at all", func(a *arrival) { a.message.Outer, a.message.Protected = nil, nil }, verdict.AmbiguousSender},
		{"two outer From", func(a *arrival) {
			a.message.Outer = append(a.message.Outer, pgpmime.Field{Name: "from", Value: desk.Beta})
		}, verdict.AmbiguousSender},
		{"two protected From", func(a *arrival) {
			a.message.Protected = append(a.message.Protected, pgpmime.Field{Name: "FROM", Value: desk.Beta})
		}, verdict.AmbiguousSender},
		{"two addresses in From", from(desk.Beta + ", " + desk.BetaTwo), verdict.AmbiguousSender},
		{"two addresses in a group", from("g: " + desk.Beta + ", " + desk.Delta + ";"), verdict.AmbiguousSender},
		{"an empty group", from("undisclosed-recipients:;"), verdict.AmbiguousSender},
		{"no address", from("Betaland"), verdict.AmbiguousSender},
		{"an encoded word that is no address until it is decoded", from("=?utf-8?q?cp247=40betaland=2Eexample?="), verdict.AmbiguousSender},
		{"protected headers without From: the outer one counts", func(a *arrival) {
			a.message.Protected = pgpmime.Header{{Name: "To", Value: desk.Alpha}}
			set(&a.message.Outer, "From", desk.Delta)
		}, verdict.Impersonated},
		{"From of another contact point", from(desk.Delta), verdict.Impersonated},
		{"From of this desk", from(desk.Alpha), verdict.Impersonated},
		{"outer From of another one, protected in order", func(a *arrival) { set(&a.message.Outer, "From", desk.Delta) }, verdict.OK},
		{"From not listed", from(desk.Nobody), verdict.FromNotListed},
		{"an address outside ASCII, not listed", from("Jürgen <jürgen@bétaland.example>"), verdict.FromNotListed},
		{"an encoded word before the @", from("=?utf-8?q?cp247?=@betaland.example"), verdict.AmbiguousSender},
		{"an encoded word that decodes to another address", from("=?utf-8?q?cp247=40deltaland=2Eexample?=@betaland.example"), verdict.AmbiguousSender},
		{"an encoded word that hides a second address in the name", from("=?utf-8?q?cp247=40deltaland=2Eexample=3E=2C_x?= <" + desk.Beta + ">"), verdict.OK},
		{"a name in a charset that we do not know", from("=?x-martian?b?gYKD?= <" + desk.Beta + ">"), verdict.OK},
		{"a name in Shift_JIS", from("=?Shift_JIS?B?k/qWe4zq?= <" + desk.Beta + ">"), verdict.OK},
		{"a name that is no proper encoded word", from("=?utf-8?q?=ZZ?= <" + desk.Beta + ">"), verdict.OK},
		{"an address in quotes before the @", from(`"cp247@deltaland.example"@betaland.example`), verdict.AmbiguousSender},
		{"an address in quotes with a bracket", from(`"cp247@deltaland.example> x"@betaland.example`), verdict.AmbiguousSender},
		{"a comment inside of the address", from("cp247(" + desk.Delta + ")@betaland.example"), verdict.AmbiguousSender},
		{"a route before the address", from("<@deltaland.example:" + desk.Beta + ">"), verdict.AmbiguousSender},
		{"a character that cannot be seen", from("cp\u200b247@betaland.example"), verdict.AmbiguousSender},
		{"writing direction turned round", from("cp247@betaland.example\u202e"), verdict.AmbiguousSender},
		{"a look-alike of the signer's own address", from("cp247@b\u0435taland.example"), verdict.FromNotListed}, // Cyrillic е
		{"a look-alike of another's address", from("cp247@d\u0435ltaland.example"), verdict.Impersonated},
		{"the same as it stands on the wire", from("cp247@xn--dltaland-c8g.example"), verdict.Impersonated},
		{"a digit for a letter in another's address", from("cp247@de1taland.example"), verdict.Impersonated},

		{"meant for us by the signature, To says another", func(a *arrival) {
			a.message.Signature.Intended = pgp.IntendedForUs
			set(&a.message.Protected, "To", desk.Gamma)
		}, verdict.OK},
		{"meant for others by the signature, To says us", func(a *arrival) { a.message.Signature.Intended = pgp.IntendedOthers }, verdict.NotForUs},
		{"protected To names another", func(a *arrival) { set(&a.message.Protected, "To", desk.Gamma) }, verdict.NotForUs},
		{"we stand in the protected Cc", func(a *arrival) {
			set(&a.message.Protected, "To", desk.Gamma)
			set(&a.message.Protected, "Cc", desk.Alpha)
		}, verdict.OK},
		{"only the outer To names us", func(a *arrival) { a.message.Protected = pgpmime.Header{{Name: "From", Value: desk.Beta}} }, verdict.NotBound},
		{"a protected To that cannot be read, beside a Cc", func(a *arrival) {
			set(&a.message.Protected, "To", "Contact point: 24/7 <"+desk.Alpha+">")
			set(&a.message.Protected, "Cc", desk.Gamma)
		}, verdict.NotBound},
		{"a protected To that names nobody", func(a *arrival) { set(&a.message.Protected, "To", "undisclosed-recipients:;") }, verdict.NotBound},

		{"not encrypted", func(a *arrival) { a.message.Encrypted = false }, verdict.NotEncrypted},
		{"at the end of the window", age(72 * time.Hour), verdict.OK},
		{"older than the window", age(72*time.Hour + time.Second), verdict.OldSignature},
		{"too old", age(365*24*time.Hour + time.Second), verdict.TooOld},
		{"a clock that runs ahead a little", age(-9 * time.Minute), verdict.OK},
		{"from the future", age(-11 * time.Minute), verdict.FutureSignature},

		{"impersonated counts more than a signature from the future", func(a *arrival) { from(desk.Delta)(a); age(-time.Hour)(a) }, verdict.Impersonated},
		{"a bad signature counts more than an ambiguous sender", func(a *arrival) { from("x")(a); state(pgp.SignatureBad)(a) }, verdict.BadSignature},
		{"not for us counts more than not encrypted", func(a *arrival) {
			a.message.Encrypted = false
			a.message.Signature.Intended = pgp.IntendedOthers
		}, verdict.NotForUs},

		{"encrypted but unsigned, From listed", unsigned, verdict.UnsignedListed},
		{"encrypted but unsigned, From not listed", func(a *arrival) { unsigned(a); set(&a.message.Outer, "From", desk.Nobody) }, verdict.Unsigned},
		{"neither", func(a *arrival) { unsigned(a); a.message.Encrypted = false; a.inbound.MailFrom = desk.Beta }, verdict.PlainUnsigned},
		{"neither, from a machine", func(a *arrival) {
			unsigned(a)
			a.message.Encrypted, a.inbound.MailFrom = false, desk.Beta
			set(&a.message.Outer, "Auto-Submitted", "auto-replied")
		}, verdict.Automatic},
		{"neither, with an empty envelope sender", func(a *arrival) { unsigned(a); a.message.Encrypted = false }, verdict.Automatic},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := facts(d)
			tt.change(a)
			if got := a.judge(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A signature from the future becomes fresh some day: it must still be known
// then.
func TestSignatureFromTheFutureIsRememberedLonger(t *testing.T) {
	a := facts(desk.Open(t))
	normal := a.remember()
	a.message.Signature.Created = a.at.AddDate(3, 0, 0)
	if got := a.remember(); got.Before(a.message.Signature.Created.Add(a.in.o.Rules.MaxAge)) || !got.After(normal) {
		t.Errorf("remembered until %v", got)
	}
}
