package intake_test

import (
	"encoding/base64"
	"fmt"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	"relais.example/routing/mailbox"
	"relais.example/routing/request"
	"relais.example/test/desk"
)

// poison is a message that breaks what the test breaks.
func poison(n int) []byte {
	return []byte(fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: secret subject\r\nX-Poison: %d\r\n\r\nsecret text %d\r\n", desk.Nobody, desk.Alpha, n, n))
}

func isPoison(raw []byte) bool { return strings.Contains(string(raw), "X-Poison: ") }

// breakOn lets a stage panic, or run on until release, for poison.
func (p *port) breakOn(stage string, release <-chan struct{}) {
	p.in.Probe(func(at string, raw []byte) {
		if at != stage || !isPoison(raw) {
			return
		}
		if release == nil {
			var none []int
			_ = none[len(raw)] // as a parser breaks
		}
		<-release
	})
}

func TestMessageThatBreaksAParserIsHeldWithItsOriginal(t *testing.T) {
	p := open(t)
	p.breakOn("open", nil)
	o := p.send(250, poison(1))
	s := p.opened(o)
	if s.Status != request.StatusQuarantined || s.Reason != "unreadable" || s.Peer != "" || clocks(s) != "quarantine" || fmt.Sprint(p.folders()) != "map[Quarantine:1]" {
		t.Errorf("request %+v, folders %v", s, p.folders())
	}
	if !strings.Contains(o.Text, "held for a person to look at (unreadable: ") || len(p.outbox()) != 0 {
		t.Errorf("answered %q, outbox %v", o.Text, p.outbox())
	}
	if got := p.Body(s.Messages[0]); got != string(poison(1)) {
		t.Errorf("the original is stored as %q", got)
	}
	logged := p.Logged.String()
	if !strings.Contains(logged, "index out of range") || !strings.Contains(logged, "contain.go") {
		t.Error("the log does not name the fault")
	}
	for _, secret := range []string{"secret subject", "secret text", desk.Nobody} {
		if strings.Contains(logged, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	// The others go on.
	if s := p.opened(p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}))); s.Reason != "ok" {
		t.Errorf("the next message: %+v", s)
	}
}

// What staff open is a note of ours; nothing of the message stands in it, and
// no program opens the original by itself.
func TestNoteOnAnUnreadableMessageIsSafe(t *testing.T) {
	p := open(t)
	p.breakOn("open", nil)
	ref := p.opened(p.send(250, poison(1))).Ref
	raw := p.Body(p.Folder(mailbox.Quarantine)[0].Item)
	m, err := mail.ReadMessage(strings.NewReader(raw))
	noError(t, err)
	if got := m.Header.Get("Subject"); got != "["+string(ref)+"] A message that could not be read" {
		t.Errorf("subject %q", got)
	}
	if got := m.Header.Get("X-Relais-Verdict"); !strings.HasPrefix(got, "quarantine; unreadable; ") {
		t.Errorf("verdict %q", got)
	}
	for _, part := range []string{"secret", desk.Nobody, "message/rfc822", "text/html"} {
		if strings.Contains(raw, part) {
			t.Errorf("staff are shown %q", part)
		}
	}
	text := mimeindex.Reading([]byte(raw), 10_000)
	if !strings.Contains(text, "192.0.2.7") || !strings.Contains(text, "nobody knows who sent it") {
		t.Errorf("the note says\n%s", text)
	}
	_, attached, ok := strings.Cut(raw, ".eml.txt\"\r\n\r\n")
	attached, _, _ = strings.Cut(attached, "--=_relais_")
	original, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(attached, "\r\n", ""))
	if !ok || err != nil || string(original) != string(poison(1)) {
		t.Errorf("attached is %q, %v", original, err)
	}
}

