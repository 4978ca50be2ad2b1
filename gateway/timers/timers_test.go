package timers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/gateway/notice"
	"relais.example/gateway/timers"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/test/desk"
)

// run fires timers until the test ends. fired tells what has fired so far.
func run(t *testing.T, d *desk.Desk) (fired func() []string) {
	t.Helper()
	var mu sync.Mutex
	var out []string
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		timers.Run(ctx, timers.Options{
			Queue: d.Queue, Notices: &notice.Writer{Hostname: desk.Hostname, Vault: d.Vault}, Every: 5 * time.Millisecond, Log: d.Log,
			Observe: func(id, clock, what string) {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, what)
			},
		})
	}()
	t.Cleanup(func() { stop(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(out)
	}
}

// open opens a request with one clock, whose deadline is at.
func open(d *desk.Desk, n uint64, at time.Time, timers ...request.Timer) request.Reference {
	ref := request.NewReference("XA-1", 2026, n)
	d.Commit(func(tx *queue.Tx) error {
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: mailbox.Inbox, Item: "s1-0", Size: 1, Received: tx.At(), Request: string(ref)},
			queue.Mail{Op: queue.MailAdd, Folder: mailbox.Sent, Item: "s1-0", Size: 1, Received: tx.At(), Request: string(ref)})
		return tx.Open(request.Open{Ref: ref, At: tx.At(), Direction: request.Received, Kind: request.Preservation, Peer: "XB-1", Message: "m",
			Deadlines: []request.Deadline{{Clock: "acknowledge", Article: "policy", At: at, StopsOn: "acknowledged", Timers: timers}}})
	})
	return ref
}

func flagsOf(d *desk.Desk, folder string, ref request.Reference) string {
	for _, e := range d.Folder(folder) {
		if e.Request == string(ref) && !slices.Contains(e.Flags, notice.Keyword) {
			return fmt.Sprint(e.Flags)
		}
	}
	return "none"
}

func TestDeadlineRemindsPassesAndEscalatesOnce(t *testing.T) {
	d := desk.Open(t)
	past := time.Now().Add(-time.Hour)
	ref := open(d, 1, past, request.Timer{What: request.TimerRemind, At: past.Add(-time.Hour)}, request.Timer{What: request.TimerDue, At: past},
		request.Timer{What: request.TimerEscalate, At: past.Add(time.Minute)})
	later := open(d, 2, time.Now().Add(time.Hour), request.Timer{What: request.TimerDue, At: time.Now().Add(time.Hour)})
	fired := run(t, d)
	d.Wait("three timers", func() bool { return len(fired()) == 3 })
	if got := fmt.Sprint(fired()); got != "[remind due escalate]" {
		t.Errorf("fired %s", got)
	}
	s := d.State(ref)
	if fmt.Sprint(s.Overdue) != "[acknowledge]" || len(s.Deadlines[0].Timers) != 0 {
		t.Errorf("request %+v", s)
	}
	if got := flagsOf(d, mailbox.Inbox, ref); got != "[$Overdue]" {
		t.Errorf("the message carries %s", got)
	}
	if got := flagsOf(d, mailbox.Sent, ref); got != "[]" {
		t.Errorf("the copy in Sent carries %s", got)
	}
	var notices []string
	for _, e := range d.Folder(mailbox.Inbox) {
		if slices.Contains(e.Flags, notice.Keyword) {
			notices = append(notices, d.Body(e.Item))
		}
	}
	if len(notices) != 2 || !strings.Contains(notices[0], "Deadline passed: acknowledge") || !strings.Contains(notices[1], "Supervisor: ") ||
		!strings.Contains(notices[0], string(ref)) || !strings.Contains(notices[0], "Nobody has claimed it") {
		t.Errorf("notices:\n%s", strings.Join(notices, "\n"))
	}
	if d.State(later).Version != 1 {
		t.Error("a timer fired before its time")
	}
	// Nothing more is written, however often it looks.
	before := d.At("XA-1").Applied()
	run(t, d)
	open(d, 3, past, request.Timer{What: request.TimerRemind, At: past})
	d.Wait("the next timer", func() bool {
		return strings.Contains(flagsOf(d, mailbox.Inbox, request.NewReference("XA-1", 2026, 3)), "$DueSoon")
	})
	if got := d.At("XA-1").Applied() - before; got != 2 {
		t.Errorf("%d records, want one for the request and one for its timer", got)
	}
}

func TestOneBrokenRequestDoesNotHoldUpTheOthers(t *testing.T) {
	d := desk.Open(t)
	past := time.Now().Add(-time.Hour)
	due := request.Timer{What: request.TimerDue, At: past}
	broken := open(d, 1, past, due)
	if err := d.Client.HSet(t.Context(), "relais:{XA-1}:requests", string(broken), "{").Err(); err != nil {
		t.Fatal(err)
	}
	var others []request.Reference
	for n := range uint64(5) {
		others = append(others, open(d, n+2, past, due))
	}
	fired := run(t, d)
	d.Wait("the other timers", func() bool { return len(fired()) == 5 })
	for _, ref := range others {
		if s := d.State(ref); len(s.Overdue) != 1 {
			t.Errorf("%s did not become overdue", ref)
		}
	}
	d.Wait("the fault in the log", func() bool { return strings.Contains(d.Logged.String(), string(broken)) })
}

func TestNoticeIsPlainMail(t *testing.T) {
	d := desk.Open(t)
	w := &notice.Writer{Hostname: desk.Hostname, Vault: d.Vault}
	ref := request.NewReference("XA-1", 2026, 9)
	show, err := w.Prepare(t.Context(), notice.Notice{Request: ref, Subject: "Not delivered: réponse\r\nX-Forged: yes", Text: "one\r\ntwo\n\x00three\n", Flags: []string{"$Undelivered"}})
	if err != nil {
		t.Fatal(err)
	}
	d.Commit(func(tx *queue.Tx) error { show(tx); return nil })
	e := d.Folder(mailbox.Inbox)[0]
	raw := d.Body(e.Item)
	if e.Size != int64(len(raw)) || e.Request != string(ref) || !slices.Contains(e.Flags, notice.Keyword) || !slices.Contains(e.Flags, "$Undelivered") {
		t.Errorf("entry %+v", e)
	}
	if strings.Contains(raw, "\r\nX-Forged") || strings.Contains(raw, "\x00") || strings.Count(raw, "\r") != strings.Count(raw, "\r\n") || strings.Count(raw, "\n") != strings.Count(raw, "\r\n") ||
		!strings.Contains(raw, "\r\n\r\none\r\ntwo\r\nthree\r\n") {
		t.Errorf("notice:\n%q", raw)
	}
}
