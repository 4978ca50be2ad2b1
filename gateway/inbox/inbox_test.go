package inbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"relais.example/gateway/accounts"
	"relais.example/gateway/imapd"
	"relais.example/gateway/inbox"
	"relais.example/gateway/intake"
	"relais.example/gateway/notice"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/test/desk"
)

// office is the IMAP side of a gateway.
type office struct {
	*desk.Desk
	t       *testing.T
	store   *inbox.Store
	counted []string
	n       uint64
}

func open(t *testing.T) *office {
	t.Helper()
	d := desk.Open(t)
	o := &office{Desk: d, t: t}
	o.store = &inbox.Store{Accounts: d.Accounts, Queue: d.Queue, Vault: d.Vault, Clocks: d.Clocks, Login: func(r, _ string) { o.counted = append(o.counted, r) }}
	return o
}

func (o *office) login(user string) imapd.Account {
	o.t.Helper()
	a, err := o.store.Authenticate(o.t.Context(), user, desk.Password, "192.0.2.1")
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

// put shows a message in a folder and returns its UID.
func (o *office) put(folder string, ref request.Reference, flags ...string) uint32 {
	o.t.Helper()
	names, err := o.Vault.Put(o.t.Context(), []byte("Subject: x\r\n\r\nHello\r\n"))
	if err != nil {
		o.t.Fatal(err)
	}
	r, err := o.At("XA-1").Commit(o.t.Context(), func(tx *queue.Tx) error {
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: folder, Item: names[0], Size: 21, Received: tx.At(), Flags: flags, Request: string(ref)})
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return r.UIDs[0]
}

// received opens a request and shows its message.
func (o *office) received(folder string, kind request.Kind, held bool, then ...request.Command) (request.Reference, uint32) {
	o.t.Helper()
	o.n++
	ref := request.NewReference("XA-1", 2026, o.n)
	since := time.Now().Add(-3 * time.Hour).UTC()
	o.Commit(func(tx *queue.Tx) error {
		tx.Number(2026, o.n)
		if err := tx.Open(request.Open{Ref: ref, At: since, Direction: request.Received, Kind: kind, Held: held, Peer: "XB-1", Message: "m",
			Deadlines: o.Clocks.Arm(o.Clocks.For(kind, false, "received", since))}); err != nil {
			return err
		}
		for _, c := range then {
			if err := tx.Do(ref, c); err != nil {
				return err
			}
		}
		return nil
	})
	return ref, o.put(folder, ref)
}

func (o *office) folders() string {
	out := map[string]int{}
	for _, name := range mailbox.Names() {
		if n := len(o.Folder(name)); n > 0 {
			out[name] = n
		}
	}
	return fmt.Sprint(out)
}

// refused wants an answer to the user that holds want.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var r *imapd.Refused
	if !errors.As(err, &r) || !strings.Contains(r.Text, want) {
		t.Errorf("got %v, want a refusal with %q", err, want)
	}
}

func TestLogin(t *testing.T) {
	o := open(t)
	for user, want := range map[string]string{desk.Amy: "", desk.Sue: "", desk.Carl: "", desk.Aud: "may not read", desk.Adm: "may not read"} {
		a, err := o.store.Authenticate(t.Context(), user, desk.Password, "192.0.2.1")
		if want == "" {
			if err != nil || a.User() != user {
				t.Errorf("%s: %v", user, err)
			}
			continue
		}
		refused(t, err, want)
	}
	if _, err := o.store.Authenticate(t.Context(), desk.Amy, "wrong", "192.0.2.2"); !errors.Is(err, imapd.ErrBadCredentials) {
		t.Errorf("wrong password: %v", err)
	}
	for range 8 {
		o.store.Authenticate(t.Context(), desk.Amy, "wrong", "192.0.2.2")
	}
	_, err := o.store.Authenticate(t.Context(), desk.Amy, desk.Password, "192.0.2.2")
	refused(t, err, "wait")
	if last := o.counted[len(o.counted)-1]; last != "throttled" || !slices.Contains(o.counted, "ok") || !slices.Contains(o.counted, "wrong") {
		t.Errorf("counted %v", o.counted)
	}
}

func TestDesksAreApart(t *testing.T) {
	o := open(t)
	o.received(mailbox.Inbox, request.Preservation, false)
	carl := o.login(desk.Carl)
	box, ok := carl.Mailbox(mailbox.Inbox)
	if !ok || box.Len() != 0 {
		t.Errorf("the officer of another desk sees %d messages", box.Len())
	}
	if pairs, err := carl.Move(t.Context(), mailbox.Inbox, []uint32{1}, mailbox.Archive); err != nil || len(pairs) != 0 || o.folders() != "map[INBOX:1]" {
		t.Errorf("moved %v, %v; folders %s", pairs, err, o.folders())
	}
}

