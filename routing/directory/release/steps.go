package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
)

// Draft takes a document into work as the next version: its number is one
// above the last published one, and it carries the digest of that. A version in
// work that is not signed yet is replaced; confirmations of its keys are kept
// where they still fit. The open errors are in [Folder.Document].
func (f *Folder) Draft(doc *directory.Document, by string, at time.Time) error {
	by, err := person(by)
	if err != nil {
		return err
	}
	if f.state.Step == Signed {
		return fmt.Errorf("release: %w: version %d is signed and not published; publish it first, so that no two documents share a number", ErrStep, f.state.Version)
	}
	latest, raw, err := f.Latest()
	if err != nil {
		return err
	}
	next := *doc
	next.Format, next.Issued, next.Previous = directory.Format, at.UTC().Truncate(time.Second), ""
	switch {
	case latest != nil:
		next.Version, next.Previous = latest.Version+1, directory.Digest(raw)
	case next.Version == 0:
		next.Version = 1
	}
	return f.draft(&next, by, f.state.Confirmations, at)
}

// Adopt takes a version that was signed before this folder existed as the one
// before: the folder's history begins with it.
func (f *Folder) Adopt(doc, signature []byte, authority *pgp.Certificate, at time.Time) error {
	if latest, _, err := f.Latest(); err != nil || latest != nil {
		return errors.Join(err, fmt.Errorf("release: %w: this folder has published versions of its own", ErrStep))
	}
	d, err := directory.Verify(doc, signature, authority, at)
	if err != nil {
		return err
	}
	act := Act{By: "taken over", At: at.UTC(), Digest: directory.Digest(doc)}
	return f.place(d.Version(), doc, signature, Record{Version: d.Version(), Published: act, Authority: authority.Fingerprint()})
}

func (f *Folder) draft(doc *directory.Document, by string, confirmations []Confirmation, at time.Time) error {
	raw, err := doc.Encode()
	if err != nil {
		return err
	}
	// State first: a crash in between leaves a state whose digest does not fit
	// the document, and so nothing that could be reviewed or signed.
	next := Record{Step: Drafted, Version: doc.Version, Drafted: Act{by, at.UTC(), directory.Digest(raw)}, Confirmations: confirmations}
	if err := f.save(next); err != nil {
		return err
	}
	return directory.ReplaceFile(f.path(draftFile), raw)
}

// Review records that a second person has looked at the document with that
// digest and found it right.
func (f *Folder) Review(by, digest string, at time.Time) error {
	by, err := person(by)
	if err != nil {
		return err
	}
	if f.state.Step != Drafted {
		return fmt.Errorf("release: %w: version %d is %s; only a draft is reviewed", ErrStep, f.state.Version, f.state.Step)
	}
	if samePerson(by, f.state.Drafted.By) {
		return fmt.Errorf("release: %w: %s drafted this version; somebody else must review it", ErrPeople, by)
	}
	_, raw, _, err := f.Document()
	if err != nil {
		return err
	}
	switch is := directory.Digest(raw); {
	case is != f.state.Drafted.Digest:
		return fmt.Errorf("release: %w: %s was changed after it was drafted; draft it again", ErrDigest, f.path(draftFile))
	case is != digest:
		return fmt.Errorf("release: %w: the draft has the digest %s; look at it again", ErrDigest, is)
	}
	next := f.state
	next.Step, next.Reviewed = Reviewed, Act{by, at.UTC(), digest}
	return f.save(next)
}

// Sign signs the reviewed document with the authority's key. It refuses a
// document that changed since its review, has open errors, or changes keys
// without confirmation; allowExpired lets expired certificates pass.
func (f *Folder) Sign(by string, key *pgp.Key, allowExpired bool, at time.Time) (warnings []directory.Problem, err error) {
	raw, warnings, err := f.signable(by, allowExpired, at)
	if err != nil {
		return warnings, err
	}
	signature, err := key.SignDetached(raw, at)
	if err != nil {
		return warnings, fmt.Errorf("release: signing: %w", err)
	}
	return warnings, f.signed(by, raw, signature, key.Certificate(), at)
}

// Attach takes a signature over the reviewed document, draft.json, that was
// made elsewhere, such as by GnuPG with a key on a token. It refuses what
// [Folder.Sign] refuses.
func (f *Folder) Attach(by string, signature []byte, authority *pgp.Certificate, allowExpired bool, at time.Time) (warnings []directory.Problem, err error) {
	raw, warnings, err := f.signable(by, allowExpired, at)
	if err != nil {
		return warnings, err
	}
	return warnings, f.signed(by, raw, signature, authority, at)
}

