package e2e

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"relais.example/routing/verdict"
	"relais.example/test/gateway"
)

// TestEachRowOfThePolicyTable sends, for every reason code, a message that
// must get it, and looks at everything that may or may not change.
func TestEachRowOfThePolicyTable(t *testing.T) {
	t.Parallel()
	redis := gateway.StartRedis(t)
	g := gateway.New(t, gateway.Options{Redis: redis, Settings: map[string]any{
		"limits": map[string]string{"message_size": "256KiB", "plaintext_size": "256KiB"},
	}})
	s := newStage(t, g, redis)
	g.Start()
	g.WaitMetric("relais_directory_version", 2)
	s.staff = g.IMAP(gateway.Olga)

	covered := map[verdict.Reason]bool{}
	for _, row := range policyRows() {
		covered[row.reason] = true
		t.Run(row.name, func(t *testing.T) {
			s := *s
			s.t, s.g, s.gpg, s.staff = t, s.g.In(t), s.gpg.In(t), s.staff.In(t)
			s.checkRow(row)
		})
	}
	for _, e := range verdict.All() {
		// What breaks a parser is repaired, so that no message gets unreadable
		// here; gateway/intake breaks one on purpose.
		if !covered[e.Reason] && e.Reason != verdict.Unreadable {
			t.Errorf("no row of the test gets the reason %s", e.Reason)
		}
	}
}

// row is one message and what must become of it.
type row struct {
	name   string
	reason verdict.Reason
	// send prepares the message and returns what delivers it.
	send func(s *stage) func() gateway.Reply
}

// scene is all that a message may change.
type scene struct {
	count   float64
	folders map[string]int
	keys    map[string]string
	journal []gateway.Entry
}

func (s *stage) look(reason verdict.Reason) scene {
	s.t.Helper()
	e := verdict.Of(reason)
	n, err := s.g.Metric(fmt.Sprintf(`relais_messages_received_total{action="%s",desk="XA-1",reason="%s"}`, e.Default, e.Reason))
	if err != nil {
		s.t.Fatal(err)
	}
	return scene{n, s.staff.Counts(), s.redis.Contents(), s.g.Journal()}
}

func (s *stage) checkRow(r row) {
	e := verdict.Of(r.reason)
	deliver := r.send(s)
	before := s.look(r.reason)
	reply := deliver()
	after := s.look(r.reason)

	s.checkReply(e, reply)
	if got := after.count - before.count; got != 1 {
		s.t.Errorf("the metric of %s/%s grew by %v, want 1", e.Default, e.Reason, got)
	}
	added := after.journal[len(before.journal):]
	switch {
	case e.Default == verdict.Reject:
		s.checkRefused(e, before, after, added)
	case e.Reason == verdict.Duplicate:
		if !maps.Equal(before.folders, after.folders) || len(added) > 0 {
			s.t.Errorf("it was stored again: %v, then %v; journal %+v", before.folders, after.folders, added)
		}
	default:
		folder := map[verdict.Action]string{verdict.Accept: "INBOX", verdict.Quarantine: "Quarantine"}[e.Default]
		before.folders[folder]++
		if !maps.Equal(before.folders, after.folders) {
			s.t.Errorf("folders are now %v, want %v", after.folders, before.folders)
		}
		m := s.staff.Find(folder, "the message", gateway.OfRequest(reply.Reference()))
		if want := fmt.Sprintf("%s; %s; ", e.Default, e.Reason); !strings.HasPrefix(m.Text("X-Relais-Verdict"), want) || !m.Has("$Verdict-"+string(e.Reason)) {
			s.t.Errorf("staff see the verdict %q and the flags %v", m.Text("X-Relais-Verdict"), m.Flags)
		}
	}
}

func (s *stage) checkReply(e verdict.Entry, reply gateway.Reply) {
	ok := reply.Code == 250 && reply.Reference() != ""
	switch e.Default {
	case verdict.Quarantine:
		ok = ok && strings.Contains(reply.Text, "("+string(e.Reason)+": "+e.Text+")")
	case verdict.Reject:
		ok = reply == gateway.Reply{Code: e.Code, Status: e.Status, Text: string(e.Reason) + ": " + e.Text}
	}
	if !ok {
		s.t.Errorf("answered %q", reply)
	}
}

// checkRefused: a refused message changes nothing but one line in the journal.
func (s *stage) checkRefused(e verdict.Entry, before, after scene, added []gateway.Entry) {
	if !maps.Equal(before.folders, after.folders) {
		s.t.Errorf("folders were %v, are %v", before.folders, after.folders)
	}
	for key, value := range after.keys {
		// A running number that was looked up and not used leaves a gap.
		if !strings.HasSuffix(key, ":numbers") && before.keys[key] != value {
			s.t.Errorf("Redis key %s was changed", key)
		}
	}
	if len(after.keys) != len(before.keys) {
		s.t.Errorf("Redis had %d keys, has %d", len(before.keys), len(after.keys))
	}
	if len(added) != 1 || added[0].Desk != "XA-1" || added[0].Seq != 0 || added[0].Refuse == nil || added[0].Refuse.Reason != string(e.Reason) {
		s.t.Errorf("the journal got %+v", added)
		return
	}
	if n := added[0]; len(n.Events)+len(n.Mail)+len(n.Out)+len(n.Once)+len(n.Thread) > 0 || n.Refuse.Remote != "127.0.0.1" {
		s.t.Errorf("the line in the journal: %+v", n)
	}
}

// TestEveryReasonHasAMetricFromTheStart: a rate needs the zero before the
// first message.
func TestEveryReasonHasAMetricFromTheStart(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	for _, desk := range []string{"XA-1", "XB-1"} {
		for _, e := range verdict.All() {
			n, err := g.Metric(fmt.Sprintf(`relais_messages_received_total{action="%s",desk="%s",reason="%s"}`, e.Default, desk, e.Reason))
			if err != nil || n != 0 {
				t.Errorf("%v, value %v", err, n)
			}
		}
	}
}

// TestEveryReasonIsDocumented: one line of a table each, with the action.
func TestEveryReasonIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/reason-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range verdict.All() {
		found := false
		for line := range strings.Lines(string(doc)) {
			if strings.HasPrefix(line, "|") && strings.Contains(line, "`"+string(e.Reason)+"`") {
				found = true
				if !strings.Contains(line, string(e.Default)) {
					t.Errorf("docs/reason-codes.md: the line of %s does not say %s", e.Reason, e.Default)
				}
			}
		}
		if !found {
			t.Errorf("docs/reason-codes.md: no line for `%s`", e.Reason)
		}
	}
}
