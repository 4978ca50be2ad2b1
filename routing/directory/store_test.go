package directory

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

// release is a signed version whose first institution carries the note.
func release(t *testing.T, base *Document, authority *pgp.Key, version uint64, note string) pair {
	t.Helper()
	doc := *base
	doc.Version = version
	doc.Parties = slices.Clone(base.Parties)
	doc.Parties[0].Names = map[string]string{"en": "Alphaland", "fr": note}
	raw := encode(t, &doc)
	return pair{raw, sign(t, raw, authority)}
}

// bench is a folder with an authority and versions to install in it.
type bench struct {
	dir       string
	authority *pgp.Key
	base      *Document
}

func newBench(t *testing.T) *bench {
	return &bench{t.TempDir(), newKey(t, "Authority", 3*365*24*time.Hour), invented(t)}
}

func (b *bench) version(t *testing.T, v uint64) pair {
	return release(t, b.base, b.authority, v, "Alphalande")
}

func (b *bench) place(t *testing.T, p pair) {
	t.Helper()
	if err := writePair(b.dir, p); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) open() (*Store, error) { return OpenStore(b.dir, b.authority.Certificate(), now) }

func (b *bench) mustOpen(t *testing.T, want uint64) *Store {
	t.Helper()
	s, err := b.open()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Current().Version(); got != want {
		t.Fatalf("version %d in force, want %d", got, want)
	}
	return s
}

func TestStoreStartsFromPlacedPair(t *testing.T) {
	b := newBench(t)
	if _, err := b.open(); err == nil || !strings.Contains(err.Error(), "directory.json is missing") {
		t.Errorf("empty folder: %v", err)
	}
	b.place(t, b.version(t, 3))
	b.mustOpen(t, 3)
	for _, name := range []string{FileName, FileName + SignatureSuffix} { // the installed copy is enough
		if err := os.Remove(filepath.Join(b.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.mustOpen(t, 3)
}

func TestStoreNeverGoesBack(t *testing.T) {
	b := newBench(t)
	v1, v2 := b.version(t, 1), b.version(t, 2)
	other := release(t, b.base, b.authority, 2, "Autrement")
	b.place(t, v1)
	s := b.mustOpen(t, 1)
	if err := s.Install(v2.doc, v2.sig, now); err != nil {
		t.Fatal(err)
	}
	refused := []struct {
		name string
		pair pair
		want error
	}{{"lower version", v1, ErrRollback}, {"same version, other content", other, ErrConflict}}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.Install(tt.pair.doc, tt.pair.sig, now); !errors.Is(err, tt.want) {
				t.Errorf("Install: %v", err)
			}
			b.place(t, tt.pair)
			if changed, err := s.Reload(now); changed || !errors.Is(err, tt.want) {
				t.Errorf("Reload: %v, %v", changed, err)
			}
			if s.Current().Version() != 2 || s.Current().Document().Parties[0].Names["fr"] != "Alphalande" {
				t.Error("the Directory in force changed")
			}
			if _, err := b.open(); !errors.Is(err, tt.want) {
				t.Errorf("after a restart: %v", err)
			}
			b.place(t, v2)
			b.mustOpen(t, 2)
		})
	}
	if err := s.Install(v2.doc, v2.sig, now); err != nil {
		t.Errorf("the same version again must be no error: %v", err)
	}
	if h, err := s.History(); err != nil || !slices.Equal(h, []uint64{1, 2}) {
		t.Errorf("History() = %v, %v", h, err)
	}
}

func TestStoreInstallIsSeenAfterRestart(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	s := b.mustOpen(t, 1)
	v9 := b.version(t, 9)
	if err := s.Install(v9.doc, v9.sig, now); err != nil {
		t.Fatal(err)
	}
	if s.Current().Version() != 9 {
		t.Error("not in force at once")
	}
	b.mustOpen(t, 9)
	if p, err := readPair(b.dir); err != nil || string(p.doc) != string(v9.doc) {
		t.Errorf("the folder does not show the version in force: %v", err)
	}
}

func TestStoreReload(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	s := b.mustOpen(t, 1)
	if changed, err := s.Reload(now); changed || err != nil {
		t.Errorf("nothing new: %v, %v", changed, err)
	}
	v2 := b.version(t, 2)
	b.place(t, pair{v2.doc, b.version(t, 1).sig}) // the operator has copied one file of two
	if changed, err := s.Reload(now); changed || !errors.Is(err, ErrSignature) || s.Current().Version() != 1 {
		t.Errorf("half a pair: %v, %v", changed, err)
	}
	b.place(t, v2)
	if changed, err := s.Reload(now); !changed || err != nil || s.Current().Version() != 2 {
		t.Errorf("newer pair: %v, %v", changed, err)
	}
}