// TestGestures: what each move does to the request and to the folders.
func TestGestures(t *testing.T) {
	now := time.Now().UTC()
	answered := []request.Command{request.Reply{At: now, By: "amy", Final: true, Out: "o", Message: "m"}, request.Delivered{At: now, Out: "o", Final: true}}
	waits := []request.Command{request.Wait{At: now, By: "amy"}}
	closed := []request.Command{request.Close{At: now, By: "amy"}}
	tests := []struct {
		name    string
		kind    request.Kind
		held    bool
		then    []request.Command
		user    string
		from    string
		to      string
		refuse  string // words of the refusal
		status  request.Status
		clocks  string
		folders string // "" : the message is in to
	}{
		{"archive closes", request.Preservation, false, nil, desk.Amy, mailbox.Inbox, mailbox.Archive, "", request.StatusClosed, "", ""},
		{"archive closes an emergency", request.EmergencyDisclosure, false, nil, desk.Amy, mailbox.Emergency, mailbox.Archive, "", request.StatusClosed, "", ""},
		{"an answer on its way cannot be closed", request.Preservation, false, answered[:1], desk.Amy, mailbox.Inbox, mailbox.Archive, "wait until", request.StatusAnswering, "acknowledge preservation-effect", "map[INBOX:1]"},
		{"waiting", request.Preservation, false, nil, desk.Amy, mailbox.Inbox, mailbox.Waiting, "", request.StatusWaiting, "preservation-effect", ""},
		{"back from waiting", request.Preservation, false, waits, desk.Amy, mailbox.Waiting, mailbox.Inbox, "", request.StatusOpen, "preservation-effect", ""},
		{"back from waiting to Emergency", request.Preservation, false, waits, desk.Amy, mailbox.Waiting, mailbox.Emergency, "", request.StatusOpen, "preservation-effect", ""},
		{"back from Archive with its clocks", request.Preservation, false, closed, desk.Amy, mailbox.Archive, mailbox.Inbox, "", request.StatusOpen, "acknowledge preservation-effect", ""},
		{"back from Archive to Emergency", request.Preservation, false, closed, desk.Amy, mailbox.Archive, mailbox.Emergency, "", request.StatusOpen, "acknowledge preservation-effect", ""},
		{"back from Archive after an answer", request.Preservation, false, append(slices.Clone(answered), closed...), desk.Amy, mailbox.Archive, mailbox.Inbox, "", request.StatusOpen, "preservation-effect", ""},
		{"an answered request seen from another side", request.Preservation, false, answered, desk.Amy, mailbox.Emergency, mailbox.Inbox, "", request.StatusAnswered, "", ""},
		{"a person takes it for an emergency", request.Preservation, false, nil, desk.Amy, mailbox.Inbox, mailbox.Emergency, "", request.StatusOpen, "acknowledge preservation-effect", ""},
		{"triage ends", request.Unclassified, false, nil, desk.Amy, mailbox.Triage, mailbox.Inbox, "", request.StatusOpen, "triage", ""},
		{"triage goes on in Emergency", request.Unclassified, false, nil, desk.Amy, mailbox.Triage, mailbox.Emergency, "", request.StatusTriage, "triage", ""},
		{"a request cannot be thrown away", request.Preservation, false, nil, desk.Amy, mailbox.Inbox, mailbox.Trash, "not closed", request.StatusOpen, "acknowledge preservation-effect", "map[INBOX:1]"},
		{"a closed one can", request.Preservation, false, closed, desk.Amy, mailbox.Archive, mailbox.Trash, "", request.StatusClosed, "", ""},
		{"requests are no drafts", request.Preservation, false, nil, desk.Amy, mailbox.Inbox, mailbox.Drafts, "not kept", request.StatusOpen, "acknowledge preservation-effect", "map[INBOX:1]"},
		{"nothing goes to Quarantine by hand", request.Preservation, false, nil, desk.Sue, mailbox.Inbox, mailbox.Quarantine, "not kept", request.StatusOpen, "acknowledge preservation-effect", "map[INBOX:1]"},
		{"an officer cannot release", request.Preservation, true, nil, desk.Amy, mailbox.Quarantine, mailbox.Inbox, "only a supervisor", request.StatusQuarantined, "acknowledge preservation-effect", "map[Quarantine:1]"},
		{"an officer cannot discard", request.Preservation, true, nil, desk.Amy, mailbox.Quarantine, mailbox.Trash, "only a supervisor", request.StatusQuarantined, "acknowledge preservation-effect", "map[Quarantine:1]"},
		{"a supervisor releases", request.Preservation, true, nil, desk.Sue, mailbox.Quarantine, mailbox.Inbox, "", request.StatusOpen, "acknowledge preservation-effect", ""},
		{"a supervisor releases an emergency", request.EmergencyDisclosure, true, nil, desk.Sue, mailbox.Quarantine, mailbox.Emergency, "", request.StatusOpen, "acknowledge emergency-acknowledge emergency-determination", ""},
		{"a supervisor discards", request.Preservation, true, nil, desk.Sue, mailbox.Quarantine, mailbox.Trash, "", request.StatusDiscarded, "", ""},
		{"what is held is not archived", request.Preservation, true, nil, desk.Sue, mailbox.Quarantine, mailbox.Archive, "to release it", request.StatusQuarantined, "acknowledge preservation-effect", "map[Quarantine:1]"},
		{"the copy of a sent message is tidied up", request.Preservation, false, nil, desk.Amy, mailbox.Sent, mailbox.Archive, "", request.StatusOpen, "acknowledge preservation-effect", ""},
		{"the copy of a sent message is not work", request.Preservation, false, nil, desk.Amy, mailbox.Sent, mailbox.Inbox, "can only be moved", request.StatusOpen, "acknowledge preservation-effect", "map[Sent:1]"},
	}
	o := open(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ref, uid := o.received(tt.from, tt.kind, tt.held, tt.then...)
			defer func() { // for the next one
				for _, name := range mailbox.Names() {
					for _, e := range o.Folder(name) {
						o.Commit(func(tx *queue.Tx) error {
							tx.Mail(queue.Mail{Op: queue.MailRemove, Folder: name, UID: e.UID})
							return nil
						})
					}
				}
			}()
			pairs, err := o.login(tt.user).Move(t.Context(), tt.from, []uint32{uid, 999}, tt.to)
			if tt.refuse != "" {
				refused(t, err, tt.refuse)
			} else if err != nil || len(pairs) != 1 || pairs[0].From != uid {
				t.Errorf("moved %v, %v", pairs, err)
			}
			want := tt.folders
			if want == "" {
				want = "map[" + tt.to + ":1]"
			}
			s := o.State(ref)
			var clocks []string
			for _, d := range s.Deadlines {
				clocks = append(clocks, d.Clock)
			}
			slices.Sort(clocks)
			if s.Status != tt.status || strings.Join(clocks, " ") != tt.clocks || o.folders() != want {
				t.Errorf("%s with clocks %v in %s; want %s with %q in %s", s.Status, clocks, o.folders(), tt.status, tt.clocks, want)
			}
		})
	}
}

