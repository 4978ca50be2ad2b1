// Package journal is the append-only, hash-chained record of everything that
// was committed. It is what survives when Redis forgets, and it is the audit
// log.
//
// Each line of the file holds: the chain value, the desk, the sequence number
// within the desk, the UIDs that the commit allocated, and the record as JSON,
// separated by single spaces. The chain value is the SHA-256, in hex, of the
// previous line's chain value followed by the rest of the line; the first line
// follows 64 zeros. Sequence number 0 marks a local note that no other gateway
// has.
package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FileName is the name of the journal in its folder.
const FileName = "journal.log"

// maxLine bounds one line; a record is a few hundred bytes.
const maxLine = 4 << 20

// maxEntry leaves room in the line for the chain value and the number.
const maxEntry = maxLine - 128

// Entry is one line of the journal.
type Entry struct {
	Desk   string // "-" if it concerns no desk
	Seq    uint64 // position in the desk's stream; 0 for a local note
	UIDs   string // comma-separated UIDs allocated by the commit, or ""
	Record []byte // one line of JSON
}

// CorruptError says where the chain is broken.
type CorruptError struct {
	Path   string
	Line   int   // counted from 1
	Offset int64 // of the start of the line, in bytes
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s: line %d (byte %d): %s; keep a copy of the file and restore the folder from a backup or from another gateway", e.Path, e.Line, e.Offset, e.Reason)
}

const genesis = "0000000000000000000000000000000000000000000000000000000000000000"

// Journal appends entries durably. It is safe for concurrent use.
type Journal struct {
	path string
	file *File

	mu    sync.Mutex // orders the chain
	chain []byte     // chain value of the last line, in hex
	buf   []byte
}

// Open opens the journal in dir, creating it if there is none, checks the
// whole chain and calls apply for every entry in order. A last line that a
// crash cut short was never confirmed to anybody: it is moved to a file of its
// own beside the journal, and torn is its size in bytes. Any other fault is a
// *CorruptError and leaves everything as it is.
func Open(dir string, observe func(time.Duration), apply func(Entry) error) (j *Journal, torn int64, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, fmt.Errorf("creating journal folder: %w", err)
	}
	path := filepath.Join(dir, FileName)
	chain, good, err := scan(path, 0, apply)
	if err != nil {
		return nil, 0, err
	}
	if torn, err = cutTorn(path, good); err != nil {
		return nil, 0, err
	}
	f, err := OpenFile(path, observe)
	if err != nil {
		return nil, 0, err
	}
	return &Journal{path: path, file: f, chain: []byte(chain)}, torn, nil
}

// Append adds the entries in their order and returns when all are durable. An
// entry that could not be read back as one line is refused, and none of them
// is added.
func (j *Journal) Append(entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for i, e := range entries {
		if err := e.check(); err != nil {
			return fmt.Errorf("journal: entry %d of %d: %w", i+1, len(entries), err)
		}
	}
	size := 0
	for _, e := range entries {
		size += len(e.Record) + len(e.Desk) + len(e.UIDs) + 128
	}
	lines := make([]byte, 0, size)
	j.mu.Lock()
	for _, e := range entries {
		lines = j.appendLine(lines, e)
	}
	_, batch := j.file.Enqueue(lines)
	j.mu.Unlock()
	return batch.Wait()
}

// Err returns what broke the journal, or nil while it can be appended to.
func (j *Journal) Err() error { return j.file.Err() }

// Size returns the size of the journal in bytes.
func (j *Journal) Size() int64 { return j.file.Size() }

// Each calls fn for every durable entry in order, while appends go on. Entries
// appended after the call started may or may not be seen.
func (j *Journal) Each(fn func(Entry) error) error {
	_, _, err := scan(j.path, j.file.Size(), fn)
	return err
}

// Close makes everything durable and closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// Report is the result of Verify.
type Report struct {
	Entries int
	Bytes   int64
	Torn    int64  // bytes of an unfinished last line
	Chain   string // chain value of the last whole line
}

// Verify checks the chain of the journal in dir without changing it. The
// error is a *CorruptError where the chain is broken.
func Verify(dir string) (Report, error) {
	var r Report
	path := filepath.Join(dir, FileName)
	st, err := os.Stat(path)
	if err != nil {
		return r, fmt.Errorf("verifying journal: %w", err)
	}
	r.Chain, r.Bytes, err = scan(path, st.Size(), func(Entry) error { r.Entries++; return nil })
	if err == nil {
		r.Torn = max(0, st.Size()-r.Bytes) // an empty file may have grown meanwhile
	}
	return r, err
}

// Read checks the chain of the journal in dir and calls fn for each whole entry
// in order, without changing anything; a gateway may go on appending. The error
// is a *CorruptError where the chain is broken, or that of fn.
func Read(dir string, fn func(Entry) error) error {
	path := filepath.Join(dir, FileName)
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading journal: %w", err)
	}
	_, _, err = scan(path, st.Size(), fn)
	return err
}

