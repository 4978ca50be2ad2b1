package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/banner"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/directory"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// findings collects what the gateway found out, for the request ref.
func (a *arrival) findings(v verdict.Verdict, p plan, ref request.Reference, warnings []banner.Warning) banner.Findings {
	m := a.message
	digest := sha256.Sum256(a.inbound.Raw)
	f := banner.Findings{
		Message: a.signatures()[0], Reference: ref, Verdict: v, Covered: banner.CoveredNone,
		Encrypted: m.Encrypted, Cipher: m.Cipher, Kinds: a.class.Kinds,
		Evidence: a.evidence(), Articles: strings.Join(a.class.Articles, ", "),
		TheirReference: mime.QEncoding.Encode("utf-8", printable(cut(a.class.TheirReference, 100))),
		Warnings:       warnings, Digest: hex.EncodeToString(digest[:]), Attached: a.desk.AttachOriginal,
	}
	switch {
	case a.class.Emergency:
		f.Emergency = banner.EmergencyClaimed
	case a.class.ClaimsEmergency:
		f.Emergency = banner.EmergencyMentioned
	}
	if p.attach != nil {
		f.Kinds = []request.Kind{p.attach.command.Kind}
	}
	for _, o := range p.open {
		if p.attach == nil && o.command.Ref == ref {
			f.Kinds, f.Deadlines, f.Related = []request.Kind{o.command.Kind}, o.command.Deadlines, o.command.Parent
		}
	}
	a.describeSignature(&f)
	return f
}

func (a *arrival) describeSignature(f *banner.Findings) {
	s := a.message.Signature
	if a.signer == nil || s.Signer == nil {
		return
	}
	f.Signer, f.Fingerprint = a.signer, s.Signer.Fingerprint()
	if party, ok := a.directory.Party(a.signer.Party); ok {
		f.Party = party.Names["en"]
	}
	if a.message.WholeSigned {
		f.Covered = banner.CoveredWhole
		f.Protected = a.protected()
	}
	f.Addressed = a.addressed()
	f.SignedAt, f.Age = s.Created, a.at.Sub(s.Created)
	switch {
	case f.Age > a.in.o.Rules.Window:
		f.Freshness = banner.Old
	case f.Age < -a.in.o.Rules.ClockTolerance:
		f.Freshness = banner.Future
	default:
		f.Freshness = banner.Fresh
	}
	f.Algorithm, f.Hash, f.Expires = s.Algorithm, s.Hash, s.Signer.Expires()
	f.Health = a.health(s.Signer)
}

// protected lists the signed header fields that people look at.
func (a *arrival) protected() (out []string) {
	for _, name := range []string{"From", "To", "Cc", "Date", "Subject", "Message-ID"} {
		if len(a.message.Protected.Values(name)) > 0 {
			out = append(out, name)
		}
	}
	return out
}

// addressed says how the signer named us, or that it did not.
func (a *arrival) addressed() banner.Addressed {
	if a.message.Signature.Intended == pgp.IntendedForUs {
		return banner.AddressedByKey
	}
	switch bound, ok := a.binding(); {
	case bound:
		return banner.AddressedByHeader
	case !ok:
		return banner.AddressedOthers
	}
	return banner.AddressedUnstated
}

// health says what its owner should do something about.
func (a *arrival) health(c *pgp.Certificate) (out []banner.Health) {
	if end := c.Expires(); !end.IsZero() && end.Sub(a.at) < banner.ExpiresSoon {
		out = append(out, banner.HealthExpires)
	}
	strict := a.in.o.Rules.Keys
	strict.SHA1Until, strict.SHA1Waivers = time.Unix(0, 0), nil
	var weak *pgp.KeyError
	if err := c.CheckSigning(a.message.Signature.Created, strict); errors.As(err, &weak) && weak.Problem == pgp.KeyWeak {
		out = append(out, banner.HealthWeak)
	}
	if out == nil {
		out = []banner.Health{banner.HealthOK}
	}
	return out
}

// warnings looks for what a reader must know of the content. renamed and
// unread are what [neutral] counted.
func (a *arrival) warnings(renamed, unread int) (out []banner.Warning) {
	imitated, remote, left := false, 0, maxHTML
	a.outline.Leaves(func(p *mimeindex.Part) bool {
		if p.Type == "text" {
			text := p.Text(a.message.Entity)
			imitated = imitated || banner.Imitated(text)
			if p.Subtype == "html" {
				text = text[:min(len(text), left)]
				left -= len(text)
				remote += remoteLoads(text)
			}
		}
		return true
	})
	for _, w := range []struct {
		is   bool
		code banner.WarningCode
		n    int
	}{
		{imitated, banner.WarnImitation, 0},
		{renamed > 0, banner.WarnRenamed, renamed},
		{a.fromDiffers(), banner.WarnFromDiffers, 0},
		{remote > 0, banner.WarnRemote, remote},
		{unread > 0, banner.WarnNotLooked, unread},
	} {
		if w.is {
			out = append(out, banner.Warning{Code: w.code, N: w.n})
		}
	}
	if code, closed := a.gate(); closed {
		out = append(out, banner.Warning{Code: code})
	}
	return out
}

// gate reports whether the treaty behind what is asked is not in force between
// the two Parties. No message is refused for that: there may be another basis.
func (a *arrival) gate() (banner.WarningCode, bool) {
	if a.signer == nil {
		return "", false
	}
	ours, ok := a.directory.ContactPoint(a.desk.ID)
	if !ok || !a.treatiesStated(ours.Party) || !a.treatiesStated(a.signer.Party) {
		return "", false // a Directory that says nothing of treaties proves nothing
	}
	for _, kind := range a.class.Kinds {
		if g := a.directory.Gate(kind, a.signer.Party, ours.Party, a.at); !g.Open {
			return map[directory.GateReason]banner.WarningCode{
				directory.GateNotAParty: banner.WarnNotAParty, directory.GateNotInForce: banner.WarnNotInForce, directory.GateReservedAway: banner.WarnReserved,
			}[g.Reason], true
		}
	}
	return "", false
}

// treatiesStated reports whether the Directory says when the Convention enters
// into force for the Party.
func (a *arrival) treatiesStated(code string) bool {
	p, ok := a.directory.Party(code)
	return ok && p.Convention != directory.Treaty{}
}

// fromDiffers reports whether the header outside names another sender than the
// one that counts.
func (a *arrival) fromDiffers() bool {
	outer, inner := a.message.Outer.Get("From"), a.message.Protected.Get("From")
	return inner != "" && outer != inner
}

// evidence lists what led to the kind, strongest first.
func (a *arrival) evidence() string {
	var out []string
	for _, c := range a.class.Candidates {
		if !slices.Contains(a.class.Kinds, c.Kind) && a.class.Kinds[0] != request.Unclassified {
			continue
		}
		for _, e := range c.Evidence {
			if len(out) < 8 {
				out = append(out, fmt.Sprintf("%s (%s)", cut(e.Text, 80), c.Kind))
			}
		}
	}
	for _, e := range a.class.Evidence {
		if len(out) < 10 {
			out = append(out, cut(e.Text, 80))
		}
	}
	return mime.QEncoding.Encode("utf-8", printable(strings.Join(out, "; ")))
}