func TestAllOfARequestIsClosedTogether(t *testing.T) {
	o := open(t)
	ref, first := o.received(mailbox.Inbox, request.Preservation, false)
	other, _ := o.received(mailbox.Inbox, request.LegalInfo, false)
	o.put(mailbox.Emergency, ref)
	o.put(mailbox.Sent, ref)
	o.put(mailbox.Inbox, ref, notice.Keyword)
	pairs, err := o.login(desk.Amy).Move(t.Context(), mailbox.Inbox, []uint32{first}, mailbox.Archive)
	if err != nil || len(pairs) != 1 || pairs[0] != (imapd.UIDPair{From: first, To: 1}) {
		t.Errorf("moved %v, %v", pairs, err)
	}
	if got := o.folders(); got != "map[Archive:2 INBOX:2 Sent:1]" {
		t.Errorf("folders %s, want both messages archived; the notice, the copy and the other request stay", got)
	}
	if o.State(other).Status != request.StatusOpen {
		t.Error("the other request was closed, too")
	}
}

func TestTidyingUpANoticeClosesNothing(t *testing.T) {
	o := open(t)
	ref, _ := o.received(mailbox.Inbox, request.Preservation, false)
	amy := o.login(desk.Amy)
	for _, to := range []string{mailbox.Archive, mailbox.Trash} {
		uid := o.put(mailbox.Inbox, ref, notice.Keyword, "$Overdue")
		if _, err := amy.Move(t.Context(), mailbox.Inbox, []uint32{uid}, to); err != nil {
			t.Errorf("to %s: %v", to, err)
		}
	}
	uid := o.put(mailbox.Inbox, ref, notice.Keyword)
	_, err := amy.Move(t.Context(), mailbox.Inbox, []uint32{uid}, mailbox.Waiting)
	refused(t, err, "notices")
	if s := o.State(ref); s.Status != request.StatusOpen || len(s.Deadlines) == 0 {
		t.Errorf("request %s with %d clocks", s.Status, len(s.Deadlines))
	}
}

