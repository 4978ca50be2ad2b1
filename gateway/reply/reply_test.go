package reply_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/accounts"
	"relais.example/gateway/banner"
	"relais.example/gateway/reply"
	"relais.example/gateway/smtpd"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

// port is the submission port of a gateway.
type port struct {
	*desk.Desk
	t     *testing.T
	reply *reply.Reply
}

func open(t *testing.T) *port {
	t.Helper()
	d := desk.Open(t)
	return &port{d, t, reply.New(reply.Options{
		Hostname: desk.Hostname, Desks: []reply.Desk{{ID: "XA-1", Key: func() *pgp.Key { return d.Keys["XA-1"] }}, {ID: "XC-1", Key: func() *pgp.Key { return d.Keys["XC-1"] }}},
		Accounts: d.Accounts, Directory: d.Current, Queue: d.Queue, Vault: d.Vault, Classifier: d.Classifier, Clocks: d.Clocks,
		Keys: pgp.DefaultPolicy(), Log: d.Log,
	})}
}

// letter writes what a mail program submits; headers end in "\r\n" each.
func letter(headers, body string) []byte {
	out := headers
	for _, h := range []string{"From: Amy Adams <" + desk.Alpha + ">", "Message-ID: <1@laptop-of-amy.alphaland.example>"} {
		name, _, _ := strings.Cut(h, ":")
		if !strings.Contains(strings.ToLower("\r\n"+headers), "\r\n"+strings.ToLower(name)+":") {
			out += h + "\r\n"
		}
	}
	return []byte(out + "\r\n" + body)
}

func (p *port) submit(user string, raw []byte, to ...string) (smtpd.Outcome, error) {
	return p.reply.Submit(p.t.Context(), p.Staff(user), smtpd.Submission{MailFrom: desk.Alpha, RcptTo: to, Raw: raw, Received: time.Now()})
}

func (p *port) send(code int, raw []byte, to ...string) string {
	p.t.Helper()
	o, err := p.submit(desk.Amy, raw, to...)
	if err != nil || o.Code != code {
		p.t.Fatalf("got %+v, %v; want %d", o, err, code)
	}
	return o.Text
}

const theirID = "<17@betaland.example>"

// received opens a request of a contact point to XA-1.
func (p *port) received(n uint64, peer string) request.Reference {
	p.t.Helper()
	ref := request.NewReference("XA-1", 2026, n)
	p.Commit(func(tx *queue.Tx) error {
		tx.Number(2026, n)
		if peer == "XB-1" {
			tx.Thread(p.Vault.Name("thread", theirID), ref)
		}
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: mailbox.Inbox, Item: "s1-0", Size: 1, Received: tx.At(), Request: string(ref)})
		return tx.Open(request.Open{Ref: ref, At: tx.At(), Direction: request.Received, Kind: request.Preservation, Peer: peer, Message: "m"})
	})
	return ref
}

