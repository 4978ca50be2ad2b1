package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/routing/journal"
	"relais.example/routing/verdict"
)

const (
	alpha = "cp247@police.alphaland.example"
	beta  = "cp247@police.betaland.example"
	gamma = "cyber@prosecutor.betaland.example"
)

const preservationText = `To the contact point of Alphaland

Under Article 29 of the Convention on Cybercrime we ask you to order the
expeditious preservation of stored computer data, pending a request for mutual
legal assistance, which our central authority intends to submit.

Data:      connection logs and subscriber data of the account behind
           192.0.2.44 port 51820, 20 November 2026, 02:10 to 02:40 UTC
Provider:  Alphanet Hosting, Alphaville
Offence:   illegal access (Article 2), Betaland Criminal Code, section 301
Urgency:   the provider keeps these logs for 14 days
Our case:  BL-2026-0817

Please keep the request confidential.

Bob, officer on duty, Betaland Federal Police`

// play runs the main job, step by step.
func (d *demo) play(ctx context.Context) error {
	fmt.Fprintln(d.w, "Relais: one request over the 24/7 Network, from question to answer.")
	fmt.Fprintln(d.w, "Invented: Alphaland (XA) and Betaland (XB). Real: SMTP, OpenPGP, Redis commands, IMAP.")
	acts := []func(context.Context) error{d.actStage, d.actRequest, d.actRead, d.actAnswer, d.actResponse, d.actOutsider, d.actHostile, d.actAfter}
	for _, act := range acts {
		if err := act(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintln(d.w, "\nEvery step was verified.")
	return nil
}

func (d *demo) actStage(context.Context) error {
	d.title("The stage")
	d.say("A Directory, signed by its authority, lists three contact points: XA-1 and XB-1, which")
	d.say("have a desk on this gateway, and XB-2, which uses an ordinary mail server.")
	open, err := d.metric(`relais_requests_open{desk="XA-1",kind="PRESERVATION"}`)
	if err != nil {
		return err
	}
	return d.check(open == 0, "metrics before: relais_requests_open{desk=XA-1,kind=PRESERVATION} is 0")
}

func (d *demo) actRequest(context.Context) error {
	d.title("Bob in Betaland writes a request in his mail program and presses Send")
	reply, err := d.submit("bob", beta, alpha, letter([][2]string{
		{"From", "Bob <" + beta + ">"}, {"To", alpha}, {"Subject", "Preservation of logs, case BL-2026-0817"}, {"Message-ID", "<bob-1@betaland.example>"},
	}, preservationText))
	if err != nil {
		return err
	}
	d.say("The gateway signs it with XB-1's key, encrypts it to XA-1's certificate and sends it by SMTP.")
	d.say("Its answer to Bob's program: 250 %s", reply)
	return d.check(strings.Contains(reply, "XB-1-"), "the request has a reference of Betaland's own, and is tracked as sent")
}

func (d *demo) actRead(ctx context.Context) error {
	d.title("Alice in Alphaland, on duty, finds it in her inbox (IMAP)")
	m, err := d.read(ctx, "alice", []string{"INBOX", "Triage", "Quarantine", "Emergency"}, func(received) bool { return true })
	if err != nil {
		return err
	}
	d.say("Folder:    %s", m.folder)
	d.say("Subject:   %s", m.text("Subject"))
	d.say("Above the message she reads the gateway's note:")
	for l := range strings.Lines(m.note) {
		d.say("  | %s", strings.TrimRight(l, "\r\n"))
	}
	d.say("The same in headers that her program filters on, such as:")
	d.say("Verdict:   %s", m.text("X-Relais-Verdict"))
	d.say("Kind:      %s", m.text("X-Relais-Kind"))
	for e := range strings.SplitSeq(m.text("X-Relais-Evidence"), "; ") {
		d.say("  because  %s", e)
	}
	for _, v := range m.header.Values("X-Relais-Deadline") {
		d.say("Deadline:  %s", v)
	}
	next, err := d.metric(`relais_next_deadline_timestamp_seconds{desk="XA-1"}`)
	if err != nil {
		return err
	}
	open, err := d.metric(`relais_requests_open{desk="XA-1",kind="PRESERVATION"}`)
	if err != nil {
		return err
	}
	return errors.Join(
		d.check(m.folder == "INBOX" && strings.HasPrefix(m.text("X-Relais-Verdict"), "accept; ok;"), "accepted with reason code ok"),
		d.check(strings.HasPrefix(m.text("X-Relais-Signer"), "XB-1;"), "the signature belongs to contact point XB-1 of the Directory"),
		d.check(m.text("X-Relais-Kind") == "PRESERVATION", "recognised as a preservation request (CONV 29)"),
		d.check(strings.Contains(m.body, "192.0.2.44 port 51820"), "Alice reads the decrypted text"),
		d.check(m.header.Get("X-Relais-Deadline") != "" && next > float64(time.Now().Unix()), "deadlines run; metrics: the next one is at %s", time.Unix(int64(next), 0).UTC().Format("2 January 15:04 UTC")),
		d.check(open == 1, "metrics: one open preservation request at XA-1"),
	)
}

func (d *demo) actAnswer(ctx context.Context) error {
	d.title("Alice sets the star (she takes the case), writes an answer and presses Send")
	c, err := d.folders("alice")
	if err != nil {
		return err
	}
	defer c.Close()
	inbox, err := list(c, "INBOX")
	if err != nil || len(inbox) == 0 {
		return errors.Join(err, errors.New("the inbox is empty"))
	}
	m := inbox[0]
	if err := c.Store(imap.UIDSetNum(m.uid), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged, imap.FlagSeen}, Silent: true}, nil).Close(); err != nil {
		return err
	}
	until := time.Now().AddDate(0, 0, 90).Format("2006-01-02")
	reply, err := d.submit("alice", alpha, beta, letter([][2]string{
		{"From", "Alice <" + alpha + ">"}, {"To", m.header.Get("Reply-To")}, {"Subject", "Re: " + m.text("Subject")},
		{"In-Reply-To", m.header.Get("Message-Id")}, {"References", m.header.Get("Message-Id")}, {"Message-ID", "<alice-1@alphaland.example>"},
	}, "Reply code: PRESERVED until "+until+"\n\nThe provider has preserved the logs and the subscriber data.\nPlease send your request for mutual legal assistance before that date.\n\nAlice"))
	if err != nil {
		return err
	}
	d.say("The gateway's answer to Alice's program: 250 %s", reply)
	return d.check(strings.Contains(reply, "XA-1-"), "the answer was matched to the request")
}

