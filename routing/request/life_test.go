package request

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	noon    = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	testRef = NewReference("XA-1", 2026, 123)
)

// clock returns a deadline some hours after noon that reminds one hour before
// and escalates one hour after.
func clock(name, stop string, hours int) Deadline {
	at := noon.Add(time.Duration(hours) * time.Hour)
	return Deadline{Clock: name, Article: "policy", At: at, StopsOn: stop, Timers: []Timer{
		{TimerRemind, at.Add(-time.Hour)}, {TimerDue, at}, {TimerEscalate, at.Add(time.Hour)},
	}}
}

func acknowledge() Deadline { return clock("acknowledge", "acknowledged", 24) }
func effect() Deadline      { return clock("effect", "answered", 72) }
func expiry() Deadline      { return clock("expiry", "closed", 60*24) }

func received(k Kind, ds ...Deadline) Open {
	return Open{Ref: testRef, At: noon, By: "gateway", Direction: Received, Kind: k, Peer: "XB-1", Message: "m1", Deadlines: ds}
}

func held(k Kind, ds ...Deadline) Open {
	o := received(k, ds...)
	o.Held, o.Reason = true, "not-encrypted"
	return o
}

func sent(k Kind, ds ...Deadline) Open {
	return Open{Ref: testRef, At: noon, By: "amy", Direction: Sent, Kind: k, Peer: "XB-1", Message: "m1", Out: "request", Deadlines: ds}
}

// live runs commands that are all allowed and returns where they lead.
func live(t *testing.T, commands ...Command) State {
	t.Helper()
	var s State
	for i, c := range commands {
		events, err := Decide(s, c)
		if err != nil {
			t.Fatalf("command %d (%T): %v", i+1, c, err)
		}
		for _, e := range events {
			s = Fold(s, e)
		}
	}
	return s
}