func (p *port) outbox() []queue.Out {
	p.t.Helper()
	out, err := p.At("XA-1").Lease(p.t.Context(), time.Hour, 100)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// left returns the only message in the outbox as XB-1 reads it, and as the
// world sees it.
func (p *port) left(with string) (opened *pgpmime.Message, raw string, out queue.Out) {
	p.t.Helper()
	outs := p.outbox()
	if len(outs) != 1 {
		p.t.Fatalf("%d messages in the outbox, want 1", len(outs))
	}
	raw = p.Body(outs[0].Item)
	return p.Open([]byte(raw), with), raw, outs[0]
}

func TestAnswerGoesSignedAndEncryptedToWhoAsked(t *testing.T) {
	p := open(t)
	ref := p.received(1, "XB-1")
	text := p.send(250, letter("Subject: Re: ["+string(ref)+"] Preservation\r\nIn-Reply-To: "+theirID+"\r\n", "Reply code: PRESERVED until 2027-02-20\r\nDone.\r\n"), desk.Beta)
	if !strings.Contains(text, string(ref)) {
		t.Errorf("answer to the mail program: %q", text)
	}
	m, _, out := p.left("XB-1")
	if out.Purpose != queue.PurposeReply || out.To != "XB-1" || out.Code != request.CodePreserved || out.Until.Format(time.DateOnly) != "2027-02-20" {
		t.Errorf("outgoing %+v", out)
	}
	if m.Signature.State != pgp.SignatureGood || m.Protected.Get("X-Relais-Reply") != "final PRESERVED" || m.Protected.Get("In-Reply-To") != theirID ||
		!strings.Contains(m.Protected.Text("From"), desk.Alpha) {
		t.Errorf("signature %s, protected %v", m.Signature.State, m.Protected)
	}
	if s := p.State(ref); s.Status != request.StatusAnswering || s.Pending != out.ID {
		t.Errorf("request %+v", s)
	}
	sent := p.Folder(mailbox.Sent)
	if len(sent) != 1 || sent[0].Request != string(ref) || !slices.Contains(p.Folder(mailbox.Inbox)[0].Flags, `\Answered`) {
		t.Errorf("sent %+v, inbox %+v", sent, p.Folder(mailbox.Inbox))
	}
}

// The note is for staff: neither the requester nor the classifier reads it.
func TestQuotedNoteStaysHere(t *testing.T) {
	p := open(t)
	ref := p.received(1, "XB-1")
	found := banner.Findings{
		Message: "m", Reference: ref, Verdict: verdict.Verdict{Action: verdict.Accept, Reason: verdict.OK}, Emergency: banner.EmergencyClaimed,
		Kinds: []request.Kind{request.EmergencyDisclosure}, Warnings: []banner.Warning{{Code: banner.WarnImitation}},
	}
	note, _ := found.Note(banner.English, p.Vault.Name)
	quoted := "> " + strings.ReplaceAll(strings.TrimSpace(note), "\r\n", "\r\n> ") + "\r\n"
	headers := "Subject: Re: [" + string(ref) + "] x\r\nIn-Reply-To: " + theirID + "\r\n"
	p.send(550, letter(headers, "Reply code: NO_DATA\r\n"+quoted[:100]+"\r\n"), desk.Beta)
	p.send(550, letter(headers, "Reply code: NO_DATA\r\n"+quoted+strings.Replace(quoted, "ACCEPTED", "mine", 1)), desk.Beta)
	if len(p.outbox()) != 0 {
		t.Error("a letter with a part of a note left")
	}
	body := quoted + "> Please look.\r\nReply code: NO_DATA\r\n"
	p.send(250, letter(headers+"Content-Type: text/html\r\n", "<p>Reply code: NO_DATA</p><blockquote><pre>"+note+"</pre>Please look.</blockquote>"), desk.Beta)
	m, _, out := p.left("XB-1")
	if text := string(m.Entity); strings.Contains(text, "RELAIS") || strings.Contains(text, "ACCEPTED") || !strings.Contains(text, "Please look.") || out.Code != "NO_DATA" {
		t.Errorf("code %q in\n%s", out.Code, text)
	}
	text := p.send(250, letter("Subject: Another question\r\n", body), desk.Delta)
	if s := p.State(request.FindReferences(text, 1)[0]); s.Emergency || s.Kind != request.Unclassified {
		t.Errorf("the words of the note made it %+v", s)
	}
	for _, e := range p.Folder(mailbox.Sent) {
		if copied := p.Body(e.Item); strings.Contains(copied, "RELAIS") {
			t.Errorf("the copy in Sent:\n%s", copied)
		}
	}
}

// Names of staff, mail programs, hosts and other recipients stay here.
func TestWhatLeavesTellsNothingAboutTheStaff(t *testing.T) {
	for name, headers := range map[string]string{
		"an answer": "In-Reply-To: " + theirID + "\r\nReferences: <0@laptop-of-ann.alphaland.example> " + theirID + "\r\n",
		"a request": "References: <0@laptop-of-ann.alphaland.example>\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.received(1, "XB-1")
			p.send(250, letter(headers+"Subject: Hello\r\nUser-Agent: Mail on laptop-of-amy\r\nX-Originating-IP: [192.0.2.99]\r\nReceived: from laptop-of-amy by x; now\r\n"+
				"Sender: Amy Adams <amy@alphaland.example>\r\nReply-To: amy@alphaland.example\r\nDisposition-Notification-To: amy@alphaland.example\r\n"+
				"Cc: Ann <ann@alphaland.example>\r\nBcc: boss@alphaland.example\r\nAutocrypt: addr=amy@alphaland.example\r\nOrganization: Amy\r\n"+
				"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", "Ça va.\r\n"), desk.Beta, desk.Alpha)
			m, raw, _ := p.left("XB-1")
			raw, _, _ = strings.Cut(raw, "-----BEGIN PGP MESSAGE") // ciphertext spells any three letters now and then
			for _, secret := range []string{"Amy", "amy", "laptop", "Ann", "ann@", "boss", "192.0.2.99", "Autocrypt"} {
				if strings.Contains(raw, secret) {
					t.Errorf("%q stands outside", secret)
				}
				if strings.Contains(string(m.Entity), secret) {
					t.Errorf("%q stands inside", secret)
				}
			}
			if strings.Contains(raw, "Subject: Hello") || !strings.Contains(raw, "Subject: ...") {
				t.Error("the subject stands outside")
			}
		})
	}
}

