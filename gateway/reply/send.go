package reply

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/gateway/smtpd"
	"relais.example/routing/deadline"
	"relais.example/routing/directory"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// answer sends the message as an answer to a request.
func (l *letter) answer(ctx context.Context, parent request.State) (smtpd.Outcome, error) {
	code := l.class.ReplyCode
	final := parent.Direction == request.Received && request.CodeFinal(code)
	out := l.newOut(l.to[0], parent.Ref, queue.PurposeMessage)
	if final {
		out.Purpose = queue.PurposeReply
	}
	out.Code, out.Until = code, l.class.Until
	said := "interim"
	if final {
		said = "final"
	}
	subject := l.fields["subject"]
	if !strings.Contains(subject, string(parent.Ref)) {
		subject = fmt.Sprintf("[%s] %s", parent.Ref, subject)
	}
	what := fmt.Sprintf("answer to %s for %s", parent.Ref, l.to[0].ID)
	once := l.once(l.to[0])
	if before, err := l.sentBefore(ctx, once); err != nil || before != "" {
		return queued(before), err
	}
	copyItem, size, err := l.seal(ctx, &out, subject, [][2]string{{intake.ReplyHeader, strings.TrimSpace(said + " " + code)}})
	if err != nil {
		return smtpd.Outcome{}, err
	}
	_, err = l.queue.Commit(ctx, func(tx *queue.Tx) error {
		tx.By(l.account.User)
		command := request.Reply{
			At: l.at, By: l.account.User, Code: code, Final: final, Waits: request.CodeWaits(code), Out: out.ID, Message: copyItem,
		}
		before, err := tx.Request(parent.Ref)
		if err != nil {
			return err
		}
		if err := tx.Do(parent.Ref, command); err != nil {
			return err
		}
		tx.Out(out)
		l.remember(tx, out, parent.Ref)
		l.happensOnce(tx, once, what)
		if err := l.mails(tx, parent.Ref, copyItem, size); err != nil {
			return err
		}
		return intake.Follow(tx, l.queue, before)
	})
	var seen *queue.SeenError
	switch {
	case errors.As(err, &seen):
		return queued(seen.Value), nil
	case errors.Is(err, request.ErrNotAllowed):
		return smtpd.Outcome{}, refuse("5.7.1", "%s", err)
	case err != nil:
		return smtpd.Outcome{}, err
	}
	return queued(what), nil
}

// once names the sending of this letter to a contact point. A mail program
// that was not told that it worked sends the same again. "" if the letter has
// no Message-ID to know it by.
func (l *letter) once(cp *directory.ContactPoint) string {
	ids := intake.MessageIDs(l.fields["message-id"], 1)
	if len(ids) == 0 {
		return ""
	}
	content := sha256.Sum256(l.submission.Raw[l.index.Root.BodyStart:])
	return "sub:" + l.r.o.Vault.Name("submission", strings.Join([]string{l.account.User, cp.ID, ids[0], string(content[:])}, "\x00"))
}

// sentBefore returns what was queued when the letter was sent before, or "".
func (l *letter) sentBefore(ctx context.Context, once string) (string, error) {
	if once == "" {
		return "", nil
	}
	found, err := l.queue.Arrive(ctx, 0, []string{once}, nil)
	if err != nil {
		return "", err
	}
	return found.Seen[0], nil
}

// knownFor is how long a letter is recognised: longer than mail programs try.
const knownFor = 7 * 24 * time.Hour

func (l *letter) happensOnce(tx *queue.Tx, once, what string) {
	if once != "" {
		tx.Once(once, what, l.at.Add(knownFor))
	}
}