func running(s State) string {
	var names []string
	for _, d := range s.Deadlines {
		names = append(names, d.Clock)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func hour(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }

// TestLives tells the main lives of a request step by step.
func TestLives(t *testing.T) {
	type step struct {
		do     Command
		status Status
		clocks string // that run after the step
	}
	tests := []struct {
		name  string
		steps []step
		end   func(State) bool // further facts about the end, or nil
	}{
		{"a preservation request is answered and expires", []step{
			{received(Preservation, acknowledge(), effect()), StatusOpen, "acknowledge effect"},
			{Delivered{At: hour(0), Out: "ack", Ack: true}, StatusOpen, "effect"},
			{Claim{hour(1), "amy"}, StatusOpen, "effect"},
			{Reply{At: hour(2), By: "amy", Code: CodePreserved, Final: true, Out: "reply"}, StatusAnswering, "effect"},
			{Delivered{At: hour(3), Out: "reply", Final: true, Deadlines: []Deadline{expiry()}}, StatusAnswered, "expiry"},
			{Close{hour(4), "amy"}, StatusClosed, ""},
		}, func(s State) bool {
			return s.Owner == "amy" && s.Code == CodePreserved && s.AnsweredAt.Equal(hour(3)) && s.AcknowledgedAt.Equal(hour(0)) && s.Pending == ""
		}},
		{"an answer stops the acknowledgement clock too", []step{
			{received(LegalInfo, acknowledge(), effect()), StatusOpen, "acknowledge effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "reply"}, StatusAnswering, "acknowledge effect"},
			{Delivered{At: hour(2), Out: "reply", Final: true}, StatusAnswered, ""},
		}, func(s State) bool { return s.AcknowledgedAt.Equal(hour(2)) }},
		{"an undelivered answer goes back and its clock still runs", []step{
			{received(LegalInfo, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "reply"}, StatusAnswering, "effect"},
			{Undelivered{hour(2), "reply", "5.1.1"}, StatusOpen, "effect"},
			{Tick{hour(72), "effect", TimerDue}, StatusOpen, "effect"},
		}, func(s State) bool { return s.Pending == "" && slices.Equal(s.Overdue, []string{"effect"}) }},
		{"an undelivered answer in triage goes back to triage", []step{
			{received(Unclassified, effect()), StatusTriage, "effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "reply"}, StatusAnswering, "effect"},
			{Undelivered{hour(2), "reply", "5.1.1"}, StatusTriage, "effect"},
		}, nil},
		{"quarantine, released", []step{
			{held(Preservation, clock("quarantine", "released", 1)), StatusQuarantined, "quarantine"},
			{Release{hour(1), "sue", Preservation, []Deadline{effect()}}, StatusOpen, "effect"},
		}, func(s State) bool { return s.Reason == "not-encrypted" }},
		{"quarantine, released into triage", []step{
			{held(Unclassified, clock("quarantine", "released", 1)), StatusQuarantined, "quarantine"},
			{Release{hour(1), "sue", Unclassified, []Deadline{clock("triage", "acknowledged", 2)}}, StatusTriage, "triage"},
		}, nil},
		{"quarantine, discarded", []step{
			{held(Preservation, clock("quarantine", "released", 1)), StatusQuarantined, "quarantine"},
			{Discard{hour(1), "sue"}, StatusDiscarded, ""},
		}, nil},
		{"triage, classified", []step{
			{received(Unclassified, clock("triage", "acknowledged", 1)), StatusTriage, "triage"},
			{Classify{hour(1), "amy", Preservation, []Deadline{acknowledge(), effect()}}, StatusOpen, "acknowledge effect"},
			{Classify{hour(2), "amy", Preservation, []Deadline{clock("other", "answered", 1)}}, StatusOpen, "acknowledge effect"},
			{Classify{hour(3), "amy", LegalInfo, []Deadline{effect()}}, StatusOpen, "effect"},
		}, func(s State) bool { return s.Kind == LegalInfo }},
		{"triage, taken as it is", []step{
			{received(Unclassified, clock("triage", "acknowledged", 1)), StatusTriage, "triage"},
			{Classify{hour(1), "amy", Unclassified, []Deadline{effect()}}, StatusOpen, "effect"},
		}, nil},
		{"triage, moved to the inbox: the clocks run on", []step{
			{received(Unclassified, effect()), StatusTriage, "effect"},
			{Resume{At: hour(1), By: "amy"}, StatusOpen, "effect"},
		}, nil},
		{"classified after an acknowledgement: nothing waits for a second one", []step{
			{received(Unclassified, effect()), StatusTriage, "effect"},
			{Delivered{At: hour(0), Out: "ack", Ack: true}, StatusTriage, "effect"},
			{Classify{hour(1), "amy", Preservation, []Deadline{acknowledge(), effect()}}, StatusOpen, "effect"},
		}, nil},
		{"the requester is asked something and answers", []step{
			{received(Preservation, acknowledge(), effect()), StatusOpen, "acknowledge effect"},
			{Reply{At: hour(1), By: "amy", Code: "NEED_INFO", Waits: CodeWaits("NEED_INFO"), Final: CodeFinal("NEED_INFO"), Out: "ask"}, StatusWaiting, "effect"},
			{Delivered{At: hour(2), Out: "ask"}, StatusWaiting, "effect"},
			{Attach{At: hour(3), Kind: Auto, Message: "m2"}, StatusWaiting, "effect"},
			{Attach{At: hour(4), Kind: Response, Message: "m3"}, StatusOpen, "effect"},
		}, func(s State) bool { return slices.Equal(s.Messages, []string{"m1", "m2", "m3"}) }},
		{"a question that was not delivered does not wait for an answer", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Code: "NEED_INFO", Waits: true, Out: "ask"}, StatusWaiting, "effect"},
			{Undelivered{hour(2), "ask", "5.1.1"}, StatusOpen, "effect"},
		}, nil},
		{"put aside by hand until the requester writes", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Wait{hour(1), "amy"}, StatusWaiting, "effect"},
			{Wait{hour(2), "amy"}, StatusWaiting, "effect"},
			{Attach{At: hour(3), Kind: FollowUp, Message: "m2"}, StatusOpen, "effect"},
		}, func(s State) bool { return s.Version == 4 }},
		{"the requester is asked in triage and answers", []step{
			{received(Unclassified, effect()), StatusTriage, "effect"},
			{Reply{At: hour(1), By: "amy", Waits: true, Out: "ask"}, StatusWaiting, "effect"},
			{Attach{At: hour(3), Kind: FollowUp, Message: "m2"}, StatusTriage, "effect"},
		}, nil},
		{"a reply that answers waits for nothing", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Waits: true, Out: "reply"}, StatusAnswering, "effect"},
		}, nil},
		{"a request sent is delivered, acknowledged and answered", []step{
			{sent(Preservation, clock("delivery", "delivered", 4), acknowledge(), effect()), StatusSending, "acknowledge delivery effect"},
			{Delivered{At: hour(0), Out: "request", Ack: true}, StatusSent, "acknowledge effect"},
			{Attach{At: hour(1), Kind: Auto, Message: "m2"}, StatusSent, "acknowledge effect"},
			{Attach{At: hour(2), Kind: Response, Code: CodeAckReceived, Ack: true, Message: "m3"}, StatusSent, "effect"},
			{Attach{At: hour(3), Kind: Response, Code: CodePreserved, Final: true, Message: "m4"}, StatusAnswered, ""},
			{Close{hour(4), "amy"}, StatusClosed, ""},
		}, func(s State) bool {
			return s.AcknowledgedAt.Equal(hour(2)) && s.AnsweredAt.Equal(hour(3)) && s.Code == CodePreserved
		}},
		{"what the other side preserved for us ends some day", []step{
			{sent(Preservation, effect()), StatusSending, "effect"},
			{Delivered{At: hour(0), Out: "request", Ack: true}, StatusSent, "effect"},
			{Attach{At: hour(3), Kind: Response, Code: CodePreserved, Final: true, Message: "m2", Deadlines: []Deadline{expiry()}}, StatusAnswered, "expiry"},
			{Attach{At: hour(4), Kind: Auto, Message: "m3", Deadlines: []Deadline{effect()}}, StatusAnswered, "expiry"},
			{Close{hour(5), "amy"}, StatusClosed, ""},
		}, nil},
		{"a follow-up starts its clocks", []step{
			{received(Preservation), StatusOpen, ""},
			{Attach{At: hour(1), Kind: FollowUp, Message: "m2", Deadlines: []Deadline{effect()}}, StatusOpen, "effect"},
		}, nil},
		{"a supervisor gives back what somebody else claimed", []step{
			{received(LegalInfo), StatusOpen, ""},
			{Claim{hour(1), "amy"}, StatusOpen, ""},
			{Unclaim{At: hour(2), By: "sue", Supervisor: true}, StatusOpen, ""},
		}, func(s State) bool { return s.Owner == "" }},
		{"an acknowledgement that overtakes the delivery proves it", []step{
			{sent(Preservation, clock("delivery", "delivered", 4), acknowledge()), StatusSending, "acknowledge delivery"},
			{Attach{At: hour(1), Kind: Response, Ack: true, Message: "m2"}, StatusSent, ""},
			{Delivered{At: hour(2), Out: "request", Ack: true}, StatusSent, ""},
		}, nil},
		{"a request that could not be sent can be closed", []step{
			{sent(Preservation, effect()), StatusSending, "effect"},
			{Undelivered{hour(1), "request", "5.1.1"}, StatusSending, "effect"},
			{Close{hour(2), "amy"}, StatusClosed, ""},
		}, nil},
		{"a request that could not be sent can be sent again", []step{
			{sent(Preservation, effect()), StatusSending, "effect"},
			{Undelivered{hour(1), "request", "5.1.1"}, StatusSending, "effect"},
			{Reply{At: hour(2), By: "amy", Out: "again"}, StatusSending, "effect"},
			{Delivered{At: hour(3), Out: "again", Ack: true}, StatusSent, "effect"},
		}, nil},
		{"a further message does not stand for the request that is on its way", []step{
			{sent(Preservation, effect()), StatusSending, "effect"},
			{Reply{At: hour(1), By: "amy", Out: "more"}, StatusSending, "effect"},
			{Delivered{At: hour(2), Out: "more"}, StatusSending, "effect"},
			{Delivered{At: hour(3), Out: "request", Ack: true}, StatusSent, "effect"},
		}, nil},
		{"a request received is withdrawn", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Attach{At: hour(1), Kind: Withdrawal, Message: "m2"}, StatusOpen, "effect"},
			{Close{hour(2), "amy"}, StatusClosed, ""},
		}, nil},
		{"a preservation is withdrawn after it was answered", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Code: CodePreserved, Final: true, Out: "reply"}, StatusAnswering, "effect"},
			{Delivered{At: hour(2), Out: "reply", Final: true, Deadlines: []Deadline{expiry()}}, StatusAnswered, "expiry"},
			{Attach{At: hour(3), Kind: Withdrawal, Message: "m2"}, StatusAnswered, "expiry"},
			{Close{hour(4), "amy"}, StatusClosed, ""},
		}, nil},
		{"a preservation expires: its timers fire while it is answered", []step{
			{received(Preservation), StatusOpen, ""},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "reply"}, StatusAnswering, ""},
			{Delivered{At: hour(2), Out: "reply", Final: true, Deadlines: []Deadline{expiry()}}, StatusAnswered, "expiry"},
			{Tick{hour(60*24 - 1), "expiry", TimerRemind}, StatusAnswered, "expiry"},
			{Tick{hour(60 * 24), "expiry", TimerDue}, StatusAnswered, "expiry"},
			{Tick{hour(60*24 + 1), "expiry", TimerEscalate}, StatusAnswered, "expiry"},
		}, func(s State) bool {
			return slices.Equal(s.Overdue, []string{"expiry"}) && len(s.Deadlines[0].Timers) == 0
		}},
		{"a preservation is prolonged: one expiry runs, the later one", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "r1"}, StatusAnswering, "effect"},
			{Delivered{At: hour(2), Out: "r1", Final: true, Deadlines: []Deadline{expiry()}}, StatusAnswered, "expiry"},
			{Resume{At: hour(3), By: "amy"}, StatusOpen, "expiry"},
			{Reply{At: hour(4), By: "amy", Code: CodeExtended, Final: true, Out: "r2"}, StatusAnswering, "expiry"},
			{Delivered{At: hour(5), Out: "r2", Final: true, Deadlines: []Deadline{clock("expiry", "closed", 120*24)}}, StatusAnswered, "expiry"},
		}, func(s State) bool { return s.Deadlines[0].At.Equal(hour(120 * 24)) }},
		{"a closed request is opened again", []step{
			{received(Preservation, effect()), StatusOpen, "effect"},
			{Close{hour(1), "amy"}, StatusClosed, ""},
			{Resume{hour(2), "amy", []Deadline{effect()}}, StatusOpen, "effect"},
		}, nil},
		{"a closed sent request is opened again as sent", []step{
			{sent(Preservation, effect()), StatusSending, "effect"},
			{Delivered{At: hour(0), Out: "request"}, StatusSent, "effect"},
			{Close{hour(1), "amy"}, StatusClosed, ""},
			{Resume{At: hour(2), By: "amy"}, StatusSent, ""},
		}, nil},
		{"a late response to a closed request is kept and moves nothing", []step{
			{sent(Preservation), StatusSending, ""},
			{Delivered{At: hour(0), Out: "request"}, StatusSent, ""},
			{Close{hour(1), "amy"}, StatusClosed, ""},
			{Attach{At: hour(2), Kind: Response, Final: true, Message: "m2"}, StatusClosed, ""},
		}, func(s State) bool { return len(s.Messages) == 2 && s.AnsweredAt.IsZero() }},
		{"a failed acknowledgement does not lose the answer that is on its way", []step{
			{received(LegalInfo, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "reply"}, StatusAnswering, "effect"},
			{Undelivered{hour(2), "ack", "4.4.1"}, StatusAnswering, "effect"},
			{Delivered{At: hour(3), Out: "reply", Final: true}, StatusAnswered, ""},
		}, nil},
		{"a postscript does not take the place of the answer", []step{
			{received(LegalInfo, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Code: "EXECUTED", Final: true, Out: "reply"}, StatusAnswering, "effect"},
			{Reply{At: hour(2), By: "amy", Code: "POSTPONED", Out: "ps"}, StatusAnswering, "effect"},
			{Delivered{At: hour(3), Out: "ps"}, StatusAnswering, "effect"},
			{Delivered{At: hour(4), Out: "reply", Final: true}, StatusAnswered, ""},
		}, func(s State) bool { return s.Code == "EXECUTED" }},
		{"a second answer replaces the first that is still on its way", []step{
			{received(LegalInfo, effect()), StatusOpen, "effect"},
			{Reply{At: hour(1), By: "amy", Final: true, Out: "r1"}, StatusAnswering, "effect"},
			{Reply{At: hour(2), By: "amy", Final: true, Out: "r2"}, StatusAnswering, "effect"},
			{Delivered{At: hour(3), Out: "r1", Final: true}, StatusAnswering, "effect"},
			{Delivered{At: hour(4), Out: "r2", Final: true}, StatusAnswered, ""},
		}, nil},
		{"claimed and given back", []step{
			{received(LegalInfo), StatusOpen, ""},
			{Claim{hour(1), "amy"}, StatusOpen, ""},
			{Claim{hour(1), "amy"}, StatusOpen, ""},
			{Unclaim{At: hour(2), By: "amy"}, StatusOpen, ""},
			{Unclaim{At: hour(2), By: "amy"}, StatusOpen, ""},
			{Claim{hour(3), "bob"}, StatusOpen, ""},
		}, func(s State) bool { return s.Owner == "bob" && s.Version == 4 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			for i, step := range tt.steps {
				events, err := Decide(s, step.do)
				if err != nil {
					t.Fatalf("step %d (%T): %v", i+1, step.do, err)
				}
				for _, e := range events {
					if e.Ref != testRef || e.At.IsZero() || e.By == "" {
						t.Errorf("step %d: event without reference, time or author: %+v", i+1, e)
					}
					s = Fold(s, e)
				}
				if s.Status != step.status || running(s) != step.clocks {
					t.Fatalf("step %d (%T): %s with clocks %q, want %s with %q", i+1, step.do, s.Status, running(s), step.status, step.clocks)
				}
			}
			if tt.end != nil && !tt.end(s) {
				t.Errorf("at the end: %+v", s)
			}
		})
	}
}