func TestRequestsOfOursAreOpenedForEachContactPoint(t *testing.T) {
	p := open(t)
	text := p.send(250, letter("To: "+desk.Beta+"\r\nBcc: "+desk.Delta+"\r\nSubject: Preservation\r\n",
		"Please preserve the traffic data of the account under Article 29 of the Convention.\r\n"), desk.Beta, desk.BetaTwo, desk.Delta)
	refs := request.FindReferences(text, 5)
	outs := p.outbox()
	if len(refs) != 2 || len(outs) != 2 {
		t.Fatalf("answer %q, %d messages", text, len(outs))
	}
	for i, to := range []string{"XB-1", "XD-1"} {
		s := p.State(refs[i])
		if s.Direction != request.Sent || s.Peer != to || s.Status != request.StatusSending || s.Kind != request.Preservation || len(s.Deadlines) == 0 {
			t.Errorf("request %+v", s)
		}
		j := slices.IndexFunc(outs, func(o queue.Out) bool { return o.To == to })
		m := p.Open([]byte(p.Body(outs[j].Item)), to)
		others := map[string]string{"XB-1": desk.Delta, "XD-1": desk.Beta}
		if got := m.Protected.Get("To") + m.Outer.Get("To"); strings.Contains(got, others[to]) {
			t.Errorf("%s learns of the other recipient: %s", to, got)
		}
	}
	var copies []string
	for _, e := range p.Folder(mailbox.Sent) {
		copies = append(copies, p.Body(e.Item))
	}
	if len(copies) != 2 || !strings.Contains(copies[0], "To: "+desk.Beta) || !strings.Contains(copies[1], "To: "+desk.Delta) {
		t.Errorf("copies in Sent:\n%s", strings.Join(copies, "\n"))
	}
}

func TestLetterSentTwiceLeavesOnce(t *testing.T) {
	p := open(t)
	ref := p.received(1, "XB-1")
	answer := letter("Subject: Re: "+string(ref)+"\r\n", "Reply code: NO_DATA\r\n")
	ask := letter("Subject: Advice\r\nMessage-ID: <2@laptop>\r\n", "Please give us technical advice under Article 35.\r\n")
	for _, raw := range [][]byte{answer, ask} {
		first := p.send(250, raw, desk.Beta)
		if again := p.send(250, raw, desk.Beta); again != first {
			t.Errorf("second time %q, first time %q", again, first)
		}
	}
	if outs := p.outbox(); len(outs) != 2 || len(p.Folder(mailbox.Sent)) != 2 {
		t.Errorf("%d messages leave, %d in Sent; want 2", len(outs), len(p.Folder(mailbox.Sent)))
	}
	changed := letter("Subject: Advice\r\nMessage-ID: <2@laptop>\r\n", "Please give us technical advice under Article 35, by tomorrow.\r\n")
	p.send(250, changed, desk.Beta) // corrected before it was sent again
	if outs := len(p.Folder(mailbox.Sent)); outs != 3 {
		t.Errorf("%d in Sent, want the corrected one too", outs)
	}
}

