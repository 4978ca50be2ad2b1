package directory

import (
	"strings"
	"time"

	"relais.example/routing/request"
)

// Gate says whether the treaties let a kind of request pass from one Party to
// another, and what of the requested Party's reservations to keep in mind.
type Gate struct {
	Open         bool
	Reason       GateReason // why it is closed; "" when open
	Article      string     // what the kind rests on, such as "SAP 9"; "" when it needs no treaty
	Reservations []string   // of the requested Party, on that article
}

// GateReason says why a gate is closed.
type GateReason string

// The closed set of reasons. They are reported to a person, who may handle the
// request under another basis: no message is refused for them alone.
const (
	GateNotAParty    GateReason = "not-a-party"        // one of the two is not bound by the Convention on that day
	GateNotInForce   GateReason = "basis-not-in-force" // the Second Protocol does not bind both on that day
	GateReservedAway GateReason = "reserved"           // the requested Party does not apply the article (SAP 7.9.a)
)

// Gate judges whether kind k, sent by Party from to Party to, has its basis in
// force at that moment (CONV 29 to 35 and SAP 6 to 10 bind Parties only).
func (d *Directory) Gate(k request.Kind, from, to string, at time.Time) Gate {
	g := Gate{Article: article(k)}
	if g.Article == "" {
		g.Open = true
		return g
	}
	protocol, _, _ := strings.Cut(g.Article, " ")
	if p, ok := d.parties[to]; ok {
		for _, r := range p.Reservations {
			if r == g.Article || strings.HasPrefix(r, g.Article+".") {
				g.Reservations = append(g.Reservations, r)
			}
			if k == request.SubscriberOrder && (r == "SAP 7.9.a" || r == "SAP 7" || r == "SAP 7.9") {
				g.Reason = GateReservedAway
			}
		}
	}
	switch {
	case !d.InForceBetween(Convention, from, to, at):
		g.Reason = GateNotAParty
	case !d.InForceBetween(protocol, from, to, at):
		g.Reason = GateNotInForce
	}
	g.Open = g.Reason == ""
	return g
}

// Handles reports whether the contact point is competent for kind k coming
// from Party from, and its basis in force between the two at that moment.
func (d *Directory) Handles(id string, k request.Kind, from string, at time.Time) bool {
	cp, ok := d.byID[id]
	return ok && cp.Handles(k) && d.Gate(k, from, cp.Party, at).Open
}

// article names what a kind rests on. Mail about a request, tests and whatever
// a person must look at pass without one.
func article(k request.Kind) string {
	switch k {
	case request.Preservation, request.Extension:
		return "CONV 29"
	case request.PartialDisclosure:
		return "CONV 30"
	case request.StoredDataMLA:
		return "CONV 31"
	case request.RealtimeTraffic:
		return "CONV 33"
	case request.Interception:
		return "CONV 34"
	case request.TechAdvice, request.EvidenceHelp, request.LegalInfo, request.LocateSuspect:
		return "CONV 35"
	case request.Spontaneous:
		return "CONV 26"
	case request.TransborderNotice:
		return "CONV 32"
	case request.DomainRegistration:
		return "SAP 6"
	case request.SubscriberOrder:
		return "SAP 7"
	case request.OrderEffect:
		return "SAP 8"
	case request.EmergencyDisclosure:
		return "SAP 9"
	case request.EmergencyMLA:
		return "SAP 10"
	}
	return ""
}
