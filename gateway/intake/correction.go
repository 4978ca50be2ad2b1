package intake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"relais.example/crypto/pgp"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// takeCorrection keeps changes that a contact point asks for in its own entry
// as a pending change, and answers with a receipt. What it cannot read, or
// cannot keep, is for a person. Nothing of the Directory changes by that.
func (a *arrival) takeCorrection(p *plan) bool {
	if !a.desk.DirectoryService || a.in.o.Pending == nil || a.signer == nil || a.automatic() ||
		a.message.Signature.State != pgp.SignatureGood {
		return false
	}
	asked, ok := a.asked()
	if !ok {
		return false
	}
	c := a.directory.Correct(a.signer, asked)
	for _, k := range a.carried() { // beside the form, too
		if len(a.directory.News(a.signer, k.certificate)) > 0 && !slices.ContainsFunc(c.Certificates, func(o *pgp.Certificate) bool {
			return o.Fingerprint() == k.certificate.Fingerprint()
		}) {
			c.Certificates = append(c.Certificates, k.certificate)
		}
	}
	kept, err := a.keepCorrection(c)
	if err != nil {
		a.in.o.Log.Error("changes that a contact point asked for are not kept; a person must see to it", "desk", a.desk.ID, "contact_point", a.signer.ID, "error", err)
		return false
	}
	if slices.ContainsFunc(c.Refused, func(p directory.Problem) bool { return p.Code == directory.CodeNotOwn }) {
		a.in.o.Log.Warn("a contact point asked to change the entry of another; that was refused", "desk", a.desk.ID, "contact_point", a.signer.ID)
	}
	text := receiptText(a.signer.ID, a.directory.Version(), c, kept)
	a.answer(p, queue.Out{
		Purpose: queue.PurposeCorrection, Code: queue.CorrectionReceived,
		About: a.in.o.Vault.Seal("correction", text), Answers: a.messageID(),
	})
	return true
}

// asked reads the fields that the message gives: of a form, of one JSON file
// that is attached, or of JSON in the text.
func (a *arrival) asked() (directory.Asked, bool) {
	if form := a.class.Form; form != nil {
		if !slices.Equal(a.class.Kinds, []request.Kind{request.DirectoryChange}) {
			return nil, false
		}
		asked := directory.ReadForm(form)
		return asked, len(asked) > 0 || len(a.carried()) > 0
	}
	files := attachedJSON(a.message.Entity)
	switch {
	case len(files) > 1:
		return nil, false
	case len(files) == 1:
		for _, kind := range a.class.Kinds { // it asks something else, too
			if kind.Asks() && kind != request.Unclassified && kind != request.DirectoryChange {
				return nil, false
			}
		}
		asked, err := directory.ReadEntry(files[0])
		return asked, err == nil
	}
	asked, err := directory.ReadEntry(objectIn(a.outline.Reading(a.message.Entity, 1<<20)))
	return asked, err == nil
}

// attachedJSON returns the files of the message that say they are JSON.
func attachedJSON(entity []byte) [][]byte {
	var files [][]byte
	index := mimeindex.Build(entity)
	parts := index.Root.Parts
	if !index.Root.IsMultipart() {
		parts = []*mimeindex.Part{index.Root}
	}
	for i, part := range parts {
		name := strings.ToLower(part.DispParams["filename"])
		if part.Type+"/"+part.Subtype != "application/json" && !strings.HasSuffix(name, ".json") {
			continue
		}
		if content, err := index.Binary(entity, []int{i + 1}); err == nil {
			files = append(files, content)
		}
	}
	return files
}

// objectIn returns the JSON object that begins a line of the text; nil if there
// is none.
func objectIn(text string) []byte {
	start := 0
	if !strings.HasPrefix(text, "{") {
		if start = strings.Index(text, "\n{") + 1; start == 0 {
			return nil
		}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text[start:])))
	var object json.RawMessage
	if err := d.Decode(&object); err != nil {
		return nil
	}
	return object
}

// keepCorrection keeps all fields as one pending change, and each certificate,
// which two people compare by itself, as one.
func (a *arrival) keepCorrection(c directory.Correction) ([]pending.Change, error) {
	base := pending.Proposal{
		ContactPoint: a.signer.ID, Carrier: pending.Message, Signer: a.fingerprint(), Desk: a.desk.ID,
		Version: a.directory.Version(), Answers: a.messageID(), Seen: a.at,
	}
	var proposals []pending.Proposal
	if len(c.Changes) > 0 {
		fields := base
		fields.Kind, fields.Fields = pending.Field, c.Changes
		var names []string
		for _, f := range c.Changes {
			names = append(names, f.Path)
		}
		fields.Path = strings.Join(names, ", ")
		proposals = append(proposals, fields)
	}
	for _, cert := range c.Certificates {
		key := base
		key.Kind, key.Path, key.New, key.Fingerprint = pending.Certificate, "certificates", string(cert.Armor()), cert.Fingerprint()
		key.News = a.directory.News(a.signer, cert)
		proposals = append(proposals, key)
	}
	var kept []pending.Change
	for _, proposal := range proposals {
		change, added, err := a.in.o.Pending.Propose(proposal)
		if err != nil {
			return nil, err
		}
		if added {
			a.in.o.Proposed()
		}
		kept = append(kept, change)
	}
	return kept, nil
}

// maxRefused bounds how many faults a receipt lists.
const maxRefused = 50

// receiptText says what was understood, what was refused and why.
func receiptText(from string, version uint64, c directory.Correction, kept []pending.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Your changes of the entry %s, compared with version %d of the Directory.\n\n", from, version)
	for _, change := range kept {
		status := "two people will confirm it with you, on a telephone number in the Directory"
		if s := change.Status(); s != pending.Open {
			status = "it was asked for before and is " + string(s)
		}
		fmt.Fprintf(&b, "Change %s: %s.\n", change.ID, status)
		for _, f := range change.Proposal.Fields {
			fmt.Fprintf(&b, "    %s\n        now   %s\n        then  %s\n", f.Path, orEmpty(f.Old), orEmpty(f.New))
		}
		if change.Proposal.Kind == pending.Certificate {
			fmt.Fprintf(&b, "    certificate %s\n", directory.Spaced(change.Proposal.Fingerprint))
		}
		b.WriteByte('\n')
	}
	if len(kept) == 0 {
		b.WriteString("No change is pending: nothing that you gave differs from the entry, or it was refused.\n\n")
	}
	if len(c.Same) > 0 {
		fmt.Fprintf(&b, "As the Directory has it already: %s.\n\n", strings.Join(c.Same, ", "))
	}
	if len(c.Refused) > 0 {
		b.WriteString("Refused:\n")
		for i, p := range c.Refused {
			if i == maxRefused {
				fmt.Fprintf(&b, "    and %d more\n", len(c.Refused)-i)
				break
			}
			fmt.Fprintf(&b, "    [%s] %s: %s; %s\n", p.Code, p.Field, p.Fault, p.Remedy)
		}
		b.WriteByte('\n')
	}
	b.WriteString("What you did not mention stays as it is. Until a new version of the Directory is\nreleased nothing changes. You will be told when a change is confirmed or rejected.\n")
	return b.String()
}

func orEmpty(s string) string {
	if s == "" {
		return "(empty)"
	}
	return s
}
