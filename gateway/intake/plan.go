package intake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"relais.example/gateway/mimeindex"
	"relais.example/routing/classify"
	"relais.example/routing/deadline"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// plan is what will be done with a message that is kept.
type plan struct {
	original string      // the message as it came, in the vault
	attach   *attachment // it belongs to a request that exists
	open     []opening   // it opens these
	stray    string      // folder, if it does neither
	answers  []queue.Out // what the gateway answers by itself
	receipt  *queue.Installed
	number   uint64          // highest running number used
	views    map[string]view // by reference
}

// attachment adds the message to a request.
type attachment struct {
	ref     request.Reference
	command request.Attach
	folder  string
}

// opening is one request that the message opens.
type opening struct {
	command request.Open
	folder  string
}

// refs lists the requests of the plan, or one empty reference.
func (p plan) refs() []request.Reference {
	switch {
	case p.attach != nil:
		return []request.Reference{p.attach.ref}
	case p.stray != "":
		return []request.Reference{""}
	}
	var out []request.Reference
	for _, o := range p.open {
		out = append(out, o.command.Ref)
	}
	return out
}

// folder returns where the message of ref is shown.
func (p plan) folder(ref request.Reference) string {
	if p.attach != nil {
		return p.attach.folder
	}
	for _, o := range p.open {
		if o.command.Ref == ref {
			return o.folder
		}
	}
	return p.stray
}

func (a *arrival) classify(outline *mimeindex.Index) classify.Result {
	headers := map[string][]string{}
	for _, f := range a.message.Protected {
		name := strings.ToLower(f.Name)
		headers[name] = append(headers[name], f.Value)
	}
	// Whoever passes the message on can write outside that a machine sent it:
	// that must not make a request into nothing. Its place in a thread may
	// come from there; to which request it belongs is checked.
	for _, name := range []string{"In-Reply-To", "References"} {
		headers[strings.ToLower(name)], _ = a.message.Field(name)
	}
	return a.in.o.Classifier.Classify(classify.Input{
		Subject: a.subject(),
		Body:    outline.Reading(a.message.Entity, classify.MaxText),
		Headers: headers,
	})
}

func (a *arrival) subject() string {
	if a.message.Protected.Get("Subject") != "" {
		return a.message.Protected.Text("Subject")
	}
	return a.message.Outer.Text("Subject")
}

// plan decides what the message does: it belongs to a request, or opens one,
// or two.
func (a *arrival) plan(ctx context.Context, v verdict.Verdict, found queue.Found) (plan, error) {
	p := plan{views: map[string]view{}}
	held := v.Action == verdict.Quarantine
	if !held {
		parent, ok, err := a.parent(ctx, found)
		if err != nil {
			return p, err
		}
		if ok && a.belongsTo(parent) {
			p.attach = a.attachTo(parent)
			return p, nil
		}
		if !ok {
			served, err := contain(a, stageServe, func() plan {
				served := p
				a.serve(&served)
				return served
			})
			if err != nil || served.stray != "" {
				return served, err
			}
			p = served // what is answered, whatever else the message asks
		}
		if a.class.Kinds[0] == request.Auto {
			p.stray = mailbox.Triage
			return p, nil
		}
		if ok {
			err = a.openRequests(ctx, &p, found.Number, false, parent.Ref)
			return p, err
		}
	}
	err := a.openRequests(ctx, &p, found.Number, held, "")
	return p, err
}

// parent finds the request that the message is about: by thread, or by a
// reference that it quotes. It must be a request between us and the signer.
func (a *arrival) parent(ctx context.Context, found queue.Found) (request.State, bool, error) {
	candidates := slices.Clone(found.Threads)
	slices.Reverse(candidates) // the nearest message of the thread first
	for _, r := range a.class.References {
		if ref, err := request.ParseReference(r); err == nil && len(candidates) < 30 {
			candidates = append(candidates, ref)
		}
	}
	for _, ref := range slices.Compact(candidates) {
		if ref == "" {
			continue
		}
		s, err := a.queue.State(ctx, ref)
		if errors.Is(err, queue.ErrNotFound) {
			continue
		}
		if err != nil {
			return s, false, err
		}
		if s.Peer == a.peer.ID && s.Status != request.StatusDiscarded {
			return s, true, nil
		}
	}
	return request.State{}, false, nil
}

// belongsTo reports whether the message goes on with the request instead of
// opening another. People press Reply to write something new, too: a request
// form opens a request, and so does an emergency where none was.
func (a *arrival) belongsTo(parent request.State) bool {
	kind := a.class.Kinds[0]
	code, _, _ := a.reply()
	switch {
	case !kind.Asks(), kind == request.Unclassified, code != "":
		return true
	case isPing(parent):
		return kind == request.Ping && !a.class.Emergency // our test, sent back; all else that is asked is new
	case a.class.Form != nil, a.class.Emergency && !parent.Emergency:
		return false
	}
	return parent.Direction == request.Sent || parent.Status == request.StatusWaiting
}

