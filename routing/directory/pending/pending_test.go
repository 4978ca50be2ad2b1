package pending

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "pending"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func certificate(fingerprint string) Proposal {
	return Proposal{Kind: Certificate, ContactPoint: "XB-1", Path: "certificates", New: "armor", Fingerprint: fingerprint,
		News: []string{"a certificate that is not listed"}, Carrier: Attachment, Signer: "0123", Desk: "XA-1", Request: "ref", Seen: now}
}

func propose(t *testing.T, s *Store, p Proposal) Change {
	t.Helper()
	c, added, err := s.Propose(p)
	if err != nil || !added {
		t.Fatalf("Propose: %v, %v", added, err)
	}
	return c
}

func confirmation(by string) Confirmation {
	return Confirmation{By: by, How: "call-back to +999 2 555 0111", Reached: now.Add(time.Hour), Note: "duty officer", At: now.Add(2 * time.Hour)}
}

func TestTwoDifferentPeopleConfirm(t *testing.T) {
	s := open(t)
	id := propose(t, s, certificate("AA")).ID
	if _, err := s.HandOver(id, "amy", "", now); err == nil {
		t.Error("an open change was handed over")
	}
	c, err := s.Confirm(id, confirmation("amy"))
	if err != nil || c.Status() != Open {
		t.Fatalf("first: %s, %v", c.Status(), err)
	}
	for _, same := range []string{"amy", "AMY"} {
		if _, err := s.Confirm(id, confirmation(same)); !errors.Is(err, ErrSamePerson) {
			t.Errorf("%s again: %v", same, err)
		}
	}
	if c, err = s.Confirm(id, confirmation("ben")); err != nil || c.Status() != Confirmed {
		t.Fatalf("second: %s, %v", c.Status(), err)
	}
	if _, err := s.Confirm(id, confirmation("eve")); !errors.Is(err, ErrClosed) {
		t.Errorf("third: %v", err)
	}
	if _, err = s.HandOver(id, "amy", "to the Secretariat", now.Add(3*time.Hour)); err != nil {
		t.Error(err)
	}
	again, err := OpenStore(s.dir) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	if c, err = again.Get(id); err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, e := range c.History {
		acts = append(acts, e.By+" "+string(e.Act))
	}
	if got := strings.Join(acts, ", "); got != "gateway proposed, amy confirmed, ben confirmed, amy handed-over" {
		t.Errorf("history: %s", got)
	}
	if e := c.History[1]; e.How != "call-back to +999 2 555 0111" || !e.Reached.Equal(now.Add(time.Hour)) || e.Note != "duty officer" {
		t.Errorf("confirmation %+v", e)
	}
}

