package reply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Compose writes and seals the message of an Out that has none stored: those
// that no person writes. They are made when they are sent, so that receiving
// costs no more than it must and the Directory of that moment counts.
func (r *Reply) Compose(ctx context.Context, desk string, out queue.Out) ([]byte, error) {
	var text automatic
	var err error
	switch out.Purpose {
	case queue.PurposeAck:
		text, err = r.acknowledgement(ctx, desk, out)
	case queue.PurposePing:
		text = pingText(desk, out)
	case queue.PurposePong:
		text, err = r.pong(ctx, desk, out)
	case queue.PurposeRelease:
		text, err = r.release()
	case queue.PurposeReceipt:
		text, err = r.receipt(desk)
	case queue.PurposeInquiry:
		text, err = r.inquiry(out)
	case queue.PurposeCorrection:
		text, err = r.correction(out)
	default:
		err = fmt.Errorf("a message of purpose %q is written by people", out.Purpose)
	}
	if err != nil {
		return nil, fmt.Errorf("composing for %s: %w", out.Request, err)
	}
	return r.sealAutomatic(desk, out, text)
}

// automatic is a message that the gateway writes.
type automatic struct {
	subject string
	answers string      // Message-ID, or ""
	kind    string      // content type of a body with parts, or ""
	extra   [][2]string // further protected fields
	outside [][2]string // fields in clear
	body    string
}

func (r *Reply) sealAutomatic(desk string, out queue.Out, text automatic) ([]byte, error) {
	cp, ok := r.o.Directory().ContactPoint(out.To)
	if !ok {
		return nil, fmt.Errorf("composing for %s: %s is not in the Directory", out.Request, out.To)
	}
	certificates, err := cp.EncryptionCertificates(time.Now(), r.o.Keys)
	if err != nil {
		return nil, fmt.Errorf("composing for %s: %w", out.Request, err)
	}
	if out.Request != "" {
		text.subject = fmt.Sprintf("[%s] %s", out.Request, text.subject)
	}
	draft := pgpmime.Draft{
		From: r.deskSender(desk), To: []string{cp.Addresses[0]}, Date: out.Since, MessageID: MessageID(out, r.o.Hostname),
		Subject: text.subject, Extra: text.extra, Outside: text.outside, ContentType: text.kind, Body: []byte(text.body),
	}
	if sendable(text.answers) {
		draft.InReplyTo, draft.References = text.answers, []string{text.answers}
	}
	key := r.desks[desk].Key()
	if key == nil {
		return nil, errNoKey
	}
	return pgpmime.Seal(draft, key, certificates, time.Now())
}

// says is the protected field that tells another gateway what a reply is.
func says(what string) [][2]string { return [][2]string{{intake.ReplyHeader, what}} }

// repliedByMachine keeps other machines from answering (RFC 3834).
var repliedByMachine = [][2]string{{"Auto-Submitted", "auto-replied"}}

// state returns the request that an automatic message answers.
func (r *Reply) state(ctx context.Context, desk string, ref request.Reference) (request.State, error) {
	q, ok := r.o.Queue.Desk(desk)
	if !ok {
		return request.State{}, fmt.Errorf("no desk %s", desk)
	}
	return q.State(ctx, ref)
}

// originalID returns the Message-ID of the message that opened the request.
func (r *Reply) originalID(ctx context.Context, s request.State) string {
	if len(s.Messages) == 0 {
		return ""
	}
	raw, err := r.o.Vault.Get(ctx, s.Messages[0])
	if err != nil {
		return "" // purged, or a sent request
	}
	head, _, _ := strings.Cut(string(raw[:min(len(raw), 64<<10)]), "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Message-Id") {
			if ids := intake.MessageIDs(value, 1); len(ids) > 0 {
				return ids[0]
			}
		}
	}
	return ""
}
