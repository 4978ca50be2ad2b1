// Package vault keeps message bodies, encrypted at rest. A body is durable
// when Put returns, and stored before any event names it.
//
// Every body has a key of its own, wrapped by the vault key and kept in front
// of the body; destroying those few bytes destroys the body, while the audit
// trail that it was there stays. Small bodies are appended to segments, where
// one sync serves many of them; large ones get files of their own.
package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"relais.example/routing/journal"
)

// KeySize is the length of the vault key in bytes.
const KeySize = 32

const (
	largeBody   = 256 << 10 // from here on a body gets a file of its own
	segmentSize = 256 << 20 // a segment that is larger is followed by a new one
	nonceSize   = 12
	tagSize     = 16
	wrapSize    = nonceSize + KeySize + tagSize // wrapped key of one body
	headSize    = wrapSize + 8                  // and the length of what follows
	bodySuffix  = ".body"
	unfinished  = ".tmp"
)

// Errors that callers tell apart.
var (
	ErrNotFound  = errors.New("vault: no such body")
	ErrDestroyed = errors.New("vault: body was destroyed")
	ErrDamaged   = errors.New("vault: body is damaged")
)

// Vault is a folder of encrypted bodies. It is safe for concurrent use.
type Vault struct {
	dir     string
	master  cipher.AEAD
	sealing cipher.AEAD // of short texts outside the vault
	naming  []byte      // key for Name
	observe func(time.Duration)

	mu       sync.Mutex
	current  int
	segments map[int]*journal.File
}

// Open opens the vault in dir, creating it if it is empty. key has KeySize
// bytes. observe, if not nil, is told how long each sync of a segment took.
func Open(dir string, key []byte, observe func(time.Duration)) (*Vault, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("vault key: %d bytes; want %d", len(key), KeySize)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating vault: %w", err)
	}
	wrapKey, err := hkdf.Key(sha256.New, key, nil, "relais vault wrap v1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving vault key: %w", err)
	}
	naming, err := hkdf.Key(sha256.New, key, nil, "relais vault names v1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving vault key: %w", err)
	}
	sealKey, err := hkdf.Key(sha256.New, key, nil, "relais vault texts v1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving vault key: %w", err)
	}
	master, err := newAEAD(wrapKey)
	if err != nil {
		return nil, err
	}
	sealing, err := newAEAD(sealKey)
	if err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, master: master, sealing: sealing, naming: naming, observe: observe, segments: map[int]*journal.File{}}
	v.sweep()
	if err := v.checkKey(); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(dir, "segment-*"))
	if err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	for _, path := range found {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "segment-"))
		if err != nil {
			continue
		}
		if v.segments[n], err = journal.OpenFile(path, observe); err != nil {
			return nil, err
		}
		v.current = max(v.current, n)
	}
	return v, nil
}

// checkKey refuses another key than the vault was begun with: what is stored
// could not be read, and what comes in would be mixed with it.
func (v *Vault) checkKey() error {
	path, mark := filepath.Join(v.dir, "key.check"), v.Name("key", "check")
	found, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := v.write("key.check", []byte(mark)); err != nil {
			return fmt.Errorf("beginning vault: %w", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("checking vault key: %w", err)
	case string(found) != mark:
		return fmt.Errorf("vault key: %s was written with another key; put that one back", v.dir)
	}
	return nil
}

// sweep removes what a crash left half written; no event names it.
func (v *Vault) sweep() {
	left, _ := filepath.Glob(filepath.Join(v.dir, "*"+unfinished))
	for _, path := range left {
		os.Remove(path)
	}
}

// Put stores bodies and returns their names when all are durable.
func (v *Vault) Put(ctx context.Context, bodies ...[]byte) ([]string, error) {
	names := make([]string, len(bodies))
	size := 0
	for _, body := range bodies {
		if len(body) < largeBody {
			size += headSize + len(body) + tagSize
		}
	}
	small := make([]byte, 0, size) // one behind the other
	at := make([]int64, len(bodies))
	for i, body := range bodies {
		var err error
		if len(body) >= largeBody {
			names[i], err = v.putFile(body)
		} else {
			at[i] = int64(len(small))
			small, err = v.seal(small, body)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(small) == 0 {
		return names, ctx.Err()
	}
	n, f, err := v.segment()
	if err != nil {
		return nil, err
	}
	offset, batch := f.Enqueue(small)
	if err := batch.Wait(); err != nil {
		return nil, fmt.Errorf("storing body: %w", err)
	}
	for i := range names {
		if names[i] == "" {
			names[i] = segmentName(n, offset+at[i])
		}
	}
	return names, ctx.Err()
}

// segmentName names a body in a segment.
func segmentName(segment int, offset int64) string {
	b := append(make([]byte, 0, 24), 's')
	b = strconv.AppendInt(b, int64(segment), 10)
	b = append(b, '-')
	return string(strconv.AppendInt(b, offset, 10))
}

// Get returns a body, or an error that wraps ErrNotFound, ErrDestroyed or
// ErrDamaged.
func (v *Vault) Get(_ context.Context, name string) ([]byte, error) {
	if hexName, ok := strings.CutPrefix(name, "f"); ok {
		if _, err := hex.DecodeString(hexName); err != nil {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
		}
		sealed, err := os.ReadFile(filepath.Join(v.dir, hexName+bodySuffix))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
		}
		if err != nil {
			return nil, fmt.Errorf("reading body: %w", err)
		}
		return v.open(name, sealed)
	}
	f, offset, err := v.locate(name)
	if err != nil {
		return nil, err
	}
	head := make([]byte, headSize)
	if _, err := f.ReadAt(head, offset); err != nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	size := binary.BigEndian.Uint64(head[wrapSize:])
	if size > largeBody+tagSize {
		return nil, fmt.Errorf("%s: %w", name, ErrDamaged)
	}
	sealed := make([]byte, headSize+int(size))
	if _, err := f.ReadAt(sealed, offset); err != nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return v.open(name, sealed)
}

// Destroy makes a body unreadable for ever, durably. Destroying it again is
// no error.
func (v *Vault) Destroy(name string) error {
	if hexName, ok := strings.CutPrefix(name, "f"); ok {
		path := filepath.Join(v.dir, filepath.Base(hexName)+bodySuffix)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("destroying %s: %w", name, ErrNotFound)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, wrapSize), 0); err != nil {
			return fmt.Errorf("destroying %s: %w", name, err)
		}
		return f.Sync()
	}
	f, offset, err := v.locate(name)
	if err != nil {
		return err
	}
	return f.Overwrite(make([]byte, wrapSize), offset)
}

