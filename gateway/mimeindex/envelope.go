package mimeindex

import (
	"net/mail"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Bounds of one ENVELOPE, so that a hostile header costs little to show.
const (
	maxAddresses   = 500
	maxMessageIDs  = 100
	missingAddress = "MISSING_DOMAIN" // shown when an address has no domain
)

// envelopeBuilder collects the fields of RFC 9051, section 7.5.2.
type envelopeBuilder struct {
	env imap.Envelope
}

// field takes over one header field and reports whether it is part of the
// envelope.
func (b *envelopeBuilder) field(key string, value []byte) bool {
	e := &b.env
	switch key {
	case "date":
		if t, err := mail.ParseDate(unfold(value[:min(len(value), 200)])); err == nil && t.Year() <= 9999 {
			e.Date = t
		}
	case "subject":
		e.Subject = headerText(unfold(value))
	case "from":
		e.From = parseAddresses(unfold(value))
	case "sender":
		e.Sender = parseAddresses(unfold(value))
	case "reply-to":
		e.ReplyTo = parseAddresses(unfold(value))
	case "to":
		e.To = parseAddresses(unfold(value))
	case "cc":
		e.Cc = parseAddresses(unfold(value))
	case "bcc":
		e.Bcc = parseAddresses(unfold(value))
	case "in-reply-to":
		e.InReplyTo = messageIDs(unfold(value))
	case "message-id":
		if ids := messageIDs(unfold(value)); len(ids) > 0 {
			e.MessageID = ids[0]
		}
	default:
		return false
	}
	return true
}

func (b *envelopeBuilder) envelope() *imap.Envelope { return &b.env }

// headerText leaves plain ASCII as it is, encoded words included: that is
// what the client must get (RFC 9051, section 7.5.2). Anything else is
// decoded so that the writer may encode it once.
func headerText(s string) string {
	for i := 0; i < len(s); i++ {
		if (s[i] < ' ' || s[i] > '~') && s[i] != '\t' {
			return DecodeHeader(s)
		}
	}
	return s
}

// messageIDs returns what stands between angle brackets.
func messageIDs(s string) []string {
	var ids []string
	for len(ids) < maxMessageIDs {
		_, rest, ok := strings.Cut(s, "<")
		if !ok {
			break
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			break
		}
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
		s = after
	}
	return ids
}

// parseAddresses reads an address list (RFC 5322, section 3.4) from anything:
// what cannot be understood is left out, never the rest of the list.
func parseAddresses(s string) []imap.Address {
	var list []imap.Address
	inGroup := false
	for s != "" && len(list) < maxAddresses {
		item, stop, rest := nextAddress(s)
		s = rest
		switch {
		case stop == ':' && !inGroup:
			list = append(list, imap.Address{Mailbox: phrase(item)})
			inGroup = true
			continue
		case stop == ':':
			continue
		}
		if a, ok := parseAddress(item); ok {
			list = append(list, a)
		}
		if stop == ';' && inGroup {
			list = append(list, imap.Address{})
			inGroup = false
		}
	}
	if inGroup {
		list = append(list, imap.Address{})
	}
	return list
}

// nextAddress cuts s at the next comma, colon or semicolon that stands
// outside quotes, comments and angle brackets.
func nextAddress(s string) (item string, stop byte, rest string) {
	quoted, angle, depth := false, false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',', !angle && (c == ':' || c == ';'):
			return s[:i], c, s[i+1:]
		}
	}
	return s, 0, ""
}

// parseAddress reads one mailbox: `name <local@domain>` or `local@domain
// (name)`.
func parseAddress(s string) (imap.Address, bool) {
	var a imap.Address
	spec := s
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		spec, _, _ = strings.Cut(s[i+1:], ">")
		a.Name = phrase(s[:i])
	} else if i := strings.IndexByte(s, '('); i >= 0 {
		comment, _, _ := strings.Cut(s[i+1:], ")")
		a.Name = headerText(strings.TrimSpace(comment))
		spec = stripComments(s)
	}
	spec = strings.TrimSpace(spec)
	if spec == "" {
		return a, false
	}
	a.Mailbox, a.Host = spec, missingAddress
	if i := strings.LastIndexByte(spec, '@'); i >= 0 {
		a.Mailbox, a.Host = spec[:i], spec[i+1:]
	}
	if strings.HasPrefix(a.Mailbox, `"`) {
		a.Mailbox = unquote(a.Mailbox)
	}
	// An empty half would read as the start or end of a group.
	if a.Mailbox == "" || a.Host == "" {
		return a, false
	}
	return a, true
}

// phrase returns a display name without its quotes.
func phrase(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, `"`) {
		return headerText(unquote(s))
	}
	return headerText(strings.TrimSpace(stripComments(s)))
}
