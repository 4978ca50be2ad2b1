package directory

import "fmt"

// Signed returns the bytes of the Directory in force and of the authority's
// signature over them, as they were installed.
func (s *Store) Signed() (doc, signature []byte, err error) {
	version := s.Current().Version()
	p, err := readPair(s.versionDir(version))
	if err != nil {
		return nil, nil, fmt.Errorf("directory: reading version %d: %w", version, err)
	}
	return p.doc, p.sig, nil
}
