// Package release turns a draft of the Directory into a signed release, by two
// people: draft, reviewed, signed, published. What was reviewed is what gets
// signed, to the byte; a release carries the digest of the one before; version
// numbers never go back; and a key changes only when the old one signed for the
// new one, or when somebody called back and wrote down whom.
//
// The working folder holds
//
//	state.json                         how far the version in work is, by whom and when
//	draft.json, draft.json.asc         the version in work, and its signature once signed
//	authority.asc                      certificate of the key that signed
//	published/7/directory.json, ….asc  every published version, as gateways install it
//	published/7/release.json           who drafted, reviewed and signed it, and how keys were confirmed
//
// Names are what people type: the rule of two guards against mistakes and
// haste. Against a keeper of the authority's key who means harm it is no guard;
// for that the key must need two people (a token and its PIN, say).
package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"relais.example/routing/directory"
)

// Step says how far the version in work is.
type Step string

// The closed set of steps, in order. No version is in work in None.
const (
	None     Step = ""
	Drafted  Step = "draft"
	Reviewed Step = "reviewed"
	Signed   Step = "signed"
)

// Act is something that a person did to a version.
type Act struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest"` // SHA-256 of the document then, in hex digits
}

// Record is the state of a version: state.json while it is in work,
// release.json when it is published.
type Record struct {
	Step          Step           `json:"step,omitempty"`
	Version       uint64         `json:"version,omitempty"`
	Drafted       Act            `json:"drafted,omitzero"`
	Reviewed      Act            `json:"reviewed,omitzero"`
	Signed        Act            `json:"signed,omitzero"`
	Published     Act            `json:"published,omitzero"`
	Authority     string         `json:"authority,omitempty"` // fingerprint of the key that signed
	Confirmations []Confirmation `json:"confirmations,omitempty"`
}

// Errors that callers tell apart.
var (
	ErrStep   = errors.New("not the time for it")
	ErrPeople = errors.New("two people are needed")
	ErrDigest = errors.New("not what was reviewed")
	ErrFaults = errors.New("open errors")
	ErrKeys   = errors.New("keys changed without confirmation")
)

// Folder is a working folder of the Directory authority.
type Folder struct {
	dir   string
	state Record
	raw   []byte // state.json as it was read, nil when there was none
}

const (
	stateFile     = "state.json"
	draftFile     = "draft.json"
	authorityFile = "authority.asc"
	publishedDir  = "published"
	recordFile    = "release.json"
	maxRecord     = 4 << 20
)

// Open opens the folder, or makes it. A publication that a crash interrupted is
// completed.
func Open(dir string) (*Folder, error) {
	f := &Folder{dir: dir}
	if err := os.MkdirAll(f.path(publishedDir), 0o700); err != nil {
		return nil, fmt.Errorf("opening the release folder: %w; it must be a folder that can be written", err)
	}
	raw, err := read(f.path(stateFile), maxRecord)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("opening the release folder: %w", err)
	default:
		f.raw = raw
		if err := json.Unmarshal(raw, &f.state); err != nil {
			return nil, fmt.Errorf("release: %s is damaged (%w); put it back from a backup", f.path(stateFile), err)
		}
	}
	if f.state.Step == Signed {
		if doc, err := read(f.document(f.state.Version), directory.MaxDocumentBytes); err == nil && directory.Digest(doc) == f.state.Signed.Digest {
			return f, f.clear()
		}
	}
	return f, nil
}

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *Folder) version(v uint64) string {
	return filepath.Join(f.dir, publishedDir, strconv.FormatUint(v, 10))
}

func (f *Folder) document(v uint64) string { return filepath.Join(f.version(v), directory.FileName) }

// State returns how far the version in work is.
func (f *Folder) State() Record { return f.state }

