package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	"relais.example/gateway/vault"
	"relais.example/routing/directory"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/test/desk"
)

// port is the MX port of a gateway.
type port struct {
	*desk.Desk
	t  *testing.T
	in *intake.Intake
}

func open(t *testing.T, change ...func(*intake.Options)) *port {
	t.Helper()
	p := &port{Desk: desk.Open(t), t: t}
	p.in = intake.New(p.options(change...))
	return p
}

// options are those of the port, changed.
func (p *port) options(change ...func(*intake.Options)) intake.Options {
	o := intake.Options{
		Hostname: desk.Hostname,
		Desks: []intake.Desk{
			{ID: "XA-1", Keys: func() []*pgp.Key { return []*pgp.Key{p.Keys["XA-1"]} }, Acknowledge: true},
			{ID: "XC-1", Keys: func() []*pgp.Key { return []*pgp.Key{p.Keys["XC-1"]} }},
		},
		Directory: p.Current, Queue: p.Queue, Vault: p.Vault, Classifier: p.Classifier, Clocks: p.Clocks, Log: p.Log,
		Rules: intake.Rules{
			Window: 72 * time.Hour, MaxAge: 365 * 24 * time.Hour, ClockTolerance: 10 * time.Minute, Keys: pgp.DefaultPolicy(), Limits: pgpmime.DefaultLimits(),
		},
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

func inbound(raw []byte) smtpd.Inbound {
	return smtpd.Inbound{Desk: "XA-1", MailFrom: desk.Beta, RcptTo: []string{desk.Alpha}, Remote: "192.0.2.7", Raw: raw, Received: time.Now()}
}

// send hands a message in and wants that code.
func (p *port) send(code int, raw []byte, change ...func(*smtpd.Inbound)) smtpd.Outcome {
	p.t.Helper()
	m := inbound(raw)
	for _, f := range change {
		f(&m)
	}
	o, err := p.in.Receive(p.t.Context(), m)
	if err != nil || o.Code != code {
		p.t.Fatalf("got %+v, %v; want %d", o, err, code)
	}
	return o
}

// opened returns the request that the outcome names.
func (p *port) opened(o smtpd.Outcome) request.State {
	p.t.Helper()
	refs := request.FindReferences(o.Text, 1)
	if len(refs) != 1 {
		p.t.Fatalf("%q names no request", o.Text)
	}
	return p.State(refs[0])
}

const (
	preserve  = "Please preserve the traffic data and the subscriber data of the account under Article 29 of the Convention for 60 days.\r\n"
	advice    = "Please give us technical advice under Article 35 paragraph 1 a on the seizure of a server.\r\n"
	emergency = "A child has been abducted and is in danger of death. We request emergency disclosure of subscriber data under Article 9 of the Second Protocol. Life is at risk.\r\n"
)

func (p *port) fromBeta(d pgpmime.Draft) []byte { return p.Seal("XB-1", "XA-1", d) }

func (p *port) folders() map[string]int {
	out := map[string]int{}
	for _, name := range mailbox.Names() {
		if n := len(p.Folder(name)); n > 0 {
			out[name] = n
		}
	}
	return out
}

func clocks(s request.State) string {
	var names []string
	for _, d := range s.Deadlines {
		names = append(names, d.Clock)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (p *port) outbox() []queue.Out {
	p.t.Helper()
	out, err := p.At("XA-1").Lease(p.t.Context(), time.Hour, 100)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func TestAcceptedRequestIsOpenFiledAndAcknowledged(t *testing.T) {
	p := open(t)
	s := p.opened(p.send(250, p.fromBeta(pgpmime.Draft{Subject: "Preservation", Body: []byte(preserve)})))
	if s.Kind != request.Preservation || s.Status != request.StatusOpen || s.Peer != "XB-1" || s.Direction != request.Received {
		t.Errorf("request is %+v", s)
	}
	if got := clocks(s); got != "acknowledge preservation-effect" {
		t.Errorf("clocks %q", got)
	}
	if got := fmt.Sprint(p.folders()); got != "map[INBOX:1]" {
		t.Errorf("folders %s", got)
	}
	e := p.Folder(mailbox.Inbox)[0]
	if !slices.Contains(e.Flags, "$Verdict-ok") || !slices.Contains(e.Flags, "$Kind-PRESERVATION") || e.Request != string(s.Ref) {
		t.Errorf("entry %+v", e)
	}
	if out := p.outbox(); len(out) != 1 || out[0].Purpose != queue.PurposeAck || out[0].To != "XB-1" || out[0].Request != s.Ref {
		t.Errorf("outbox %+v", out)
	}
}

// The original is attached without being stored once more.
func TestOriginalIsAttachedAsItCame(t *testing.T) {
	p := open(t)
	p.in = intake.New(p.options(func(o *intake.Options) { o.Desks[0].AttachOriginal = true }))
	raw := p.fromBeta(pgpmime.Draft{Subject: "Preservation", Body: []byte(preserve)})
	s := p.opened(p.send(250, raw))
	e := p.Folder(mailbox.Inbox)[0]
	whole, err := intake.Body(t.Context(), p.Vault, e.Item)
	if err != nil || int64(len(whole)) != e.Size {
		t.Fatalf("%v; %d bytes, announced %d", err, len(whole), e.Size)
	}
	x := mimeindex.Build(whole)
	original := x.Find([]int{3})
	if len(x.Root.Parts) != 3 || string(whole[original.BodyStart:original.End]) != string(raw) || original.DispParams["filename"] != string(s.Ref)+"-original.eml" {
		t.Errorf("%d parts in\n%s", len(x.Root.Parts), whole)
	}
	view, kept, _ := strings.Cut(e.Item, "+")
	if stored := p.Body(view); strings.Contains(stored, "BEGIN PGP") || kept != s.Messages[0] {
		t.Errorf("item %s, original %s, view\n%s", e.Item, s.Messages[0], stored)
	}
	if _, err := intake.Body(t.Context(), p.Vault, view+"+s9-9"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("without its original: %v", err)
	}
}

func TestSameMessageTwiceIsOneRequest(t *testing.T) {
	p := open(t)
	raw := p.fromBeta(pgpmime.Draft{Body: []byte(preserve)})
	first := p.opened(p.send(250, raw))
	again := p.send(250, append([]byte("Received: from another.example by us; now\r\n"), raw...)) // an MTA tries again
	if !strings.Contains(again.Text, string(first.Ref)+" already received") {
		t.Errorf("answer %q", again.Text)
	}
	replay := p.send(550, raw, func(m *smtpd.Inbound) { m.MailFrom = desk.Delta })
	if !strings.HasPrefix(replay.Text, "replayed: ") {
		t.Errorf("another envelope: %q", replay.Text)
	}
	if got := fmt.Sprint(p.folders()); got != "map[INBOX:1]" {
		t.Errorf("folders %s", got)
	}
	p.send(550, raw, func(m *smtpd.Inbound) { m.Desk, m.RcptTo = "XC-1", []string{desk.Gamma} }) // cannot be opened there
}

func TestSameMessageAtTheSameMomentIsOneRequest(t *testing.T) {
	p := open(t)
	raw := p.fromBeta(pgpmime.Draft{Body: []byte(preserve)})
	texts := make([]string, 8)
	var wg sync.WaitGroup
	for i := range texts {
		wg.Go(func() {
			o, err := p.in.Receive(t.Context(), inbound(raw))
			if err != nil || o.Code != 250 {
				t.Errorf("%+v, %v", o, err)
			}
			texts[i] = strings.Fields(o.Text)[0]
		})
	}
	wg.Wait()
	if slices.Sort(texts); texts[0] != texts[7] || fmt.Sprint(p.folders()) != "map[INBOX:1]" {
		t.Errorf("answers %v, folders %v", texts, p.folders())
	}
}

func TestHeldMessageWaitsForASupervisor(t *testing.T) {
	p := open(t)
	o := p.send(250, p.fromBeta(pgpmime.Draft{From: desk.Nobody, Body: []byte(preserve)}))
	s := p.opened(o)
	if s.Status != request.StatusQuarantined || s.Reason != "from-not-listed" || clocks(s) != "quarantine" {
		t.Errorf("request %+v with clocks %q", s, clocks(s))
	}
	if !strings.Contains(o.Text, "from-not-listed") || fmt.Sprint(p.folders()) != "map[Quarantine:1]" || len(p.outbox()) != 0 {
		t.Errorf("answer %q, folders %v, outbox %v", o.Text, p.folders(), p.outbox())
	}
	unclear := p.opened(p.send(250, p.fromBeta(pgpmime.Draft{From: desk.Nobody, Body: []byte("Good morning.\r\n")})))
	if clocks(unclear) != "quarantine" {
		t.Errorf("what asks nothing clear is held with clocks %q", clocks(unclear))
	}
}

func TestEmergencyGoesToItsFolder(t *testing.T) {
	p := open(t)
	s := p.opened(p.send(250, p.fromBeta(pgpmime.Draft{Subject: "Emergency", Body: []byte(emergency)})))
	if !s.Emergency || !strings.Contains(clocks(s), "emergency-acknowledge") || fmt.Sprint(p.folders()) != "map[Emergency:1]" {
		t.Errorf("request %+v, folders %v", s, p.folders())
	}
}

func TestTwoQuestionsAreTwoRequests(t *testing.T) {
	p := open(t)
	form := "=== 24/7 REQUEST v1 ===\r\nkind: PRESERVATION, TECH_ADVICE\r\n=== END ===\r\n"
	o := p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(form + preserve + advice)}))
	first := p.opened(o)
	entries := p.Folder(mailbox.Inbox)
	if len(entries) != 2 {
		t.Fatalf("%d messages, want one for each request", len(entries))
	}
	second := p.State(request.Reference(entries[1].Request))
	if second.Parent != first.Ref || second.Kind == first.Kind {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if len(p.outbox()) != 2 || !strings.Contains(o.Text, string(first.Ref)) || !strings.Contains(o.Text, string(second.Ref)) {
		t.Errorf("%d acknowledgements, answer %q; want one for each request, and both references", len(p.outbox()), o.Text)
	}
}

// asked opens a request of ours to XB-1 and returns the Message-ID that XB-1
// will answer.
func (p *port) asked(kind request.Kind, emergency bool) (request.Reference, string) {
	p.t.Helper()
	found, err := p.At("XA-1").Arrive(p.t.Context(), time.Now().UTC().Year(), nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	ref := request.NewReference("XA-1", time.Now().UTC().Year(), found.Number)
	id := "<" + strings.ToLower(string(ref)) + "@" + desk.Hostname + ">"
	p.Commit(func(tx *queue.Tx) error {
		tx.Thread(p.Vault.Name("thread", id), ref)
		if err := tx.Open(request.Open{Ref: ref, At: tx.At(), Direction: request.Sent, Kind: kind, Emergency: emergency, Peer: "XB-1", Message: "m", Out: "o",
			Deadlines: p.Clocks.Arm(p.Clocks.For(kind, emergency, "sent", tx.At()))}); err != nil {
			return err
		}
		return tx.Do(ref, request.Delivered{At: tx.At(), Out: "o"})
	})
	return ref, id
}

func TestAnswerIsMatchedToOurRequest(t *testing.T) {
	in90 := time.Now().UTC().AddDate(0, 0, 90).Truncate(24 * time.Hour)
	tests := []struct {
		name      string
		emergency bool
		draft     pgpmime.Draft
		status    request.Status
		clocks    string
	}{
		{"final, with a date", false, pgpmime.Draft{Body: []byte("Reply code: PRESERVED until " + in90.Format(time.DateOnly) + "\r\n"),
			Extra: [][2]string{{"X-Relais-Reply", "final PRESERVED"}}}, request.StatusAnswered, "mla-due"},
		{"a code that a person wrote", false, pgpmime.Draft{Body: []byte("Reply code: NO_DATA\r\nSorry.\r\n")}, request.StatusAnswered, ""},
		{"a person without a code acknowledges", false, pgpmime.Draft{Body: []byte("We are on it.\r\n")}, request.StatusSent, "await-preservation mla-due-assumed"},
		{"another gateway acknowledges", false, pgpmime.Draft{Body: []byte("Reply code: ACK_RECEIVED\r\n"),
			Extra: [][2]string{{"X-Relais-Reply", "interim ACK_RECEIVED"}}, Outside: [][2]string{{"Auto-Submitted", "auto-replied"}}}, request.StatusSent, "await-preservation mla-due-assumed"},
		{"another gateway cannot acknowledge an emergency for a person", true, pgpmime.Draft{Body: []byte("Reply code: ACK_RECEIVED\r\n"),
			Extra: [][2]string{{"X-Relais-Reply", "interim ACK_RECEIVED"}}, Outside: [][2]string{{"Auto-Submitted", "auto-replied"}}}, request.StatusSent,
			"await-emergency-acknowledgement await-emergency-determination await-preservation mla-due-assumed"},
		{"a code that nobody knows", false, pgpmime.Draft{Body: []byte("Hello.\r\n"), Extra: [][2]string{{"X-Relais-Reply", "interim WHATEVER"}}}, request.StatusSent,
			"await-preservation mla-due-assumed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t)
			ref, id := p.asked(request.Preservation, tt.emergency)
			tt.draft.InReplyTo, tt.draft.Subject = id, "Re: our request"
			o := p.send(250, p.fromBeta(tt.draft))
			s := p.opened(o)
			if s.Ref != ref || s.Status != tt.status || clocks(s) != tt.clocks || len(s.Messages) != 2 {
				t.Errorf("request %+v with clocks %q; want %s, %s with %q", s, clocks(s), ref, tt.status, tt.clocks)
			}
			if tt.clocks == "mla-due" && !s.Deadlines[0].At.Equal(in90) {
				t.Errorf("preserved until %v, want %v", s.Deadlines[0].At, in90)
			}
			if len(p.outbox()) != 0 {
				t.Error("an answer was acknowledged")
			}
		})
	}
}

func TestWhatAttaches(t *testing.T) {
	form := "=== 24/7 REQUEST v1 ===\r\nkind: TECH_ADVICE\r\n=== END ===\r\n"
	tests := []struct {
		name     string
		from     string
		parent   func(p *port) (ref request.Reference, id string)
		body     string
		attaches bool
	}{
		{"an answer of the contact point that we asked", "XB-1", sentPreservation, "We have kept the data.\r\n", true},
		{"another contact point that knows the Message-ID", "XD-1", sentPreservation, "We have kept the data.\r\n", false},
		{"a request form, written with Reply", "XB-1", sentPreservation, form + advice, false},
		{"an emergency, written with Reply to something else", "XB-1", sentPreservation, emergency, false},
		{"an emergency in the thread of an emergency", "XB-1", sentEmergency, emergency, true},
		{"a status question about their request", "XB-1", received, "What is the status of our request? Please reply.\r\n", true},
		{"a new question in the thread of theirs", "XB-1", received, advice, false},
		{"what we asked them for, in whatever words", "XB-1", waiting, preserve, true},
		{"a form while we wait for an answer", "XB-1", waiting, form + advice, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t)
			ref, id := tt.parent(p)
			o := p.send(250, p.Seal(tt.from, "XA-1", pgpmime.Draft{Subject: "Re: hello", InReplyTo: id, Body: []byte(tt.body)}))
			if got := p.opened(o); (got.Ref == ref) != tt.attaches {
				t.Errorf("went to %s %s (%s), parent was %s", got.Ref, got.Kind, got.Status, ref)
			}
		})
	}
}

func sentPreservation(p *port) (request.Reference, string) {
	return p.asked(request.Preservation, false)
}
func sentEmergency(p *port) (request.Reference, string) {
	return p.asked(request.EmergencyDisclosure, true)
}

func received(p *port) (request.Reference, string) {
	id := "<first@betaland.example>"
	return p.opened(p.send(250, p.fromBeta(pgpmime.Draft{MessageID: id, Body: []byte(preserve)}))).Ref, id
}

func waiting(p *port) (request.Reference, string) {
	ref, id := received(p)
	p.Commit(func(tx *queue.Tx) error {
		for _, at := range p.At("XA-1").Where(ref) {
			tx.Move(at, mailbox.Waiting)
		}
		return tx.Do(ref, request.Wait{At: tx.At(), By: desk.Amy})
	})
	return ref, id
}

func TestFollowUpTakesARequestOutOfWaiting(t *testing.T) {
	p := open(t)
	ref, id := waiting(p)
	p.send(250, p.fromBeta(pgpmime.Draft{InReplyTo: id, Subject: "Re: your question", Body: []byte("The account is 4711. What is the status?\r\n")}))
	if s := p.State(ref); s.Status != request.StatusOpen || !strings.Contains(clocks(s), "follow-up") {
		t.Errorf("request %s with clocks %q", s.Status, clocks(s))
	}
	if got := fmt.Sprint(p.folders()); got != "map[INBOX:2]" {
		t.Errorf("folders %s, want both messages in INBOX", got)
	}
}

func TestReferenceInTheTextMatchesOnlyItsOwnPeer(t *testing.T) {
	p := open(t)
	ref, _ := received(p)
	for from, attaches := range map[string]bool{"XB-1": true, "XD-1": false} {
		o := p.send(250, p.Seal(from, "XA-1", pgpmime.Draft{Subject: "Status of " + string(ref), Body: []byte("What is the status of our request " + string(ref) + "?\r\n")}))
		if got := p.opened(o); (got.Ref == ref) != attaches {
			t.Errorf("%s: went to %s, reference was %s", from, got.Ref, ref)
		}
	}
}

// Everybody on the way can write outside that a machine sent the message.
func TestOuterHeadersCannotMakeARequestIntoMachineMail(t *testing.T) {
	for _, header := range []string{"Auto-Submitted: auto-replied", "Precedence: bulk", "X-Autoreply: yes", "Return-Path: <>"} {
		t.Run(header, func(t *testing.T) {
			p := open(t)
			s := p.opened(p.send(250, append([]byte(header+"\r\n"), p.fromBeta(pgpmime.Draft{Body: []byte(emergency)})...)))
			if s.Kind != request.EmergencyDisclosure || clocks(s) == "" {
				t.Errorf("request %+v", s)
			}
		})
	}
}

func TestMachinesAreNeverAcknowledged(t *testing.T) {
	for name, tt := range map[string]struct {
		draft pgpmime.Draft
		from  string
	}{
		"it says so":             {pgpmime.Draft{Outside: [][2]string{{"Auto-Submitted", "auto-replied"}}}, desk.Beta},
		"the way says so":        {pgpmime.Draft{}, ""},
		"an out-of-office reply": {pgpmime.Draft{Outside: [][2]string{{"X-Auto-Response-Suppress", "All"}}}, desk.Beta},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			tt.draft.Body = []byte(preserve)
			p.send(250, p.fromBeta(tt.draft), func(m *smtpd.Inbound) { m.MailFrom = tt.from })
			if out := p.outbox(); len(out) != 0 {
				t.Errorf("acknowledged: %+v", out)
			}
		})
	}
}

