package interchange

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
)

// Bounds of one file. A list of 1,000 contact points with certificates is a
// .docx of 2 MB.
const (
	MaxFileBytes = 64 << 20  // as it stands on disk
	maxUnpacked  = 128 << 20 // of all parts of a container together
	maxPart      = 48 << 20
	maxParts     = 2000
	maxRatio     = 300 // unpacked to packed, for parts beyond 4 MiB
	maxDepth     = 100 // of XML elements
	maxTokens    = 20_000_000
	maxCells     = 2_000_000 // of a file
	maxRows      = 200_000
	maxColumns   = 500
	maxCellBytes = 1 << 20
)

// RefusedError tells why a file is not read at all.
type RefusedError struct {
	Code   string // stable
	Place  Place
	What   string
	Advice string
}

// Error returns the refusal as one line.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: refused (%s): %s; %s", e.Place, e.Code, e.What, e.Advice)
}

// The codes of refusals.
const (
	RefusedTooLarge  = "too-large"       // the file, a part of it, or a table has too much in it
	RefusedBomb      = "zip-bomb"        // unpacked it would be out of all proportion
	RefusedMacros    = "macros"          // it holds program code
	RefusedEntities  = "xml-entities"    // its XML declares a document type or entities
	RefusedEncrypted = "encrypted"       // a password is needed
	RefusedDamaged   = "damaged"         // cut off, or not what it claims to be
	RefusedFormat    = "unknown-format"  // none of the formats that are read
	RefusedConverter = "no-converter"    // a .doc, and no program to convert it
	RefusedTooDeep   = "nested-too-deep" // elements in elements in elements
)

func refuse(code string, at Place, what, advice string) *RefusedError {
	return &RefusedError{code, at, what, advice}
}

const saveAgain = "open it in the program it comes from and save it again"

// container is an Office Open XML file: a ZIP archive of XML parts.
type container struct {
	file  string
	parts map[string]*zip.File
	left  int64 // bytes that may still be unpacked
	cells int
	text  int // bytes of all cells; one text may stand in many
	log   *log
}

func openContainer(file string, data []byte, l *log) (*container, error) {
	at := Place{File: file}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, refuse(RefusedDamaged, at, "it is no whole ZIP archive ("+err.Error()+")", "fetch or save it again")
	}
	if len(z.File) > maxParts {
		return nil, refuse(RefusedTooLarge, at, fmt.Sprintf("it has %d parts, at most %d are read", len(z.File), maxParts), saveAgain)
	}
	c := &container{file: file, parts: map[string]*zip.File{}, left: maxUnpacked, log: l}
	for _, f := range z.File {
		name := strings.ToLower(f.Name)
		part := Place{File: file, Table: quote(f.Name)}
		switch {
		case strings.Contains(f.Name, "..") || strings.HasPrefix(f.Name, "/") || strings.Contains(f.Name, `\`):
			return nil, refuse(RefusedDamaged, part, "a part has a name that no office program writes", "do not use the file; ask its sender")
		case f.Flags&1 != 0:
			return nil, refuse(RefusedEncrypted, part, "a part is encrypted", "save it without a password")
		case c.parts[f.Name] != nil:
			return nil, refuse(RefusedDamaged, part, "a part stands in it twice", saveAgain)
		case strings.Contains(name, "vbaproject") || strings.Contains(name, "vbadata") || strings.Contains(name, "macrosheets/") || strings.HasSuffix(name, "activex.bin"):
			return nil, refuse(RefusedMacros, part, "it holds macros", "save it as .docx or .xlsx without macros")
		case strings.Contains(name, "/embeddings/"):
			l.add(Embedded, part, "", "", "another file is embedded: it was not read", "import it by itself if it matters")
		}
		c.parts[f.Name] = f
	}
	types, err := c.read("[Content_Types].xml")
	if err != nil {
		return nil, err
	}
	if bytes.Contains(bytes.ToLower(types), []byte("macroenabled")) {
		return nil, refuse(RefusedMacros, at, "it is a document with macros", "save it as .docx or .xlsx without macros")
	}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, ".rels") {
			if err := c.external(f.Name); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// read unpacks one part under the limits.
func (c *container) read(name string) ([]byte, error) {
	at := Place{File: c.file, Table: quote(name)}
	f := c.parts[name]
	if f == nil {
		return nil, refuse(RefusedDamaged, at, "the part is missing", saveAgain)
	}
	r, err := f.Open()
	if err != nil {
		return nil, refuse(RefusedDamaged, at, err.Error(), saveAgain)
	}
	defer r.Close()
	limit := min(c.left, maxPart)
	// A bomb is known by its growth, before it has grown to the limit.
	if packed := int64(f.CompressedSize64); packed*maxRatio < limit {
		limit = max(packed*maxRatio, 4<<20)
	}
	limit = min(limit, c.left)
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(data)) > limit {
		code := RefusedTooLarge
		if limit < min(c.left, maxPart) {
			code = RefusedBomb
		}
		return nil, refuse(code, at, fmt.Sprintf("unpacked it has more than %d bytes", limit), "do not use the file; ask its sender for another form")
	}
	if err != nil {
		return nil, refuse(RefusedDamaged, at, err.Error(), saveAgain)
	}
	c.left -= int64(len(data))
	return data, nil
}

// external reports what a file would fetch from elsewhere. Nothing is fetched.
func (c *container) external(name string) error {
	x, err := c.xml(name)
	if err != nil {
		return err
	}
	return x.each(func(e xml.StartElement) error {
		if e.Name.Local == "Relationship" && attr(e, "TargetMode") == "External" && !strings.HasSuffix(attr(e, "Type"), "/hyperlink") {
			c.log.add(ExternalReference, Place{File: c.file, Table: quote(name)}, "", "", "it refers to "+quote(attr(e, "Target"))+" outside the file: nothing was fetched", "nothing to do")
		}
		return nil
	})
}

// relations maps the identifiers of a part's relations to the parts they name.
func (c *container) relations(part string) (map[string]string, error) {
	dir, file := path.Split(part)
	name := dir + "_rels/" + file + ".rels"
	m := map[string]string{}
	if c.parts[name] == nil {
		return m, nil
	}
	x, err := c.xml(name)
	if err != nil {
		return nil, err
	}
	err = x.each(func(e xml.StartElement) error {
		if e.Name.Local == "Relationship" && attr(e, "TargetMode") != "External" {
			target := attr(e, "Target")
			if abs, ok := strings.CutPrefix(target, "/"); ok {
				target = abs
			} else {
				target = path.Join(dir, target)
			}
			m[attr(e, "Id")] = target
		}
		return nil
	})
	return m, err
}

// cell counts one cell against the limits of the file.
func (c *container) cell(text string, at Place) error {
	c.cells++
	c.text += len(text)
	if c.cells > maxCells || c.text > maxUnpacked || len(text) > maxCellBytes {
		return refuse(RefusedTooLarge, at, fmt.Sprintf("it has more than %d cells, or too much text in them", maxCells), "split it")
	}
	return nil
}
