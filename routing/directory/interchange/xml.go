package interchange

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// xmlReader gives the tokens of a part. It refuses document types, and thereby
// entities, and bounds depth and number of elements.
type xmlReader struct {
	dec           *xml.Decoder
	at            Place
	depth, tokens int
}

func (c *container) xml(name string) (*xmlReader, error) {
	data, err := c.read(name)
	if err != nil {
		return nil, err
	}
	return newXML(data, Place{File: c.file, Table: quote(name)}), nil
}

func newXML(data []byte, at Place) *xmlReader {
	return &xmlReader{dec: xml.NewDecoder(bytes.NewReader(data)), at: at}
}

// next returns the next start, end or text; io.EOF at the end.
func (x *xmlReader) next() (xml.Token, error) {
	for {
		tok, err := x.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, refuse(RefusedDamaged, x.here(), "it is no whole XML ("+err.Error()+")", saveAgain)
		}
		if x.tokens++; x.tokens > maxTokens {
			return nil, refuse(RefusedTooLarge, x.here(), "it has too many elements", "split it")
		}
		switch tok.(type) {
		case xml.Directive:
			return nil, refuse(RefusedEntities, x.here(), "it declares a document type", "do not use the file; ask its sender")
		case xml.StartElement:
			if x.depth++; x.depth > maxDepth {
				return nil, refuse(RefusedTooDeep, x.here(), fmt.Sprintf("elements are nested more than %d deep", maxDepth), "do not use the file; ask its sender")
			}
			return tok, nil
		case xml.EndElement:
			x.depth--
			return tok, nil
		case xml.CharData:
			return tok, nil
		}
	}
}

func (x *xmlReader) here() Place {
	p := x.at
	line, _ := x.dec.InputPos()
	p.Table += ", XML line " + strconv.Itoa(line)
	return p
}

// skip passes over the rest of the element that was just begun.
func (x *xmlReader) skip() error {
	for depth := x.depth; x.depth >= depth; {
		if _, err := x.next(); err != nil {
			return x.cut(err)
		}
	}
	return nil
}

// cut makes the end of the input inside an element an error.
func (x *xmlReader) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return refuse(RefusedDamaged, x.here(), "it ends too early", saveAgain)
	}
	return err
}

// text returns all character data of the element that was just begun.
func (x *xmlReader) text() (string, error) {
	var b strings.Builder
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.next()
		if err != nil {
			return "", x.cut(err)
		}
		if s, ok := tok.(xml.CharData); ok {
			b.Write(s)
		}
	}
	return b.String(), nil
}

// each calls f for every element of the whole part.
func (x *xmlReader) each(f func(xml.StartElement) error) error {
	for {
		tok, err := x.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := tok.(xml.StartElement); ok {
			if err := f(e); err != nil {
				return err
			}
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
