package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"relais.example/crypto/pgp"
)

// FileName is the document's name in the folder of a [Store].
const FileName = "directory.json"

var (
	// ErrRollback is wrapped when a version below the installed one is offered.
	ErrRollback = errors.New("lower than the installed version")
	// ErrConflict is wrapped when other content is offered under the installed
	// version number.
	ErrConflict = errors.New("same version number as the installed one, but other content")
	// ErrChain is wrapped when a version does not follow the installed one: the
	// digest of the release before that it carries is another one's, or gone.
	ErrChain = errors.New("does not follow the installed version")
)

// Store keeps the Directory in force, in memory and on disk. It never goes back
// to a lower version, across restarts too. It is safe for concurrent use.
//
// The folder holds
//
//	directory.json, directory.json.asc   the version in force; a newer pair placed here is installed by Reload
//	installed                            number and SHA-256 of the version in force
//	versions/7/directory.json, ….asc     every version that was ever installed
//
// A version becomes installed by the rename of its whole folder under
// versions, so a crash cannot leave a document with another one's signature;
// what a crash leaves behind is completed at the next start.
type Store struct {
	dir       string
	authority *pgp.Certificate
	current   atomic.Pointer[Directory]

	mu     sync.Mutex // one installation at a time
	digest [sha256.Size]byte
}

// pair is a document and its signature as they stand in files.
type pair struct{ doc, sig []byte }

func (p pair) digest() [sha256.Size]byte { return sha256.Sum256(p.doc) }

// OpenStore opens the folder dir and loads the Directory in force. Every
// signature is checked against the pinned certificate of the authority. A newer
// pair that lies in the folder is installed; an older one, or one with other
// content under the same number, is an error. A folder without any Directory
// is an error too.
func OpenStore(dir string, authority *pgp.Certificate, at time.Time) (*Store, error) {
	s := &Store{dir: dir, authority: authority}
	if err := os.MkdirAll(filepath.Join(dir, versionsDir), 0o700); err != nil {
		return nil, fmt.Errorf("opening directory: %w; the gateway must be able to write this folder", err)
	}
	if err := syncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
		return nil, fmt.Errorf("opening directory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	loadErr := s.load(at)
	changed, err := s.reload(at)
	switch {
	case err != nil:
		return nil, errors.Join(loadErr, err)
	case loadErr != nil && !changed:
		return nil, loadErr
	case s.current.Load() == nil:
		return nil, fmt.Errorf("directory: %s is missing; place the signed Directory and its %s file there", s.path(FileName), SignatureSuffix)
	}
	return s, nil
}

// Current returns the Directory in force.
func (s *Store) Current() *Directory { return s.current.Load() }

// Install verifies a document against the authority and puts it in force. Its
// version must be higher than the installed one; the very same document once
// more changes nothing and is no error. Install returns when the new version
// is durable. On error the old version stays in force.
func (s *Store) Install(doc, sig []byte, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.install(pair{doc, sig}, at)
	return err
}

// Reload installs the pair that lies in the folder if it is newer than the
// version in force, and reports whether it did. On error the old version stays
// in force.
func (s *Store) Reload(at time.Time) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reload(at)
}

// History lists the installed versions, oldest first. Their files stay in the
// folder.
func (s *Store) History() ([]uint64, error) { return s.versions() }

// load reads the installed version, after completing an installation that a
// crash interrupted. On a fresh folder it does nothing.
func (s *Store) load(at time.Time) error {
	version, digest, err := s.readInstalled()
	if err != nil {
		return err
	}
	if err := s.clean(); err != nil {
		return err
	}
	versions, err := s.versions()
	if err != nil {
		return err
	}
	if n := len(versions); n > 0 && versions[n-1] > version {
		return s.complete(versions[n-1], at)
	}
	if version == 0 {
		return nil
	}
	// From here on the number holds, even if the files of the version do not.
	s.digest = digest
	p, err := readPair(s.versionDir(version))
	if err != nil {
		return fmt.Errorf("directory: version %d was installed, but its files are gone (%w); place version %d or a higher one in %s", version, err, version, s.dir)
	}
	if p.digest() != digest {
		return fmt.Errorf("directory: %s was altered since it was installed; place version %d or a higher one in %s", s.versionDir(version), version, s.dir)
	}
	d, err := verifyInstalled(p.doc, p.sig, s.authority, at)
	if err != nil {
		return fmt.Errorf("loading installed version %d: %w", version, err)
	}
	s.current.Store(d)
	return nil
}

// complete finishes an installation that stopped between the rename of the
// version's folder and its end.
func (s *Store) complete(version uint64, at time.Time) error {
	p, err := readPair(s.versionDir(version))
	if err != nil {
		return fmt.Errorf("directory: reading interrupted installation: %w; remove %s", err, s.versionDir(version))
	}
	d, err := verifyInstalled(p.doc, p.sig, s.authority, at)
	if err != nil {
		return fmt.Errorf("completing installation of version %d: %w; or remove %s", version, err, s.versionDir(version))
	}
	if d.Version() != version {
		return fmt.Errorf("directory: %s holds version %d; remove it", s.versionDir(version), d.Version())
	}
	if placed, err := readPair(s.dir); err == nil && placed.newerThan(version) {
		return s.finish(p, d, false) // somebody placed the next one meanwhile: leave it for reload
	}
	return s.finish(p, d, true)
}

