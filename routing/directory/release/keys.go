package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
)

// DefaultCoolDown is how long a new key waits before it counts for an
// emergency, unless the authority says otherwise.
const DefaultCoolDown = 72 * time.Hour

// MinCoolDown is the least that may be asked for.
const MinCoolDown = 24 * time.Hour

// maxTransitionAge bounds how old a transition may be: one that was signed long
// ago may speak of a key that was given up since.
const maxTransitionAge = 30 * 24 * time.Hour

// KeyChange is a certificate that comes into the Directory or leaves it.
type KeyChange struct {
	ContactPoint string
	Fingerprint  string
	Leaves       bool
	Confirmed    *Confirmation // nil: it is still to be confirmed
	Why          string        // what is missing, "" when nothing is
}

// Confirmation records how the change of a key was confirmed. It is kept with
// the release; the entry itself carries a [directory.Voucher].
type Confirmation struct {
	ContactPoint string             `json:"contact_point"`
	Fingerprint  string             `json:"fingerprint"`
	How          directory.Vouching `json:"how"`
	By           string             `json:"by"`                   // who made sure, at the authority
	At           time.Time          `json:"at"`                   // when it was recorded
	Called       string             `json:"called,omitempty"`     // the number that was called
	SpokeWith    string             `json:"spoke_with,omitempty"` // who answered
	CallAt       time.Time          `json:"call_at,omitzero"`     // when
	Transition   string             `json:"transition,omitempty"` // the signed text
	SignedBy     string             `json:"signed_by,omitempty"`  // fingerprint of the old key
	CoolDown     time.Duration      `json:"cool_down"`            // in nanoseconds
}

// TransitionText is what the holder of an old key signs in clear for a new one.
func TransitionText(contactPoint, fingerprint string) string {
	return "Key transition in the Directory of the 24/7 Network\nContact point: " + contactPoint + "\nNew key: " + fingerprint + "\n"
}

// KeyChanges lists the certificates that came and went since the last published
// version, and how each was confirmed. In the first version nothing changes.
// A certificate that was renewed under its fingerprint needs no confirmation:
// its own key signed that. One that is expired or revoked may leave without.
func (f *Folder) KeyChanges() ([]KeyChange, error) {
	latest, _, err := f.Latest()
	if err != nil || latest == nil {
		return nil, err
	}
	doc, _, _, err := f.Document()
	if err != nil {
		return nil, err
	}
	latest.Check()
	old, new := points(latest), points(doc)
	var list []KeyChange
	for _, cp := range new {
		before := old[cp.ID]
		for _, c := range cp.Certificates() {
			if before != nil && holds(before, c.Fingerprint()) && keepsVoucher(before, cp, c.Fingerprint()) {
				continue
			}
			list = append(list, f.change(cp, c.Fingerprint(), false))
		}
		if before == nil {
			continue
		}
		for _, c := range before.Certificates() {
			if !holds(cp, c.Fingerprint()) && usable(c, f.state.Drafted.At) {
				list = append(list, f.change(cp, c.Fingerprint(), true))
			}
		}
	}
	slices.SortFunc(list, func(a, b KeyChange) int {
		return strings.Compare(a.ContactPoint+a.Fingerprint, b.ContactPoint+b.Fingerprint)
	})
	return list, nil
}

// keepsVoucher reports whether the cool-down of a listed key still stands. To
// shorten it is to change the key.
func keepsVoucher(old, new *directory.ContactPoint, fingerprint string) bool {
	was, had := old.Voucher(fingerprint)
	is, has := new.Voucher(fingerprint)
	return !had || has && !is.EmergenciesFrom.Before(was.EmergenciesFrom)
}

func usable(c *pgp.Certificate, at time.Time) bool {
	return c.CheckSigning(at, pgp.DefaultPolicy()) == nil || c.CheckEncryption(at, pgp.DefaultPolicy()) == nil
}