func TestRefusalChangesNothingAndIsNoted(t *testing.T) {
	p := open(t)
	before := p.At("XA-1").Applied()
	o := p.send(550, p.Seal("stranger", "XA-1", pgpmime.Draft{From: desk.Beta, Subject: "secret subject", Body: []byte(preserve)}))
	if !strings.HasPrefix(o.Text, "unknown-key: ") || p.At("XA-1").Applied() != before || len(p.folders()) != 0 {
		t.Errorf("answer %q, folders %v", o.Text, p.folders())
	}
	for _, secret := range []string{"secret subject", "Article 29", desk.Beta} {
		if strings.Contains(p.Logged.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestSenderIsAskedToTryAgainWhenTheQueueIsAway(t *testing.T) {
	p := open(t)
	raw := p.fromBeta(pgpmime.Draft{Body: []byte(preserve)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o, err := p.in.Receive(ctx, inbound(raw)); err == nil {
		t.Errorf("got %+v", o)
	}
	p.Queue.Close()
	if o, err := p.in.Receive(t.Context(), inbound(raw)); !errors.Is(err, queue.ErrUnavailable) && err == nil {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestRecipientsAreTheDesksOnly(t *testing.T) {
	p := open(t)
	for addr, want := range map[string]string{desk.Alpha: "XA-1", "CP247@ALPHALAND.EXAMPLE": "XA-1", desk.Gamma: "XC-1", desk.Beta: "", desk.Nobody: "", "postmaster": ""} {
		if got, ok := p.in.Recipient(addr); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %t", addr, got, ok)
		}
	}
	p.Directory = p.Document(2, "XA-1")
	if _, ok := p.in.Recipient(desk.Alpha); ok {
		t.Error("a desk that left the Directory still receives")
	}
}

// The Directory says which treaty binds whom: staff are told when the basis of
// a request is missing, and nothing is refused for it.
func TestStaffSeeThatATreatyDoesNotBind(t *testing.T) {
	from := directory.Date{Time: time.Date(2004, 7, 1, 0, 0, 0, 0, time.UTC)}
	const emergency = "=== 24/7 REQUEST v1 ===\nkind: EMERGENCY_DISCLOSURE\n=== END ===\nHer life is at risk.\n"
	for name, tt := range map[string]struct {
		ours, theirs directory.Party
		text, want   string
	}{
		"both bound":                 {directory.Party{Convention: directory.Treaty{From: from}}, directory.Party{Convention: directory.Treaty{From: from}}, preserve, ""},
		"nothing is said":            {directory.Party{}, directory.Party{}, preserve, ""},
		"they have left":             {directory.Party{Convention: directory.Treaty{From: from}}, directory.Party{Convention: directory.Treaty{From: from, Until: directory.Date{Time: from.AddDate(9, 0, 0)}}}, preserve, "not-a-party"},
		"no Second Protocol with us": {directory.Party{Convention: directory.Treaty{From: from}}, directory.Party{Convention: directory.Treaty{From: from}, SecondProtocol: directory.Treaty{From: from}}, emergency, "basis-not-in-force"},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.ChangeDirectory(func(doc *directory.Document) {
				for i, treaties := range []directory.Party{tt.ours, tt.theirs} {
					doc.Parties[i].Convention, doc.Parties[i].SecondProtocol = treaties.Convention, treaties.SecondProtocol
				}
			})
			p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(tt.text)}))
			shown := ""
			for _, folder := range []string{mailbox.Inbox, mailbox.Emergency} {
				for _, e := range p.Folder(folder) {
					shown += p.Body(e.Item)
				}
			}
			_, after, _ := strings.Cut(shown, "\r\nX-Relais-Warning: ")
			code, _, _ := strings.Cut(after, ";")
			if shown == "" || code != tt.want {
				t.Errorf("warning %q, want %q, in\n%s", code, tt.want, shown)
			}
		})
	}
}
