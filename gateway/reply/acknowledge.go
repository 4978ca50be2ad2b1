package reply

import (
	"context"
	"fmt"
	"strings"

	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// acknowledgement says the reference of a request and what happens next, and
// nothing of the request's content.
func (r *Reply) acknowledgement(ctx context.Context, desk string, out queue.Out) (automatic, error) {
	state, err := r.state(ctx, desk, out.Request)
	if err != nil {
		return automatic{}, err
	}
	return automatic{
		subject: "Request received", answers: r.originalID(ctx, state), extra: says("interim " + request.CodeAckReceived),
		outside: repliedByMachine, body: acknowledgementText(desk, state),
	}, nil
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