func TestConfirmationsThatDoNotCount(t *testing.T) {
	s := open(t)
	id := propose(t, s, certificate("AA")).ID
	for name, change := range map[string]func(*Confirmation){
		"by nobody":              func(c *Confirmation) { c.By = "" },
		"in no way":              func(c *Confirmation) { c.How = "" },
		"at no time":             func(c *Confirmation) { c.Reached = time.Time{} },
		"in the future":          func(c *Confirmation) { c.Reached = c.At.Add(time.Hour) },
		"before it was proposed": func(c *Confirmation) { c.Reached = now.Add(-time.Hour) },
		"long ago":               func(c *Confirmation) { c.At = now.AddDate(1, 0, 0) },
	} {
		c := confirmation("amy")
		change(&c)
		if _, err := s.Confirm(id, c); err == nil {
			t.Errorf("%s: confirmed", name)
		}
	}
	for _, id := range []string{"XB-1-000000000000", "", "../../etc/passwd", "XB-1-0000", id + "/../" + id} {
		if _, err := s.Confirm(id, confirmation("amy")); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if c, err := s.Get(id); err != nil || len(c.History) != 1 {
		t.Errorf("history %v, %v", c.History, err)
	}
}

func TestRejectedIsOverForGood(t *testing.T) {
	s := open(t)
	c := propose(t, s, certificate("AA"))
	if _, err := s.Reject(c.ID, "amy", "", "", now); err == nil {
		t.Error("rejected without a reason")
	}
	if _, err := s.Reject(c.ID, "amy", "they did not send it", "", now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Confirm(c.ID, confirmation("ben")); !errors.Is(err, ErrClosed) {
		t.Errorf("confirmed afterwards: %v", err)
	}
	if again, added, err := s.Propose(certificate("AA")); err != nil || added || again.Status() != Rejected {
		t.Errorf("proposed again: %s, %v, %v", again.Status(), added, err)
	}
}

func TestSameChangeIsKeptOnce(t *testing.T) {
	s := open(t)
	first := propose(t, s, certificate("AA"))
	later := certificate("AA")
	later.Seen, later.Carrier, later.New = now.Add(time.Hour), AutocryptOuter, "the same in other armor"
	if c, added, err := s.Propose(later); err != nil || added || c.ID != first.ID || c.Proposal.Carrier != Attachment {
		t.Errorf("again: %+v, %v, %v", c, added, err)
	}
	field := Proposal{Kind: Field, ContactPoint: "XB-1", Path: "phones[0].number", Old: "+999 1", New: "+999 2", Carrier: Message, Signer: "0123", Desk: "XA-1", Seen: now}
	propose(t, s, field)
	field.New = "+999 3"
	propose(t, s, field)
	other := certificate("AA")
	other.ContactPoint = "XC-1"
	propose(t, s, other)
	if list, err := s.List(); err != nil || len(list) != 4 {
		t.Errorf("%d changes, %v", len(list), err)
	}
}

func TestBounds(t *testing.T) {
	s := open(t)
	for i := range MaxOpen {
		propose(t, s, certificate(fmt.Sprint(i)))
	}
	if _, _, err := s.Propose(certificate("one more")); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	other := certificate("1")
	other.ContactPoint = "XC-1"
	propose(t, s, other) // others are not kept out
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reject(list[0].ID, "amy", "no", "", now); err != nil {
		t.Fatal(err)
	}
	propose(t, s, certificate("room again"))
	for _, p := range []Proposal{{}, {Kind: Certificate, ContactPoint: "XB-1", Path: "p", New: "x"}, {Kind: "other", ContactPoint: "XB-1", Path: "p", New: "x"},
		{Kind: Field, ContactPoint: "../x", Path: "p", New: "x"}, {Kind: Field, ContactPoint: "XD-1", Path: "p", New: strings.Repeat("x", maxValue+1)}} {
		if _, added, err := s.Propose(p); err == nil || added {
			t.Errorf("%.80v was kept", p)
		}
	}
}

func TestAlteredFilesAreNoticed(t *testing.T) {
	s := open(t)
	whole := propose(t, s, certificate("whole"))
	c := propose(t, s, certificate("AA"))
	if _, err := s.Confirm(c.ID, confirmation("amy")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.path(c.ID))
	if err != nil {
		t.Fatal(err)
	}
	for name, altered := range map[string]string{
		"another certificate": strings.Replace(string(text), `"armor"`, `"other"`, 1),
		"another person":      strings.Replace(string(text), `"amy"`, `"ben"`, 1),
		"another fingerprint": strings.Replace(string(text), `"AA"`, `"BB"`, 1),
		"cut":                 string(text[:len(text)/2]),
		"empty":               "",
		"too large":           string(text) + strings.Repeat(" ", maxFile),
	} {
		if altered == string(text) {
			t.Fatalf("%s: nothing was altered", name)
		}
		if err := os.WriteFile(s.path(c.ID), []byte(altered), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Confirm(c.ID, confirmation("ben")); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: %v", name, err)
		}
		list, err := s.List()
		if !errors.Is(err, ErrAltered) || len(list) != 1 || list[0].ID != whole.ID {
			t.Errorf("%s: list %v, %v", name, list, err)
		}
	}
}

func TestAtTheSameMomentTwoPeopleConfirmOnce(t *testing.T) {
	s := open(t)
	id := propose(t, s, certificate("AA")).ID
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 8 {
		wg.Go(func() {
			other, err := OpenStore(s.dir)
			if err == nil {
				_, err = other.Confirm(id, confirmation([]string{"amy", "ben"}[i%2]))
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if !errors.Is(err, ErrSamePerson) && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if c, err := s.Get(id); err != nil || done != 2 || c.Status() != Confirmed || len(c.History) != 3 {
		t.Errorf("%d confirmed, history %v, %v", done, c.History, err)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestTextThatIsNoUTF8IsReadBack(t *testing.T) {
	s := open(t)
	c := propose(t, s, Proposal{Kind: Field, ContactPoint: "XB-1", Path: "unit", New: "a\xffb", Carrier: Message, Seen: now})
	if back, err := s.Get(c.ID); err != nil || back.Proposal.New != "a\uFFFDb" {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := s.Reject(c.ID, "amy", "\xff"+strings.Repeat("é", maxNote), "", now); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(c.ID); err != nil {
		t.Error(err)
	}
}
