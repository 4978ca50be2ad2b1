package directory

import (
	"testing"
	"time"

	"relais.example/routing/request"
)

func TestAvailable(t *testing.T) {
	tests := []struct {
		hours, zone, at string
		want            Availability
	}{
		{"24/7", "", "2026-11-22T03:00:00Z", AtWork},
		{"", "", "2026-11-23T10:00:00Z", HoursBlank},
		{"Mo-Fr 08:00-18:00", "Europe/Paris", "2026-11-23T06:59:59Z", OutOfHours},
		{"Mo-Fr 08:00-18:00", "Europe/Paris", "2026-11-23T07:00:00Z", AtWork},
		{"Mo-Fr 08:00-18:00", "Europe/Paris", "2026-11-23T16:59:00Z", AtWork},
		{"Mo-Fr 08:00-18:00", "Europe/Paris", "2026-11-23T17:00:00Z", OutOfHours},
		{"Mo-Fr 08:00-18:00", "Europe/Paris", "2026-07-06T06:30:00Z", AtWork}, // summer time
		{"Mo-Fr 08:00-18:00; Sa 09:00-12:00", "Europe/Paris", "2026-11-21T10:00:00Z", AtWork},
		{"Mo-Fr 08:00-18:00; Sa 09:00-12:00", "Europe/Paris", "2026-11-22T10:00:00Z", OutOfHours},
		{"Mo-Fr 08:00-18:00", "Asia/Tokyo", "2026-11-22T23:30:00Z", AtWork}, // Monday there
		{"Fr-Mo 08:00-24:00", "UTC", "2026-11-22T23:59:00Z", AtWork},
		{"Fr-Mo 08:00-24:00", "UTC", "2026-11-25T12:00:00Z", OutOfHours},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		cp := &ContactPoint{Hours: tt.hours, Zone: tt.zone}
		if got := cp.Available(at); got != tt.want {
			t.Errorf("%q %s at %s: %s, want %s", tt.hours, tt.zone, tt.at, got, tt.want)
		}
	}
}

func TestWhoIsAtWorkFirst(t *testing.T) {
	d, err := New(&Document{Format: Format, Version: 1, Issued: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Parties: []Party{{
		Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []ContactPoint{
			{ID: "XB-1", Role: Police, Institution: "Night desk", Hours: "Mo-Fr 08:00-18:00", Zone: "UTC", Addresses: []string{"a@betaland.example"}},
			{ID: "XB-2", Role: Prosecutor, Institution: "Office", Competences: []request.Kind{request.Preservation}, Addresses: []string{"b@betaland.example"}},
			{ID: "XB-3", Role: Police, Institution: "Centre", Hours: "24/7", Addresses: []string{"c@betaland.example"}},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	night := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	ids := func(kind request.Kind, party string) (out string) {
		for _, cp := range d.Who(kind, party, night) {
			out += cp.ID + " "
		}
		return out
	}
	if got := ids(request.Preservation, "XB"); got != "XB-3 XB-2 XB-1 " {
		t.Errorf("preservation: %s", got)
	}
	if got := ids(request.EmergencyDisclosure, "XB"); got != "XB-3 XB-1 " {
		t.Errorf("emergency: %s", got)
	}
	if got := ids(request.Preservation, "XC"); got != "" {
		t.Errorf("a Party that is not listed: %s", got)
	}
}