// appendLine appends the line of e, whose chain value is that of the journal
// from then on.
func (j *Journal) appendLine(b []byte, e Entry) []byte {
	start := len(b)
	b = append(b, ' ')
	b = append(b, j.chain...) // of the line before: it is summed up with the body
	b = appendBody(b, e)
	sum := sha256.Sum256(b[start+1:])
	hex.Encode(b[start:], sum[:]) // now it makes room for the new one, and the space
	b[start+len(genesis)] = ' '
	copy(j.chain, b[start:])
	return append(b, '\n')
}

// check keeps out what would break the file for the next start.
func (e Entry) check() error {
	switch {
	case strings.ContainsAny(e.Desk, " \n"):
		return errors.New("desk holds a space or a line end")
	case strings.ContainsAny(e.UIDs, " \n") || strings.HasPrefix(e.UIDs, "-"):
		return errors.New("UIDs are not numbers between commas")
	case bytes.IndexByte(e.Record, '\n') >= 0:
		return errors.New("record is more than one line")
	case len(e.Desk)+len(e.UIDs)+len(e.Record) > maxEntry:
		return fmt.Errorf("longer than %d bytes", maxEntry)
	}
	return nil
}

func appendBody(b []byte, e Entry) []byte {
	desk := e.Desk
	if desk == "" {
		desk = "-"
	}
	b = append(b, desk...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, e.Seq, 10)
	b = append(b, ' ')
	if e.UIDs == "" {
		b = append(b, '-')
	}
	b = append(b, e.UIDs...)
	b = append(b, ' ')
	return append(b, e.Record...)
}

func chainValue(prev string, body []byte) string {
	h := sha256.New()
	io.WriteString(h, prev)
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// scan reads whole lines up to limit bytes (0: to the end), checks the chain
// and returns the last chain value and the number of bytes that are good.
func scan(path string, limit int64, apply func(Entry) error) (chain string, good int64, err error) {
	chain = genesis
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return chain, 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("reading journal: %w", err)
	}
	defer f.Close()
	var in io.Reader = f
	if limit > 0 {
		in = io.LimitReader(f, limit)
	}
	r := bufio.NewReaderSize(in, 1<<20)
	for n := 1; ; n++ {
		line, err := readLine(r)
		if err == io.EOF {
			return chain, good, nil // what is left has no line end: torn
		}
		if err != nil {
			return "", 0, &CorruptError{path, n, good, err.Error()}
		}
		e, sum, err := parseLine(line)
		if err == nil && chainValue(chain, line[len(genesis)+1:]) != sum {
			err = errors.New("the chain is broken: this line, or one before it, was changed or is missing")
		}
		if err != nil {
			return "", 0, &CorruptError{path, n, good, err.Error()}
		}
		if err := apply(e); err != nil {
			return "", 0, fmt.Errorf("journal: line %d: %w", n, err)
		}
		chain = sum
		good += int64(len(line)) + 1
	}
}

// readLine returns one line without its end; io.EOF if the last has none.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case err != bufio.ErrBufferFull:
			return nil, err
		case len(line) > maxLine:
			return nil, errors.New("line too long")
		}
	}
}

func parseLine(line []byte) (e Entry, sum string, err error) {
	fields := bytes.SplitN(line, []byte{' '}, 5)
	if len(fields) != 5 || len(fields[0]) != len(genesis) {
		return e, "", errors.New("not a journal line")
	}
	if e.Seq, err = strconv.ParseUint(string(fields[2]), 10, 64); err != nil {
		return e, "", errors.New("bad sequence number")
	}
	e.Desk = string(fields[1])
	e.UIDs = strings.TrimPrefix(string(fields[3]), "-")
	e.Record = fields[4]
	return e, string(fields[0]), nil
}

// cutTorn moves what stands behind the last whole line into a file beside the
// journal, so that nothing disappears silently.
func cutTorn(path string, good int64) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("opening journal: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == good {
		return 0, err
	}
	torn := st.Size() - good
	tail := make([]byte, torn)
	if _, err := f.ReadAt(tail, good); err != nil {
		return 0, fmt.Errorf("reading torn line: %w", err)
	}
	side := fmt.Sprintf("%s.torn-%d", path, good)
	if err := keep(side, tail); err != nil {
		return 0, fmt.Errorf("keeping torn line: %w", err)
	}
	if err := f.Truncate(good); err != nil {
		return 0, fmt.Errorf("cutting torn line: %w", err)
	}
	return torn, f.Sync()
}

// keep adds p durably to the file at path, behind what an earlier crash at the
// same place left there.
func keep(path string, p []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(p); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
