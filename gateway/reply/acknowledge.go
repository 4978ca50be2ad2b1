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

// Acknowledgement writes and seals the automatic acknowledgement of a
// request. It says the reference and what happens next, and nothing of the
// request's content. It is made when it is sent, not when the request comes
// in, so that receiving costs no more than it must.
func (r *Reply) Acknowledgement(ctx context.Context, desk string, out queue.Out) ([]byte, error) {
	q, ok := r.o.Queue.Desk(desk)
	if !ok {
		return nil, fmt.Errorf("acknowledging: no desk %s", desk)
	}
	state, err := q.State(ctx, out.Request)
	if err != nil {
		return nil, err
	}
	cp, ok := r.o.Directory().ContactPoint(out.To)
	if !ok {
		return nil, fmt.Errorf("acknowledging %s: %s is not in the Directory", out.Request, out.To)
	}
	certificates, err := cp.EncryptionCertificates(time.Now(), r.o.Keys)
	if err != nil {
		return nil, fmt.Errorf("acknowledging %s: %w", out.Request, err)
	}
	draft := pgpmime.Draft{
		From: r.deskSender(desk), To: []string{cp.Addresses[0]}, Date: out.Since, MessageID: MessageID(out, r.o.Hostname),
		Subject: fmt.Sprintf("[%s] Request received", out.Request),
		Extra:   [][2]string{{intake.ReplyHeader, "interim " + request.CodeAckReceived}},
		Outside: [][2]string{{"Auto-Submitted", "auto-replied"}},
		Body:    []byte(acknowledgementText(desk, state)),
	}
	if id := r.originalID(ctx, state); id != "" && sendable(id) {
		draft.InReplyTo, draft.References = id, []string{id}
	}
	return pgpmime.Seal(draft, r.desks[desk].Key, certificates, time.Now())
}

func acknowledgementText(desk string, s request.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Reply code: %s\r\n\r\n", request.CodeAckReceived)
	fmt.Fprintf(&b, "Contact point %s has received your request on %s.\r\n", desk, s.Since.UTC().Format("2 January 2006 at 15:04 UTC"))
	fmt.Fprintf(&b, "Reference: %s\r\n", s.Ref)
	if s.Kind == request.Unclassified {
		b.WriteString("A person will decide what kind of request it is.\r\n")
	} else {
		fmt.Fprintf(&b, "It was understood as: %s. If that is wrong, answer this message.\r\n", s.Kind)
	}
	if d, ok := s.NextDeadline(); ok {
		fmt.Fprintf(&b, "You will hear from us by %s.\r\n", d.At.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	b.WriteString("Please quote the reference in everything that concerns this request.\r\n")
	return b.String()
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
