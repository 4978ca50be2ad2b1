package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"relais.example/routing/request"
	"relais.example/test/gateway"
)

// held delivers a message that is quarantined, and returns its reference.
func held(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	from := "colleague@prosecutor.betaland.example"
	reply := g.Deliver(from, gateway.AlphaAddress, g.Sealed("XB-2", from, "Logs, case "+gateway.SecretSubject, gateway.Preservation))
	if reply.Code != 250 || !strings.Contains(reply.Text, "held for a person") {
		t.Fatalf("answered %v", reply)
	}
	return reply.Reference()
}

func TestOnlyASupervisorReleasesFromQuarantine(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	ref := held(t, g)
	g.WaitMetric(`relais_quarantine_messages{desk="XA-1"}`, 1)

	olga := g.IMAP(gateway.Olga)
	m := olga.Find("Quarantine", "the held request", gateway.OfRequest(ref))
	for _, folder := range []string{"INBOX", "Emergency", "Trash", "Archive"} {
		if err := olga.MoveTo(m, folder); !strings.Contains(gateway.RefusedWith(err), "only a supervisor") {
			t.Errorf("an officer moves it to %s: %v", folder, err)
		}
	}
	if _, err := olga.Copy(imap.UIDSetNum(m.UID), "Drafts").Wait(); gateway.RefusedWith(err) == "" {
		t.Errorf("an officer copies it: %v", err)
	}
	if err := olga.Flag(m, `\Flagged`); !strings.Contains(gateway.RefusedWith(err), "release it first") {
		t.Errorf("a star in Quarantine: %v", err)
	}
	if r := answer(g, m, "Reply code: PRESERVED"); r.Code != 550 || !strings.Contains(r.Text, "a supervisor must move it out of Quarantine first") {
		t.Errorf("an answer to a held request: %v", r)
	}

	sven := g.IMAP(gateway.Sven)
	m = sven.Find("Quarantine", "the held request", gateway.OfRequest(ref))
	if err := sven.MoveTo(m, "Waiting"); gateway.RefusedWith(err) == "" {
		t.Errorf("out of Quarantine into Waiting: %v", err)
	}
	if err := sven.MoveTo(m, "INBOX"); err != nil {
		t.Fatalf("a supervisor releases it: %v", err)
	}
	g.WaitMetric(`relais_quarantine_messages{desk="XA-1"}`, 0)
	m = olga.Find("INBOX", "the released request", gateway.OfRequest(ref))
	if s := g.Request(ref); s.Status != request.StatusOpen || len(s.Deadlines) == 0 {
		t.Errorf("after the release it is %+v", s)
	}
	if r := answer(g, m, "Reply code: PRESERVED\n\n"+gateway.SecretBody); r.Code != 250 {
		t.Errorf("an answer after the release: %v", r)
	}
	waitMails(t, g, 1)

	// And one that is thrown away.
	ref = held(t, g)
	if err := sven.MoveTo(sven.Find("Quarantine", "the second one", gateway.OfRequest(ref)), "Trash"); err != nil {
		t.Errorf("a supervisor discards it: %v", err)
	}
	if s := g.Request(ref); s.Status != request.StatusDiscarded {
		t.Errorf("discarded, it is %+v", s)
	}
}

func TestAStarClaimsTheRequest(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	olga, m := received(t, g)
	sven := g.IMAP(gateway.Sven)
	sven.List("INBOX")
	if err := olga.Flag(m, `\Flagged`); err != nil {
		t.Fatal(err)
	}
	if s := g.Request(reference(m)); s.Owner != gateway.Olga {
		t.Errorf("it is %+v, want it claimed by %s", s, gateway.Olga)
	}
	if err := sven.Flag(m, `\Flagged`); !strings.Contains(gateway.RefusedWith(err), gateway.Olga+" works on it") {
		t.Errorf("a second person's star: %v", err)
	}
	if err := olga.Flag(m, `\Flagged`); err != nil {
		t.Errorf("the same star again: %v", err)
	}
	// Other flags of a claimed request are free for all, also in a program
	// that writes all flags anew.
	err := sven.Store(imap.UIDSetNum(m.UID), &imap.StoreFlags{Op: imap.StoreFlagsSet, Flags: []imap.Flag{imap.FlagFlagged, imap.FlagSeen}}, nil).Close()
	if err != nil {
		t.Errorf("setting Seen with the star in place: %v", err)
	}
	if err := olga.Unflag(m, `\Flagged`); err != nil {
		t.Fatal(err)
	}
	if err := sven.Flag(m, `\Flagged`); err != nil {
		t.Errorf("a star after the first was taken away: %v", err)
	}
	if s := g.Request(reference(m)); s.Owner != gateway.Sven {
		t.Errorf("it is %+v, want it claimed by %s", s, gateway.Sven)
	}
	// Who read it stands in the journal.
	for _, e := range g.Journal() {
		for _, ev := range e.Events {
			if ev.Type == request.EvOpened && ev.By == gateway.Sven && string(ev.Ref) == reference(m) {
				return
			}
		}
	}
	t.Error("the journal does not say who read it")
}

