package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	versionsDir   = "versions"
	installedFile = "installed"
	newPrefix     = ".new-" // a folder that is still being written

	// maxSignatureBytes bounds the .asc file; a signature takes below 1 KB.
	maxSignatureBytes = 64 << 10
)

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Store) versionDir(v uint64) string {
	return filepath.Join(s.dir, versionsDir, strconv.FormatUint(v, 10))
}

// versions lists the numbers of the folders under versions, sorted.
func (s *Store) versions() ([]uint64, error) {
	entries, err := os.ReadDir(s.path(versionsDir))
	if err != nil {
		return nil, fmt.Errorf("listing directory versions: %w", err)
	}
	var list []uint64
	for _, e := range entries {
		v, err := strconv.ParseUint(e.Name(), 10, 64)
		if err == nil && e.IsDir() && e.Name() == strconv.FormatUint(v, 10) {
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list, nil
}

// clean removes folders that a crash left half written.
func (s *Store) clean() error {
	left, err := filepath.Glob(filepath.Join(s.dir, versionsDir, newPrefix+"*"))
	if err != nil {
		return fmt.Errorf("cleaning directory versions: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("cleaning directory versions: %w", err)
		}
	}
	return nil
}

// writeVersion makes the folder of version v durable: it appears under its
// name with both files whole, or not at all.
func (s *Store) writeVersion(v uint64, p pair) error {
	parent := s.path(versionsDir)
	tmp, err := os.MkdirTemp(parent, newPrefix)
	if err != nil {
		return err
	}
	if err := writePair(tmp, p); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	// What stands under that name can only be a failed attempt or a damaged
	// copy of the same version: install has compared the numbers.
	if err := os.RemoveAll(s.versionDir(v)); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.versionDir(v)); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return syncDir(parent)
}

func readPair(dir string) (pair, error) {
	doc, err := readBounded(filepath.Join(dir, FileName), MaxDocumentBytes)
	if err != nil {
		return pair{}, err
	}
	sig, err := readBounded(filepath.Join(dir, FileName+SignatureSuffix), maxSignatureBytes)
	if err != nil {
		return pair{}, err
	}
	return pair{doc, sig}, nil
}

// writePair writes both files durably, each whole or not at all.
func writePair(dir string, p pair) error {
	if err := replaceFile(filepath.Join(dir, FileName+SignatureSuffix), p.sig); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, FileName), p.doc)
}

// replaceFile writes a file durably under its name: temporary file, fsync,
// rename, fsync of the folder.
func replaceFile(path string, content []byte) error {
	dir, name := filepath.Split(path)
	tmp, err := os.CreateTemp(dir, "."+name+".*.tmp") // mode 0600: entries are confidential
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b, nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// ReadDocument reads the document at path, signed or not.
func ReadDocument(path string) ([]byte, error) {
	doc, err := readBounded(path, MaxDocumentBytes)
	if err != nil {
		return nil, fmt.Errorf("reading directory: %w; name the right JSON file", err)
	}
	return doc, nil
}

// ReadFiles reads the document at path and the signature beside it.
func ReadFiles(path string) (doc, signature []byte, err error) {
	if doc, err = ReadDocument(path); err != nil {
		return nil, nil, err
	}
	if signature, err = readBounded(path+SignatureSuffix, maxSignatureBytes); err != nil {
		return nil, nil, fmt.Errorf("reading directory signature: %w; document and %s file must lie side by side", err, SignatureSuffix)
	}
	return doc, signature, nil
}

// WriteSignature writes the signature beside the document at path, durably.
func WriteSignature(path string, signature []byte) error {
	if err := replaceFile(path+SignatureSuffix, signature); err != nil {
		return fmt.Errorf("writing directory signature: %w; check that the folder can be written", err)
	}
	return nil
}

// ReplaceFile writes a file durably under its name, for its owner only: it
// appears whole or not at all, and survives a crash once ReplaceFile returned.
func ReplaceFile(path string, content []byte) error {
	if err := replaceFile(path, content); err != nil {
		return fmt.Errorf("writing %s: %w; check that the folder can be written", path, err)
	}
	return nil
}

// Digest returns the SHA-256 of a release's file in hex digits, as the next
// release carries it.
func Digest(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}
