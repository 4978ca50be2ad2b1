package mimeindex

import "github.com/emersion/go-imap/v2"

// Envelope returns ENVELOPE (RFC 9051, section 7.5.2).
func (x *Index) Envelope() *imap.Envelope { return x.Root.Envelope }

// BodyStructure returns BODYSTRUCTURE with extension data. Every multipart in
// it has parts and every message its envelope: what could not be taken apart
// is shown as a leaf that a client can at least display or save.
func (x *Index) BodyStructure() imap.BodyStructure { return x.Root.structure() }

func (p *Part) structure() imap.BodyStructure {
	if p.IsMultipart() {
		mp := &imap.BodyStructureMultiPart{Subtype: p.Subtype}
		for _, child := range p.Parts {
			mp.Children = append(mp.Children, child.structure())
		}
		mp.Extended = &imap.BodyStructureMultiPartExt{
			Params:      p.Params,
			Disposition: p.disposition(),
			Language:    p.Languages,
			Location:    p.Location,
		}
		return mp
	}
	leaf := &imap.BodyStructureSinglePart{
		Type:        p.Type,
		Subtype:     p.Subtype,
		Params:      p.Params,
		ID:          p.ID,
		Description: p.Description,
		Encoding:    p.Encoding,
		Size:        uint32(p.End - p.BodyStart),
		Extended: &imap.BodyStructureSinglePartExt{
			Disposition: p.disposition(),
			Language:    p.Languages,
			Location:    p.Location,
		},
	}
	switch {
	case p.IsMessage():
		inner := p.Parts[0]
		leaf.MessageRFC822 = &imap.BodyStructureMessageRFC822{
			Envelope:      inner.Envelope,
			BodyStructure: inner.structure(),
			NumLines:      int64(p.Lines),
		}
	case p.Type == "multipart": // no part in it
		leaf.Type, leaf.Subtype, leaf.Params = "text", "plain", nil
	case p.claimsMessage():
		leaf.Type, leaf.Subtype, leaf.Params = "application", "octet-stream", nil
	}
	if leaf.Type == "text" {
		leaf.Text = &imap.BodyStructureText{NumLines: int64(p.Lines)}
	}
	return leaf
}

func (p *Part) disposition() *imap.BodyStructureDisposition {
	if p.Disposition == "" {
		return nil
	}
	return &imap.BodyStructureDisposition{Value: p.Disposition, Params: p.DispParams}
}