func TestTidyingUpAnAcknowledgementClosesNothing(t *testing.T) {
	o := open(t)
	ref, opened := o.received(mailbox.Inbox, request.Preservation, false)
	amy := o.login(desk.Amy)
	uid := o.put(mailbox.Inbox, ref, intake.KeywordInterim)
	if _, err := amy.Move(t.Context(), mailbox.Inbox, []uint32{uid}, mailbox.Archive); err != nil {
		t.Fatal(err)
	}
	if s := o.State(ref); s.Status != request.StatusOpen || len(s.Deadlines) == 0 {
		t.Errorf("request %s with %d clocks", s.Status, len(s.Deadlines))
	}
	box, _ := amy.Mailbox(mailbox.Inbox)
	if _, there := box.Entry(opened); !there {
		t.Error("the message of the request went along")
	}
}

func TestStarClaims(t *testing.T) {
	o := open(t)
	ref, uid := o.received(mailbox.Inbox, request.Preservation, false)
	amy, ann, sue := o.login(desk.Amy), o.login(desk.Ann), o.login(desk.Sue)
	star := []string{`\Flagged`}
	set := func(a imapd.Account, add, remove []string) error {
		return a.Store(t.Context(), mailbox.Inbox, []uint32{uid}, add, remove)
	}
	if err := set(amy, star, nil); err != nil || o.State(ref).Owner != desk.Amy {
		t.Fatalf("claimed by %q, %v", o.State(ref).Owner, err)
	}
	refused(t, set(ann, nil, star), "amy works on it")
	if e := o.Folder(mailbox.Inbox)[0]; !slices.Contains(e.Flags, `\Flagged`) || o.State(ref).Owner != desk.Amy {
		t.Errorf("flags %v, owner %q", e.Flags, o.State(ref).Owner)
	}
	if err := set(sue, nil, star); err != nil || o.State(ref).Owner != "" {
		t.Errorf("a supervisor could not give it back: %v", err)
	}
	if err := errors.Join(set(ann, star, nil), set(ann, nil, star)); err != nil || o.State(ref).Owner != "" {
		t.Errorf("claimed and given back: %v, owner %q", err, o.State(ref).Owner)
	}
}

func TestReadingIsRecordedOnce(t *testing.T) {
	o := open(t)
	ref, uid := o.received(mailbox.Inbox, request.Preservation, false)
	amy := o.login(desk.Amy)
	before := o.State(ref).Version
	for range 2 {
		if err := amy.Store(t.Context(), mailbox.Inbox, []uint32{uid}, []string{`\Seen`}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.State(ref).Version; got != before+1 {
		t.Errorf("%d events, want one", got-before)
	}
}

func TestEverythingCanBeMarkedAtOnce(t *testing.T) {
	o := open(t)
	const n = 1500
	var uids []uint32
	o.Commit(func(tx *queue.Tx) error {
		for range n {
			tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: mailbox.Archive, Item: "s1-0", Size: 1, Received: tx.At()})
		}
		return nil
	})
	for i := range uint32(n) {
		uids = append(uids, i+1)
	}
	amy := o.login(desk.Amy)
	before := o.At("XA-1").Applied()
	if err := amy.Store(t.Context(), mailbox.Archive, uids, []string{`\Seen`}, nil); err != nil {
		t.Fatal(err)
	}
	if steps := o.At("XA-1").Applied() - before; steps < 5 {
		t.Errorf("%d messages in %d records: a record may become too large for the journal", n, steps)
	}
	pairs, err := amy.Move(t.Context(), mailbox.Archive, uids, mailbox.Trash)
	if err != nil || len(pairs) != n || pairs[n-1] != (imapd.UIDPair{From: n, To: n}) {
		t.Errorf("%d moved, %v", len(pairs), err)
	}
	if err := amy.Expunge(t.Context(), mailbox.Trash, uids); err != nil || o.folders() != "map[]" {
		t.Errorf("%v, folders %s", err, o.folders())
	}
}