func TestStoreRefusesForeignSignature(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	s := b.mustOpen(t, 1)
	forged := release(t, b.base, newKey(t, "Stranger", 0), 2, "Alphalande")
	if err := s.Install(forged.doc, forged.sig, now); !errors.Is(err, ErrSignature) {
		t.Errorf("Install: %v", err)
	}
	if s.Current().Version() != 1 {
		t.Error("the Directory in force changed")
	}
}

// Whatever moment of an installation a crash hits, the next start has a whole
// version in force and the number never goes down.
func TestStoreAfterCrash(t *testing.T) {
	tests := []struct {
		name  string
		crash func(t *testing.T, b *bench, v2 pair)
		want  uint64
	}{
		{"while the version's folder was written", func(t *testing.T, b *bench, v2 pair) {
			half := filepath.Join(b.dir, versionsDir, newPrefix+"123")
			if err := os.Mkdir(half, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(half, FileName), v2.doc[:100], 0o600); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"after the folder's rename", func(t *testing.T, b *bench, v2 pair) {
			b.folder(t, 2, v2)
		}, 2},
		{"between the two files in force", func(t *testing.T, b *bench, v2 pair) {
			b.folder(t, 2, v2)
			b.place(t, pair{b.version(t, 1).doc, v2.sig})
		}, 2},
		{"before the number was recorded", func(t *testing.T, b *bench, v2 pair) {
			b.folder(t, 2, v2)
			b.place(t, v2)
		}, 2},
		{"and somebody placed the next version", func(t *testing.T, b *bench, v2 pair) {
			b.folder(t, 2, v2)
			b.place(t, b.version(t, 3))
		}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.place(t, b.version(t, 1))
			b.mustOpen(t, 1)
			tt.crash(t, b, b.version(t, 2))
			b.mustOpen(t, tt.want)
			b.mustOpen(t, tt.want) // and once more from what the recovery wrote
			left, err := filepath.Glob(filepath.Join(b.dir, versionsDir, newPrefix+"*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// folder makes the folder of a version as install does.
func (b *bench) folder(t *testing.T, v uint64, p pair) {
	t.Helper()
	s := &Store{dir: b.dir}
	if err := s.writeVersion(v, p); err != nil {
		t.Fatal(err)
	}
}

func TestStoreDamage(t *testing.T) {
	b := newBench(t)
	v2 := b.version(t, 2)
	b.place(t, v2)
	s := b.mustOpen(t, 2)
	if err := os.RemoveAll(s.versionDir(2)); err != nil {
		t.Fatal(err)
	}
	b.mustOpen(t, 2) // mended from the pair in force
	if err := os.WriteFile(filepath.Join(s.versionDir(2), FileName), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.mustOpen(t, 2)
	if err := os.RemoveAll(s.versionDir(2)); err != nil {
		t.Fatal(err)
	}
	b.place(t, b.version(t, 1))
	if _, err := b.open(); !errors.Is(err, ErrRollback) || !strings.Contains(err.Error(), "version 2 was installed") {
		t.Errorf("losing the version folder must not allow going back: %v", err)
	}
	if err := os.WriteFile(s.path(installedFile), []byte("two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("damaged number: %v", err)
	}
}

// A gateway keeps working with the installed version when the authority's key
// expires, but takes nothing new from it.
func TestStoreOutlivesAuthorityKey(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	b.mustOpen(t, 1)
	later := now.AddDate(3, 0, 0)
	s, err := OpenStore(b.dir, b.authority.Certificate(), later)
	if err != nil {
		t.Fatal(err)
	}
	v2 := b.version(t, 2)
	if err := s.Install(v2.doc, v2.sig, later); err == nil || !strings.Contains(err.Error(), "authority's key has expired") {
		t.Errorf("Install: %v", err)
	}
}

func TestStoreNewAuthority(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	b.mustOpen(t, 1)
	b.authority = newKey(t, "Successor", 0)
	if _, err := b.open(); !errors.Is(err, ErrSignature) {
		t.Errorf("the old version must not hold under another pinned key: %v", err)
	}
	b.place(t, b.version(t, 2))
	b.mustOpen(t, 2)
}

func TestStoreReadersDuringInstall(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	s := b.mustOpen(t, 1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := uint64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				d := s.Current()
				if d.Version() < last {
					t.Errorf("went back from %d to %d", last, d.Version())
				}
				last = d.Version()
				if _, ok := d.ContactPoint("XA-1"); !ok || len(d.Search("XA-1", 1)) == 0 {
					t.Error("XA-1 not found")
				}
			}
		})
	}
	var writers sync.WaitGroup
	for v := uint64(2); v <= 6; v++ {
		p := b.version(t, v)
		writers.Go(func() {
			if err := s.Install(p.doc, p.sig, now); err != nil && !errors.Is(err, ErrRollback) {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if s.Current().Version() != 6 {
		t.Errorf("version %d in force, want 6", s.Current().Version())
	}
}

func TestStoreFilesArePrivate(t *testing.T) {
	b := newBench(t)
	b.place(t, b.version(t, 1))
	s := b.mustOpen(t, 1)
	err := filepath.Walk(s.versionDir(1), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
