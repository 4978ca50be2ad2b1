package imapd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"relais.example/routing/mailbox"
)

func TestExamineChangesNothing(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple, `\Deleted`)
	w := r.loggedIn(t)
	opened := strings.Join(w.must("EXAMINE INBOX"), "\n")
	if !strings.Contains(opened, "[PERMANENTFLAGS ()]") {
		t.Errorf("EXAMINE told\n%s", opened)
	}
	for _, command := range []string{`STORE 1 +FLAGS (\Seen)`, "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Archive"} {
		if _, tagged := w.command("%s", command); !strings.HasPrefix(tagged, "NO [NOPERM]") {
			t.Errorf("%s: %s", command, tagged)
		}
	}
	w.must("FETCH 1 BODY[]")
	w.must("COPY 1 Archive")
	w.must("CLOSE")
	if got := r.flagsOf("INBOX", 1); !slices.Equal(got, []string{`\Deleted`}) || len(r.view("INBOX")) != 1 {
		t.Errorf("flags are %v", got)
	}
	w.must("SELECT INBOX")
	w.must("CLOSE")
	if got := r.view("INBOX"); len(got) != 0 {
		t.Errorf("after CLOSE of a writable folder: %v", got)
	}
}

func TestPartialsNeverOverflow(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple)
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	for partial, want := range map[string]int{
		"1.9223372036854775807":                   len(simple) - 1,
		"0.9223372036854775807":                   len(simple),
		"9223372036854775807.9223372036854775807": 0,
		"9999999.1": 0,
		"0.0":       0,
		"2.3":       3,
	} {
		for _, item := range []string{"BODY.PEEK[]", "BINARY.PEEK[]", "BODY.PEEK[HEADER]"} {
			got := w.must("FETCH 1 (%s<%s>)", item, partial)
			size := want
			if item == "BODY.PEEK[HEADER]" && size > 3 {
				continue
			}
			if !strings.HasSuffix(got[0], fmt.Sprintf("{%d}", size)) {
				t.Errorf("%s<%s>: %s", item, partial, got[0])
			}
		}
	}
}

func TestPipelinedCommands(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.deliver("INBOX", simple)
	}
	w := r.loggedIn(t)
	w.send("a SELECT INBOX\r\nb STORE 2 +FLAGS.SILENT (\\Deleted)\r\nc EXPUNGE\r\nd FETCH 1:* (UID)\r\ne UID SEARCH ALL\r\nf LOGOUT\r\n")
	got := w.rest()
	for _, want := range []string{"c OK", "* 2 EXPUNGE", "* 2 FETCH (UID 3)", "* SEARCH 1 3", "f OK"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestSequenceNumbersStayUntilTheClientIsTold(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.deliver("INBOX", simple)
	}
	a, b := r.loggedIn(t), r.loggedIn(t)
	a.must("SELECT INBOX")
	b.must("SELECT INBOX")
	b.must(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	b.must("EXPUNGE")
	// a was not told: 2 still is UID 2, 1 is gone, and FETCH must not tell.
	if got := a.must("FETCH 1:3 (UID)"); !slices.Equal(got, []string{"* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"}) {
		t.Errorf("before: %q", got)
	}
	if got := a.must("NOOP"); !slices.Equal(got, []string{"* 1 EXPUNGE"}) {
		t.Errorf("NOOP told %q", got)
	}
	if got := a.must("FETCH 1:2 (UID)"); !slices.Equal(got, []string{"* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)"}) {
		t.Errorf("after: %q", got)
	}
}

func TestSilentStoreIsSilentForItselfOnly(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple)
	a, b := r.loggedIn(t), r.loggedIn(t)
	a.must("SELECT INBOX")
	b.must("SELECT INBOX")
	if got := a.must(`STORE 1 +FLAGS.SILENT (\Flagged)`); len(got) != 0 {
		t.Errorf("told itself %q", got)
	}
	if got := b.must("NOOP"); !slices.Equal(got, []string{`* 1 FETCH (UID 1 FLAGS (\Flagged))`}) {
		t.Errorf("told the other %q", got)
	}
	// What the other did meanwhile must still be told.
	b.must(`STORE 1 +FLAGS.SILENT (\Answered)`)
	if got := a.must(`STORE 1 +FLAGS.SILENT (\Seen)`); !slices.Equal(got, []string{`* 1 FETCH (UID 1 FLAGS (\Answered \Flagged \Seen))`}) {
		t.Errorf("told %q", got)
	}
	// A client that asks for nothing new is still answered.
	if got := a.must(`STORE 1 +FLAGS (\Seen)`); !slices.Equal(got, []string{`* 1 FETCH (UID 1 FLAGS (\Answered \Flagged \Seen))`}) {
		t.Errorf("told %q", got)
	}
}

func TestKeywordsOfTheGatewayAreKept(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Keyword = func(k string) KeywordRule {
			if strings.EqualFold(k, "$Overdue") {
				return KeywordRefused
			}
			return ReserveKeywords("$Relais", "$Emergency")(k)
		}
	})
	r.deliver("INBOX", simple, "$Emergency", "$Overdue", "$Old")
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	w.must(`STORE 1 FLAGS (\Seen $Mine $relais-x)`)
	if got := r.flagsOf("INBOX", 1); !slices.Equal(got, []string{"$Emergency", "$Mine", "$Overdue", `\Seen`}) {
		t.Errorf("flags are %v", got)
	}
	for _, command := range []string{"STORE 1 -FLAGS ($Overdue)", `STORE 1 +FLAGS (\Foo)`, "STORE 1 +FLAGS (" + strings.Repeat("k", 100) + ")"} {
		if _, tagged := w.command("%s", command); !strings.HasPrefix(tagged, "NO ") {
			t.Errorf("%s: %s", command, tagged)
		}
	}
}

