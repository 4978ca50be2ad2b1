package release

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
)

var now = time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC)

func newKey(t *testing.T, name string) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey(name, strings.ToLower(name)+"@example.org", pgp.Curve25519, now.AddDate(-1, 0, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func armor(k *pgp.Key) string { return string(k.Certificate().Armor()) }

// desk is a Directory authority at work in a folder.
type desk struct {
	t         *testing.T
	dir       string
	authority *pgp.Key
	alpha     *pgp.Key
	at        time.Time
}

func newDesk(t *testing.T) *desk {
	return &desk{t: t, dir: filepath.Join(t.TempDir(), "work"), authority: newKey(t, "Authority"), alpha: newKey(t, "Alpha"), at: now}
}

func (d *desk) open() *Folder {
	d.t.Helper()
	f, err := Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

func (d *desk) document(keys ...*pgp.Key) *directory.Document {
	cp := directory.ContactPoint{
		ID: "XA-1", Role: directory.Police, Institution: "National Police of Alphaland", Addresses: []string{"cyber@police.alphaland.example"},
		Phones: []directory.Phone{{Number: "+999 1 555 0100", Use: "out-of-hours"}, {Number: "+999 1 555 0109", Use: "fax"}},
	}
	for _, k := range keys {
		cp.CertificatesArmored = append(cp.CertificatesArmored, armor(k))
	}
	return &directory.Document{Parties: []directory.Party{{Code: "XA", Names: map[string]string{"en": "Alphaland"}, ContactPoints: []directory.ContactPoint{cp}}}}
}

// draft, review, sign, publish: each opens the folder anew, as the commands do.
func (d *desk) draft(doc *directory.Document) {
	d.t.Helper()
	d.at = d.at.Add(time.Hour)
	if err := d.open().Draft(doc, "Ada Author", d.at); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) review() error {
	f := d.open()
	return f.Review("Rita Reviewer", f.State().Drafted.Digest, d.at)
}

func (d *desk) sign() error {
	_, err := d.open().Sign("Ada Author", d.authority, false, d.at)
	return err
}

func (d *desk) publish() uint64 {
	d.t.Helper()
	if err := d.review(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.sign(); err != nil {
		d.t.Fatal(err)
	}
	v, err := d.open().Publish("Rita Reviewer", d.at)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

func (d *desk) current() *directory.Document {
	d.t.Helper()
	doc, _, err := d.open().Latest()
	if err != nil || doc == nil {
		d.t.Fatalf("no published version: %v", err)
	}
	doc.Check()
	return doc
}

func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want an error of %q", err, want)
	}
}

func TestAReleaseByTwoPeople(t *testing.T) {
	d := newDesk(t)
	d.draft(d.document(d.alpha))
	if v := d.publish(); v != 1 {
		t.Fatalf("the first version is %d", v)
	}
	one, first, err := d.open().Latest()
	if err != nil || one.Previous != "" {
		t.Fatal(one, err)
	}
	doc := d.current()
	doc.Parties[0].ContactPoints[0].Unit = "Cybercrime Unit"
	d.draft(doc)
	if v := d.publish(); v != 2 {
		t.Fatalf("the second version is %d", v)
	}
	two, _, _ := d.open().Latest()
	if two.Previous != directory.Digest(first) {
		t.Error("the second version does not carry the digest of the first")
	}
	history, err := d.open().History()
	if err != nil || len(history) != 2 {
		t.Fatal(history, err)
	}
	last := history[1]
	if last.Drafted.By != "Ada Author" || last.Reviewed.By != "Rita Reviewer" || last.Signed.Digest != last.Reviewed.Digest || last.Authority != d.authority.Certificate().Fingerprint() {
		t.Errorf("the record does not tell who did what: %+v", last)
	}
	if s := d.open().State(); s.Step != None {
		t.Errorf("after publication the work is at %q", s.Step)
	}
	// A gateway installs both, in order.
	store := t.TempDir()
	for _, v := range []string{"1", "2"} {
		doc, sig, err := directory.ReadFiles(filepath.Join(d.dir, "published", v, directory.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if v == "1" {
			for name, b := range map[string][]byte{directory.FileName: doc, directory.FileName + directory.SignatureSuffix: sig} {
				if err := os.WriteFile(filepath.Join(store, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		s, err := directory.OpenStore(store, d.authority.Certificate(), d.at)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Install(doc, sig, d.at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStepsOutOfOrderAreRefused(t *testing.T) {
	d := newDesk(t)
	refused(t, d.review(), ErrStep)
	refused(t, d.sign(), ErrStep)
	_, err := d.open().Publish("Ada Author", now)
	refused(t, err, ErrStep)
	d.draft(d.document(d.alpha))
	refused(t, d.sign(), ErrStep)
	refused(t, d.open().Draft(d.document(), "", now), ErrPeople)
	f := d.open()
	refused(t, f.Review("ada  AUTHOR", f.State().Drafted.Digest, now), ErrPeople)
	refused(t, f.Review("Rita Reviewer", strings.Repeat("0", 64), now), ErrDigest)
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	refused(t, d.review(), ErrStep)
	if err := d.sign(); err != nil {
		t.Fatal(err)
	}
	refused(t, d.open().Draft(d.document(), "Ada Author", now), ErrStep) // two documents would share a number
}

func TestWhatChangedAfterTheReviewIsNotSigned(t *testing.T) {
	d := newDesk(t)
	d.draft(d.document(d.alpha))
	path := filepath.Join(d.dir, draftFile)
	alter := func() []byte {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Replace(raw, []byte("National Police"), []byte("National Polize"), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	whole := alter()
	refused(t, d.review(), ErrDigest)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	alter()
	refused(t, d.sign(), ErrDigest)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.sign(); err != nil {
		t.Fatal(err)
	}
	alter()
	_, err := d.open().Publish("Ada Author", d.at)
	refused(t, err, ErrDigest)
}

func TestOpenErrorsAreNotSigned(t *testing.T) {
	d := newDesk(t)
	doc := d.document(d.alpha)
	doc.Parties[0].ContactPoints[0].Zone = "Nowhere"
	d.draft(doc)
	if _, _, problems, err := d.open().Document(); err != nil || len(problems) != 1 || problems[0].Code != directory.CodeZone {
		t.Fatalf("open errors: %v, %v", problems, err)
	}
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	refused(t, d.sign(), ErrFaults)
}

func TestAKeyChangesOnlyWhenConfirmed(t *testing.T) {
	d := newDesk(t)
	d.draft(d.document(d.alpha))
	d.publish()
	fresh, stranger := newKey(t, "Fresh"), newKey(t, "Stranger")
	fpr := fresh.Certificate().Fingerprint()
	d.draft(d.document(d.alpha, fresh))
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	refused(t, d.sign(), ErrKeys)
	d.draft(d.document(d.alpha, fresh))
	call := Confirmation{ContactPoint: "XA-1", Fingerprint: fpr, By: "Ada Author", Called: "+999 1 555 0100", SpokeWith: "the officer on duty", CallAt: d.at.Add(-time.Hour)}
	wrong := []struct {
		name   string
		change func(*Confirmation)
	}{
		{"a number that came with the key", func(c *Confirmation) { c.Called = "+999 9 999 9999" }},
		{"a fax", func(c *Confirmation) { c.Called = "+999 1 555 0109" }},
		{"nobody answered", func(c *Confirmation) { c.SpokeWith = " " }},
		{"no time", func(c *Confirmation) { c.CallAt = time.Time{} }},
		{"a call to come", func(c *Confirmation) { c.CallAt = d.at.Add(time.Hour) }},
		{"a short cool-down", func(c *Confirmation) { c.CoolDown = time.Minute }},
		{"signed by a stranger", func(c *Confirmation) {
			c.Transition = clearsign(t, stranger, TransitionText("XA-1", fpr))
		}},
		{"signed by itself", func(c *Confirmation) { c.Transition = clearsign(t, fresh, TransitionText("XA-1", fpr)) }},
		{"of another contact point", func(c *Confirmation) {
			c.Transition = clearsign(t, d.alpha, TransitionText("XB-1", fpr))
		}},
		{"not signed", func(c *Confirmation) { c.Transition = TransitionText("XA-1", fpr) }},
	}
	for _, tt := range wrong {
		c := call
		tt.change(&c)
		if err := d.open().Confirm(c, d.at); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := d.open().Confirm(call, d.at); err != nil {
		t.Fatal(err)
	}
	if v := d.publish(); v != 2 {
		t.Fatal(v)
	}
	in := mustNew(t, d.current())
	if in.UsableForEmergencies(fpr, d.at.Add(DefaultCoolDown-time.Minute)) || !in.UsableForEmergencies(fpr, d.at.Add(DefaultCoolDown)) {
		t.Error("the entry does not carry the cool-down")
	}
	if !in.UsableForEmergencies(d.alpha.Certificate().Fingerprint(), d.at) {
		t.Error("the old key cools down too")
	}
	history, err := d.open().History()
	if err != nil || len(history[1].Confirmations) != 1 || history[1].Confirmations[0].Called != call.Called || history[1].Confirmations[0].SpokeWith == "" {
		t.Errorf("the call is not on record: %+v, %v", history, err)
	}

	// The cool-down cannot be shortened later, nor the old key dropped unseen.
	doc := d.current()
	doc.Parties[0].ContactPoints[0].Vouchers = nil
	d.draft(doc)
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	refused(t, d.sign(), ErrKeys)
	doc = d.current()
	doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{armor(fresh)}
	d.draft(doc)
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	refused(t, d.sign(), ErrKeys)

	// The old key signs for a third one; gpg makes such a text as well.
	third := newKey(t, "Third")
	doc = d.current()
	doc.Parties[0].ContactPoints[0].CertificatesArmored = append(doc.Parties[0].ContactPoints[0].CertificatesArmored, armor(third))
	d.draft(doc)
	signed := clearsign(t, d.alpha, TransitionText("XA-1", third.Certificate().Fingerprint()))
	if err := d.open().Confirm(Confirmation{ContactPoint: "XA-1", Fingerprint: third.Certificate().Fingerprint(), By: "Ada Author", Transition: signed}, d.at); err != nil {
		t.Fatal(err)
	}
	d.publish()
	if v, ok := mustNew(t, d.current()).Document().Parties[0].ContactPoints[0].Voucher(third.Certificate().Fingerprint()); !ok || v.How != directory.OldKey {
		t.Errorf("voucher %+v", v)
	}
}

func mustNew(t *testing.T, doc *directory.Document) *directory.Directory {
	t.Helper()
	d, err := directory.New(doc)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// clearsign signs as a contact point does, with GnuPG.
func clearsign(t *testing.T, k *pgp.Key, text string) string {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	private, err := k.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(in string, args ...string) string {
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet"}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, errs.Bytes())
		}
		return string(out)
	}
	gpg(string(private), "--import")
	return gpg(text, "--faked-system-time", now.Add(2*time.Hour).Format("20060102T150405"), "--clearsign", "--local-user", k.Certificate().Fingerprint())
}

func TestTwoPeopleAtTheSameTime(t *testing.T) {
	d := newDesk(t)
	d.draft(d.document(d.alpha))
	early := d.open()
	doc := d.document(d.alpha)
	doc.Parties[0].ContactPoints[0].Unit = "Other"
	d.draft(doc)
	refused(t, early.Review("Rita Reviewer", early.State().Drafted.Digest, d.at), ErrDigest)
	late := d.open()
	d.draft(d.document(d.alpha))
	refused(t, late.Draft(doc, "Ada Author", d.at), ErrStep)
}

func TestThePastIsNotRewritten(t *testing.T) {
	d := newDesk(t)
	d.draft(d.document(d.alpha))
	d.publish()
	doc := d.current()
	doc.Parties[0].ContactPoints[0].Unit = "Unit"
	d.draft(doc)
	d.publish()
	path := filepath.Join(d.dir, "published", "1", directory.FileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte("National Police"), []byte("National Polize"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.open().History(); err == nil {
		t.Error("a rewritten version was not noticed")
	}
}

// A crash between the publication and its end is made good at the next start.
func TestAnInterruptedPublicationIsCompleted(t *testing.T) {
	d := newDesk(t)
	d.draft(d.document(d.alpha))
	if err := d.review(); err != nil {
		t.Fatal(err)
	}
	if err := d.sign(); err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(filepath.Join(d.dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	draft, _ := os.ReadFile(filepath.Join(d.dir, draftFile))
	if _, err := d.open().Publish("Ada Author", d.at); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{stateFile: state, draftFile: draft} { // as before the last step
		if err := os.WriteFile(filepath.Join(d.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s := d.open().State(); s.Step != None {
		t.Errorf("the published version is still in work: %+v", s)
	}
	if h, err := d.open().History(); err != nil || len(h) != 1 {
		t.Error(h, err)
	}
}

func TestAnOlderDirectoryIsTakenOver(t *testing.T) {
	d := newDesk(t)
	doc := d.document(d.alpha)
	doc.Format, doc.Version, doc.Issued = directory.Format, 41, now
	raw, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sig, _, err := directory.Sign(raw, d.authority, now, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.open().Adopt(raw, sig, newKey(t, "Other").Certificate(), now); err == nil {
		t.Fatal("a version of another authority was taken over")
	}
	if err := d.open().Adopt(raw, sig, d.authority.Certificate(), now); err != nil {
		t.Fatal(err)
	}
	d.draft(d.current())
	if v := d.publish(); v != 42 {
		t.Errorf("the next version is %d", v)
	}
	refused(t, d.open().Adopt(raw, sig, d.authority.Certificate(), now), ErrStep)
}
