package directory

import (
	"slices"
	"strings"
	"time"

	"relais.example/routing/request"
)

// Availability says whether somebody is at work at a contact point.
type Availability string

// The availabilities, best first.
const (
	AtWork     Availability = "at-work"      // within the hours it gives
	HoursBlank Availability = "not-stated"   // it gives no hours; the Network is reachable 24/7 (CONV 35.1)
	OutOfHours Availability = "out-of-hours" // use the out-of-hours line
)

// Available says whether the contact point is at work at the time given, by
// its hours in its own time zone. Public holidays are not known.
func (cp *ContactPoint) Available(at time.Time) Availability {
	switch cp.Hours {
	case "":
		return HoursBlank
	case "24/7":
		return AtWork
	}
	zone, err := time.LoadLocation(cp.Zone)
	if err != nil || cp.Zone == "" {
		return HoursBlank
	}
	local := at.In(zone)
	clock := local.Format("15:04")
	for span := range strings.SplitSeq(cp.Hours, "; ") {
		m := hoursForm.FindStringSubmatch(span)
		if m == nil {
			return HoursBlank // cannot be: the document was checked
		}
		if within(local.Weekday(), m[1], m[3]) && m[4] <= clock && clock < m[5] {
			return AtWork
		}
	}
	return OutOfHours
}

var weekdays = []string{"Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"}

// within reports whether day lies between two named ones, which may wrap
// around the week's end; an empty last means only the first.
func within(day time.Weekday, first, last string) bool {
	from := slices.Index(weekdays, first)
	to := from
	if last != "" {
		to = slices.Index(weekdays, last)
	}
	return (int(day)-from+7)%7 <= (to-from+7)%7
}

// Who returns the contact points of a Party that handle a kind of request,
// those at work at the time given first, else in the order of the Directory.
func (d *Directory) Who(kind request.Kind, party string, at time.Time) []*ContactPoint {
	p, ok := d.Party(party)
	if !ok {
		return nil
	}
	var out []*ContactPoint
	for i := range p.ContactPoints {
		if cp := &p.ContactPoints[i]; cp.Handles(kind) {
			out = append(out, cp)
		}
	}
	rank := map[Availability]int{AtWork: 0, HoursBlank: 1, OutOfHours: 2}
	slices.SortStableFunc(out, func(a, b *ContactPoint) int { return rank[a.Available(at)] - rank[b.Available(at)] })
	return out
}