func TestAppendCopyExpunge(t *testing.T) {
	o := open(t)
	amy := o.login(desk.Amy)
	letter := []byte("Message-ID: <1@x.example>\r\nX-Relais-Verdict: accept; ok\r\nSubject: x\r\n\r\nHello\r\n")
	for _, folder := range []string{mailbox.Inbox, mailbox.Quarantine, mailbox.Archive, mailbox.Emergency} {
		_, err := amy.Append(t.Context(), folder, imapd.NewMessage{Body: letter})
		refused(t, err, "filled by the gateway")
	}
	uid, err := amy.Append(t.Context(), mailbox.Drafts, imapd.NewMessage{Body: letter, Flags: []string{`\Draft`}, Received: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := amy.Body(t.Context(), o.Folder(mailbox.Drafts)[0].Item); err != nil || string(body) != string(letter) {
		t.Errorf("%q, %v", body, err)
	}
	for _, to := range []string{mailbox.Inbox, mailbox.Triage, mailbox.Quarantine, mailbox.Emergency, mailbox.Waiting} {
		if _, err := amy.Move(t.Context(), mailbox.Drafts, []uint32{uid}, to); err == nil {
			t.Errorf("a forged message was put into %s", to)
		}
	}
	ref, at := o.received(mailbox.Inbox, request.Preservation, false)
	refused(t, amy.Expunge(t.Context(), mailbox.Inbox, []uint32{at}), "cannot be deleted")
	_, err = amy.Copy(t.Context(), mailbox.Inbox, []uint32{at}, mailbox.Emergency)
	refused(t, err, "moved, not copied")
	if pairs, err := amy.Copy(t.Context(), mailbox.Inbox, []uint32{at}, mailbox.Archive); err != nil || len(pairs) != 1 || o.State(ref).Status != request.StatusOpen {
		t.Errorf("copied %v, %v", pairs, err)
	}
	_, held := o.received(mailbox.Quarantine, request.Preservation, true)
	_, err = o.login(desk.Sue).Copy(t.Context(), mailbox.Quarantine, []uint32{held}, mailbox.Archive)
	refused(t, err, "moved, not copied")
	if err := amy.Expunge(t.Context(), mailbox.Drafts, []uint32{uid}); err != nil || len(o.Folder(mailbox.Drafts)) != 0 {
		t.Errorf("draft not deleted: %v", err)
	}
}

func TestOwnCopyOfAMailProgramIsTheOneThatIsThere(t *testing.T) {
	o := open(t)
	amy := o.login(desk.Amy)
	letter := []byte("Message-ID: <7@x.example>\r\nSubject: x\r\n\r\nHello\r\n")
	ref := request.NewReference("XA-1", 2026, 50)
	names, err := o.Vault.Put(t.Context(), letter)
	if err != nil {
		t.Fatal(err)
	}
	o.Commit(func(tx *queue.Tx) error {
		tx.Thread(o.Vault.Name("thread", "<7@x.example>"), ref)
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: mailbox.Sent, Item: names[0], Size: 1, Received: tx.At(), Request: string(ref)})
		return nil
	})
	uid, err := amy.Append(t.Context(), mailbox.Sent, imapd.NewMessage{Body: letter})
	if err != nil || uid != 1 || len(o.Folder(mailbox.Sent)) != 1 {
		t.Errorf("UID %d, %v, %d in Sent", uid, err, len(o.Folder(mailbox.Sent)))
	}
}

// An open connection does not outlive the account.
func TestRemovedAccountCanDoNothingMore(t *testing.T) {
	o := open(t)
	_, uid := o.received(mailbox.Inbox, request.Preservation, false)
	amy, sue := o.login(desk.Amy), o.login(desk.Sue)
	if err := errors.Join(accounts.Remove(o.StaffFile, desk.Amy), o.Accounts.Reload()); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	item := o.Folder(mailbox.Inbox)[0].Item
	_, bodyErr := amy.Body(ctx, item)
	_, moveErr := amy.Move(ctx, mailbox.Inbox, []uint32{uid}, mailbox.Archive)
	_, copyErr := amy.Copy(ctx, mailbox.Inbox, []uint32{uid}, mailbox.Archive)
	_, appendErr := amy.Append(ctx, mailbox.Drafts, imapd.NewMessage{Body: []byte("x")})
	for _, err := range []error{bodyErr, moveErr, copyErr, appendErr, amy.Store(ctx, mailbox.Inbox, []uint32{uid}, []string{`\Seen`}, nil), amy.Expunge(ctx, mailbox.Inbox, []uint32{uid})} {
		refused(t, err, "log in again")
	}
	if _, err := sue.Body(ctx, item); err != nil {
		t.Errorf("another account: %v", err)
	}
}