func TestFlagsThatCannotBeShownAreLeftOut(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple, "two words", "", `\Seen`)
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	if got := w.must("FETCH 1 (FLAGS)"); !slices.Equal(got, []string{`* 1 FETCH (FLAGS (\Seen))`}) {
		t.Errorf("told %q", got)
	}
}

func TestFolderCommands(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple)
	w := r.loggedIn(t)
	for command, want := range map[string]string{
		`LIST "" ""`:     `* LIST (\Noselect) "/" ""`,
		`LIST "" "inb%"`: `* LIST (\HasNoChildren) "/" INBOX`,
		`LSUB "" "Dr*"`:  `* LSUB (\HasNoChildren \Drafts \Subscribed) "/" "Drafts"`,
		`LIST "" "Se*" RETURN (SUBSCRIBED CHILDREN)`: `* LIST (\HasNoChildren \Sent \Subscribed) "/" "Sent"`,
		`LIST (SPECIAL-USE) "" "*rc*"`:               `* LIST (\HasNoChildren \Archive) "/" "Archive"`,
		"NAMESPACE":                                  `* NAMESPACE (("" "/")) NIL NIL`,
		"STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY SIZE DELETED)": fmt.Sprintf("* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1000 UNSEEN 1 DELETED 0 SIZE %d)", len(simple)),
	} {
		if got := w.must("%s", command); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", command, got)
		}
	}
	if _, tagged := w.command("SELECT nowhere"); !strings.HasPrefix(tagged, "NO [NONEXISTENT]") {
		t.Error(tagged)
	}
	if _, tagged := w.command("STATUS nowhere (MESSAGES)"); !strings.HasPrefix(tagged, "NO [NONEXISTENT]") {
		t.Error(tagged)
	}
}

func TestListPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a/b", false}, {"%/%", "a/b", true}, {"a*b", "a/b", true}, {"a%b", "a/b", false},
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"a%", "a", true}, {"*b", "a/b", true}, {"abc", "ab", false},
		{strings.Repeat("*a", 2000), "aaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
	} {
		if got := matchPattern(test.pattern, test.name); got != test.want {
			t.Errorf("%.20q matches %q: %v", test.pattern, test.name, got)
		}
	}
}

func TestOneUnreadableMessageDoesNotHideTheOthers(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.deliver("INBOX", simple)
	}
	delete(r.bodies, "INBOX-2")
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	untagged, tagged := w.command("FETCH 1:3 (UID BODY.PEEK[TEXT])")
	all := strings.Join(untagged, "\n")
	if !strings.HasPrefix(tagged, "NO [UNAVAILABLE]") || !strings.Contains(all, "UID 1") || !strings.Contains(all, "UID 3") {
		t.Errorf("%s after\n%s", tagged, all)
	}
}

func TestSearchIsBounded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.SearchBytes = 2 * int64(len(simple)) })
	for range 3 {
		r.deliver("INBOX", simple)
	}
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	for _, command := range []string{
		"SEARCH BODY zzz",
		"SEARCH " + strings.Repeat("NOT ", 5000) + "ALL",
		"SEARCH " + strings.Repeat("TEXT x ", 5000) + "ALL",
	} {
		if _, tagged := w.command("%s", command); !strings.HasPrefix(tagged, "NO [LIMIT]") {
			t.Errorf("%.20s: %s", command, tagged)
		}
	}
	w.must("SEARCH UID 1:2 BODY zzz")
}

func TestCopyUIDIsLeftOutWhenItWouldLie(t *testing.T) {
	if copyData(1, []UIDPair{{1, 9}, {2, 8}}) != nil {
		t.Error("UIDs that do not ascend were paired")
	}
	if got := copyData(1, []UIDPair{{1, 8}, {3, 9}}); got.SourceUIDs.String() != "1,3" || got.DestUIDs.String() != "8:9" {
		t.Errorf("%+v", got)
	}
}

func TestNumbersBeyondTheFolder(t *testing.T) {
	m := mailbox.New("INBOX", 1)
	for _, uid := range []uint32{3, 5, 9} {
		m.Add(mailbox.Entry{UID: uid})
	}
	v, _, _ := openView(m, false, func() {})
	defer v.close()
	uids := func(r ...imap.UIDRange) imap.UIDSet { return r }
	for _, test := range []struct {
		set  imap.NumSet
		want string
	}{
		{imap.SeqSet{{Start: 1, Stop: 0}}, "[3 5 9]"},
		{imap.SeqSet{{Start: 0, Stop: 0}}, "[9]"},
		{imap.SeqSet{{Start: 7, Stop: 0}}, "[9]"},
		{imap.SeqSet{{Start: 4, Stop: 4}}, "[]"},
		{imap.SeqSet{{Start: 2, Stop: 4294967295}}, "[5 9]"},
		{imap.SeqSet{{Start: 4294967295, Stop: 4294967295}}, "[]"},
		{uids(imap.UIDRange{Start: 4, Stop: 9}, imap.UIDRange{Start: 0, Stop: 0}), "[5 9]"},
		{uids(imap.UIDRange{Start: 100, Stop: 0}), "[9]"},
		{uids(imap.UIDRange{Start: 1, Stop: 4294967295}), "[3 5 9]"},
		{uids(imap.UIDRange{Start: 6, Stop: 8}), "[]"},
	} {
		if got := fmt.Sprint(uidsOf(v.resolve(test.set, nil))); got != test.want {
			t.Errorf("%v: %s, want %s", test.set, got, test.want)
		}
	}
}