func TestQuestionMovesTheRequestToWaitingAndAnswerBack(t *testing.T) {
	p := open(t)
	ref := p.received(1, "XB-1")
	p.send(250, letter("Subject: "+string(ref)+"\r\n", "Reply code: NEED_INFO\r\nWhich account?\r\n"), desk.Beta)
	if s := p.State(ref); s.Status != request.StatusWaiting || len(p.Folder(mailbox.Waiting)) != 1 || !slices.Contains(p.Folder(mailbox.Waiting)[0].Flags, `\Answered`) {
		t.Errorf("%s, Waiting %+v", s.Status, p.Folder(mailbox.Waiting))
	}
	p.send(250, letter("Subject: "+string(ref)+"\r\nMessage-ID: <3@x>\r\n", "Reply code: NO_DATA\r\n"), desk.Beta)
	if s := p.State(ref); s.Status != request.StatusAnswering || len(p.Folder(mailbox.Inbox)) != 1 {
		t.Errorf("%s, INBOX %+v", s.Status, p.Folder(mailbox.Inbox))
	}
}

func TestQuestionAboutOurOwnRequestDoesNotWait(t *testing.T) {
	p := open(t)
	ref := request.FindReferences(p.send(250, letter("Subject: x\r\n", "Please preserve the data under Article 29 of the Convention.\r\n"), desk.Beta), 1)[0]
	p.Commit(func(tx *queue.Tx) error {
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: mailbox.Inbox, Item: "s1-0", Size: 1, Received: tx.At(), Request: string(ref)})
		return nil
	})
	p.send(250, letter("Subject: "+string(ref)+"\r\nMessage-ID: <4@x>\r\n", "Reply code: NEED_INFO\r\nWhen?\r\n"), desk.Beta)
	if n := len(p.Folder(mailbox.Waiting)); n != 0 {
		t.Errorf("%d messages in Waiting", n)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	p := open(t)
	beta, delta, nobody := p.received(1, "XB-1"), p.received(2, "XD-1"), p.received(3, "")
	otherDesk := request.NewReference("XC-1", 2026, 1)
	if _, err := p.At("XC-1").Commit(t.Context(), func(tx *queue.Tx) error {
		return tx.Open(request.Open{Ref: otherDesk, At: tx.At(), Direction: request.Received, Kind: request.Ping, Peer: "XB-1", Message: "m"})
	}); err != nil {
		t.Fatal(err)
	}
	unknown := string(request.NewReference("XA-1", 2026, 99))
	tests := []struct {
		name string
		raw  []byte
		to   []string
		want string
	}{
		{"not in the Directory", letter("Subject: x\r\n", "x\r\n"), []string{desk.Nobody}, "not in the Directory"},
		{"one of several not in the Directory", letter("Subject: x\r\n", "x\r\n"), []string{desk.Beta, desk.Nobody}, "not in the Directory"},
		{"only to the own desk", letter("Subject: x\r\n", "x\r\n"), []string{desk.Alpha}, "no recipient other"},
		{"an answer to somebody else", letter("Subject: "+string(beta)+"\r\n", "x\r\n"), []string{desk.Delta}, "goes to XB-1 only"},
		{"an answer to what could not be read", letter("Subject: "+string(nobody)+"\r\n", "x\r\n"), []string{desk.Beta}, "nobody knows who sent"},
		{"an answer to all", letter("Subject: "+string(beta)+"\r\n", "x\r\n"), []string{desk.Beta, desk.Delta}, "goes to XB-1 only"},
		{"the reference counts before the thread", letter("Subject: "+string(delta)+"\r\nIn-Reply-To: "+theirID+"\r\n", "x\r\n"), []string{desk.Beta}, "goes to XD-1 only"},
		{"a thread of another contact point", letter("Subject: x\r\nReferences: "+theirID+"\r\n", "x\r\n"), []string{desk.Delta}, "goes to XB-1 only"},
		{"a reference that does not exist", letter("Subject: "+unknown+"\r\n", "x\r\n"), []string{desk.Beta}, "not a request of your desk"},
		{"From of another desk", letter("From: "+desk.Gamma+"\r\nSubject: x\r\n", "x\r\n"), []string{desk.Beta}, "only as your desk"},
		{"From of nobody", letter("From: Amy\r\nSubject: x\r\n", "x\r\n"), []string{desk.Beta}, "not one address"},
		{"two From", letter("From: "+desk.Alpha+"\r\nFrom: "+desk.Alpha+"\r\n", "x\r\n"), []string{desk.Beta}, "one From"},
		{"encrypted by the mail program", letter("Subject: x\r\nContent-Type: multipart/encrypted; boundary=b\r\n", "--b\r\n\r\nx\r\n--b--\r\n"), []string{desk.Beta}, "turn OpenPGP"},
		{"signed by the mail program", letter("Subject: x\r\nContent-Type: multipart/signed; boundary=b\r\n", "--b\r\n\r\nx\r\n--b--\r\n"), []string{desk.Beta}, "turn OpenPGP"},
		{"an encrypted text", letter("Subject: x\r\n", "-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n"), []string{desk.Beta}, "turn OpenPGP"},
		{"a line end hidden in the subject", letter("Subject: =?utf-8?q?a=0D=0ABcc:_x?=\r\n", "x\r\n"), []string{desk.Beta}, "cannot be sealed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := p.submit(desk.Amy, tt.raw, tt.to...)
			if err != nil || o.Code != 550 || !strings.Contains(o.Text, tt.want) {
				t.Errorf("got %+v, %v; want 550 with %q", o, err, tt.want)
			}
		})
	}
	if outs := p.outbox(); len(outs) != 0 {
		t.Errorf("%d messages left", len(outs))
	}
	if strings.Contains(p.Logged.String(), "@") {
		t.Errorf("the log holds an address:\n%s", p.Logged)
	}
	t.Run("the reference of another desk opens a request of our own", func(t *testing.T) {
		text := p.send(250, letter("Subject: "+string(otherDesk)+"\r\n", "x\r\n"), desk.Beta)
		if strings.Contains(text, "answer to") {
			t.Errorf("answered %s", text)
		}
	})
}

