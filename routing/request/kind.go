package request

import "fmt"

// Kind says what a message asks or does, in the terms of the Convention on
// Cybercrime (ETS 185, "CONV") and of its Second Additional Protocol
// (CETS 224, "SAP").
type Kind string

// The closed set of kinds.
const (
	Preservation        Kind = "PRESERVATION"         // CONV 29: keep stored data
	Extension           Kind = "EXTENSION"            // CONV 29.7, 16.2: prolong a preservation
	PartialDisclosure   Kind = "PARTIAL_DISCLOSURE"   // CONV 30: traffic data that shows provider and path
	StoredDataMLA       Kind = "STORED_DATA_MLA"      // CONV 31: access to stored data, subscriber data included
	RealtimeTraffic     Kind = "REALTIME_TRAFFIC"     // CONV 33
	Interception        Kind = "INTERCEPTION"         // CONV 34
	TechAdvice          Kind = "TECH_ADVICE"          // CONV 35.1.a
	EvidenceHelp        Kind = "EVIDENCE_HELP"        // CONV 35.1.c
	LegalInfo           Kind = "LEGAL_INFO"           // CONV 35.1.c
	LocateSuspect       Kind = "LOCATE_SUSPECT"       // CONV 35.1.c
	Spontaneous         Kind = "SPONTANEOUS"          // CONV 26
	TransborderNotice   Kind = "TRANSBORDER_NOTICE"   // CONV 32
	DomainRegistration  Kind = "DOMAIN_REG"           // SAP 6
	SubscriberOrder     Kind = "SUBSCRIBER_ORDER"     // SAP 7
	OrderEffect         Kind = "ORDER_EFFECT"         // SAP 8
	EmergencyDisclosure Kind = "EMERGENCY_DISCLOSURE" // SAP 9
	EmergencyMLA        Kind = "EMERGENCY_MLA"        // SAP 10
	FollowUp            Kind = "FOLLOW_UP"            // CONV 27.7 practice: reminder, status question
	Withdrawal          Kind = "WITHDRAWAL"           // the requester no longer asks
	Response            Kind = "RESPONSE"             // CONV 27.7: outcome or acknowledgement
	Ping                Kind = "PING"                 // reachability test of a contact point
	DirectoryChange     Kind = "DIRECTORY_CHANGE"     // new details of a contact point
	Auto                Kind = "AUTO"                 // machine mail; never moves a clock
	Unclassified        Kind = "UNCLASSIFIED"         // a person must look (triage)
)

// Kinds lists every Kind in the order of the treaty articles.
func Kinds() []Kind {
	return []Kind{
		Preservation, Extension, PartialDisclosure, StoredDataMLA, RealtimeTraffic,
		Interception, TechAdvice, EvidenceHelp, LegalInfo, LocateSuspect, Spontaneous,
		TransborderNotice, DomainRegistration, SubscriberOrder, OrderEffect,
		EmergencyDisclosure, EmergencyMLA, FollowUp, Withdrawal, Response, Ping,
		DirectoryChange, Auto, Unclassified,
	}
}

// ParseKind returns the Kind named s; the error lists nothing but s itself,
// because s may come from a message.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if string(k) == s {
			return k, nil
		}
	}
	return "", fmt.Errorf("unknown kind %q", s)
}

// Asks reports whether a message of this kind asks something of its receiver
// and so opens a request of its own.
func (k Kind) Asks() bool {
	switch k {
	case FollowUp, Withdrawal, Response, Auto:
		return false
	}
	return true
}