// TestMachineMailNeverMovesAClock holds in whatever status it arrives.
func TestMachineMailNeverMovesAClock(t *testing.T) {
	lives := map[string][]Command{
		"quarantined": {held(Preservation, effect())},
		"triage":      {received(Unclassified, effect())},
		"open":        {received(Preservation, acknowledge(), effect())},
		"waiting":     {received(Preservation, effect()), Reply{At: noon, By: "amy", Waits: true, Out: "ask"}},
		"answering":   {received(Preservation, effect()), Reply{At: noon, By: "amy", Final: true, Out: "reply"}},
		"sending":     {sent(Preservation, acknowledge(), effect())},
		"sent":        {sent(Preservation, acknowledge(), effect()), Delivered{At: noon, Out: "request"}},
		"closed":      {received(Preservation, effect()), Close{noon, "amy"}},
	}
	for name, commands := range lives {
		t.Run(name, func(t *testing.T) {
			before := live(t, commands...)
			after := live(t, append(commands, Attach{At: hour(1), Kind: Auto, Message: "auto", Code: CodePreserved, Final: true, Ack: true})...)
			if after.Version != before.Version+1 || len(after.Messages) != len(before.Messages)+1 {
				t.Fatalf("the message was not kept: %+v", after)
			}
			after.Version, after.Messages = before.Version, before.Messages
			if !equal(after, before) {
				t.Errorf("machine mail changed\n%+v to\n%+v", before, after)
			}
		})
	}
}