// newerThan reports whether the document claims a version above v. Nothing is
// verified: it only decides what not to overwrite.
func (p pair) newerThan(v uint64) bool {
	d, err := decode(p.doc)
	return err == nil && d.Version > v
}

func (s *Store) reload(at time.Time) (bool, error) {
	p, err := readPair(s.dir)
	if errors.Is(err, os.ErrNotExist) && !fileExists(s.path(FileName)) {
		return false, nil // nothing placed
	}
	if err != nil {
		return false, fmt.Errorf("reading placed Directory: %w; place the document together with its %s file", err, SignatureSuffix)
	}
	if s.current.Load() != nil && p.digest() == s.digest {
		return false, nil
	}
	changed, err := s.install(p, at)
	if err != nil && s.current.Load() != nil {
		v := s.Current().Version()
		err = fmt.Errorf("%s: %w; version %d stays in force, its files are in %s: copy them back or place a newer version", s.path(FileName), err, v, s.versionDir(v))
	}
	return changed, err
}

// install verifies, compares with what is in force, writes, and swaps.
func (s *Store) install(p pair, at time.Time) (bool, error) {
	d, err := Verify(p.doc, p.sig, s.authority, at)
	if err != nil {
		return false, err
	}
	installed, digest, err := s.readInstalled()
	if err != nil {
		return false, err
	}
	switch {
	case d.Version() < installed:
		return false, fmt.Errorf("directory: version %d is %w, %d; ask the authority for the latest one", d.Version(), ErrRollback, installed)
	case d.Version() == installed && p.digest() != digest:
		return false, fmt.Errorf("directory: version %d has the %w; tell the authority, two documents may not share a number", d.Version(), ErrConflict)
	case d.Version() == installed && s.current.Load() != nil:
		return false, nil
	}
	if err := s.follows(d, installed, digest); err != nil {
		return false, err
	}
	if err := s.writeVersion(d.Version(), p); err != nil {
		return false, fmt.Errorf("installing directory version %d: %w; the old version stays in force", d.Version(), err)
	}
	if err := s.finish(p, d, true); err != nil {
		return false, err
	}
	return true, nil
}

// follows checks the chain of releases: a version carries the digest of the one
// before. It can be compared when that one is installed, and it may not be left
// out once a release has carried one.
func (s *Store) follows(d *Directory, installed uint64, digest [sha256.Size]byte) error {
	previous := d.doc.Previous
	switch current := s.current.Load(); {
	case previous == "" && current != nil && current.doc.Previous != "" && d.Version() > installed:
		return fmt.Errorf("directory: version %d %w, %d: it carries no digest of the release before; ask the authority whether it is theirs", d.Version(), ErrChain, installed)
	case previous != "" && installed > 0 && d.Version() == installed+1 && previous != hex.EncodeToString(digest[:]):
		return fmt.Errorf("directory: version %d %w, %d: it was made after another version %d; tell the authority, two documents may not share a number", d.Version(), ErrChain, installed, installed)
	}
	return nil
}

// finish puts a version whose folder is durable in force.
func (s *Store) finish(p pair, d *Directory, place bool) error {
	if place {
		if err := writePair(s.dir, p); err != nil {
			return fmt.Errorf("placing directory version %d: %w", d.Version(), err)
		}
	}
	digest := p.digest()
	line := fmt.Sprintf("%d %s\n", d.Version(), hex.EncodeToString(digest[:]))
	if err := replaceFile(s.path(installedFile), []byte(line)); err != nil {
		return fmt.Errorf("recording directory version %d: %w", d.Version(), err)
	}
	s.digest = digest
	s.current.Store(d)
	return nil
}

// readInstalled returns number and digest of the version in force, 0 if there
// never was one.
func (s *Store) readInstalled() (version uint64, digest [sha256.Size]byte, err error) {
	b, err := readBounded(s.path(installedFile), 200)
	if errors.Is(err, os.ErrNotExist) {
		return 0, digest, nil
	}
	if err != nil {
		return 0, digest, fmt.Errorf("reading the installed version's number: %w", err)
	}
	var sum string
	if _, err = fmt.Sscanf(string(bytes.TrimSpace(b)), "%d %64s", &version, &sum); err == nil {
		var raw []byte
		raw, err = hex.DecodeString(sum)
		if copy(digest[:], raw) != len(digest) || version == 0 {
			err = errors.New("incomplete")
		}
	}
	if err != nil {
		return 0, digest, fmt.Errorf("directory: %s is damaged (%s); write into it the version number and the SHA-256 of the document in force", s.path(installedFile), strings.TrimSpace(err.Error()))
	}
	return version, digest, nil
}
