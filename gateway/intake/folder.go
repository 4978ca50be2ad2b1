package intake

import (
	"slices"

	"relais.example/gateway/notice"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// WorkFolder returns the folder of a request on which somebody has to work.
func WorkFolder(s request.State) string {
	switch {
	case s.Emergency:
		return mailbox.Emergency
	case s.Status == request.StatusTriage:
		return mailbox.Triage
	}
	return mailbox.Inbox
}

// CloseAnswered closes a request that has just been answered and is nobody's
// work any more; one in another state stays as it is.
func CloseAnswered(tx *queue.Tx, ref request.Reference) error {
	s, err := tx.Request(ref)
	if err != nil || s.Status != request.StatusAnswered {
		return err
	}
	return tx.Do(ref, request.Close{At: tx.At(), By: "gateway"})
}

// Follow moves the messages of a request that began, or ceased, to wait for
// its requester: the folder is the state. before is the request as it was.
func Follow(tx *queue.Tx, d *queue.Desk, before request.State) error {
	after, err := tx.Request(before.Ref)
	if err != nil {
		return err
	}
	isNotice := func(at queue.Location) bool {
		box, _ := d.Mailbox(at.Folder)
		e, _ := box.Entry(at.UID)
		return slices.Contains(e.Flags, notice.Keyword)
	}
	waited, waits := before.Status == request.StatusWaiting, after.Status == request.StatusWaiting
	if waited == waits {
		return nil
	}
	places, err := tx.Where(before.Ref)
	if err != nil {
		return err
	}
	for _, at := range places {
		if isNotice(at) {
			continue // it stays where a person will read it
		}
		switch at.Folder {
		case mailbox.Waiting:
			if waited {
				tx.Move(at, WorkFolder(after))
			}
		case mailbox.Inbox, mailbox.Emergency, mailbox.Triage:
			if waits {
				tx.Move(at, mailbox.Waiting)
			}
		}
	}
	return nil
}