// signable returns the bytes of the reviewed document when nothing speaks
// against signing them.
func (f *Folder) signable(by string, allowExpired bool, at time.Time) (raw []byte, warnings []directory.Problem, err error) {
	if _, err := person(by); err != nil {
		return nil, nil, err
	}
	if f.state.Step != Reviewed {
		return nil, nil, fmt.Errorf("release: %w: the version in work is %s; it must be reviewed, and no more", ErrStep, f.stepName())
	}
	doc, raw, _, err := f.Document()
	if err != nil {
		return nil, nil, err
	}
	if directory.Digest(raw) != f.state.Reviewed.Digest || f.state.Reviewed.Digest != f.state.Drafted.Digest {
		return nil, nil, fmt.Errorf("release: %w: %s was changed since %s reviewed it; draft and review it again", ErrDigest, f.path(draftFile), f.state.Reviewed.By)
	}
	if samePerson(f.state.Drafted.By, f.state.Reviewed.By) {
		return nil, nil, fmt.Errorf("release: %w: %s both drafted and reviewed it", ErrPeople, f.state.Drafted.By)
	}
	if err := f.follows(doc); err != nil {
		return nil, nil, err
	}
	if warnings, err = directory.Signable(raw, at, allowExpired); err != nil {
		return nil, warnings, fmt.Errorf("release: version %d has %w:\n%w", doc.Version, ErrFaults, err)
	}
	changes, err := f.KeyChanges()
	if err != nil {
		return nil, warnings, err
	}
	return raw, warnings, unconfirmed(changes)
}

// signed keeps a signature that verifies.
func (f *Folder) signed(by string, raw, signature []byte, authority *pgp.Certificate, at time.Time) error {
	if _, err := directory.Verify(raw, signature, authority, at); err != nil {
		return err
	}
	if err := directory.ReplaceFile(f.path(authorityFile), authority.Armor()); err != nil {
		return err
	}
	if err := directory.ReplaceFile(f.path(draftFile+directory.SignatureSuffix), signature); err != nil {
		return err
	}
	by, err := person(by)
	if err != nil {
		return err
	}
	next := f.state
	next.Step, next.Signed, next.Authority = Signed, Act{by, at.UTC(), f.state.Reviewed.Digest}, authority.Fingerprint()
	return f.save(next)
}

// follows checks number and chain against the last published version.
func (f *Folder) follows(doc *directory.Document) error {
	latest, raw, err := f.Latest()
	switch {
	case err != nil:
		return err
	case latest == nil:
		return nil
	case doc.Version != latest.Version+1 || doc.Previous != directory.Digest(raw):
		return fmt.Errorf("release: %w: the draft does not follow version %d, which was published meanwhile; draft it again", ErrDigest, latest.Version)
	}
	return nil
}

// Publish puts the signed version among the published ones, from where it goes
// to the gateways, and returns its number.
func (f *Folder) Publish(by string, at time.Time) (uint64, error) {
	by, err := person(by)
	if err != nil {
		return 0, err
	}
	if f.state.Step != Signed {
		return 0, fmt.Errorf("release: %w: the version in work is %s; sign it first", ErrStep, f.stepName())
	}
	doc, raw, _, err := f.Document()
	if err != nil {
		return 0, err
	}
	signature, err := read(f.path(draftFile+directory.SignatureSuffix), maxRecord)
	if err != nil {
		return 0, fmt.Errorf("release: reading the signature: %w", err)
	}
	armored, err := read(f.path(authorityFile), maxRecord)
	if err != nil {
		return 0, fmt.Errorf("release: reading the authority's certificate: %w", err)
	}
	certs, err := pgp.ParseCertificates(armored)
	if err != nil || len(certs) != 1 || certs[0].Fingerprint() != f.state.Authority {
		return 0, fmt.Errorf("release: %s is not the certificate of the key that signed; put it back", f.path(authorityFile))
	}
	if directory.Digest(raw) != f.state.Signed.Digest {
		return 0, fmt.Errorf("release: %w: %s was changed since it was signed; put it back from a backup", ErrDigest, f.path(draftFile))
	}
	if _, err := directory.Verify(raw, signature, certs[0], at); err != nil {
		return 0, err
	}
	if err := f.follows(doc); err != nil {
		return 0, err
	}
	record := f.state
	record.Step, record.Published = None, Act{by, at.UTC(), directory.Digest(raw)}
	if err := f.place(doc.Version, raw, signature, record); err != nil {
		return 0, err
	}
	return doc.Version, f.clear()
}

// place makes the folder of a published version durable: it appears whole or
// not at all.
func (f *Folder) place(v uint64, doc, signature []byte, record Record) error {
	if _, err := os.Stat(f.version(v)); err == nil {
		return fmt.Errorf("release: %w: version %d is published already; version numbers never go back", ErrStep, v)
	}
	raw, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("release: writing the record: %w", err)
	}
	tmp, err := os.MkdirTemp(f.path(publishedDir), ".new-")
	if err != nil {
		return fmt.Errorf("release: publishing version %d: %w", v, err)
	}
	for name, content := range map[string][]byte{directory.FileName: doc, directory.FileName + directory.SignatureSuffix: signature, recordFile: append(raw, '\n')} {
		if err := directory.ReplaceFile(filepath.Join(tmp, name), content); err != nil {
			return errors.Join(err, os.RemoveAll(tmp))
		}
	}
	if err := os.Rename(tmp, f.version(v)); err != nil {
		return errors.Join(fmt.Errorf("release: publishing version %d: %w", v, err), os.RemoveAll(tmp))
	}
	return syncDir(f.path(publishedDir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *Folder) stepName() string {
	if f.state.Step == None {
		return "not begun"
	}
	return string(f.state.Step)
}