func (a *arrival) attachTo(parent request.State) *attachment {
	kind := a.class.Kinds[0]
	code, final, ack := a.reply()
	// A signed reply header counts more than that a machine wrote it: this is
	// how another gateway acknowledges.
	said := a.message.Protected.Get(ReplyHeader) != ""
	if parent.Direction == request.Sent && (said || kind != request.Auto && kind != request.FollowUp) {
		kind = request.Response
	}
	if code == request.CodeAckReceived && parent.Emergency && a.automatic() {
		ack = false // a machine has it; in an emergency a person must
	}
	folder := mailbox.Inbox
	if isPing(parent) && kind == request.Response {
		final = true // whatever it says, it was reached
		if said || a.class.NothingNew {
			folder = mailbox.Archive
		}
	}
	if kind != request.Auto && (a.class.Emergency || a.class.ClaimsEmergency) {
		folder = mailbox.Emergency
	}
	command := request.Attach{At: a.at, Kind: kind, Signer: a.fingerprint(), Code: code, Final: final, Ack: ack}
	command.Deadlines = a.attachedClocks(parent, command)
	return &attachment{ref: parent.Ref, folder: folder, command: command}
}

// isPing reports whether the request is a test that this desk sent. Its answer
// ends it: there is nothing to do but to read what a person wrote.
func isPing(s request.State) bool {
	return s.Direction == request.Sent && s.Kind == request.Ping
}

// attachedClocks returns the clocks that a further message starts: the end of
// what was preserved for us, or the time to answer a follow-up.
func (a *arrival) attachedClocks(parent request.State, c request.Attach) []request.Deadline {
	clocks := a.in.o.Clocks
	switch {
	case parent.Direction == request.Received && (c.Kind == request.FollowUp || c.Kind == request.Withdrawal):
		return clocks.Arm(clocks.For(c.Kind, a.class.Emergency, deadline.Received, a.at))
	case parent.Direction == request.Sent && c.Final && (c.Code == request.CodePreserved || c.Code == request.CodeExtended):
		return clocks.Arm(clocks.Preserved(parent.Kind, parent.Emergency, deadline.Sent, a.at, a.class.Until))
	}
	return nil
}

// automatic reports whether anything says that a machine wrote the message.
// That nobody signed it matters only where it would do harm.
func (a *arrival) automatic() bool { return automatic(a.message.Outer, a.inbound.MailFrom) }

// ReplyHeader carries, inside the signed part, what a reply is: "final" or
// "interim", and the reply code if there is one.
const ReplyHeader = "X-Relais-Reply"

// reply reads what the answer says of itself. Without the header and without
// a code only a person can tell whether it answers everything.
func (a *arrival) reply() (code string, final, ack bool) {
	if fields := strings.Fields(a.message.Protected.Get(ReplyHeader)); len(fields) > 0 {
		if len(fields) > 1 && slices.Contains(classify.ReplyCodes(), fields[1]) {
			code = fields[1]
		}
		return code, fields[0] == "final", true
	}
	code = a.class.ReplyCode
	return code, code != "" && request.CodeFinal(code), true
}

func (a *arrival) fingerprint() string {
	if a.message.Signature.Signer == nil || a.signer == nil {
		return ""
	}
	return a.message.Signature.Signer.Fingerprint()
}

// openRequests plans one request for each thing that is asked.
func (a *arrival) openRequests(ctx context.Context, p *plan, number uint64, held bool, parent request.Reference) error {
	kinds := a.kinds()
	for i, kind := range kinds {
		if i > 0 || number == 0 {
			found, err := a.queue.Arrive(ctx, a.at.Year(), nil, nil)
			if err != nil {
				return err
			}
			number = found.Number
		}
		p.number = max(p.number, number)
		ref := request.NewReference(a.desk.ID, a.at.Year(), number)
		if i > 0 {
			parent = p.open[0].command.Ref
		}
		p.open = append(p.open, opening{folder: a.folder(kind, held), command: request.Open{
			Ref: ref, At: a.at, By: "gateway", Direction: request.Received, Kind: kind, Emergency: a.class.Emergency,
			Peer: a.peer.ID, Held: held, Signer: a.fingerprint(), Parent: parent, Deadlines: a.deadlines(kind, held),
		}})
	}
	return nil
}

// kinds returns what the message asks, one or two kinds. What asks nothing
// and belongs nowhere is for a person.
func (a *arrival) kinds() []request.Kind {
	var out []request.Kind
	for _, k := range a.class.Kinds {
		if k.Asks() && len(out) < 2 {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return []request.Kind{request.Unclassified}
	}
	if out[0] == request.Unclassified {
		return out[:1]
	}
	return out
}

func (a *arrival) folder(kind request.Kind, held bool) string {
	switch {
	case held:
		return mailbox.Quarantine
	case a.class.Emergency, a.class.ClaimsEmergency:
		return mailbox.Emergency // a claimed emergency always reaches a person at once
	case kind == request.Unclassified:
		return mailbox.Triage
	case a.answersTest():
		return mailbox.Archive
	}
	return mailbox.Inbox
}

func (a *arrival) deadlines(kind request.Kind, held bool) []request.Deadline {
	clocks := a.in.o.Clocks
	switch {
	case held:
		return clocks.Arm(clocks.On(deadline.EventQuarantined, kind, a.class.Emergency, deadline.Received, a.at))
	case kind == request.Unclassified:
		return clocks.Arm(clocks.Shortest(a.class.ClockKinds(), a.class.Emergency, deadline.Received, a.at))
	}
	return clocks.Arm(clocks.For(kind, a.class.Emergency, deadline.Received, a.at))
}

// remember is how long a signature is known: longer than any is accepted, one
// from the future too.
func (a *arrival) remember() time.Time {
	from := a.at
	if made := a.message.Signature.Created; made.After(from) {
		from = made
	}
	return from.Add(a.in.o.Rules.MaxAge + 30*24*time.Hour)
}
