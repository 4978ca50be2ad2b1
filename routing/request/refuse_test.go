package request

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestRefusals shows that whatever is not allowed says which request, and what
// to do instead.
func TestRefusals(t *testing.T) {
	quarantined := []Command{held(Preservation)}
	discarded := append(slices.Clone(quarantined), Discard{noon, "sue"})
	triage := []Command{received(Unclassified)}
	open := []Command{received(Preservation)}
	waiting := append(slices.Clone(open), Reply{At: noon, By: "amy", Waits: true, Out: "ask"})
	answering := append(slices.Clone(open), Reply{At: noon, By: "amy", Final: true, Out: "reply"})
	answered := append(slices.Clone(answering), Delivered{At: noon, Out: "reply", Final: true})
	closed := append(slices.Clone(open), Close{noon, "amy"})
	sending := []Command{sent(Preservation)}
	isSent := append(slices.Clone(sending), Delivered{At: noon, Out: "request"})
	claimed := append(slices.Clone(open), Claim{noon, "amy"})

	tests := []struct {
		do   Command
		lead string // what the officer reads: part of the advice
		in   map[string][]Command
	}{
		{received(LegalInfo), "use the next number", map[string][]Command{
			"quarantined": quarantined, "discarded": discarded, "triage": triage, "open": open, "waiting": waiting,
			"answering": answering, "answered": answered, "closed": closed, "sending": sending, "sent": isSent}},
		{Release{At: noon, By: "sue", Kind: Preservation}, "only a quarantined message", map[string][]Command{
			"triage": triage, "open": open, "waiting": waiting, "answering": answering, "answered": answered, "closed": closed, "sending": sending, "sent": isSent}},
		{Discard{noon, "sue"}, "answer and archive", map[string][]Command{
			"triage": triage, "open": open, "waiting": waiting, "answering": answering, "answered": answered, "closed": closed, "sending": sending, "sent": isSent}},
		{Classify{At: noon, By: "amy", Kind: LegalInfo}, "only an open request", map[string][]Command{
			"quarantined": quarantined, "answering": answering, "answered": answered, "closed": closed, "sending": sending, "sent": isSent}},
		{Wait{noon, "amy"}, "only an open request that was received", map[string][]Command{
			"quarantined": quarantined, "answering": answering, "answered": answered, "closed": closed, "sending": sending, "sent": isSent}},
		{Claim{noon, "bob"}, "release it first", map[string][]Command{"quarantined": quarantined}},
		{Claim{noon, "bob"}, "ask them to remove their star", map[string][]Command{"claimed": claimed}},
		{Unclaim{At: noon, By: "bob"}, "ask them or a supervisor", map[string][]Command{"claimed": claimed}},
		{Reply{At: noon, By: "amy", Out: "r"}, "a supervisor must move it out of Quarantine", map[string][]Command{"quarantined": quarantined}},
		{Reply{At: noon, By: "amy", Out: "r"}, "move it back to INBOX", map[string][]Command{"closed": closed}},
		{Close{noon, "amy"}, "release or discard it", map[string][]Command{"quarantined": quarantined}},
		{Close{noon, "amy"}, "wait until the message that is on its way", map[string][]Command{"answering": answering, "sending": sending}},
		{Resume{At: noon, By: "amy"}, "release it first", map[string][]Command{"quarantined": quarantined}},
	}
	for _, c := range []Command{
		Attach{At: noon, Kind: Response, Message: "m"}, Release{At: noon, By: "sue"}, Discard{noon, "sue"}, Classify{At: noon, By: "amy", Kind: LegalInfo},
		Claim{noon, "amy"}, Reply{At: noon, By: "amy", Out: "r"}, Close{noon, "amy"}, Resume{At: noon, By: "amy"}, Wait{noon, "amy"},
	} {
		tests = append(tests, struct {
			do   Command
			lead string
			in   map[string][]Command
		}{c, "ask the sender to send it again", map[string][]Command{"discarded": discarded}})
	}
	for _, tt := range tests {
		for status, life := range tt.in {
			t.Run(commandName(tt.do)+" when "+status, func(t *testing.T) {
				events, err := Decide(live(t, life...), tt.do)
				if !errors.Is(err, ErrNotAllowed) || len(events) != 0 {
					t.Fatalf("got %d events and %v, want ErrNotAllowed alone", len(events), err)
				}
				if text := err.Error(); !strings.Contains(text, string(testRef)) || !strings.Contains(text, tt.lead) {
					t.Errorf("%q names neither the request nor what to do (%q)", text, tt.lead)
				}
			})
		}
	}
}

// TestNothingIsDoneToWhatDoesNotExist: there is no reference to name.
func TestNothingIsDoneToWhatDoesNotExist(t *testing.T) {
	for _, c := range []Command{
		Attach{At: noon, Kind: Response}, Release{At: noon}, Discard{noon, "sue"}, Classify{At: noon, Kind: LegalInfo}, Claim{noon, "amy"},
		Reply{At: noon}, Delivered{At: noon}, Undelivered{At: noon}, Close{noon, "amy"}, Resume{At: noon}, Read{noon, "amy"}, Wait{noon, "amy"},
	} {
		events, err := Decide(State{}, c)
		if !errors.Is(err, ErrNotAllowed) || len(events) != 0 || !strings.Contains(err.Error(), "check the reference") {
			t.Errorf("%s: %d events and %v", commandName(c), len(events), err)
		}
	}
	for _, c := range []Command{Unclaim{At: noon, By: "amy"}, Tick{noon, "effect", TimerDue}} {
		if events, err := Decide(State{}, c); err != nil || len(events) != 0 {
			t.Errorf("%s: %d events and %v, want nothing", commandName(c), len(events), err)
		}
	}
}
