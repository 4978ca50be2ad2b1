package reminders

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relais.example/routing/directory/pending"
	"relais.example/routing/queue"
)

// result tells a contact point what became of a change that it asked for,
// once: by whichever look comes first after it was decided, also when no
// gateway ran at that moment.
func (r *Reminders) result(ctx context.Context, c pending.Change) error {
	if !c.Proposal.Asked() || r.told[c.ID] == c.Status() {
		return nil
	}
	if _, served := r.o.Queue.Desk(c.Proposal.Desk); !served {
		return nil // its own gateway tells
	}
	if _, listed := r.o.Directory().ContactPoint(c.Proposal.ContactPoint); !listed {
		return nil // there is nobody any more whom to tell
	}
	status := c.Status()
	code := queue.CorrectionConfirmed
	if status == pending.Rejected {
		code = queue.CorrectionRejected
	}
	err := r.once(ctx, c.Proposal.Desk, "correction:"+c.ID+":"+code, r.o.Now().Add(10*365*day), func() (func(*queue.Tx), error) {
		at := r.o.Now().UTC().Truncate(time.Microsecond)
		out := queue.Out{
			Op: queue.OutQueue, ID: queue.NewID(), To: c.Proposal.ContactPoint, Purpose: queue.PurposeCorrection, Code: code,
			About: r.o.Vault.Seal("correction", resultText(c)), Answers: c.Proposal.Answers, Since: at, At: at,
		}
		return func(tx *queue.Tx) { tx.Out(out) }, nil
	})
	if err == nil {
		r.told[c.ID] = status
	}
	return err
}

func resultText(c pending.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Change %s of your entry %s (%s), which you asked for on %s, ", c.ID, c.Proposal.ContactPoint, c.Proposal.Path, c.Proposal.Seen.Format("2 January 2006"))
	if c.Status() == pending.Confirmed {
		b.WriteString("is confirmed.\nIt goes to the Directory authority and comes into force with one of the next versions of the Directory.\n")
		return b.String()
	}
	b.WriteString("is rejected.\nThe Directory stays as it is.\n")
	for _, e := range c.History {
		if e.Act == pending.Rejects && e.Told != "" {
			fmt.Fprintf(&b, "\n%s\n", e.Told)
		}
	}
	b.WriteString("\nIf you did ask for it, call the Secretariat. If you did not, somebody may be using your key: tell it at once.\n")
	return b.String()
}
