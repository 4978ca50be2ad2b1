package reply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"relais.example/gateway/intake"
	"relais.example/routing/deadline"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Ping sends a contact point a signed and encrypted test of its reachability
// and opens a sent request of kind PING, by which the answer is recognised and
// its silence noticed. by is who asked for it. once, if not "", names the test:
// the same name never sends another for a year. It returns when the test is
// queued; "" means that it was sent before.
func (r *Reply) Ping(ctx context.Context, desk, by, contactPoint, once string) (request.Reference, error) {
	q, ok := r.o.Queue.Desk(desk)
	if !ok {
		return "", fmt.Errorf("desk %s is not served here", desk)
	}
	cp, ok := r.o.Directory().ContactPoint(contactPoint)
	if !ok || cp.ID == desk {
		return "", fmt.Errorf("%s is no other contact point of the Directory", contactPoint)
	}
	at := time.Now().UTC().Truncate(time.Microsecond)
	if _, err := cp.EncryptionCertificates(at, r.o.Keys); err != nil {
		return "", fmt.Errorf("testing %s: %w", cp.ID, err)
	}
	if before, err := sentOnce(ctx, q, once); before || err != nil {
		return "", err
	}
	found, err := q.Arrive(ctx, at.Year(), nil, nil)
	if err != nil {
		return "", err
	}
	ref := request.NewReference(desk, at.Year(), found.Number)
	out := queue.Out{Op: queue.OutQueue, ID: queue.NewID(), To: cp.ID, Request: ref, Purpose: queue.PurposePing, Since: at, At: at}
	_, err = q.Commit(ctx, func(tx *queue.Tx) error {
		tx.By(by)
		tx.Number(at.Year(), found.Number)
		err := tx.Open(request.Open{
			Ref: ref, At: at, By: by, Direction: request.Sent, Kind: request.Ping, Peer: cp.ID, Out: out.ID,
			Deadlines: r.o.Clocks.Arm(r.o.Clocks.For(request.Ping, false, deadline.Sent, at)),
		})
		if err != nil {
			return err
		}
		tx.Out(out)
		tx.Thread(r.o.Vault.Name("thread", MessageID(out, r.o.Hostname)), ref)
		if once != "" {
			tx.Once(once, string(ref), at.AddDate(1, 0, 0))
		}
		return nil
	})
	var seen *queue.SeenError
	if errors.As(err, &seen) { // another gateway was faster
		return "", nil
	}
	return ref, err
}

// sentOnce reports whether the name was used before.
func sentOnce(ctx context.Context, q *queue.Desk, once string) (bool, error) {
	if once == "" {
		return false, nil
	}
	found, err := q.Arrive(ctx, 0, []string{once}, nil)
	return err == nil && found.Seen[0] != "", err
}

func pingText(desk string, out queue.Out) automatic {
	return automatic{
		subject: "PING: test of the contact point, please answer",
		body:    strings.ReplaceAll(intake.TestMessage(desk, out.To, out.Request, out.Since), "\n", "\r\n"),
	}
}

// pong answers a test, with the time at which it was received.
func (r *Reply) pong(ctx context.Context, desk string, out queue.Out) (automatic, error) {
	state, err := r.state(ctx, desk, out.Request)
	if err != nil {
		return automatic{}, err
	}
	return automatic{
		subject: "Test received", answers: r.originalID(ctx, state), extra: says("final"), outside: repliedByMachine,
		body: fmt.Sprintf("Contact point %s received your test on %s.\r\nIts signature was checked. This answer was written by the gateway.\r\n",
			desk, state.Since.UTC().Format("2 January 2006 at 15:04:05 UTC")),
	}, nil
}