// ask sends the message as a request of the desk. It returns which request
// went to whom.
func (l *letter) ask(ctx context.Context, cp *directory.ContactPoint) (string, error) {
	once := l.once(cp)
	if before, err := l.sentBefore(ctx, once); err != nil || before != "" {
		return before, err
	}
	found, err := l.queue.Arrive(ctx, l.at.Year(), nil, nil)
	if err != nil {
		return "", err
	}
	number := found.Number
	ref := request.NewReference(l.desk.ID, l.at.Year(), number)
	kind := l.class.Kinds[0]
	if !kind.Asks() {
		kind = request.Unclassified
	}
	out := l.newOut(cp, ref, queue.PurposeRequest)
	item, size, err := l.seal(ctx, &out, fmt.Sprintf("[%s] %s", ref, l.fields["subject"]), nil)
	if err != nil {
		return "", err
	}
	clocks, what := l.r.o.Clocks, fmt.Sprintf("%s to %s", ref, cp.ID)
	_, err = l.queue.Commit(ctx, func(tx *queue.Tx) error {
		tx.By(l.account.User)
		tx.Number(l.at.Year(), number)
		err := tx.Open(request.Open{
			Ref: ref, At: l.at, By: l.account.User, Direction: request.Sent, Kind: kind, Emergency: l.class.Emergency,
			Peer: cp.ID, Message: item, Out: out.ID,
			Deadlines: clocks.Arm(clocks.For(kind, l.class.Emergency, deadline.Sent, l.at)),
		})
		if err != nil {
			return err
		}
		tx.Out(out)
		l.remember(tx, out, ref)
		l.happensOnce(tx, once, what)
		return l.mails(tx, ref, item, size)
	})
	var seen *queue.SeenError
	if errors.As(err, &seen) {
		return seen.Value, nil
	}
	return what, err
}

func (l *letter) newOut(cp *directory.ContactPoint, ref request.Reference, purpose string) queue.Out {
	return queue.Out{Op: queue.OutQueue, ID: queue.NewID(), To: cp.ID, Request: ref, Purpose: purpose, Since: l.at, At: l.at}
}

// errNoKey asks the mail program, or the outbox, to try again.
var errNoKey = fmt.Errorf("%w: the desk's key is not known yet", pgp.ErrKeyUnavailable)

// seal signs and encrypts the message for the contact point of out, stores it
// as out.Item, and stores the copy for the folder Sent.
func (l *letter) seal(ctx context.Context, out *queue.Out, subject string, extra [][2]string) (item string, size int64, err error) {
	cp, ok := l.r.o.Directory().ContactPoint(out.To)
	if !ok {
		return "", 0, refuse("5.1.1", "%s is no longer in the Directory", out.To)
	}
	certificates, err := cp.EncryptionCertificates(l.at, l.r.o.Keys)
	if err != nil {
		return "", 0, refuse("5.7.1", "cannot encrypt to %s: %s", cp.ID, oneLine(err))
	}
	draft, err := l.draft(*out, cp, subject)
	if err != nil {
		return "", 0, err
	}
	draft.Extra = append(draft.Extra, extra...)
	key := l.desk.Key()
	if key == nil {
		return "", 0, errNoKey
	}
	sealed, err := pgpmime.Seal(draft, key, certificates, l.at)
	if errors.Is(err, pgp.ErrKeyUnavailable) {
		return "", 0, err
	}
	if err != nil {
		return "", 0, refuse("5.6.0", "the message cannot be sealed: %s", oneLine(err))
	}
	copied := l.sentCopy(*out, cp, subject, key)
	names, err := l.r.o.Vault.Put(ctx, sealed, copied)
	if err != nil {
		return "", 0, err
	}
	out.Item = names[0]
	return names[1], int64(len(copied)), nil
}

