package intake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

const (
	pingForm = "=== 24/7 REQUEST v1 ===\r\nkind: PING\r\n=== END ===\r\n"
	vague    = "By the way: please call Mr Smith about the matter of Tuesday, he waits.\r\n"
	quotedUs = "\r\nOn Monday XA-1 wrote:\r\n> This is a test: can XB-1 be reached?\r\n> === 24/7 REQUEST v1 ===\r\n> kind: PING\r\n> === END ===\r\n"
)

func withFile(text, name string) pgpmime.Draft {
	return pgpmime.Draft{ContentType: "multipart/mixed; boundary=b", Body: []byte("--b\r\nContent-Type: text/plain\r\n\r\n" + text +
		"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=" + name + "\r\n\r\ncontent\r\n" +
		"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=" + name + ".asc\r\n\r\nsignature\r\n--b--\r\n")}
}

// What a machine answers goes to the Archive, where nobody looks: it must say
// nothing else.
func TestTestIsForAPersonIfItSaysMore(t *testing.T) {
	ours := strings.ReplaceAll(intake.TestMessage("XB-1", "XA-1", "XB-2026-000001-X", time.Now()), "\n", "\r\n")
	apple := pgpmime.Draft{ContentType: "multipart/alternative; boundary=a", Body: []byte("--a\r\nContent-Type: text/plain\r\n\r\n" + pingForm +
		"\r\n--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\nx\r\n--c\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--c--\r\n--a--\r\n")}
	tests := []struct {
		name     string
		draft    pgpmime.Draft
		answered bool
	}{
		{"the form", pgpmime.Draft{Body: []byte(pingForm)}, true},
		{"what a gateway writes", pgpmime.Draft{Body: []byte(ours)}, true},
		{"and a request below", pgpmime.Draft{Body: []byte(pingForm + preserve)}, false},
		{"and a request above", pgpmime.Draft{Body: []byte(preserve + pingForm)}, false},
		{"and a word to a person", pgpmime.Draft{Body: []byte(ours + vague)}, false},
		{"and a word in another script", pgpmime.Draft{Body: []byte("Срочно\r\n" + pingForm)}, false},
		{"and a field that says more", pgpmime.Draft{Body: []byte(strings.Replace(pingForm, "=== END", "description: "+vague+"=== END", 1))}, false},
		{"and a request in the subject", pgpmime.Draft{Subject: "Request for the preservation of data", Body: []byte(pingForm)}, false},
		{"and a file", withFile(pingForm, "request.pdf"), false},
		{"and a file in an alternative", apple, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t)
			s := p.opened(p.send(250, p.fromBeta(tt.draft)))
			want := "map[INBOX:1]"
			if tt.answered {
				want = "map[Archive:1]"
			}
			if got := fmt.Sprint(p.folders()); s.Kind != request.Ping || got != want || (len(p.outbox()) == 1) != tt.answered {
				t.Errorf("%+v in %s; want %s", s, got, want)
			}
		})
	}
}

func TestAnswerToOurTestEndsItAndWhatAPersonWroteIsRead(t *testing.T) {
	for text, folder := range map[string]string{
		quotedUs:                           "Archive", // sent back as it is
		"Received.\r\n" + vague + quotedUs: "INBOX",
	} {
		p := open(t)
		ref, id := p.asked(request.Ping, false)
		p.send(250, p.fromBeta(pgpmime.Draft{Subject: "Re: PING", InReplyTo: id, Body: []byte(text)}))
		if s := p.State(ref); s.Status != request.StatusClosed || fmt.Sprint(p.folders()) != "map["+folder+":1]" || len(p.outbox()) != 0 {
			t.Errorf("%q: %s in %v, outbox %v", text, s.Status, p.folders(), p.outbox())
		}
	}
}

// A request for something that comes in answer to a test has its own clock.
func TestRequestInAnswerToOurTestIsOpened(t *testing.T) {
	p := open(t)
	_, id := p.asked(request.Ping, false)
	s := p.opened(p.send(250, p.fromBeta(pgpmime.Draft{InReplyTo: id, Body: []byte(strings.Replace(pingForm, "PING", "PRESERVATION", 1))})))
	if s.Kind != request.Preservation || s.Status != request.StatusOpen || s.Direction != request.Received {
		t.Errorf("%+v", s)
	}
}

func TestDirectoryThatCameWithWordsIsInstalledAndTheWordsAreRead(t *testing.T) {
	machine := [][2]string{{"Auto-Submitted", "auto-generated"}}
	for _, tt := range []struct {
		text    string
		outside [][2]string
		want    string
	}{
		{"Version 2 of the Directory. Keep the attached file.\r\n", machine, "map[Archive:1]"},
		{vague, nil, "map[Triage:1]"},
		{preserve, nil, "map[INBOX:1]"},
		{strings.Replace(pingForm, "PING", "PRESERVATION", 1), machine, "map[Triage:1]"},
	} {
		installed := 0
		p := open(t, func(o *intake.Options) { o.Install = func(_, _ []byte) error { installed++; return nil } })
		draft := withFile(tt.text, "directory.json")
		draft.Outside = tt.outside
		p.send(250, p.fromBeta(draft))
		receipts := 0
		for _, out := range p.outbox() {
			if out.Purpose == queue.PurposeReceipt {
				receipts++
			}
		}
		if got := fmt.Sprint(p.folders()); got != tt.want || installed != 1 || receipts != 1 {
			t.Errorf("%q: in %s, want %s; %d installed, %d receipts", tt.text, got, tt.want, installed, receipts)
		}
	}
}

func TestQuestionToTheDirectoryWithARequestIsARequest(t *testing.T) {
	for text, folder := range map[string]string{
		"find betaland\r\n\r\nThanks\r\nOffice, 1 Main Street\r\n":                     "Archive",
		"find betaland\r\n\r\nThanks\r\n\r\n" + preserve:                               "INBOX",
		"find betaland\r\n" + strings.Repeat(" \r\n", 3000) + preserve:                 "INBOX",
		"find betaland\r\n\r\nThanks\r\n\r\n" + emergency:                              "Emergency",
		"find betaland\r\nThanks\r\n" + strings.Replace(pingForm, "PING", "ADVICE", 1): "Triage",
	} {
		p := open(t, func(o *intake.Options) { o.Desks[0].DirectoryService = true })
		p.send(250, p.fromBeta(pgpmime.Draft{Subject: "question", Body: []byte(text)}))
		if got := fmt.Sprint(p.folders()); got != "map["+folder+":1]" {
			t.Errorf("%q is in %s, want %s", text[len(text)-40:], got, folder)
		}
	}
}
