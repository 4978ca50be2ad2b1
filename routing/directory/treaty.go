package directory

import (
	"encoding/json"
	"fmt"
	"time"
)

// Treaty says when a treaty binds a Party. The zero value: it does not.
type Treaty struct {
	From  Date `json:"from,omitzero"`  // first day in force for this Party
	Until Date `json:"until,omitzero"` // first day no longer in force (denunciation)
}

// InForce reports whether the treaty binds the Party at that moment. Treaty
// dates are counted in UTC.
func (t Treaty) InForce(at time.Time) bool {
	if t.From.IsZero() || at.Before(t.From.Time) {
		return false
	}
	return t.Until.IsZero() || at.Before(t.Until.Time)
}

// Names of the two treaties, as [Directory.InForceBetween] takes them.
const (
	Convention     = "CONV" // Convention on Cybercrime, ETS 185
	SecondProtocol = "SAP"  // Second Additional Protocol, CETS 224
)

// InForceBetween reports whether the treaty named protocol ([Convention] or
// [SecondProtocol]) binds both Parties a and b at that moment. The Second
// Protocol binds only Parties to the Convention. A Party that is not in the
// Directory is bound by nothing.
func (d *Directory) InForceBetween(protocol string, a, b string, at time.Time) bool {
	return d.bound(protocol, a, at) && d.bound(protocol, b, at)
}

func (d *Directory) bound(protocol, code string, at time.Time) bool {
	p, ok := d.parties[code]
	if !ok || !p.Convention.InForce(at) {
		return false
	}
	switch protocol {
	case Convention:
		return true
	case SecondProtocol:
		return p.SecondProtocol.InForce(at)
	}
	return false
}

// Date is a calendar day, written 2004-07-01 in JSON; its time is midnight UTC.
type Date struct{ time.Time }

// ParseDate reads a day such as 2004-07-01.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date; write it as 2004-07-01", s)
	}
	return Date{t}, nil
}

// String returns the day as 2004-07-01, or "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}

// MarshalJSON implements [json.Marshaler].
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Date) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("date: %w", err)
	}
	parsed, err := ParseDate(s)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
