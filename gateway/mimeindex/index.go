// Package mimeindex finds the parts of a stored e-mail by byte offsets.
//
// The index is computed once from the stored bytes, in one pass over the
// lines, and never fails: whatever is broken, nested too deeply or split into
// too many parts is shown as one leaf. It answers what IMAP asks about a
// message (RFC 9051, sections 2.3.4 to 2.3.6 and 6.4.5) without parsing again
// and always from the bytes that BODY[] returns, so that sizes and contents
// agree however odd the mail is.
package mimeindex

import (
	"github.com/emersion/go-imap/v2"
)

// Limits of one message. What lies beyond stays reachable as part of the leaf
// that contains it.
const (
	MaxDepth  = 32       // nested multiparts and messages
	MaxParts  = 1100     // parts in the whole message: 1,000 that may arrive, and what is put around them
	maxHeader = 32 << 10 // bytes of a message header kept in the index
	maxValue  = 64 << 10 // bytes of one field's value that are looked at
	maxParams = 64       // parameters of one Content-Type or Content-Disposition
)

// Part is one MIME entity: header, blank line, body. Offsets count bytes from
// the start of the stored message.
type Part struct {
	HeaderStart int // first byte of the header
	BodyStart   int // first byte after the blank line; the header ends here
	End         int // first byte after the body
	Lines       int // line endings in the body

	Type, Subtype string            // lower case; text/plain when missing or broken
	Params        map[string]string // Content-Type parameters, names in lower case, values as written
	Encoding      string            // Content-Transfer-Encoding, lower case; "" when missing
	ID            string            // Content-Id
	Description   string
	Disposition   string // lower case; "" when missing
	DispParams    map[string]string
	Languages     []string
	Location      string

	// Parts of a multipart, or the single embedded message of a
	// message/rfc822. Empty for a leaf, whatever Type claims.
	Parts []*Part
	// Envelope is set for the root and for every embedded message.
	Envelope *imap.Envelope

	lineAtBody int    // line endings before BodyStart
	boundary   string // "" unless Parts may follow
}

// Index describes one message. It keeps no reference to the bytes it was
// built from (but a copy of the header), is immutable and safe for concurrent use.
type Index struct {
	Root    *Part
	size    int
	parts   int
	headers int    // bytes of all headers
	header  []byte // a copy of the root's header, nil when it is large
}

// Weight estimates the memory that x takes, in bytes.
func (x *Index) Weight() int64 {
	return int64(1024 + len(x.header) + x.headers + 600*x.parts)
}

// Size returns the length of the message in bytes (RFC822.SIZE).
func (x *Index) Size() int { return x.size }

// IsMultipart reports whether p is a multipart with at least one part.
func (p *Part) IsMultipart() bool { return p.Type == "multipart" && len(p.Parts) > 0 }

// IsMessage reports whether p holds an embedded message that was indexed.
func (p *Part) IsMessage() bool { return p.claimsMessage() && len(p.Parts) == 1 }

func (p *Part) claimsMessage() bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

// Find returns the part with the IMAP part number path (RFC 9051, section
// 6.4.5), or nil when there is none. An empty path is the message itself.
func (x *Index) Find(path []int) *Part {
	cur := x.Root
	for depth, n := range path {
		container := cur
		switch {
		case depth == 0:
		case cur.IsMessage():
			container = cur.Parts[0]
		case !cur.IsMultipart():
			return nil
		}
		switch {
		case container.IsMultipart():
			if n < 1 || n > len(container.Parts) {
				return nil
			}
			cur = container.Parts[n-1]
		case n == 1: // the body of a message that is not a multipart
			cur = container
		default:
			return nil
		}
	}
	return cur
}
