package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func commandName(c Command) string { return strings.TrimPrefix(fmt.Sprintf("%T", c), "request.") }

// equal compares two states; an empty list of timers is like none.
func equal(a, b State) bool { return reflect.DeepEqual(cloneState(a), cloneState(b)) }

// cloneState shares no memory with s.
func cloneState(s State) State {
	s.Messages, s.Overdue = slices.Clone(s.Messages), slices.Clone(s.Overdue)
	s.Deadlines = cloneDeadlines(s.Deadlines)
	return s
}

func cloneDeadlines(ds []Deadline) []Deadline {
	var out []Deadline
	for _, d := range ds {
		d.Timers = append([]Timer(nil), d.Timers...)
		out = append(out, d)
	}
	return out
}

func cloneEvents(events []Event) []Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Deadlines = cloneDeadlines(out[i].Deadlines)
	}
	return out
}

// script draws commands. Each deadline gets a time of its own, so that every
// timer of a run can be told apart.
type script struct {
	now     time.Time
	started int
}

func (g *script) deadlines(t *rapid.T) []Deadline {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 3, rapid.ID).Draw(t, "clocks")
	var out []Deadline
	for _, name := range names {
		g.started++
		at := g.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "hours"))*time.Hour + time.Duration(g.started)*time.Microsecond)
		stop := rapid.SampledFrom([]string{"acknowledged", "answered", "released", "delivered", "preserved", "closed"}).Draw(t, "stop")
		out = append(out, Deadline{Clock: name, Article: "policy", At: at, StopsOn: stop, Timers: []Timer{
			{TimerRemind, at.Add(-2 * time.Hour)}, {TimerRemind, at.Add(-time.Hour)}, {TimerDue, at}, {TimerEscalate, at.Add(time.Hour)},
		}})
	}
	return out
}

func (g *script) command(t *rapid.T) Command {
	g.now = g.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pass")) * time.Hour)
	at := g.now
	by := rapid.SampledFrom([]string{"amy", "bob"}).Draw(t, "by")
	kind := rapid.SampledFrom(Kinds())
	out := rapid.SampledFrom([]string{"o1", "o2", "o3"})
	code := rapid.SampledFrom([]string{"", CodePreserved, CodeAckReceived, "NEED_INFO"})
	yes := rapid.Bool()
	switch rapid.IntRange(0, 16).Draw(t, "command") {
	case 0:
		return Open{Ref: testRef, At: at, By: by, Direction: rapid.SampledFrom([]Direction{Received, Sent}).Draw(t, "direction"),
			Kind: kind.Draw(t, "kind"), Emergency: yes.Draw(t, "emergency"), Peer: "XB-1", Held: yes.Draw(t, "held"),
			Message: "m", Signer: "F", Out: out.Draw(t, "out"), Deadlines: g.deadlines(t)}
	case 1, 2:
		return Attach{At: at, Kind: rapid.SampledFrom([]Kind{Response, FollowUp, Withdrawal, Auto, Preservation}).Draw(t, "kind"),
			Message: "m", Code: code.Draw(t, "code"), Final: yes.Draw(t, "final"), Ack: yes.Draw(t, "ack"), Deadlines: g.deadlines(t)}
	case 3:
		return Release{At: at, By: by, Kind: kind.Draw(t, "kind"), Deadlines: g.deadlines(t)}
	case 4:
		return Discard{At: at, By: by}
	case 5:
		return Classify{At: at, By: by, Kind: kind.Draw(t, "kind"), Deadlines: g.deadlines(t)}
	case 6:
		return Claim{At: at, By: by}
	case 7:
		return Unclaim{At: at, By: by, Supervisor: yes.Draw(t, "supervisor")}
	case 8, 9:
		return Reply{At: at, By: by, Code: code.Draw(t, "code"), Final: yes.Draw(t, "final"), Waits: yes.Draw(t, "waits"), Out: out.Draw(t, "out"), Message: "m"}
	case 10:
		return Delivered{At: at, Out: out.Draw(t, "out"), Final: yes.Draw(t, "final"), Ack: yes.Draw(t, "ack"), Deadlines: g.deadlines(t)}
	case 11:
		return Undelivered{At: at, Out: out.Draw(t, "out"), Code: "5.1.1"}
	case 12:
		return Close{At: at, By: by}
	case 13:
		return Resume{At: at, By: by, Deadlines: g.deadlines(t)}
	case 14:
		return Read{At: at, By: by}
	case 15:
		return Wait{At: at, By: by}
	}
	return Tick{At: at, Clock: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "clock"),
		What: rapid.SampledFrom([]string{TimerRemind, TimerDue, TimerEscalate}).Draw(t, "what")}
}

