package inbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"relais.example/gateway/imapd"
	"relais.example/gateway/intake"
	"relais.example/gateway/notice"
	"relais.example/routing/deadline"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// moved turns a move into the command it means: the folder is the state of
// the request.
func (a *account) moved(tx *queue.Tx, e mailbox.Entry, from, to string) error {
	if e.Request == "" {
		return a.movedFree(e, from, to)
	}
	if slices.Contains(e.Flags, notice.Keyword) {
		return movedNotice(to)
	}
	ref := request.Reference(e.Request)
	if from == mailbox.Sent {
		if to == mailbox.Archive {
			return nil // tidying up a copy; the request goes on
		}
		return refuse("the copy of a sent message can only be moved to %s", mailbox.Archive)
	}
	if from == mailbox.Quarantine {
		return a.movedFromQuarantine(tx, ref, to)
	}
	at, by := tx.At(), a.staff.User
	switch to {
	case mailbox.Archive:
		if interim(e) {
			return nil // tidying up an acknowledgement; the request goes on
		}
		return tx.Do(ref, request.Close{At: at, By: by})
	case mailbox.Inbox, mailbox.Emergency:
		return a.movedToWork(tx, ref, from, to)
	case mailbox.Waiting:
		return tx.Do(ref, request.Wait{At: at, By: by})
	case mailbox.Trash:
		return a.movedToTrash(tx, ref)
	}
	return refuse("requests are not kept in %s", to)
}

// movedToWork is for what somebody is to work on, again or still. What was
// closed gets its clocks back: from the receipt if it was never answered, else
// from now.
func (a *account) movedToWork(tx *queue.Tx, ref request.Reference, from, to string) error {
	s, err := tx.Request(ref)
	if err != nil {
		return err
	}
	resume := request.Resume{At: tx.At(), By: a.staff.User}
	done := s.Status == request.StatusClosed || s.Status == request.StatusAnswered
	switch {
	case done && (from == mailbox.Archive || from == mailbox.Trash):
		resume.Deadlines = a.clocksAgain(s, tx.At())
	case done, s.Status == request.StatusTriage && to == mailbox.Emergency:
		return nil // only looked at from another side
	}
	return tx.Do(ref, resume)
}

// clocksAgain returns the clocks of a request that is opened again.
func (a *account) clocksAgain(s request.State, now time.Time) []request.Deadline {
	since := s.Since
	if !s.AnsweredAt.IsZero() {
		since = now
	}
	ds := a.store.Clocks.For(s.Kind, s.Emergency, string(s.Direction), since)
	ds = slices.DeleteFunc(ds, func(d deadline.Deadline) bool { return d.StopsOn == deadline.EventDelivered })
	return a.store.Clocks.Arm(ds)
}

// companions moves the other messages of a request along when all of it goes:
// what is closed must not look as if it were open.
func (a *account) companions(tx *queue.Tx, moved []mailbox.Entry, from, to string) error {
	work := []string{mailbox.Inbox, mailbox.Emergency, mailbox.Triage, mailbox.Waiting}
	switch {
	case from == mailbox.Sent:
		return nil
	case from == mailbox.Waiting, from == mailbox.Quarantine:
		work = []string{from}
	case to != mailbox.Archive && to != mailbox.Waiting:
		return nil
	}
	gone := map[queue.Location]bool{}
	for _, e := range moved {
		gone[queue.Location{Folder: from, UID: e.UID}] = true
	}
	for _, e := range moved {
		if e.Request == "" || interim(e) || slices.Contains(e.Flags, notice.Keyword) {
			continue
		}
		places, err := tx.Where(request.Reference(e.Request))
		if err != nil {
			return err
		}
		for _, at := range places {
			if gone[at] || at.Folder == to || !slices.Contains(work, at.Folder) || a.isNotice(at) {
				continue
			}
			gone[at] = true
			tx.Move(at, to)
		}
	}
	return nil
}

func (a *account) isNotice(at queue.Location) bool {
	return slices.ContainsFunc(a.entries(at.Folder, []uint32{at.UID}), func(e mailbox.Entry) bool { return slices.Contains(e.Flags, notice.Keyword) })
}

// interim reports whether the message is an answer that does not end our
// request.
func interim(e mailbox.Entry) bool { return slices.Contains(e.Flags, intake.KeywordInterim) }

// movedNotice is for what the gateway says about a request. Tidying it up does
// nothing to the request.
func movedNotice(to string) error {
	switch to {
	case mailbox.Inbox, mailbox.Archive, mailbox.Trash:
		return nil
	}
	return refuse("notices go to %s or %s", mailbox.Archive, mailbox.Trash)
}

// movedFree is for messages that belong to no request. What a mail program has
// put here itself must not look like something that was received.
func (a *account) movedFree(e mailbox.Entry, from, to string) error {
	ours := slices.ContainsFunc(e.Flags, func(f string) bool { return strings.HasPrefix(f, intake.KeywordVerdict) || f == notice.Keyword })
	if !ours && (to == mailbox.Inbox || to == mailbox.Triage) {
		return refuse("%s is filled by the gateway only", to)
	}
	switch to {
	case mailbox.Quarantine, mailbox.Emergency, mailbox.Waiting:
		return refuse("%s is for requests only", to)
	}
	if from == mailbox.Quarantine && !a.staff.Role.MayRelease() {
		return refuse("only a supervisor may move messages out of %s", mailbox.Quarantine)
	}
	return nil
}

func (a *account) movedFromQuarantine(tx *queue.Tx, ref request.Reference, to string) error {
	if !a.staff.Role.MayRelease() {
		return refuse("only a supervisor may move messages out of %s", mailbox.Quarantine)
	}
	switch to {
	case mailbox.Trash:
		return tx.Do(ref, request.Discard{At: tx.At(), By: a.staff.User})
	case mailbox.Inbox, mailbox.Emergency, mailbox.Triage:
	default:
		return refuse("move it to %s to release it, or to %s to discard it", mailbox.Inbox, mailbox.Trash)
	}
	s, err := tx.Request(ref)
	if err != nil {
		return err
	}
	clocks := a.store.Clocks
	// The clocks of the kind run from the receipt: a held emergency has not
	// become younger.
	ds := clocks.For(s.Kind, s.Emergency, deadline.Received, s.Since)
	return tx.Do(ref, request.Release{At: tx.At(), By: a.staff.User, Kind: s.Kind, Deadlines: clocks.Arm(ds)})
}

func (a *account) movedToTrash(tx *queue.Tx, ref request.Reference) error {
	s, err := tx.Request(ref)
	if err != nil {
		return err
	}
	if s.Status.Live() {
		return refuse("%s is not closed; move it to %s to close it", ref, mailbox.Archive)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return &imapd.Refused{Code: imap.ResponseCodeCannot, Text: fmt.Sprintf(format, args...)}
}
