package inbox

import (
	"fmt"

	"github.com/emersion/go-imap/v2"

	"relais.example/gateway/imapd"
	"relais.example/routing/deadline"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// moved turns a move into the command it means: the folder is the state of
// the request.
func (a *account) moved(tx *queue.Tx, e mailbox.Entry, from, to string) error {
	if e.Request == "" {
		return a.movedFree(from, to)
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
		return tx.Do(ref, request.Close{At: at, By: by})
	case mailbox.Inbox:
		return tx.Do(ref, request.Resume{At: at, By: by})
	case mailbox.Waiting:
		return tx.Do(ref, request.Wait{At: at, By: by})
	case mailbox.Emergency:
		return nil // a person takes it for an emergency
	case mailbox.Trash:
		return a.movedToTrash(tx, ref)
	}
	return refuse("requests are not kept in %s", to)
}

// movedFree is for messages that belong to no request.
func (a *account) movedFree(from, to string) error {
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