// TestEveryLife runs random commands and checks what must hold whatever
// happens to a request.
func TestEveryLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &script{now: noon}
		var s State
		var history []Event
		type snapshot struct{ state, copied State }
		var past []snapshot
		fired := map[string]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "length") {
			c := g.command(t)
			events, err := Decide(s, c)
			checkAnswer(t, s, c, events, err)
			before := s
			past = append(past, snapshot{before, cloneState(before)})
			for _, e := range events {
				kept := cloneEvents([]Event{e})
				next := Fold(s, e)
				if next.Version != s.Version+1 {
					t.Fatalf("%s: version %d follows %d", e.Type, next.Version, s.Version)
				}
				if !reflect.DeepEqual(cloneEvents([]Event{e}), kept) {
					t.Fatalf("folding changed the event %+v", e)
				}
				checkClocks(t, next)
				s = next
			}
			if tick, ok := c.(Tick); ok && len(events) > 0 {
				checkFired(t, before, s, tick, fired)
			}
			checkEnds(t, before, s, c)
			checkWayOut(t, s, g.now)
			history = append(history, events...)
			// What another writer would have folded from the same state must
			// not show here.
			past = append(past, snapshot{s, cloneState(s)})
			if other, err := Decide(before, g.command(t)); err == nil {
				for _, e := range other {
					before = Fold(before, e)
				}
			}
		}
		for i, p := range past {
			if !reflect.DeepEqual(cloneState(p.state), p.copied) {
				t.Fatalf("state %d of the past was changed to\n%+v from\n%+v", i, p.state, p.copied)
			}
		}
		if again := replay(history); !equal(again, s) {
			t.Fatalf("the events fold to\n%+v, not\n%+v", again, s)
		}
		if again := replay(throughJSON(t, history)); !equal(again, s) {
			t.Fatalf("the events as JSON fold to\n%+v, not\n%+v", again, s)
		}
	})
}

func replay(events []Event) State {
	var s State
	for _, e := range events {
		s = Fold(s, e)
	}
	return s
}