func TestAQuestionMovesTheRequestToWaitingAndTheAnswerBack(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	olga, m := received(t, g)
	ref := reference(m)
	if r := answer(g, m, "Reply code: NEED_INFO\n\nWhich account? "+gateway.SecretBody); r.Code != 250 {
		t.Fatalf("the question: %v", r)
	}
	waiting := olga.Find("Waiting", "the request", gateway.OfRequest(ref))
	if !waiting.Has(`\Answered`) || len(olga.List("INBOX")) != 0 {
		t.Errorf("flags %v; INBOX holds %d", waiting.Flags, len(olga.List("INBOX")))
	}
	if s := g.Request(ref); s.Status != request.StatusWaiting {
		t.Errorf("it is %+v", s)
	}
	waitMails(t, g, 1)
	raw := g.Sealed("XB-2", gateway.ProsecutorAddress, "Re: ["+ref+"] "+gateway.SecretSubject, "It is the account "+gateway.SecretBody+". Our answer to your question, reference "+ref+".")
	if r := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, raw); r.Code != 250 || r.Reference() != ref {
		t.Fatalf("their answer: %v", r)
	}
	olga.Find("INBOX", "the answer to the question", gateway.OfRequest(ref))
	g.WaitRequest(ref, "open again", func(s request.State) bool { return s.Status == request.StatusOpen && len(s.Messages) == 2 })
}

func TestMailToStrangersIsRefusedInWords(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	letter := func(from, to string) []byte {
		return gateway.Letter([][2]string{{"From", from}, {"To", to}, {"Subject", gateway.SecretSubject}}, gateway.Preservation)
	}
	stranger := "someone@nowhere.example"
	if r := g.Submit(gateway.Olga, gateway.AlphaAddress, stranger, letter(gateway.AlphaAddress, stranger)); r.Code != 550 || !strings.Contains(r.Text, "not in the Directory") {
		t.Errorf("to a stranger: %v", r)
	}
	if r := g.Submit(gateway.Olga, gateway.BetaAddress, gateway.GammaAddress, letter(gateway.BetaAddress, gateway.GammaAddress)); r.Code != 553 {
		t.Errorf("as another desk: %v", r)
	}
	if r := g.Submit(gateway.Olga, gateway.AlphaAddress, gateway.GammaAddress, letter(gateway.BetaAddress, gateway.GammaAddress)); r.Code != 550 || !strings.Contains(r.Text, "only as your desk") {
		t.Errorf("with the From of another desk: %v", r)
	}
	if r := g.Deliver(stranger, stranger, letter(stranger, stranger)); r.Code != 550 || !strings.Contains(r.Text, "nothing is relayed") {
		t.Errorf("from a stranger to a stranger: %v", r)
	}
	if n := g.Sink.Tries(); n != 0 {
		t.Errorf("%d messages left", n)
	}
	if counts := g.IMAP(gateway.Olga).Counts(); counts["Sent"] != 0 {
		t.Errorf("folders: %v", counts)
	}
}

func TestAMessageWakesIdleWithinASecond(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	woken := make(chan uint32, 100)
	staff, err := g.TryIMAP(gateway.Olga, func(n uint32) { woken <- n })
	if err != nil {
		t.Fatal(err)
	}
	staff.List("INBOX")
	idle, err := staff.Idle()
	if err != nil {
		t.Fatal(err)
	}
	for want := uint32(1); want <= 3; want++ {
		reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, g.RequestMail())
		answered := time.Now()
		if reply.Code != 250 {
			t.Fatal(reply)
		}
		select {
		case n := <-woken:
			if n != want {
				t.Errorf("told of %d messages, want %d", n, want)
			}
			if after := time.Since(answered); after > time.Second {
				t.Errorf("told %v after the 250", after)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("not told at all")
		}
	}
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
}