func TestTimersFireOnceAndNotBeforeTheirTime(t *testing.T) {
	s := live(t, received(Preservation, effect()))
	for _, tt := range []struct {
		tick Tick
		want EventType
	}{
		{Tick{hour(70), "effect", TimerRemind}, ""},
		{Tick{hour(71), "other", TimerRemind}, ""},
		{Tick{hour(71), "effect", TimerRemind}, EvReminded},
		{Tick{hour(71), "effect", TimerRemind}, ""},
		{Tick{hour(71), "effect", TimerDue}, ""},
		{Tick{hour(72), "effect", TimerDue}, EvOverdue},
		{Tick{hour(73), "effect", TimerDue}, ""},
		{Tick{hour(73), "effect", TimerEscalate}, EvEscalated},
		{Tick{hour(99), "effect", TimerEscalate}, ""},
	} {
		events, err := Decide(s, tt.tick)
		if err != nil {
			t.Fatal(err)
		}
		var got EventType
		for _, e := range events {
			got, s = e.Type, Fold(s, e)
		}
		if got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.tick, got, tt.want)
		}
	}
	if d, ok := s.NextDeadline(); !ok || d.Clock != "effect" || len(d.Timers) != 0 {
		t.Errorf("after all timers: %+v", s.Deadlines)
	}
}

func TestNextDeadlineIsTheSoonest(t *testing.T) {
	s := live(t, received(Preservation, expiry(), acknowledge(), effect()))
	if d, ok := s.NextDeadline(); !ok || d.Clock != "acknowledge" {
		t.Errorf("got %v, %v", d, ok)
	}
	if d, ok := live(t, received(Ping)).NextDeadline(); ok {
		t.Errorf("no clock runs, got %v", d)
	}
}
