package deadline

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"relais.example/routing/request"
)

var noon = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)

func builtIn(t interface {
	Helper()
	Fatal(...any)
}) *Clocks {
	t.Helper()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestForBuiltInClocks states what a duty officer may rely on.
func TestForBuiltInClocks(t *testing.T) {
	tests := []struct {
		name      string
		kind      request.Kind
		emergency bool
		direction string
		want      []string // clock, hours
	}{
		{"preservation", request.Preservation, false, Received, []string{"acknowledge 24h", "preservation-effect 72h"}},
		{"preservation where life is at risk", request.Preservation, true, Received, []string{"emergency-acknowledge 1h", "emergency-determination 8h", "acknowledge 24h", "preservation-effect 72h"}},
		{"emergency kind without the flag", request.EmergencyDisclosure, false, Received, []string{"emergency-acknowledge 1h", "emergency-determination 8h", "acknowledge 24h"}},
		{"triage", request.Unclassified, false, Received, []string{"triage 1h"}},
		{"partial disclosure", request.PartialDisclosure, false, Received, []string{"acknowledge 24h", "partial-disclosure 48h"}},
		{"legal information", request.LegalInfo, false, Received, []string{"acknowledge 24h", "legal-information 72h"}},
		{"ping", request.Ping, false, Received, []string{"ping 24h"}},
		{"order to give effect", request.OrderEffect, false, Received, []string{"acknowledge 24h", "order-effect 1080h"}},
		{"machine mail starts nothing", request.Auto, true, Received, nil},
		{"a response starts nothing", request.Response, false, Received, nil},
		{"preservation sent", request.Preservation, false, Sent, []string{"delivery 4h", "await-acknowledgement 24h", "await-preservation 72h", "mla-due-assumed 1440h"}},
		{"unknown direction starts nothing", request.Preservation, false, "sideways", nil},
	}
	clocks := builtIn(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range clocks.For(tt.kind, tt.emergency, tt.direction, noon) {
				got = append(got, d.Clock+" "+hours(d.At.Sub(noon)))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func hours(d time.Duration) string {
	s := d.String()
	return s[:len(s)-len("0m0s")]
}

// TestPreservationMinimumStartsWithTheReply shows that the 60 days of CONV 29.7
// count from the day the data were preserved, in both directions.
func TestPreservationMinimumStartsWithTheReply(t *testing.T) {
	clocks := builtIn(t)
	for direction, name := range map[string]string{Received: "preservation-minimum", Sent: "mla-due"} {
		got := clocks.On(EventPreserved, request.Preservation, false, direction, noon)
		want := Deadline{name, "CONV 29.7", noon.AddDate(0, 0, 60), EventClosed}
		if len(got) == 0 || got[0] != want {
			t.Fatalf("%s: got %v, want first %v", direction, got, want)
		}
		reminders := clocks.Reminders(got[0])
		if len(reminders) != 4 || !reminders[0].Equal(want.At.AddDate(0, 0, -30)) || !slices.IsSortedFunc(reminders, time.Time.Compare) {
			t.Errorf("%s: reminders %v", direction, reminders)
		}
	}
}

func TestDateOfAPreservationCountsIfItCanBeMeant(t *testing.T) {
	c := builtIn(t)
	sixty := noon.Add(60 * 24 * time.Hour)
	for _, tt := range []struct {
		name        string
		until, want time.Time
	}{
		{"none told", time.Time{}, sixty},
		{"told", noon.AddDate(0, 3, 0), noon.AddDate(0, 3, 0)},
		{"past", noon.AddDate(0, 0, -1), sixty},
		{"a typing error", noon.AddDate(200, 0, 0), sixty},
	} {
		ds := c.Preserved(request.Preservation, false, Sent, noon, tt.until)
		if len(ds) != 1 || ds[0].Clock != "mla-due" || !ds[0].At.Equal(tt.want) {
			t.Errorf("%s: got %+v, want mla-due at %v", tt.name, ds, tt.want)
		}
	}
}

func TestQuarantineRunsTheTriageClock(t *testing.T) {
	got := builtIn(t).On(EventQuarantined, request.Preservation, false, Received, noon)
	want := []Deadline{{"quarantine", policy, noon.Add(time.Hour), EventReleased}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEscalation(t *testing.T) {
	clocks := builtIn(t)
	for _, d := range clocks.For(request.Preservation, false, Sent, noon) {
		clock, ok := clocks.Clock(d.Clock)
		if !ok {
			t.Fatalf("clock %q of a deadline is not known", d.Clock)
		}
		if got, want := clocks.Escalation(d), d.At.Add(clock.EscalateAfter); !got.Equal(want) {
			t.Errorf("%s: escalates %v, want %v", d.Clock, got, want)
		}
	}
	if got := clocks.Reminders(Deadline{Clock: "gone"}); got != nil {
		t.Errorf("clock removed from the file: reminders %v", got)
	}
}

func drawKind(t *rapid.T) request.Kind { return rapid.SampledFrom(request.Kinds()).Draw(t, "kind") }

func drawTime(t *rapid.T) time.Time {
	zone := time.FixedZone("drawn", rapid.IntRange(-12*3600, 14*3600).Draw(t, "offset"))
	return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), 0).In(zone)
}

func TestForIsSortedInUTCAndNeverBeforeReceipt(t *testing.T) {
	clocks := builtIn(t)
	rapid.Check(t, func(t *rapid.T) {
		at := drawTime(t)
		kind, emergency := drawKind(t), rapid.Bool().Draw(t, "emergency")
		direction := rapid.SampledFrom([]string{Received, Sent}).Draw(t, "direction")
		got := clocks.For(kind, emergency, direction, at)
		if !slices.IsSortedFunc(got, func(a, b Deadline) int { return a.At.Compare(b.At) }) {
			t.Fatalf("not sorted: %v", got)
		}
		for _, d := range got {
			if !d.At.After(at) || d.At.Location() != time.UTC {
				t.Fatalf("%v for a request of %v", d, at)
			}
			for _, r := range clocks.Reminders(d) {
				if !r.After(at) || !r.Before(d.At) {
					t.Fatalf("%s: reminder at %v, between %v and %v expected", d.Clock, r, at, d.At)
				}
			}
		}
		if kind.Asks() && len(got) == 0 {
			t.Fatalf("%s %s has no deadline", direction, kind)
		}
	})
}

func TestEmergencyIsNeverLater(t *testing.T) {
	clocks := builtIn(t)
	rapid.Check(t, func(t *rapid.T) {
		at, kind := drawTime(t), drawKind(t)
		direction := rapid.SampledFrom([]string{Received, Sent}).Draw(t, "direction")
		urgent := clocks.For(kind, true, direction, at)
		for _, d := range clocks.For(kind, false, direction, at) {
			sooner := slices.ContainsFunc(urgent, func(u Deadline) bool { return u.StopsOn == d.StopsOn && !u.At.After(d.At) })
			if !sooner {
				t.Fatalf("%s: %v has no counterpart as early in an emergency: %v", kind, d, urgent)
			}
		}
	})
}

func TestShortestIsTheMinimumOverTheCandidates(t *testing.T) {
	clocks := builtIn(t)
	rapid.Check(t, func(t *rapid.T) {
		at, emergency := drawTime(t), rapid.Bool().Draw(t, "emergency")
		kinds := rapid.SliceOfN(rapid.SampledFrom(request.Kinds()), 0, 6).Draw(t, "kinds")
		got := clocks.Shortest(kinds, emergency, Received, at)
		minimum := map[string]time.Time{}
		for _, kind := range kinds {
			for _, d := range clocks.For(kind, emergency, Received, at) {
				if m, ok := minimum[d.StopsOn]; !ok || d.At.Before(m) {
					minimum[d.StopsOn] = d.At
				}
			}
		}
		if len(got) != len(minimum) {
			t.Fatalf("%d deadlines, want one for each of %v", len(got), minimum)
		}
		for i, d := range got {
			if !d.At.Equal(minimum[d.StopsOn]) || i > 0 && d.At.Before(got[i-1].At) {
				t.Fatalf("got %v, minimum %v", got, minimum)
			}
		}
	})
}