// Document returns the version in work, with its open errors.
func (f *Folder) Document() (doc *directory.Document, raw []byte, problems []directory.Problem, err error) {
	if f.state.Step == None {
		return nil, nil, nil, fmt.Errorf("release: %w: no version is in work in %s; begin one with relais directory draft", ErrStep, f.dir)
	}
	if raw, err = read(f.path(draftFile), directory.MaxDocumentBytes); err != nil {
		return nil, nil, nil, fmt.Errorf("release: reading the version in work: %w; put it back from a backup or draft it anew", err)
	}
	doc, problems, err = directory.ReadDraft(raw)
	return doc, raw, problems, err
}

// Latest returns the last published version: its document and bytes. nil when
// none was published.
func (f *Folder) Latest() (*directory.Document, []byte, error) {
	versions, err := f.versions()
	if err != nil || len(versions) == 0 {
		return nil, nil, err
	}
	path := f.document(versions[len(versions)-1])
	raw, err := read(path, directory.MaxDocumentBytes)
	if err != nil {
		return nil, nil, fmt.Errorf("release: reading the published version: %w; put it back from a backup", err)
	}
	doc, err := directory.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("release: %s is damaged: %w", path, err)
	}
	return doc, raw, nil
}

func (f *Folder) versions() ([]uint64, error) {
	entries, err := os.ReadDir(f.path(publishedDir))
	if err != nil {
		return nil, fmt.Errorf("release: listing published versions: %w", err)
	}
	var list []uint64
	for _, e := range entries {
		if v, err := strconv.ParseUint(e.Name(), 10, 64); err == nil && e.IsDir() && e.Name() == strconv.FormatUint(v, 10) {
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list, nil
}

// History returns the records of all published versions, oldest first. It fails
// when one does not carry the digest of the one before.
func (f *Folder) History() ([]Record, error) {
	versions, err := f.versions()
	if err != nil {
		return nil, err
	}
	var list []Record
	before := ""
	for i, v := range versions {
		raw, err := read(f.document(v), directory.MaxDocumentBytes)
		if err != nil {
			return nil, fmt.Errorf("release: reading version %d: %w", v, err)
		}
		doc, err := directory.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("release: version %d is damaged: %w", v, err)
		}
		if doc.Version != v || i > 0 && doc.Previous != before {
			return nil, fmt.Errorf("release: %s does not follow the version before it: the history was altered; compare it with a backup and with what gateways installed", f.document(v))
		}
		before = directory.Digest(raw)
		record, err := read(filepath.Join(f.version(v), recordFile), maxRecord)
		if err != nil {
			return nil, fmt.Errorf("release: reading the record of version %d: %w", v, err)
		}
		var r Record
		if err := json.Unmarshal(record, &r); err != nil {
			return nil, fmt.Errorf("release: the record of version %d is damaged: %w", v, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// save makes the state durable. When somebody else has gone on meanwhile,
// nothing is written.
func (f *Folder) save(next Record) error {
	is, err := read(f.path(stateFile), maxRecord)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("release: writing the state: %w", err)
	}
	if !bytes.Equal(is, f.raw) {
		return fmt.Errorf("release: %w: somebody else worked in %s at the same time; look again", ErrStep, f.dir)
	}
	raw, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return fmt.Errorf("release: writing the state: %w", err)
	}
	raw = append(raw, '\n')
	if err := directory.ReplaceFile(f.path(stateFile), raw); err != nil {
		return err
	}
	f.state, f.raw = next, raw
	return nil
}

// clear ends the work on a version that is published.
func (f *Folder) clear() error {
	if err := f.save(Record{}); err != nil {
		return err
	}
	for _, name := range []string{draftFile, draftFile + directory.SignatureSuffix} {
		if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("release: clearing the work folder: %w", err)
		}
	}
	return nil
}

// person checks the name of someone who acts.
func person(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	if len(name) < 2 || len(name) > 200 {
		return "", fmt.Errorf("release: %w: nobody is named; say who you are", ErrPeople)
	}
	return name, nil
}

func samePerson(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

// read reads a file of at most limit bytes.
func read(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return raw, err
}
