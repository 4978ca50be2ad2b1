package interchange

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// conversionTime bounds how long a converter may run.
const conversionTime = 60 * time.Second

// readDoc reads a .doc by one of the programs that understand it: LibreOffice,
// which makes a .docx, or antiword, which writes DocBook.
func readDoc(ctx context.Context, file string, data []byte, l *log) ([]*grid, error) {
	at := Place{File: file}
	if bytes.Contains(data, utf16le("EncryptedPackage")) {
		return nil, refuse(RefusedEncrypted, at, "it is encrypted", "save it without a password")
	}
	if !bytes.Contains(data, utf16le("WordDocument")) {
		return nil, refuse(RefusedFormat, at, "it is an old office file, but no .doc", "save it as .docx or .xlsx")
	}
	if bytes.Contains(data, utf16le("_VBA_PROJECT")) || bytes.Contains(data, utf16le("Macros")) {
		return nil, refuse(RefusedMacros, at, "it holds macros", "save it as .docx without macros")
	}
	ctx, cancel := context.WithTimeout(ctx, conversionTime)
	defer cancel()
	dir, err := os.MkdirTemp("", "relais-import-*")
	if err != nil {
		return nil, fmt.Errorf("converting %s: %w; make room for temporary files", file, err)
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "list.doc")
	if err := os.WriteFile(source, data, 0o600); err != nil {
		return nil, fmt.Errorf("converting %s: %w; make room for temporary files", file, err)
	}
	for _, name := range []string{"soffice", "libreoffice"} {
		if program, err := exec.LookPath(name); err == nil {
			return byLibreOffice(ctx, program, dir, source, file, l)
		}
	}
	if program, err := exec.LookPath("antiword"); err == nil {
		l.add(LossyConversion, at, "", "", "antiword read it, which loses some tables with merged cells", "compare the numbers of entries with the list, or install LibreOffice")
		return byAntiword(ctx, program, source, file)
	}
	return nil, refuse(RefusedConverter, at, "a .doc is read with the help of LibreOffice or antiword, and neither is installed",
		"install one of them (Debian: libreoffice-writer-nogui or antiword), or save the file as .docx")
}

func byLibreOffice(ctx context.Context, program, dir, source, file string, l *log) ([]*grid, error) {
	// A profile of its own: nothing of the user's, and macros stay off.
	cmd := exec.CommandContext(ctx, program, "-env:UserInstallation=file://"+filepath.Join(dir, "profile"),
		"--headless", "--norestore", "--nolockcheck", "--convert-to", "docx", "--outdir", dir, source)
	if err := run(cmd, dir); err != nil {
		return nil, refuse(RefusedDamaged, Place{File: file}, "LibreOffice cannot convert it ("+err.Error()+")", "save it as .docx")
	}
	f, err := os.Open(filepath.Join(dir, "list.docx"))
	if err != nil {
		return nil, refuse(RefusedDamaged, Place{File: file}, "LibreOffice made nothing of it", "save it as .docx")
	}
	defer f.Close()
	converted, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil || len(converted) > MaxFileBytes {
		return nil, refuse(RefusedTooLarge, Place{File: file}, "the converted file is too large", "split it")
	}
	c, err := openContainer(file, converted, l)
	if err != nil {
		return nil, err
	}
	return readDocx(c)
}

// run runs a converter with nothing of this program's surroundings, and ends
// all that it started when the time is up.
func run(cmd *exec.Cmd, home string) error {
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8"}
	cmd.WaitDelay = 5 * time.Second
	ownGroup(cmd)
	return cmd.Run()
}

func byAntiword(ctx context.Context, program, source, file string) ([]*grid, error) {
	cmd := exec.CommandContext(ctx, program, "-x", "db", "-m", "UTF-8.txt", source)
	out := &bounded{left: MaxFileBytes}
	cmd.Stdout = out
	if err := run(cmd, filepath.Dir(source)); err != nil {
		return nil, refuse(RefusedDamaged, Place{File: file}, "antiword cannot read it ("+err.Error()+")", "save it as .docx")
	}
	return readDocBook(file, out.Bytes())
}

// readDocBook reads the tables that antiword writes.
func readDocBook(file string, data []byte) ([]*grid, error) {
	// antiword writes a document type of its own in front; anything of the kind
	// further down is refused as everywhere.
	if start := bytes.Index(data, []byte("<book")); start > 0 {
		data = data[start:]
	}
	x := newXML(data, Place{File: file})
	var grids []*grid
	var g *grid
	var before strings.Builder // text outside tables since the last one
	for {
		tok, err := x.next()
		if errors.Is(err, io.EOF) {
			return grids, nil
		}
		if err != nil {
			return nil, err
		}
		switch e := tok.(type) {
		case xml.CharData:
			if before.Len() < maxCellBytes {
				before.Write(e)
			}
			continue
		case xml.StartElement:
			switch e.Name.Local {
			case "informaltable", "table":
				g = &grid{file: file, name: fmt.Sprintf("table %d", len(grids)+1)}
				if list := strings.Split(tidyLines(before.String()), "\n"); len(list) > 0 {
					g.caption = list[len(list)-1]
				}
				before.Reset()
				grids = append(grids, g)
			case "row":
				if g != nil && len(g.rows) < maxRows {
					g.rows = append(g.rows, nil)
				}
			case "entry":
				text, err := x.text()
				if err != nil {
					return nil, err
				}
				if g == nil || len(g.rows) == 0 {
					continue
				}
				last := len(g.rows) - 1
				if len(g.rows[last]) >= maxColumns {
					return nil, refuse(RefusedTooLarge, x.here(), "a table is too wide", "split it")
				}
				g.rows[last] = append(g.rows[last], cell{text: tidyLines(text)})
			}
		}
	}
}

// tidyLines trims each line of a text and drops empty ones.
func tidyLines(s string) string {
	var list []string
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			list = append(list, line)
		}
	}
	return strings.Join(list, "\n")
}

// bounded keeps the output of a program up to a limit.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}

func utf16le(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = append(out, s[i], 0)
	}
	return out
}
