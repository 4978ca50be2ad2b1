package intake

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"relais.example/crypto/pgp"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/directory/pending"
	"relais.example/routing/verdict"
)

// Bounds on the certificates that one message can make us look at.
const (
	maxProposed = 5        // certificates
	maxKeyData  = 64 << 10 // bytes of one of them
	maxKeyText  = 1 << 20  // bytes of parts that are searched for them
)

// carried is a certificate that came with a message.
type carried struct {
	certificate *pgp.Certificate
	by          pending.Carrier
}

// propose keeps certificates that came with an accepted message and are not
// listed for its signer as pending changes. They are trusted for nothing: keys
// come from the Directory only. A fault here must not keep a request waiting.
func (a *arrival) propose(v verdict.Verdict, p plan) {
	if v.Action != verdict.Accept || a.signer == nil || a.in.o.Pending == nil {
		return
	}
	for _, c := range a.carried() {
		news := a.directory.News(a.signer, c.certificate)
		if len(news) == 0 {
			continue
		}
		change, added, err := a.in.o.Pending.Propose(pending.Proposal{
			Kind: pending.Certificate, ContactPoint: a.signer.ID, Path: "certificates", New: string(c.certificate.Armor()),
			Fingerprint: c.certificate.Fingerprint(), News: news, Carrier: c.by, Signer: a.fingerprint(),
			Desk: a.desk.ID, Request: string(p.refs()[0]), Seen: a.at,
		})
		note := "pending change " + change.ID + ", which two people must confirm"
		switch {
		case errors.Is(err, pending.ErrFull):
			note = "not kept: too many changes of this contact point are pending"
		case err != nil:
			note = "not kept: the change could not be written"
			a.in.o.Log.Error("proposed certificate not kept", "desk", a.desk.ID, "contact_point", a.signer.ID, "error", err)
		case added:
			a.in.o.Proposed()
		case change.Status() != pending.Open:
			note = "pending change " + change.ID + ", which is " + string(change.Status()) + " here"
		}
		a.proposed = append(a.proposed, fmt.Sprintf("%s; %s; not trusted: %s", c.certificate.Fingerprint(), c.by, note))
	}
}

// carried returns the certificates that came with the message, each once.
func (a *arrival) carried() []carried {
	var list []carried
	seen := map[string]bool{}
	add := func(by pending.Carrier, data []byte) {
		if len(list) >= maxProposed || len(data) > maxKeyData {
			return
		}
		certs, err := pgp.ParseCertificates(data)
		if err != nil {
			return // whatever it is, it is no certificate
		}
		for _, c := range certs {
			if !seen[c.Fingerprint()] && len(list) < maxProposed {
				seen[c.Fingerprint()] = true
				list = append(list, carried{c, by})
			}
		}
	}
	add(pending.AutocryptProtected, autocryptKey(a.message.Protected.Values("Autocrypt"), a.from))
	eachKeyPart(a.message.Entity, a.outline, add)
	add(pending.AutocryptOuter, autocryptKey(a.message.Outer.Values("Autocrypt"), a.from))
	return list
}

// autocryptKey returns the key data of an Autocrypt header (Autocrypt level 1,
// section 2.1); nil if there is not exactly one, or it is about another address
// or has an attribute that it must not have.
func autocryptKey(values []string, from string) []byte {
	if len(values) != 1 {
		return nil
	}
	var addr, data string
	for attribute := range strings.SplitSeq(values[0], ";") {
		name, value, _ := strings.Cut(attribute, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "addr":
			addr = strings.TrimSpace(value)
		case name == "keydata":
			data = strings.Join(strings.Fields(value), "")
		case name == "", name == "prefer-encrypt", strings.HasPrefix(name, "_"):
		default:
			return nil
		}
	}
	if addr == "" || !strings.EqualFold(addr, from) {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil
	}
	return key
}

var (
	beginKey = []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")
	endKey   = []byte("-----END PGP PUBLIC KEY BLOCK-----")
)

// eachKeyPart finds certificates in the parts of a message: in those of type
// application/pgp-keys, and armored ones in any other that is not too large.
// Messages within the message are somebody else's.
func eachKeyPart(entity []byte, parts *mimeindex.Index, found func(pending.Carrier, []byte)) {
	left := maxKeyText
	var walk func(p *mimeindex.Part)
	walk = func(p *mimeindex.Part) {
		if p.IsMultipart() {
			for _, child := range p.Parts {
				walk(child)
			}
			return
		}
		size := p.End - p.BodyStart
		if p.IsMessage() || size > left {
			return
		}
		left -= size
		body, ok := p.Content(entity)
		if !ok {
			return
		}
		if p.Type == "application" && p.Subtype == "pgp-keys" && !bytes.Contains(body, beginKey) {
			found(pending.Attachment, body)
			return
		}
		by := pending.Inline
		if p.Type != "text" || p.Disposition == "attachment" {
			by = pending.Attachment
		}
		for _, block := range keyBlocks(body) {
			found(by, block)
		}
	}
	walk(parts.Root)
}

// keyBlocks returns the armored certificates in a text. They begin at the start
// of a line: what is quoted is an answer's, not the writer's.
func keyBlocks(text []byte) [][]byte {
	var blocks [][]byte
	for len(blocks) < maxProposed {
		start := bytes.Index(text, beginKey)
		if start < 0 {
			break
		}
		quoted := start > 0 && text[start-1] != '\n'
		length := bytes.Index(text[start:], endKey)
		if length < 0 {
			break
		}
		length += len(endKey)
		if !quoted {
			blocks = append(blocks, text[start:start+length])
		}
		text = text[start+length:]
	}
	return blocks
}