// Name returns a keyed hash of s, for use where s itself must not be seen.
func (v *Vault) Name(purpose, s string) string {
	m := hmac.New(sha256.New, v.naming)
	m.Write([]byte(purpose))
	m.Write([]byte{0})
	m.Write([]byte(s))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// Err returns what broke the vault, or nil while bodies can be stored.
func (v *Vault) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range v.segments {
		if err := f.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Close makes everything durable and closes the segments.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, f := range v.segments {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// segment returns the segment to append to.
func (v *Vault) segment() (int, *journal.File, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.segments[v.current]
	if f != nil && f.Size() < segmentSize {
		return v.current, f, nil
	}
	n := v.current + 1
	f, err := journal.OpenFile(filepath.Join(v.dir, fmt.Sprintf("segment-%06d", n)), v.observe)
	if err != nil {
		return 0, nil, err
	}
	v.current, v.segments[n] = n, f
	return n, f, nil
}

func (v *Vault) locate(name string) (*journal.File, int64, error) {
	var n int
	var offset int64
	if _, err := fmt.Sscanf(name, "s%d-%d", &n, &offset); err != nil || offset < 0 {
		return nil, 0, fmt.Errorf("%q: %w", name, ErrNotFound)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.segments[n]
	if f == nil {
		return nil, 0, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return f, offset, nil
}

func (v *Vault) putFile(body []byte) (string, error) {
	sealed, err := v.seal(make([]byte, 0, headSize+len(body)+tagSize), body)
	if err != nil {
		return "", err
	}
	var id [16]byte
	rand.Read(id[:])
	hexName := hex.EncodeToString(id[:])
	if err := v.write(hexName+bodySuffix, sealed); err != nil {
		return "", fmt.Errorf("storing body: %w", err)
	}
	return "f" + hexName, nil
}

// write makes a file of that name, all of it or nothing, durably.
func (v *Vault) write(name string, p []byte) error {
	tmp := filepath.Join(v.dir, name+unfinished)
	if err := writeSynced(tmp, p); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(v.dir, name)); err != nil {
		return err
	}
	d, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func writeSynced(path string, p []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(p); err != nil {
		return err
	}
	return f.Sync()
}

// seal appends wrapped key, length and ciphertext to out. Each body has a
// fresh key, so its nonce may be fixed.
func (v *Vault) seal(out, body []byte) ([]byte, error) {
	var random [nonceSize + KeySize]byte
	rand.Read(random[:])
	nonce, key := random[:nonceSize], random[nonceSize:]
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	out = append(out, nonce...)
	out = v.master.Seal(out, nonce, key, nil)
	out = binary.BigEndian.AppendUint64(out, uint64(len(body)+tagSize))
	return aead.Seal(out, make([]byte, nonceSize), body, nil), nil
}

func (v *Vault) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < headSize+tagSize {
		return nil, fmt.Errorf("%s: %w", name, ErrDamaged)
	}
	if isZero(sealed[:wrapSize]) {
		return nil, fmt.Errorf("%s: %w", name, ErrDestroyed)
	}
	key, err := v.master.Open(nil, sealed[:nonceSize], sealed[nonceSize:wrapSize], nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: its key does not open; is this the right vault key?", name, ErrDamaged)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	body, err := aead.Open(nil, make([]byte, nonceSize), sealed[headSize:], nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, ErrDamaged)
	}
	return body, nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("vault cipher: %w", err)
	}
	return cipher.NewGCM(block)
}