func TestStateOfTheRequestForbidsAnAnswer(t *testing.T) {
	p := open(t)
	closed, held := p.received(1, "XB-1"), request.NewReference("XA-1", 2026, 2)
	p.Commit(func(tx *queue.Tx) error { return tx.Do(closed, request.Close{At: tx.At(), By: desk.Amy}) })
	p.Commit(func(tx *queue.Tx) error {
		return tx.Open(request.Open{Ref: held, At: tx.At(), Held: true, Direction: request.Received, Kind: request.Ping, Peer: "XB-1", Message: "m"})
	})
	for ref, want := range map[request.Reference]string{closed: "move it back to INBOX", held: "Quarantine"} {
		o, err := p.submit(desk.Amy, letter("Subject: "+string(ref)+"\r\n", "x\r\n"), desk.Beta)
		if err != nil || o.Code != 550 || !strings.Contains(o.Text, want) {
			t.Errorf("%s: got %+v, %v; want %q", ref, o, err, want)
		}
	}
}

func TestAnswerToAMessageWithAnOddMessageID(t *testing.T) {
	p := open(t)
	ref := p.received(1, "XB-1")
	odd := "<no-at-sign>"
	p.Commit(func(tx *queue.Tx) error { tx.Thread(p.Vault.Name("thread", odd), ref); return nil })
	if text := p.send(250, letter("Subject: hello\r\nIn-Reply-To: "+odd+"\r\n", "Done.\r\n"), desk.Beta); !strings.Contains(text, "answer to "+string(ref)) {
		t.Errorf("got %q", text)
	}
}