func TestUnreadableAfterOpeningKeepsItsSender(t *testing.T) {
	for _, stage := range []string{"classify", "serve", "show"} {
		t.Run(stage, func(t *testing.T) {
			p := open(t)
			p.breakOn(stage, nil)
			raw := append([]byte("X-Poison: 1\r\n"), p.fromBeta(pgpmime.Draft{Body: []byte(preserve)})...)
			s := p.opened(p.send(250, raw))
			if s.Reason != "unreadable" || s.Peer != "XB-1" || s.Status != request.StatusQuarantined || len(p.outbox()) != 0 {
				t.Errorf("%+v, outbox %v", s, p.outbox())
			}
			if head, _, _ := strings.Cut(p.Body(p.Folder(mailbox.Quarantine)[0].Item), "\r\n\r\n"); !strings.Contains(head, "X-Relais-Signer: XB-1") {
				t.Errorf("staff see\n%s", head)
			}
			if again := p.send(250, raw); !strings.Contains(again.Text, string(s.Ref)+" already received") || len(p.Folder(mailbox.Quarantine)) != 1 {
				t.Errorf("sent again: %q", again.Text)
			}
		})
	}
}

func TestMessageThatTakesTooLongIsHeldAndTheOthersGoOn(t *testing.T) {
	p := open(t, func(o *intake.Options) {
		o.Parallel, o.Contain = 1, intake.Containment{Time: 500 * time.Millisecond, Bytes: 1 << 20}
	})
	free := p.in.BytesLeft()
	release := make(chan struct{})
	p.breakOn("open", release)
	if s := p.opened(p.send(250, poison(1))); s.Reason != "unreadable" || p.Body(s.Messages[0]) != string(poison(1)) {
		t.Errorf("%+v", s)
	}
	// It still runs, and still holds its memory; the only processor is free.
	if p.in.Runaways() != 1 || p.in.BytesLeft() >= free {
		t.Errorf("%d runaways, %d of %d bytes left", p.in.Runaways(), p.in.BytesLeft(), free)
	}
	if s := p.opened(p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}))); s.Reason != "ok" {
		t.Errorf("the next message: %+v", s)
	}
	close(release)
	p.Wait("the run to end", func() bool { return p.in.Runaways() == 0 && p.in.BytesLeft() == free })
}

// A fault that every message meets must not take all processors and memory.
func TestNothingIsOpenedBesideTooManyRunaways(t *testing.T) {
	p := open(t, func(o *intake.Options) {
		o.Contain = intake.Containment{Time: 5 * time.Millisecond, Unreadable: 100, UnreadablePerIP: 100}
	})
	release := make(chan struct{})
	p.breakOn("open", release)
	for i := range 16 {
		p.send(250, poison(i))
	}
	if o := p.send(451, poison(16)); o.Status != "4.3.2" || p.in.Runaways() != 16 {
		t.Errorf("answered %+v beside %d runaways", o, p.in.Runaways())
	}
	close(release)
	p.Wait("the runs to end", func() bool { return p.in.Runaways() == 0 })
}

// Strangers can send such messages; they must not fill the disk.
func TestOnlySoManyUnreadableMessagesAreHeld(t *testing.T) {
	var deferred []string
	p := open(t, func(o *intake.Options) {
		o.Contain = intake.Containment{Unreadable: 3, UnreadablePerIP: 2}
		o.Deferred = func(_, cause string) { deferred = append(deferred, cause) }
	})
	p.breakOn("open", nil)
	from := func(remote string) func(*smtpd.Inbound) { return func(m *smtpd.Inbound) { m.Remote = remote } }
	p.send(250, poison(1), from("192.0.2.7"))
	p.send(250, poison(2), from("192.0.2.7"))
	o := p.send(451, poison(3), from("192.0.2.7"))
	if strings.Contains(o.Text, "unreadable") {
		t.Errorf("a stranger learns %q", o.Text)
	}
	p.send(451, p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}), from("192.0.2.7")) // not even opened
	p.send(250, poison(4), from("198.51.100.1"))
	p.send(451, poison(5), from("203.0.113.1")) // all together
	p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}), from("203.0.113.1"))
	if got := fmt.Sprint(p.folders()); got != "map[INBOX:1 Quarantine:3]" || fmt.Sprint(deferred) != "[unreadable unreadable unreadable]" {
		t.Errorf("folders %s, deferred %v", got, deferred)
	}
}

