package imapd

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"relais.example/routing/mailbox"
)

const simple = "From: Ann <ann@xb.example>\r\nTo: desk@xa.example\r\nSubject: =?utf-8?q?Pr=C3=A9servation?=\r\n" +
	"Date: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <1@xb.example>\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n\r\nKeep the d=C3=A9tails, please.\r\n"

func TestClientSeesFolders(t *testing.T) {
	r := newRig(t)
	c := r.client(t, nil)
	boxes, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true, Size: true}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range boxes {
		names = append(names, b.Mailbox)
		if b.Status == nil || *b.Status.NumMessages != 0 {
			t.Errorf("%s: status %+v", b.Mailbox, b.Status)
		}
		if b.Mailbox == mailbox.Sent && !slices.Contains(b.Attrs, imap.MailboxAttrSent) {
			t.Errorf("Sent has attributes %v", b.Attrs)
		}
	}
	if !reflect.DeepEqual(names, mailbox.Names()) {
		t.Errorf("folders are %v", names)
	}
	for _, want := range []imap.Cap{imap.CapIMAP4rev2, imap.CapIMAP4rev1, imap.CapMove, imap.CapUIDPlus, imap.CapSpecialUse, imap.CapIdle, imap.CapESearch, imap.CapLiteralMinus} {
		if !c.Caps().Has(want) {
			t.Errorf("capability %s is missing", want)
		}
	}
	if c.Caps().Has(imap.CapLiteralPlus) {
		t.Error("LITERAL+ is offered")
	}
	if err := c.Create("Mine", nil).Wait(); err == nil || !strings.Contains(err.Error(), "fixed") {
		t.Errorf("CREATE: %v", err)
	}
	if err := c.Subscribe("INBOX").Wait(); err != nil {
		t.Error(err)
	}
}

func TestFetchAndMarkSeen(t *testing.T) {
	r := newRig(t)
	uid := r.deliver(mailbox.Inbox, simple, "$Emergency")
	c := r.selected(t, "INBOX", nil)
	peek := &imap.FetchItemBodySection{Peek: true}
	fetch := func(section *imap.FetchItemBodySection) *imapclient.FetchMessageBuffer {
		t.Helper()
		msgs, err := c.Fetch(imap.UIDSetNum(imap.UID(uid)), &imap.FetchOptions{
			UID: true, Flags: true, Envelope: true, InternalDate: true, RFC822Size: true,
			BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section},
		}).Collect()
		if err != nil || len(msgs) != 1 {
			t.Fatalf("%d messages, %v", len(msgs), err)
		}
		return msgs[0]
	}
	m := fetch(peek)
	if got := m.FindBodySection(peek); string(got) != simple || m.RFC822Size != int64(len(simple)) {
		t.Errorf("body %q, size %d", got, m.RFC822Size)
	}
	if m.Envelope.Subject != "Préservation" || m.Envelope.From[0].Addr() != "ann@xb.example" || m.Envelope.From[0].Name != "Ann" {
		t.Errorf("envelope %+v", m.Envelope)
	}
	if m.BodyStructure.MediaType() != "text/plain" {
		t.Errorf("structure %+v", m.BodyStructure)
	}
	if slices.Contains(m.Flags, imap.FlagSeen) || len(r.seen) != 0 {
		t.Error("PEEK marked the message as seen")
	}
	fetch(&imap.FetchItemBodySection{})
	if got := r.flagsOf("INBOX", uid); !slices.Contains(got, `\Seen`) || r.seen[0] != "officer" {
		t.Errorf("flags %v by %v", got, r.seen)
	}
}

func TestAppendStoreMoveExpunge(t *testing.T) {
	r := newRig(t)
	c := r.selected(t, mailbox.Drafts, nil)
	app := c.Append(mailbox.Drafts, int64(len(simple)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDraft, "$Relais-Kind"}})
	app.Write([]byte(simple))
	app.Close()
	data, err := app.Wait()
	if err != nil || data.UID != 1 {
		t.Fatalf("%+v, %v", data, err)
	}
	if got := r.flagsOf(mailbox.Drafts, 1); !slices.Equal(got, []string{`\Draft`}) {
		t.Errorf("flags after APPEND: %v", got)
	}
	if n := c.Mailbox().NumMessages; n != 1 {
		t.Errorf("the appending client sees %d messages", n)
	}
	msgs, err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsSet, Flags: []imap.Flag{imap.FlagSeen, "$Custom"}}, nil).Collect()
	if err != nil || len(msgs) != 1 || len(msgs[0].Flags) != 2 {
		t.Fatalf("STORE told %+v, %v", msgs, err)
	}
	moved, err := c.Move(imap.SeqSetNum(1), mailbox.Archive).Wait()
	if err != nil || moved.DestUIDs.(imap.UIDSet).String() != "1" {
		t.Fatalf("%+v, %v", moved, err)
	}
	if n := c.Mailbox().NumMessages; n != 0 {
		t.Errorf("after MOVE the client sees %d messages", n)
	}
	if _, err := c.Select(mailbox.Archive, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Collect(); err != nil {
		t.Fatal(err)
	}
	gone, err := c.Expunge().Collect()
	if err != nil || !slices.Equal(gone, []uint32{1}) {
		t.Errorf("EXPUNGE told %v, %v", gone, err)
	}
}