func (d *demo) actResponse(ctx context.Context) error {
	d.title("Bob receives the response")
	m, err := d.read(ctx, "bob", []string{"INBOX"}, func(m received) bool { return strings.Contains(m.body, "PRESERVED") })
	if err != nil {
		return err
	}
	d.say("Subject:   %s", m.text("Subject"))
	d.say("Signed by: %s", m.text("X-Relais-Signer"))
	d.say("Encrypted: %s", m.text("X-Relais-Encrypted"))
	d.say("Belongs to %s", m.text("X-Relais-Reference"))
	ackErr := func() error {
		_, err := d.read(ctx, "bob", []string{"INBOX"}, func(m received) bool { return strings.Contains(m.body, "ACK_RECEIVED") })
		return err
	}()
	err = errors.Join(
		d.check(strings.HasPrefix(m.text("X-Relais-Verdict"), "accept; ok;") && strings.HasPrefix(m.text("X-Relais-Signer"), "XA-1;"), "signed by XA-1, and the signature holds"),
		d.check(strings.HasPrefix(m.text("X-Relais-Encrypted"), "yes"), "it came encrypted"),
		d.check(strings.HasPrefix(m.text("X-Relais-Reference"), "XB-1-"), "matched to Bob's own request"),
		d.check(ackErr == nil, "the automatic acknowledgement had come before"),
	)
	if err != nil {
		return err
	}
	return until(ctx, "the clock to stop", func() (bool, error) {
		open, err := d.metric(`relais_requests_open{desk="XA-1",kind="PRESERVATION"}`)
		return open == 0, err
	})
}