// change joins a changed key with its confirmation.
func (f *Folder) change(cp *directory.ContactPoint, fingerprint string, leaves bool) KeyChange {
	c := KeyChange{ContactPoint: cp.ID, Fingerprint: fingerprint, Leaves: leaves}
	for i, done := range f.state.Confirmations {
		if done.ContactPoint == cp.ID && done.Fingerprint == fingerprint {
			c.Confirmed = &f.state.Confirmations[i]
		}
	}
	if c.Confirmed == nil {
		c.Why = "nobody has confirmed it"
		return c
	}
	if leaves {
		return c
	}
	// The cool-down must stand in the entry itself, where gateways read it.
	v, ok := cp.Voucher(fingerprint)
	want := c.Confirmed.At.Add(max(c.Confirmed.CoolDown, MinCoolDown))
	if !ok || v.How != c.Confirmed.How || v.EmergenciesFrom.Before(want.Truncate(time.Second)) {
		c.Why = "its voucher with the cool-down is not in the entry: confirm it again"
	}
	return c
}

func unconfirmed(changes []KeyChange) error {
	var list []error
	for _, c := range changes {
		if c.Why != "" {
			what := "new key"
			if c.Leaves {
				what = "removed key"
			}
			list = append(list, fmt.Errorf("%s: %s %s: %s", c.ContactPoint, what, c.Fingerprint, c.Why))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("release: %w; see relais directory confirm:\n%w", ErrKeys, errors.Join(list...))
}

// Confirm records how the change of a key was confirmed, and writes the voucher
// with its cool-down into the draft, which must then be reviewed anew. Either
// c.Transition or the call must be given.
func (f *Folder) Confirm(c Confirmation, at time.Time) error {
	by, err := person(c.By)
	if err != nil {
		return err
	}
	if f.state.Step != Drafted && f.state.Step != Reviewed {
		return fmt.Errorf("release: %w: the version in work is %s; keys are confirmed while it is a draft", ErrStep, f.stepName())
	}
	changes, err := f.KeyChanges()
	if err != nil {
		return err
	}
	c.Fingerprint = strings.ToUpper(strings.ReplaceAll(c.Fingerprint, " ", ""))
	at = at.UTC().Truncate(time.Second)
	i := slices.IndexFunc(changes, func(k KeyChange) bool { return k.ContactPoint == c.ContactPoint && k.Fingerprint == c.Fingerprint })
	if i < 0 {
		return fmt.Errorf("release: no key %s of %s comes or goes with this draft; see relais directory review", c.Fingerprint, c.ContactPoint)
	}
	if c.CoolDown == 0 {
		c.CoolDown = DefaultCoolDown
	}
	if c.CoolDown < MinCoolDown {
		return fmt.Errorf("release: %w: a cool-down of %s is too short; at least %s are needed", ErrKeys, c.CoolDown, MinCoolDown)
	}
	c.By, c.At = by, at
	latest, _, err := f.Latest()
	if err != nil {
		return err
	}
	latest.Check()
	if c.Transition != "" {
		err = c.checkTransition(latest, at)
	} else {
		err = c.checkCall(latest, at)
	}
	if err != nil {
		return err
	}
	doc, raw, _, err := f.Document()
	if err != nil {
		return err
	}
	if directory.Digest(raw) != f.state.Drafted.Digest {
		return fmt.Errorf("release: %w: %s was changed after it was drafted; draft it again", ErrDigest, f.path(draftFile))
	}
	if !changes[i].Leaves {
		cp := points(doc)[c.ContactPoint]
		cp.Vouchers = slices.DeleteFunc(cp.Vouchers, func(v directory.Voucher) bool { return v.Fingerprint == c.Fingerprint })
		cp.Vouchers = append(cp.Vouchers, directory.Voucher{Fingerprint: c.Fingerprint, How: c.How, By: by, At: at, EmergenciesFrom: at.Add(c.CoolDown)})
	}
	kept := slices.DeleteFunc(slices.Clone(f.state.Confirmations), func(k Confirmation) bool {
		return k.ContactPoint == c.ContactPoint && k.Fingerprint == c.Fingerprint
	})
	return f.draft(doc, f.state.Drafted.By, append(kept, c), f.state.Drafted.At)
}

// checkTransition verifies that a key of the version before, of the same
// contact point, signed for the new one.
func (c *Confirmation) checkTransition(latest *directory.Document, at time.Time) error {
	before := points(latest)[c.ContactPoint]
	if before == nil {
		return fmt.Errorf("release: %w: %s is not in the version before, so it has no old key; call back", ErrKeys, c.ContactPoint)
	}
	text, s, err := pgp.VerifyClearsigned([]byte(c.Transition), pgp.NewRing(before.Certificates()...), pgp.DefaultPolicy(), at)
	switch {
	case err != nil:
		return fmt.Errorf("release: %w: the transition of %s: %w; it must be signed in clear (gpg --clearsign)", ErrKeys, c.ContactPoint, err)
	case s.State != pgp.SignatureGood:
		return fmt.Errorf("release: %w: the transition of %s: the signature is %s; it must come from a key that the version before lists for %s", ErrKeys, c.ContactPoint, s.State, c.ContactPoint)
	case s.Signer.Fingerprint() == c.Fingerprint:
		return fmt.Errorf("release: %w: the transition of %s is signed by the key itself; the other one must sign", ErrKeys, c.ContactPoint)
	case at.Sub(s.Created) > maxTransitionAge || s.Created.After(at.Add(time.Hour)):
		return fmt.Errorf("release: %w: the transition of %s was signed on %s; ask for a fresh one", ErrKeys, c.ContactPoint, s.Created.UTC().Format(time.DateOnly))
	case strings.Join(strings.Fields(string(text)), " ") != strings.Join(strings.Fields(TransitionText(c.ContactPoint, c.Fingerprint)), " "):
		return fmt.Errorf("release: %w: the transition of %s does not say what it must:\n%s", ErrKeys, c.ContactPoint, TransitionText(c.ContactPoint, c.Fingerprint))
	}
	c.How, c.SignedBy, c.Called, c.SpokeWith, c.CallAt = directory.OldKey, s.Signer.Fingerprint(), "", "", time.Time{}
	return nil
}

// checkCall checks the record of a call: on a number that the version before
// lists for the contact point, or for its Party when it is new.
func (c *Confirmation) checkCall(latest *directory.Document, at time.Time) error {
	c.SpokeWith = strings.TrimSpace(c.SpokeWith)
	called := directory.Phone{Number: strings.TrimSpace(c.Called)}
	switch {
	case called.E164() == "":
		return fmt.Errorf("release: %w: give a signed transition, or the number that was called, as +999 1 555 0100", ErrKeys)
	case c.SpokeWith == "":
		return fmt.Errorf("release: %w: say who answered the call", ErrKeys)
	case c.CallAt.IsZero() || c.CallAt.After(at) || at.Sub(c.CallAt) > maxTransitionAge:
		return fmt.Errorf("release: %w: say when the call was, within the last 30 days", ErrKeys)
	}
	if !numbersFor(latest, c.ContactPoint)[called.E164()] {
		return fmt.Errorf("release: %w: %s is no number that version %d lists for %s; call one of those, never one that came with the new key", ErrKeys, c.Called, latest.Version, c.ContactPoint)
	}
	c.How, c.CallAt = directory.CallBack, c.CallAt.UTC()
	return nil
}

// numbersFor lists the numbers on which a contact point may be called back:
// its own, or those of its Party when it is new. A new Party has none: list it
// first without keys.
func numbersFor(latest *directory.Document, id string) map[string]bool {
	party, _, _ := strings.Cut(id, "-")
	own, partys := map[string]bool{}, map[string]bool{}
	found := false
	for _, p := range latest.Parties {
		for _, cp := range p.ContactPoints {
			for _, phone := range cp.Phones {
				if phone.Use == "fax" {
					continue
				}
				if cp.ID == id {
					own[phone.E164()] = true
				}
				if p.Code == party {
					partys[phone.E164()] = true
				}
			}
			found = found || cp.ID == id
		}
	}
	if found {
		return own
	}
	return partys
}

func points(doc *directory.Document) map[string]*directory.ContactPoint {
	m := map[string]*directory.ContactPoint{}
	for i := range doc.Parties {
		for j := range doc.Parties[i].ContactPoints {
			cp := &doc.Parties[i].ContactPoints[j]
			m[cp.ID] = cp
		}
	}
	return m
}

func holds(cp *directory.ContactPoint, fingerprint string) bool {
	return slices.ContainsFunc(cp.Certificates(), func(c *pgp.Certificate) bool { return c.Fingerprint() == fingerprint })
}
