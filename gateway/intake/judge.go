package intake

import (
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/routing/directory"
	"relais.example/routing/verdict"
)

// Rules is the configurable part of the policy table.
type Rules struct {
	Reasons        verdict.Policy
	Window         time.Duration // an older signature is old-signature
	MaxAge         time.Duration // an older signature is too-old
	ClockTolerance time.Duration // how far in the future a signature may lie
	Keys           pgp.Policy
	Limits         pgpmime.Limits
}

// judge turns facts and the Directory into a reason. What rejects is looked
// at before what only holds a message, and the signature before everything
// that an attacker could write.
func (a *arrival) judge() verdict.Reason {
	m := a.message
	a.from = a.sender()
	if m.Signature.State == pgp.SignatureNone {
		return a.judgeUnsigned()
	}
	if r := a.judgeSignature(); r != verdict.OK {
		return r
	}
	if a.from == "" {
		return verdict.AmbiguousSender
	}
	owner, listed := a.directory.ByAddress(a.from)
	if listed && owner.ID != a.signer.ID || !listed && a.looksLikeAnother() {
		return verdict.Impersonated
	}
	bound, ok := a.binding()
	if !ok {
		return verdict.NotForUs
	}
	age := a.at.Sub(m.Signature.Created)
	switch {
	case age > a.in.o.Rules.MaxAge:
		return verdict.TooOld
	case !m.Encrypted:
		return verdict.NotEncrypted
	case age < -a.in.o.Rules.ClockTolerance:
		return verdict.FutureSignature
	case age > a.in.o.Rules.Window:
		return verdict.OldSignature
	case !listed:
		return verdict.FromNotListed
	case !bound:
		return verdict.NotBound
	}
	return verdict.OK
}

func (a *arrival) judgeUnsigned() verdict.Reason {
	if a.message.PartSigned {
		return verdict.PartlySigned
	}
	if !a.message.Encrypted {
		if automatic(a.message.Outer, a.inbound.MailFrom) {
			return verdict.Automatic
		}
		return verdict.PlainUnsigned
	}
	owner, listed := a.directory.ByAddress(a.from)
	if a.from == "" || !listed {
		return verdict.Unsigned
	}
	a.peer = owner
	return verdict.UnsignedListed
}

// judgeSignature looks at the signature alone; OK means that a.signer is set.
func (a *arrival) judgeSignature() verdict.Reason {
	s := a.message.Signature
	if s.Signer != nil {
		if cp, ok := a.directory.BySigner(s.Signer.Fingerprint()); ok {
			a.signer, a.peer = cp, cp
		}
	}
	switch s.State {
	case pgp.SignatureGood:
	case pgp.SignatureUnknownKey:
		return verdict.UnknownKey
	case pgp.SignatureExpiredKey:
		return verdict.KeyExpired
	case pgp.SignatureRevokedKey:
		return verdict.KeyRevoked
	case pgp.SignatureNotYetValidKey:
		return verdict.KeyNotYetValid
	case pgp.SignatureWeak:
		return verdict.WeakSignature
	case pgp.SignatureUnusableKey:
		return verdict.KeyUnusable
	default:
		if s.State == pgp.SignatureBad && a.message.Altered != pgpmime.Unaltered {
			return verdict.Altered
		}
		return verdict.BadSignature
	}
	if !a.message.WholeSigned {
		return verdict.PartlySigned
	}
	if a.signer == nil {
		return verdict.UnknownKey
	}
	return verdict.OK
}

// sender returns the one address of the one From that counts, or "". An outer
// From that is repeated makes every program show another sender, so it is
// refused even where a protected one exists.
func (a *arrival) sender() string {
	if len(a.message.Outer.Values("From")) != 1 {
		return ""
	}
	values, _ := a.message.Field("From")
	list, ok := addresses(values)
	if len(values) != 1 || !ok || len(list) != 1 {
		return ""
	}
	return list[0]
}

// looksLikeAnother reports whether a reader would take the sender for a
// contact point that did not sign. What looks like the signer's own address is
// merely not listed.
func (a *arrival) looksLikeAnother() bool {
	owners := a.directory.LooksLike(a.from)
	return len(owners) > 0 && !slices.ContainsFunc(owners, func(cp *directory.ContactPoint) bool { return cp.ID == a.signer.ID })
}

// binding looks for what the signer said about the recipients. bound: this
// desk is among them. ok is false if only others are.
func (a *arrival) binding() (bound, ok bool) {
	switch a.message.Signature.Intended {
	case pgp.IntendedForUs:
		return true, true
	case pgp.IntendedOthers:
		return false, false
	}
	named, unclear := false, false
	for _, field := range []string{"To", "Cc"} {
		values, protected := a.message.Field(field)
		if !protected {
			continue
		}
		list, parsed := addresses(values)
		if !parsed {
			unclear = true // it may name us: nobody is refused for how it is written
			continue
		}
		for _, addr := range list {
			named = true
			if cp, listed := a.directory.ByAddress(addr); listed && cp.ID == a.desk.ID {
				return true, true
			}
		}
	}
	return false, !named || unclear
}

// automatic recognises machine mail (RFC 3834, RFC 3464).
func automatic(h pgpmime.Header, mailFrom string) bool {
	auto := strings.ToLower(h.Get("Auto-Submitted"))
	report := strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "multipart/report")
	return auto != "" && auto != "no" || report || mailFrom == "" || h.Get("X-Auto-Response-Suppress") != ""
}
