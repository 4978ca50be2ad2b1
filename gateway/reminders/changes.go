package reminders

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relais.example/gateway/notice"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// changes tells the staff of changes that were proposed since the last look.
func (r *Reminders) changes(ctx context.Context) error {
	if r.o.Pending == nil {
		return nil
	}
	list, failed := r.o.Pending.List() // those that cannot be read are named in the error
	open := 0
	for _, c := range list {
		if c.Status() != pending.Open {
			if err := r.result(ctx, c); err != nil {
				return fmt.Errorf("pending change %s: %w", c.ID, err)
			}
			continue
		}
		open++
		if r.announced[c.ID] {
			continue
		}
		if err := r.announce(ctx, c); err != nil {
			return fmt.Errorf("pending change %s: %w", c.ID, err)
		}
		r.announced[c.ID] = true
	}
	r.open.Store(int64(open))
	return failed
}

// announce puts one change before the staff of the desk that received it.
func (r *Reminders) announce(ctx context.Context, c pending.Change) error {
	desk := c.Proposal.Desk
	if _, served := r.o.Queue.Desk(desk); !served {
		desk = r.o.Desks[0].ID
	}
	return r.once(ctx, desk, "pending:"+c.ID, r.o.Now().Add(10*365*day), func() (func(*queue.Tx), error) {
		return r.o.Notices.Prepare(ctx, r.proposed(c))
	})
}

// carriers say in words how a proposal came.
var carriers = map[pending.Carrier]string{
	pending.AutocryptProtected: "in an Autocrypt header that the signature covers",
	pending.AutocryptOuter:     "in an Autocrypt header that no signature covers: anybody on the way may have put it there",
	pending.Attachment:         "as an attachment",
	pending.Inline:             "in its text",
	pending.Message:            "as a request to change the entry",
}

func (r *Reminders) proposed(c pending.Change) notice.Notice {
	p := c.Proposal
	var b strings.Builder
	fmt.Fprintf(&b, "A message signed by %s proposes a change of its entry in the Directory (%s), %s.\n", p.ContactPoint, p.Path, carriers[p.Carrier])
	if p.Kind == pending.Certificate {
		fmt.Fprintf(&b, "Certificate %s\n", directory.Spaced(p.Fingerprint))
	}
	for _, n := range p.News {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	for _, f := range p.Fields {
		fmt.Fprintf(&b, "- %s: %q, now %q\n", f.Path, f.New, f.Old)
	}
	b.WriteString("Nothing has changed by that: what counts is the Directory, and mail signed with a certificate that is not listed there is refused.\n\n")
	fmt.Fprintf(&b, "Two different people must each call %s on a telephone number in the Directory, never on one from a message, and compare. Then, on %s:\n", p.ContactPoint, r.o.Hostname)
	fmt.Fprintf(&b, "    relais directory pending show %s\n    relais directory pending confirm %s --by NAME --called NUMBER\n", c.ID, c.ID)
	fmt.Fprintf(&b, "If it did not send it, or you cannot reach it: relais directory pending reject %s --by NAME --why TEXT, and tell the Directory authority.\n", c.ID)
	fmt.Fprintf(&b, "Seen %s.", p.Seen.UTC().Format(time.RFC3339))
	return notice.Notice{Request: request.Reference(p.Request), Subject: fmt.Sprintf("%s proposes a change of the Directory (%s)", p.ContactPoint, c.ID), Text: b.String()}
}