func TestIdleWakesUp(t *testing.T) {
	r := newRig(t)
	exists := make(chan uint32, 10)
	expunged := make(chan uint32, 10)
	c := r.selected(t, "INBOX", &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				exists <- *d.NumMessages
			}
		},
		Expunge: func(seq uint32) { expunged <- seq },
	}})
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	uid := r.deliver(mailbox.Inbox, simple)
	if n := receive(t, exists); n != 1 {
		t.Errorf("EXISTS %d", n)
	}
	other := &fakeAccount{r.fakeStore, "colleague"}
	if err := other.Expunge(t.Context(), "INBOX", []uint32{uid}); err != nil {
		t.Fatal(err)
	}
	if seq := receive(t, expunged); seq != 1 {
		t.Errorf("EXPUNGE %d", seq)
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing happened within 10 seconds")
	}
	return v
}

func TestSearch(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple, `\Seen`)
	r.deliver("INBOX", "Subject: plain\r\nFrom: Bob <bob@xc.example>\r\n\r\nnothing here\r\n", "$Overdue")
	r.deliver("INBOX", "Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nU3Ryb20g/A==\r\n--b--\r\n")
	c := r.selected(t, "INBOX", nil)
	date := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		name string
		c    imap.SearchCriteria
		want string
	}{
		{"all", imap.SearchCriteria{}, "1:3"},
		{"seen", imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}}, "1"},
		{"keyword in another case", imap.SearchCriteria{Flag: []imap.Flag{"$overdue"}}, "2"},
		{"encoded subject", imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "PRÉSERV"}}}, "1"},
		{"from", imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "From", Value: "xc.example"}}}, "2"},
		{"header present", imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-Id"}}}, "1"},
		{"quoted-printable body", imap.SearchCriteria{Body: []string{"DÉTAILS"}}, "1"},
		{"base64 latin-1 body", imap.SearchCriteria{Body: []string{"strom ü"}}, "3"},
		{"text finds headers", imap.SearchCriteria{Text: []string{"bob@xc"}}, "2"},
		{"sent on", imap.SearchCriteria{SentSince: date(2), SentBefore: date(3)}, "1"},
		{"received before", imap.SearchCriteria{Before: date(4)}, ""},
		{"received since", imap.SearchCriteria{Since: date(4)}, "1:3"},
		{"not", imap.SearchCriteria{Not: []imap.SearchCriteria{{Flag: []imap.Flag{imap.FlagSeen}}}}, "2:3"},
		{"or", imap.SearchCriteria{Or: [][2]imap.SearchCriteria{{{Body: []string{"nothing"}}, {Flag: []imap.Flag{imap.FlagSeen}}}}}, "1:2"},
		{"uid star", imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 9, Stop: 0}}}}, "3"},
		{"larger", imap.SearchCriteria{Larger: int64(len(simple)) - 1}, "1"},
	} {
		data, err := c.UIDSearch(&test.c, &imap.SearchOptions{ReturnAll: true, ReturnCount: true}).Wait()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := ""
		if data.All != nil {
			got = data.All.String()
		}
		if got != test.want {
			t.Errorf("%s: found %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSavedSearchResult(t *testing.T) {
	r := newRig(t)
	for range 4 {
		r.deliver("INBOX", simple)
	}
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	w.must("SEARCH RETURN (SAVE COUNT) UID 2:3")
	(&fakeAccount{r.fakeStore, "x"}).Expunge(t.Context(), "INBOX", []uint32{2})
	got := w.must("FETCH $ (UID)")
	if want := []string{"* 3 FETCH (UID 3)"}; !slices.Equal(got, want) {
		t.Errorf("FETCH $ told %q", got)
	}
}

func TestMailFromHostileSendersStaysReadable(t *testing.T) {
	r := newRig(t)
	nested := strings.Builder{}
	for i := range 10_000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	mails := map[string]string{
		"multipart without part":     "Subject: x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nno part\r\n",
		"multipart without boundary": "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx",
		"header line without colon":  "Subject: x\r\nthis is no field\r\nFrom: a@b.example\r\n\r\nbody\r\n",
		"only a header":              "Subject: x",
		"nothing but a newline":      "\r\n",
		"10,000 nested":              nested.String(),
		"message in base64":          "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA==\r\n",
		"8 bit and NUL everywhere":   "Subject: \xff\x00\r\nFrom: \xfe\x00<\x00@\xff>\r\nContent-Type: te\xffxt/pl\x00ain; a=\"\x00\xff\r\n\r\n\x00\xff",
		"digest without types":       "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: inner\r\n\r\nx\r\n--d--\r\n",
		"addresses gone wild":        "From: (((\r\nTo: a:b:;;,,<<@>,\"\r\nCc: undisclosed:;\r\n\r\n",
	}
	c := r.selected(t, "INBOX", nil)
	for name, mail := range mails {
		uid := imap.UID(r.deliver("INBOX", mail))
		if err := c.Noop().Wait(); err != nil {
			t.Fatal(err)
		}
		section := &imap.FetchItemBodySection{Peek: true}
		msgs, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
			UID: true, RFC822Size: true, Envelope: true,
			BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section},
		}).Collect()
		if err != nil || len(msgs) != 1 {
			t.Fatalf("%s: %d messages, %v", name, len(msgs), err)
		}
		if got := msgs[0].FindBodySection(section); !bytes.Equal(got, []byte(mail)) || msgs[0].RFC822Size != int64(len(mail)) {
			t.Errorf("%s: BODY[] has %d bytes, RFC822.SIZE is %d, want %d", name, len(got), msgs[0].RFC822Size, len(mail))
		}
		if _, err := c.UIDSearch(&imap.SearchCriteria{Text: []string{"zzz"}, UID: []imap.UIDSet{imap.UIDSetNum(uid)}}, nil).Wait(); err != nil {
			t.Errorf("%s: searching: %v", name, err)
		}
	}
}