// draft keeps of the message what may leave: subject, thread and content. The
// sender is the desk; names of mail programs, hosts and Bcc stay here.
func (l *letter) draft(out queue.Out, cp *directory.ContactPoint, subject string) (pgpmime.Draft, error) {
	d := pgpmime.Draft{
		From: l.r.deskSender(l.desk.ID), To: []string{cp.Addresses[0]}, Subject: subject, Date: l.at,
		MessageID: MessageID(out, l.r.o.Hostname),
	}
	for _, t := range l.thread {
		if t.ref == out.Request && !t.ours && sendable(t.id) {
			d.References = append(d.References, t.id)
		}
	}
	if n := len(d.References); n > 0 {
		d.InReplyTo = d.References[n-1]
	}
	d.ContentType = l.fields["content-type"]
	root := l.index.Root
	if root.IsMultipart() {
		d.Body = l.submission.Raw[root.BodyStart:root.End]
		return d, nil
	}
	if len(root.Parts) > 0 { // message/rfc822 as the whole content
		d.ContentType, d.Body = "message/rfc822", l.submission.Raw[root.BodyStart:root.End]
		return d, nil
	}
	body, err := l.index.Binary(l.submission.Raw, []int{1})
	if err != nil {
		return d, refuse("5.6.0", "the content encoding of the message is not known")
	}
	d.Body = body
	return d, nil
}

// sendable reports whether a Message-ID of others may stand in a message of
// ours (RFC 5322, section 3.6.4). Not every program writes such ones.
func sendable(id string) bool {
	return len(id) <= 900 && strings.Contains(id, "@") && !strings.ContainsFunc(id[1:len(id)-1], func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '<' || r == '>'
	})
}

// MessageID is the Message-ID of an outgoing message. It depends on nothing
// but the message's place in the outbox, so that a second attempt after a lost
// reply is recognised as the same message.
func MessageID(out queue.Out, hostname string) string {
	return "<" + out.ID + "@" + hostname + ">"
}

// remember ties the Message-IDs to the request: ours, which the other side
// will answer, and the mail program's, which colleagues will.
func (l *letter) remember(tx *queue.Tx, out queue.Out, ref request.Reference) {
	tx.Thread(l.r.o.Vault.Name("thread", MessageID(out, l.r.o.Hostname)), ref)
	for _, id := range intake.MessageIDs(l.fields["message-id"], 1) {
		tx.Thread(l.r.o.Vault.Name("thread", id), ref)
		tx.Thread(l.r.o.Vault.Name("mail program", id), ref)
	}
}

// mails puts the copy into Sent and marks what was answered.
func (l *letter) mails(tx *queue.Tx, ref request.Reference, item string, size int64) error {
	tx.Mail(queue.Mail{
		Op: queue.MailAdd, Folder: mailbox.Sent, Item: item, Size: size, Received: l.at, Flags: []string{`\Seen`}, Request: string(ref),
	})
	places, err := tx.Where(ref)
	for _, at := range places {
		if at.Folder == mailbox.Sent {
			continue
		}
		tx.Mail(queue.Mail{Op: queue.MailFlag, Folder: at.Folder, UID: at.UID, Flags: []string{`\Answered`}})
	}
	return err
}

// sentCopy is the message as it was written, with our reference.
func (l *letter) sentCopy(out queue.Out, cp *directory.ContactPoint, subject string, key *pgp.Key) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(value))
		}
	}
	field("From", (&mail.Address{Name: l.account.Name, Address: l.r.deskAddress(l.desk.ID)}).String())
	field("To", cp.Addresses[0])
	field("Date", l.at.Format(time.RFC1123Z))
	field("Subject", mime.QEncoding.Encode("utf-8", subject))
	field("Message-Id", l.fields["message-id"])
	field("In-Reply-To", l.fields["in-reply-to"])
	field("References", l.fields["references"])
	field(intake.HeaderPrefix+"Reference", string(out.Request))
	field(intake.HeaderPrefix+"Sent-By", l.account.User)
	field(intake.HeaderPrefix+"Sent-As", MessageID(out, l.r.o.Hostname)+"; signed by "+key.Certificate().Fingerprint()+"; encrypted to "+out.To)
	field(intake.HeaderPrefix+"Reply-Code", out.Code)
	field("MIME-Version", "1.0")
	root := l.index.Root
	for _, name := range []string{"content-type", "content-transfer-encoding"} {
		field(name, l.fields[name])
	}
	b.WriteString("\r\n")
	b.Write(l.submission.Raw[root.BodyStart:root.End])
	return b.Bytes()
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