// Threat 19: nobody can put questions to the desk's key without end.
func TestAddressWhoseMessagesCannotBeOpenedIsPutOff(t *testing.T) {
	var deferred []string
	p := open(t, func(o *intake.Options) {
		o.Contain = intake.Containment{FailedOpenings: 3}
		o.Deferred = func(_, cause string) { deferred = append(deferred, cause) }
	})
	opened := 0
	p.in.Probe(func(string, []byte) { opened++ })
	from := func(remote string) func(*smtpd.Inbound) { return func(m *smtpd.Inbound) { m.Remote = remote } }
	wrong := p.Seal("XB-1", "XC-1", pgpmime.Draft{To: []string{desk.Alpha}, Body: []byte(preserve)})
	for range 3 {
		if o := p.send(550, wrong, from("2001:db8::1")); !strings.HasPrefix(o.Text, "cannot-open: ") {
			t.Errorf("answered %q", o.Text)
		}
	}
	before := opened
	good := p.fromBeta(pgpmime.Draft{Body: []byte(preserve)})
	for _, raw := range [][]byte{wrong, good} { // alike, whatever it is
		if o := p.send(451, raw, from("2001:db8::2")); o.Status != "4.7.0" { // the same /64
			t.Errorf("answered %+v", o)
		}
	}
	if opened != before || fmt.Sprint(deferred) != "[failed-openings failed-openings]" {
		t.Errorf("opened %d times, deferred %v", opened-before, deferred)
	}
	p.send(250, good, from("2001:db8:0:1::1"))
}

// A refusal that needed no key does not count.
func TestOnlyFailuresToOpenPutAnAddressOff(t *testing.T) {
	p := open(t, func(o *intake.Options) { o.Contain = intake.Containment{FailedOpenings: 1} })
	for range 3 {
		p.send(550, p.Seal("stranger", "XA-1", pgpmime.Draft{From: desk.Beta, Body: []byte(preserve)}))
		p.send(550, []byte("From: "+desk.Nobody+"\r\n\r\nHello\r\n"))
	}
	p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}))
}

// Messages are worked on together only as far as their bytes go.
func TestBytesInFlightAreBounded(t *testing.T) {
	const size = 300 << 10
	p := open(t, func(o *intake.Options) { o.Parallel, o.Contain = 8, intake.Containment{Bytes: 2 * (size + 40<<10)} })
	free := p.in.BytesLeft()
	var mu sync.Mutex
	now, most := 0, 0
	entered, goOn := make(chan struct{}, 8), make(chan struct{})
	p.in.Probe(func(stage string, raw []byte) {
		if stage != "open" {
			return
		}
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		entered <- struct{}{}
		<-goOn
		mu.Lock()
		now--
		mu.Unlock()
	})
	large := append([]byte("From: "+desk.Nobody+"\r\n\r\n"), strings.Repeat("0123456789abcdef\r\n", size/18)...)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if o, err := p.in.Receive(t.Context(), inbound(large)); err != nil || o.Code != 550 {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
	<-entered
	<-entered
	p.Wait("the others to wait", func() bool { return p.in.Waiting() == 4 })
	close(goOn)
	wg.Wait()
	if most != 2 || p.in.BytesLeft() != free {
		t.Errorf("%d at once, %d of %d bytes left", most, p.in.BytesLeft(), free)
	}
	// What is larger than all there is goes alone.
	if o, err := p.in.Receive(t.Context(), inbound(append(large, strings.Repeat("0123456789abcdef\r\n", 2*size/18)...))); err != nil || o.Code != 550 {
		t.Errorf("%+v, %v", o, err)
	}
}

// Behind one address of a mail provider stand many: what one of them does must
// not keep the mail of a contact point out.
func TestStrangerAtTheSameProviderPutsNobodyElseOff(t *testing.T) {
	p := open(t, func(o *intake.Options) { o.Contain = intake.Containment{FailedOpenings: 1} })
	wrong := p.Seal("XB-1", "XC-1", pgpmime.Draft{To: []string{desk.Alpha}, Body: []byte(preserve)})
	by := func(address string) func(*smtpd.Inbound) { return func(m *smtpd.Inbound) { m.MailFrom = address } }
	p.send(550, wrong, by(desk.Nobody))
	p.send(451, wrong, by(desk.Nobody))
	p.send(250, p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}))
	for i := range 9 { // who writes a new domain each time has the address alone
		p.send(550, wrong, by(fmt.Sprintf("x@d%d.example", i)))
	}
	p.send(451, wrong, by("x@new.example"))
}
