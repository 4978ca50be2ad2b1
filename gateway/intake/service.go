package intake

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"relais.example/gateway/mimeindex"
	"relais.example/routing/classify"
	"relais.example/routing/directory"
	"relais.example/routing/inquiry"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// DirectoryHeader carries, inside the signed part of a receipt, which version
// of the Directory a gateway has: "installed 12 <SHA-256 of the document>".
const DirectoryHeader = "X-Relais-Directory"

// serve finds what the gateway itself does about an accepted message that
// belongs to no request: a new version of the Directory, a receipt for one, a
// question to it. What says nothing else is filed away; nobody has to read it.
func (a *arrival) serve(p *plan) {
	switch {
	case a.takeInquiry(p): // it asks nothing else, whatever words are in it
		p.stray = mailbox.Archive
	case a.class.Emergency, a.class.ClaimsEmergency:
	case a.takeReceipt(p), a.takeRelease(p):
		p.stray = a.besides()
	case a.takeCorrection(p):
		p.stray = mailbox.Inbox // for what it says beside the fields
	}
}

// besides returns where a message is filed whose Directory or receipt was taken:
// "" if it asks something, too, so that it opens a request.
func (a *arrival) besides() string {
	switch {
	case a.class.Form != nil:
		return ""
	case a.automatic():
		return mailbox.Archive
	case definite(a.class.Kinds[0]):
		return ""
	}
	return mailbox.Triage // what a person wrote, a person reads
}

// definite reports whether something is asked, and what.
func definite(k request.Kind) bool { return k.Asks() && k != request.Unclassified }

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// answer queues an automatic answer to the message.
func (a *arrival) answer(p *plan, out queue.Out) {
	out.Op, out.ID, out.To, out.Since, out.At = queue.OutQueue, queue.NewID(), a.peer.ID, a.at, a.at
	p.answers = append(p.answers, out)
}

// takeReceipt notes which version another gateway has installed.
func (a *arrival) takeReceipt(p *plan) bool {
	fields := strings.Fields(a.message.Protected.Get(DirectoryHeader))
	if len(fields) != 3 || fields[0] != "installed" || !digestForm.MatchString(fields[2]) {
		return false
	}
	version, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return false
	}
	p.receipt = &queue.Installed{ContactPoint: a.peer.ID, Version: version, Digest: fields[2]}
	return true
}

// takeRelease installs a version of the Directory that came as attachment and
// answers with a receipt. Who sent it does not matter beyond being listed: the
// authority's signature over the document decides, and the version.
func (a *arrival) takeRelease(p *plan) bool {
	if a.in.o.Install == nil {
		return false
	}
	doc, signature := attachedDirectory(a.message.Entity, a.outline)
	if doc == nil || signature == nil {
		return false
	}
	err := a.in.o.Install(doc, signature)
	if err != nil && !errors.Is(err, directory.ErrRollback) { // an older one: say which we have
		a.in.o.Log.Warn("a Directory that came by mail was not installed", "desk", a.desk.ID, "from", a.peer.ID, "error", err)
		return false // a person must see it
	}
	// A gateway sends the Directory as automatic mail, and waits for this. Nothing
	// answers a receipt.
	if a.desk.Acknowledge {
		a.answer(p, queue.Out{Purpose: queue.PurposeReceipt})
	}
	return true
}

// attachedDirectory returns the document and the signature among the parts of
// a message, or nil.
func attachedDirectory(entity []byte, outline *mimeindex.Index) (doc, signature []byte) {
	if !bytes.Contains(entity, []byte(directory.FileName)) {
		return nil, nil
	}
	for _, part := range outline.Root.Parts {
		switch name := part.DispParams["filename"]; name {
		case directory.FileName, directory.FileName + directory.SignatureSuffix:
			content, ok := part.Content(entity)
			if !ok {
				return nil, nil
			}
			if name == directory.FileName {
				doc = content
			} else {
				signature = content
			}
		}
	}
	return doc, signature
}

// maxServed is the longest text that the gateway answers by itself, in bytes.
const maxServed = 4096

// takeInquiry answers questions to the Directory.
func (a *arrival) takeInquiry(p *plan) bool {
	if !a.desk.DirectoryService || a.automatic() || a.class.Form != nil || !plainText(a.outline.Root) {
		return false
	}
	text := a.outline.Reading(a.message.Entity, maxServed+1)
	if len(text) > maxServed {
		return false
	}
	questions, rest := inquiry.Read(a.subject(), text)
	if len(questions) == 0 {
		return false
	}
	below := a.in.o.Classifier.Classify(classify.Input{Body: rest})
	if definite(below.Kinds[0]) || below.Emergency || below.ClaimsEmergency {
		return false
	}
	var lines []string
	for _, q := range questions {
		lines = append(lines, q.String())
	}
	// What is looked for may be a person's name: it stays sealed.
	about := a.in.o.Vault.Seal("inquiry", strings.Join(lines, "\n"))
	a.answer(p, queue.Out{Purpose: queue.PurposeInquiry, About: about, Answers: a.messageID()})
	return true
}

// plainText reports whether the message is one text, so that nothing in it is
// overlooked. Apple's programs put files into one of the alternatives.
func plainText(root *mimeindex.Part) bool {
	if root.Type+"/"+root.Subtype == "multipart/alternative" {
		other := func(p *mimeindex.Part) bool { return p.Type != "text" || p.Disposition == "attachment" }
		return len(root.Parts) > 0 && !slices.ContainsFunc(root.Parts, other)
	}
	return root.Type+"/"+root.Subtype == "text/plain" && root.Disposition != "attachment"
}