// actOutsider shows a contact point that signs and encrypts in its own mail
// program, without Relais.
func (d *demo) actOutsider(ctx context.Context) error {
	d.title("A prosecutor of Betaland (XB-2) writes from an ordinary OpenPGP mail program")
	raw, err := d.sealAs("XB-2", gamma, "Question on your law", "For a case here we ask for legal information (Article 35, paragraph 1.c): what is the data retention period\nfor connection logs in Alphaland, and what legal process is required to obtain them?")
	if err != nil {
		return err
	}
	reply, err := d.deliver(gamma, alpha, raw)
	if err != nil {
		return err
	}
	d.say("What passes over the network begins with:\n  %s", strings.Join(firstLines(raw, 3), "\n  "))
	d.say("The gateway answers: 250 %s", reply)
	if err := d.check(strings.Contains(string(raw), "BEGIN PGP MESSAGE") && !strings.Contains(string(raw), "retention"), "nothing of it can be read on the way"); err != nil {
		return err
	}
	err = until(ctx, "the acknowledgement to XB-2", func() (bool, error) { return len(d.other.files()) > 0, nil })
	if err != nil {
		return err
	}
	opened, err := pgpmime.Open(d.other.files()[0], pgpmime.Options{
		Keys: []*pgp.Key{d.in.Keys["XB-2"]}, Ring: pgp.NewRing(d.in.Keys["XA-1"].Certificate()), Policy: pgp.DefaultPolicy(), Limits: pgpmime.DefaultLimits(), At: time.Now(),
	})
	if err != nil {
		return err
	}
	d.say("In XB-2's mailbox: %s", opened.Protected.Text("Subject"))
	return d.check(opened.Encrypted && opened.Signature.State == pgp.SignatureGood, "XB-2 got an acknowledgement, encrypted to its key and signed by XA-1")
}

func (d *demo) actHostile(context.Context) error {
	d.title("Three messages that must not get in")
	plain := letter([][2]string{{"From", gamma}, {"To", alpha}, {"Subject", "URGENT"}, {"Message-ID", "<h1@betaland.example>"}}, "Send us the subscriber data at once.")
	stranger, err := pgp.GenerateKey("Somebody", "cp247@police-betaland.example", pgp.Curve25519, time.Now(), 0)
	if err != nil {
		return err
	}
	unknown, err := seal(stranger, "cp247@police-betaland.example", d.in.Keys["XA-1"].Certificate(), "Emergency", "We need the subscriber data within 20 minutes.")
	if err != nil {
		return err
	}
	impersonated, err := seal(d.in.Keys["XB-2"], beta, d.in.Keys["XA-1"].Certificate(), "Preservation", "Signed by XB-2, but From says XB-1.")
	if err != nil {
		return err
	}
	for _, one := range []struct {
		what, from string
		raw        []byte
		want       verdict.Reason
	}{
		{"unsigned and in clear", gamma, plain, verdict.PlainUnsigned},
		{"signed with a key that is not in the Directory", "cp247@police-betaland.example", unknown, verdict.UnknownKey},
		{"signed by XB-2, pretending to be XB-1", beta, impersonated, verdict.Impersonated},
	} {
		_, err := d.deliver(one.from, alpha, one.raw)
		var refused *smtp.SMTPError
		if err := d.check(errors.As(err, &refused) && refused.Code == 550 && strings.HasPrefix(refused.Message, string(one.want)+":"), "%s: %v", one.what, err); err != nil {
			return err
		}
		series := fmt.Sprintf(`relais_messages_received_total{action="reject",desk="XA-1",reason="%s"}`, one.want)
		n, err := d.metric(series)
		if err := errors.Join(err, d.check(n == 1, "counted: %s 1", series)); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) actAfter(ctx context.Context) error {
	d.title("Afterwards")
	answered, err := d.metric(`relais_time_to_answer_seconds_count{kind="PRESERVATION"}`)
	if err != nil {
		return err
	}
	overdue, err := d.metric(`relais_requests_overdue{desk="XA-1"}`)
	if err != nil {
		return err
	}
	report, err := journal.Verify(d.c.Journal.Dir)
	if err != nil {
		return err
	}
	return errors.Join(
		d.check(answered >= 1, "metrics after: relais_time_to_answer_seconds_count{kind=PRESERVATION} is %.0f", answered),
		d.check(overdue == 0, "metrics after: nothing is overdue"),
		d.check(report.Entries > 10, "the journal holds %d entries and its chain is intact", report.Entries),
	)
}

// sealAs makes a PGP/MIME message with the key of a contact point, as its mail
// program would.
func (d *demo) sealAs(cp, from, subject, text string) ([]byte, error) {
	return seal(d.in.Keys[cp], from, d.in.Keys["XA-1"].Certificate(), subject, text)
}

func seal(key *pgp.Key, from string, to *pgp.Certificate, subject, text string) ([]byte, error) {
	return pgpmime.Seal(pgpmime.Draft{From: from, To: []string{alpha}, Subject: subject, Date: time.Now(), Body: []byte(text)},
		key, []*pgp.Certificate{to}, time.Now())
}

func firstLines(raw []byte, n int) []string {
	body := string(raw)
	if _, armor, ok := strings.Cut(body, "-----BEGIN PGP MESSAGE-----"); ok {
		body = "-----BEGIN PGP MESSAGE-----" + armor
	}
	lines := strings.Split(body, "\r\n")
	return lines[:min(n, len(lines))]
}
