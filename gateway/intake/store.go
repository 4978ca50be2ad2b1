package intake

import (
	"context"
	"slices"
	"strings"

	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// view is what staff see of a message, stored.
type view struct {
	item string
	size int64
}

// store puts the message as it came, and what staff will see of it, into the
// vault. It returns when all of it is durable.
func (a *arrival) store(ctx context.Context, v verdict.Verdict, p plan) error {
	bodies := [][]byte{a.inbound.Raw}
	for _, ref := range p.refs() {
		shown, err := a.show(v, p, ref)
		if err != nil {
			return err
		}
		bodies = append(bodies, shown)
	}
	names, err := a.in.o.Vault.Put(ctx, bodies...)
	if err != nil {
		return err
	}
	p.views["original"] = view{names[0], int64(len(bodies[0]))}
	for i, ref := range p.refs() {
		p.views[string(ref)] = a.viewed(names[i+1], len(bodies[i+1]), names[0])
	}
	return nil
}

// show makes what staff see.
func (a *arrival) show(v verdict.Verdict, p plan, ref request.Reference) ([]byte, error) {
	if a.broken {
		return a.renderBroken(v, ref), nil
	}
	return contain(a, stageShow, func() []byte { return a.render(v, p, ref) })
}

// commit makes the message part of the desk's history.
func (a *arrival) commit(ctx context.Context, v verdict.Verdict, p plan, once []string, envelope string) error {
	refs := p.refs()
	original := p.views["original"].item
	_, err := a.queue.Commit(ctx, func(tx *queue.Tx) error {
		tx.By("gateway")
		for _, name := range once {
			tx.Once(name, envelope+" "+string(refs[0]), a.remember())
		}
		if p.number > 0 {
			tx.Number(a.at.Year(), p.number)
		}
		if id := a.messageID(); id != "" && refs[0] != "" {
			tx.Thread(a.in.o.Vault.Name("thread", id), refs[0])
		}
		for _, o := range p.open {
			c := o.command
			c.Reason, c.Message = string(v.Reason), original
			if err := tx.Open(c); err != nil {
				return err
			}
		}
		if p.attach != nil {
			c := p.attach.command
			c.Message = original
			before, err := tx.Request(p.attach.ref)
			if err != nil {
				return err
			}
			if err := tx.Do(p.attach.ref, c); err != nil {
				return err
			}
			if isPing(before) && c.Final {
				if err := CloseAnswered(tx, p.attach.ref); err != nil {
					return err
				}
			}
			if err := Follow(tx, a.queue, before); err != nil {
				return err
			}
		}
		for _, out := range p.answers {
			tx.Out(out)
		}
		if p.receipt != nil {
			tx.Installed(*p.receipt)
		}
		for _, ref := range refs {
			stored := p.views[string(ref)]
			tx.Mail(queue.Mail{
				Op: queue.MailAdd, Folder: p.folder(ref), Item: stored.item, Size: stored.size,
				Received: a.at, Flags: a.keywords(v, p, ref), Request: string(ref),
			})
		}
		if v.Action == verdict.Accept && a.desk.Acknowledge && !a.automatic() {
			return a.acknowledge(tx, p)
		}
		return nil
	})
	return err
}

// acknowledge queues an acknowledgement of each request that the message
// opens: each has its own reference and its own clock.
func (a *arrival) acknowledge(tx *queue.Tx, p plan) error {
	for _, o := range p.open {
		out := queue.Out{
			Op: queue.OutQueue, ID: queue.NewID(), To: a.peer.ID, Request: o.command.Ref,
			Purpose: queue.PurposeAck, Code: request.CodeAckReceived, Since: a.at, At: a.at,
		}
		if o.command.Kind == request.Ping {
			if !a.answersTest() {
				continue // a person answers what only looks like a test
			}
			out.Purpose, out.Code = queue.PurposePong, ""
			if err := tx.Do(o.command.Ref, request.Reply{At: a.at, By: "gateway", Final: true, Out: out.ID}); err != nil {
				return err
			}
		}
		tx.Out(out)
	}
	return nil
}

func (a *arrival) messageID() string {
	values, _ := a.message.Field("Message-Id")
	if ids := MessageIDs(strings.Join(values, " "), 1); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// Keywords that staff can filter on.
const (
	KeywordEmergency = "$Emergency"
	KeywordDueSoon   = "$DueSoon"
	KeywordOverdue   = "$Overdue"
	KeywordInterim   = "$Interim" // an answer that does not end the request, such as an acknowledgement
	KeywordKind      = "$Kind-"
	KeywordVerdict   = "$Verdict-"
)

func (a *arrival) keywords(v verdict.Verdict, p plan, ref request.Reference) []string {
	out := []string{KeywordVerdict + string(v.Reason)}
	if a.class.Emergency || a.class.ClaimsEmergency {
		out = append(out, KeywordEmergency)
	}
	i := slices.IndexFunc(p.open, func(o opening) bool { return o.command.Ref == ref })
	switch {
	case p.attach != nil:
		out = append(out, KeywordKind+string(p.attach.command.Kind))
		if c := p.attach.command; c.Kind == request.Response && c.Code != "" && !c.Final {
			out = append(out, KeywordInterim)
		}
	case i >= 0:
		out = append(out, KeywordKind+string(p.open[i].command.Kind))
	}
	return out
}