func throughJSON(t *rapid.T, events []Event) []Event {
	var out []Event
	b, err := json.Marshal(events)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func checkAnswer(t *rapid.T, s State, c Command, events []Event, err error) {
	if err != nil && len(events) > 0 {
		t.Fatalf("%s: both events and %v", commandName(c), err)
	}
	if err != nil && (!errors.Is(err, ErrNotAllowed) || !strings.Contains(err.Error(), string(s.Ref))) {
		t.Fatalf("%s: %v is not ErrNotAllowed with the reference", commandName(c), err)
	}
	for _, e := range events {
		if e.Type == "" || e.Ref != testRef || !e.At.Equal(at(c)) {
			t.Fatalf("%s: event %+v", commandName(c), e)
		}
	}
}

// at returns the time of a command.
func at(c Command) time.Time { return reflect.ValueOf(c).FieldByName("At").Interface().(time.Time) }

// checkClocks: no clock runs when nothing is left to do, but what holds until
// the request is closed; none runs twice.
func checkClocks(t *rapid.T, s State) {
	names := map[string]bool{}
	for _, d := range s.Deadlines {
		if !s.Status.Live() && !(s.Status == StatusAnswered && d.StopsOn == "closed") {
			t.Fatalf("clock %s (until %s) runs while %s", d.Clock, d.StopsOn, s.Status)
		}
		if names[d.Clock] {
			t.Fatalf("clock %s runs twice", d.Clock)
		}
		names[d.Clock] = true
	}
}

func timers(s State) []string {
	var out []string
	for _, d := range s.Deadlines {
		for _, x := range d.Timers {
			out = append(out, fmt.Sprint(d.Clock, " ", d.At.UnixNano(), " ", x.What, " ", x.At.UnixNano()))
		}
	}
	return out
}

// checkFired: exactly one timer went, a due one that never fired before.
func checkFired(t *rapid.T, before, after State, tick Tick, fired map[string]bool) {
	var gone []string
	for _, name := range timers(before) {
		if !slices.Contains(timers(after), name) {
			gone = append(gone, name)
		}
	}
	if len(gone) != 1 || len(timers(after)) != len(timers(before))-1 {
		t.Fatalf("%+v took %v", tick, gone)
	}
	var nanos, due int64
	var name, what string
	if _, err := fmt.Sscan(gone[0], &name, &nanos, &what, &due); err != nil {
		t.Fatal(err)
	}
	if name != tick.Clock || what != tick.What || due > tick.At.UnixNano() {
		t.Fatalf("%+v fired %s", tick, gone[0])
	}
	if fired[gone[0]] {
		t.Fatalf("%s fired twice", gone[0])
	}
	fired[gone[0]] = true
}

// checkEnds: only what is meant to touches a request that has ended.
func checkEnds(t *rapid.T, before, after State, c Command) {
	allowed := map[Status][]string{
		StatusDiscarded: {"Read", "Delivered", "Undelivered"},
		StatusClosed:    {"Read", "Delivered", "Undelivered", "Attach", "Claim", "Unclaim", "Resume"},
	}[before.Status]
	if allowed == nil {
		return
	}
	if after.Version != before.Version && !slices.Contains(allowed, commandName(c)) {
		t.Fatalf("%s changed a request that is %s", commandName(c), before.Status)
	}
	if _, resumed := c.(Resume); after.Status != before.Status && !resumed {
		t.Fatalf("%s made a %s request %s", commandName(c), before.Status, after.Status)
	}
	want := cloneState(before)
	want.Version = after.Version
	if after.Version == before.Version {
		c = Read{} // refused, or nothing to do: nothing may change
	}
	switch c.(type) {
	case Read:
	case Attach:
		want.Messages, want.AcknowledgedAt = append(want.Messages, "m"), after.AcknowledgedAt
	case Claim, Unclaim:
		want.Owner = after.Owner
	case Delivered:
		want.AcknowledgedAt = after.AcknowledgedAt
	case Undelivered:
		want.Pending = ""
		if after.Pending == before.Pending {
			want.Pending = before.Pending
		}
	case Resume:
		want.Status, want.Deadlines = after.Status, after.Deadlines
	}
	if !equal(after, want) {
		t.Fatalf("%s changed\n%+v to\n%+v", commandName(c), before, after)
	}
}

// checkWayOut: nobody is ever stuck; every request that exists can be closed
// or is discarded.
func checkWayOut(t *rapid.T, s State, at time.Time) {
	start := s
	do := func(c Command) {
		events, err := Decide(s, c)
		if err != nil {
			t.Fatalf("stuck: %v (from %+v)", err, start)
		}
		for _, e := range events {
			s = Fold(s, e)
		}
	}
	switch s.Status {
	case StatusNone, StatusDiscarded:
		return
	case StatusQuarantined:
		do(Release{At: at, By: "sue", Kind: Preservation})
	case StatusAnswering:
		do(Delivered{At: at, Out: s.Pending, Final: true})
		if s.Status != StatusAnswered {
			t.Fatalf("the answer was delivered, but the request is %s (from %+v)", s.Status, start)
		}
	case StatusSending:
		if s.Pending != "" {
			do(Delivered{At: at, Out: s.Pending})
			if s.Status != StatusSent {
				t.Fatalf("our request was delivered, but is %s (from %+v)", s.Status, start)
			}
		}
	}
	if do(Close{at, "amy"}); s.Status != StatusClosed {
		t.Fatalf("closing left it %s", s.Status)
	}
}