func TestOnlyOfficersOfTheDeskMaySend(t *testing.T) {
	p := open(t)
	for user, may := range map[string]map[string]bool{
		desk.Amy:  {desk.Alpha: true, "AMY@alphaland.example": true, desk.Gamma: false, desk.Beta: false, desk.Nobody: false, "": false},
		desk.Ann:  {desk.Alpha: true, "amy@alphaland.example": false, "": false},
		desk.Carl: {desk.Gamma: true, desk.Alpha: false},
		desk.Aud:  {desk.Alpha: false},
		desk.Adm:  {desk.Alpha: false},
	} {
		for from, want := range may {
			if err := p.reply.MaySend(p.Staff(user), from); (err == nil) != want {
				t.Errorf("%s as %q: %v", user, from, err)
			}
		}
	}
}

func TestAccountThatWasRemovedCannotSendOn(t *testing.T) {
	p := open(t)
	amy := p.Staff(desk.Amy)
	if err := errors.Join(accounts.Remove(p.StaffFile, desk.Amy), p.Accounts.Reload()); err != nil {
		t.Fatal(err)
	}
	o, err := p.reply.Submit(t.Context(), amy, smtpd.Submission{MailFrom: desk.Alpha, RcptTo: []string{desk.Beta}, Raw: letter("Subject: x\r\n", "x\r\n"), Received: time.Now()})
	if err != nil || o.Code != 550 || !strings.Contains(o.Text, "log in again") {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestLoginsAreCounted(t *testing.T) {
	d := desk.Open(t)
	var counted []string
	r := reply.New(reply.Options{Accounts: d.Accounts, Login: func(result, _ string) { counted = append(counted, result) }})
	if _, err := r.Authenticate(t.Context(), desk.Amy, desk.Password, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	if _, err := r.Authenticate(t.Context(), desk.Amy, "wrong", "192.0.2.1"); err == nil || errors.Is(err, smtpd.ErrTemporary) {
		t.Errorf("wrong password: %v", err)
	}
	var err error
	for range 20 { // until waiting times begin
		if _, err = r.Authenticate(t.Context(), desk.Amy, "wrong", "192.0.2.1"); errors.Is(err, smtpd.ErrTemporary) {
			break
		}
	}
	if !errors.Is(err, smtpd.ErrTemporary) {
		t.Errorf("throttled: %v", err)
	}
	if got := fmt.Sprint(counted[:2]) + counted[len(counted)-1]; got != "[ok wrong]throttled" {
		t.Errorf("counted %v", counted)
	}
}

func TestAcknowledgementSaysTheReferenceAndNothingOfTheContent(t *testing.T) {
	p := open(t)
	original := p.Seal("XB-1", "XA-1", pgpmime.Draft{MessageID: theirID, Subject: "the secret matter", Body: []byte("account 4711\r\n")})
	names, err := p.Vault.Put(t.Context(), original)
	if err != nil {
		t.Fatal(err)
	}
	ref := request.NewReference("XA-1", 2026, 1)
	p.Commit(func(tx *queue.Tx) error {
		return tx.Open(request.Open{Ref: ref, At: tx.At(), Direction: request.Received, Kind: request.Preservation, Peer: "XB-1", Message: names[0]})
	})
	out := queue.Out{ID: "o1", To: "XB-1", Request: ref, Purpose: queue.PurposeAck, Since: time.Now()}
	raw, err := p.reply.Compose(t.Context(), "XA-1", out)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Open(raw, "XB-1")
	if m.Protected.Get("X-Relais-Reply") != "interim ACK_RECEIVED" || m.Outer.Get("Auto-Submitted") != "auto-replied" || m.Protected.Get("In-Reply-To") != theirID {
		t.Errorf("protected %v", m.Protected)
	}
	if text := string(m.Entity); !strings.Contains(text, string(ref)) || strings.Contains(text, "secret matter") || strings.Contains(text, "4711") {
		t.Errorf("text:\n%s", text)
	}
	if strings.Contains(m.Outer.Get("Subject"), string(ref)) {
		t.Error("the reference stands outside")
	}
	out.To = "XZ-1"
	if _, err := p.reply.Compose(t.Context(), "XA-1", out); err == nil {
		t.Error("acknowledged to somebody who is not in the Directory")
	}
}
