// Package inbox is what staff do in their mail client, turned into work: a
// star claims a request, moving a message to Archive closes it, moving it out
// of Quarantine releases it. It implements what the IMAP server asks for.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"relais.example/gateway/accounts"
	"relais.example/gateway/imapd"
	"relais.example/gateway/intake"
	"relais.example/gateway/vault"
	"relais.example/routing/deadline"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Store implements [imapd.Store]. All fields are required.
type Store struct {
	Accounts *accounts.Set
	Queue    *queue.Queue
	Vault    *vault.Vault
	Clocks   *deadline.Clocks
	Login    func(result, remote string) // told "ok", "wrong", "throttled" or "busy", and the peer's address
}

// Authenticate implements [imapd.Store].
func (s *Store) Authenticate(ctx context.Context, user, password, remote string) (imapd.Account, error) {
	a, err := s.Accounts.Authenticate(ctx, user, password, remote)
	var throttled *accounts.ThrottledError
	switch {
	case errors.As(err, &throttled):
		s.Login("throttled", remote)
		return nil, &imapd.Refused{Code: imap.ResponseCodeLimit, Text: throttled.Error()}
	case errors.Is(err, accounts.ErrLogin):
		s.Login("wrong", remote)
		return nil, imapd.ErrBadCredentials
	case err != nil:
		s.Login("busy", remote)
		return nil, err
	}
	if !a.Role.MayRead() {
		s.Login("wrong", remote)
		return nil, &imapd.Refused{Code: imap.ResponseCodeAuthorizationFailed, Text: fmt.Sprintf("the role %s may not read messages", a.Role)}
	}
	desk, ok := s.Queue.Desk(a.Desk)
	if !ok {
		return nil, &imapd.Refused{Code: imap.ResponseCodeUnavailable, Text: "your desk is not served here"}
	}
	if _, ok := desk.Mailbox(mailbox.Inbox); !ok {
		return nil, fmt.Errorf("desk %s was not reached yet", a.Desk)
	}
	s.Login("ok", remote)
	return &account{store: s, desk: desk, staff: a}, nil
}

// account is one person's view of the desk; it implements [imapd.Account].
type account struct {
	store *Store
	desk  *queue.Desk
	staff accounts.Account
}

func (a *account) User() string { return a.staff.User }

// Mailboxes lists the folders with the uses that clients look for (RFC 6154).
func (a *account) Mailboxes() []imapd.MailboxInfo {
	uses := map[string]imap.MailboxAttr{
		mailbox.Sent: imap.MailboxAttrSent, mailbox.Drafts: imap.MailboxAttrDrafts,
		mailbox.Archive: imap.MailboxAttrArchive, mailbox.Trash: imap.MailboxAttrTrash,
		mailbox.Emergency: imap.MailboxAttrImportant,
	}
	var out []imapd.MailboxInfo
	for _, name := range mailbox.Names() {
		out = append(out, imapd.MailboxInfo{Name: name, SpecialUse: uses[name]})
	}
	return out
}

func (a *account) Mailbox(name string) (*mailbox.Mailbox, bool) { return a.desk.Mailbox(name) }

func (a *account) Body(ctx context.Context, item string) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	return intake.Body(ctx, a.store.Vault, item)
}

// appendable are the folders that clients fill themselves.
var appendable = []string{mailbox.Drafts, mailbox.Sent, mailbox.Trash}

func (a *account) Append(ctx context.Context, folder string, m imapd.NewMessage) (uint32, error) {
	if !slices.Contains(appendable, folder) {
		return 0, &imapd.Refused{Code: imap.ResponseCodeCannot, Text: folder + " is filled by the gateway; save drafts to Drafts and copies to Sent"}
	}
	if err := a.check(); err != nil {
		return 0, err
	}
	if folder == mailbox.Sent {
		if uid, ok, err := a.sentCopy(ctx, m.Body); ok || err != nil {
			return uid, err
		}
	}
	names, err := a.store.Vault.Put(ctx, m.Body)
	if err != nil {
		return 0, err
	}
	r, err := a.commit(ctx, func(tx *queue.Tx) error {
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: folder, Item: names[0], Size: int64(len(m.Body)), Received: m.Received, Flags: m.Flags})
		return nil
	})
	if err != nil {
		return 0, err
	}
	return r.UIDs[0], nil
}

// Store sets and clears flags. Opening a message and the star are work.
func (a *account) Store(ctx context.Context, folder string, uids []uint32, add, remove []string) error {
	return inSteps(uids, func(some []uint32) error {
		_, err := a.commit(ctx, func(tx *queue.Tx) error {
			for _, e := range a.entries(folder, some) {
				if err := a.flagged(tx, e, add, remove); err != nil {
					return err
				}
				tx.Mail(queue.Mail{Op: queue.MailFlag, Folder: folder, UID: e.UID, Flags: add, Clear: remove})
			}
			return nil
		})
		return err
	})
}

func (a *account) flagged(tx *queue.Tx, e mailbox.Entry, add, remove []string) error {
	if e.Request == "" {
		return nil
	}
	ref := request.Reference(e.Request)
	had := func(flag string) bool { return slices.Contains(e.Flags, flag) }
	const seen, star = string(imap.FlagSeen), string(imap.FlagFlagged)
	switch {
	case slices.Contains(add, star): // also where a colleague's star is: two people pressed it at once
		if err := tx.Do(ref, request.Claim{At: tx.At(), By: a.staff.User}); err != nil {
			return err
		}
	case slices.Contains(remove, star) && had(star):
		if err := tx.Do(ref, request.Unclaim{At: tx.At(), By: a.staff.User, Supervisor: a.staff.Role == accounts.Supervisor}); err != nil {
			return err
		}
	}
	if slices.Contains(add, seen) && !had(seen) {
		return tx.Do(ref, request.Read{At: tx.At(), By: a.staff.User})
	}
	return nil
}

func (a *account) Move(ctx context.Context, from string, uids []uint32, to string) ([]imapd.UIDPair, error) {
	var out []imapd.UIDPair
	err := inSteps(uids, func(some []uint32) error {
		var moved []mailbox.Entry
		r, err := a.commit(ctx, func(tx *queue.Tx) error {
			moved = a.entries(from, some)
			for _, e := range moved {
				if err := a.moved(tx, e, from, to); err != nil {
					return err
				}
				tx.Move(queue.Location{Folder: from, UID: e.UID}, to)
			}
			return a.companions(tx, moved, from, to)
		})
		out = append(out, pairs(moved, r)...)
		return err
	})
	return out, err
}

func (a *account) Copy(ctx context.Context, from string, uids []uint32, to string) ([]imapd.UIDPair, error) {
	if !slices.Contains(appendable, to) && to != mailbox.Archive || from == mailbox.Quarantine {
		return nil, &imapd.Refused{Code: imap.ResponseCodeCannot, Text: "messages are moved, not copied, between the folders of the desk"}
	}
	var out []imapd.UIDPair
	err := inSteps(uids, func(some []uint32) error {
		var copied []mailbox.Entry
		r, err := a.commit(ctx, func(tx *queue.Tx) error {
			copied = a.entries(from, some)
			for _, e := range copied {
				tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: to, Item: e.Item, Size: e.Size, Received: e.Received, Flags: e.Flags})
			}
			return nil
		})
		out = append(out, pairs(copied, r)...)
		return err
	})
	return out, err
}

// Expunge takes messages away that are no longer anybody's work. Their bodies
// stay in the vault until their retention ends.
func (a *account) Expunge(ctx context.Context, folder string, uids []uint32) error {
	return inSteps(uids, func(some []uint32) error {
		_, err := a.commit(ctx, func(tx *queue.Tx) error {
			for _, e := range a.entries(folder, some) {
				if e.Request != "" && folder != mailbox.Trash {
					return &imapd.Refused{Code: imap.ResponseCodeCannot, Text: "a request cannot be deleted; move it to Archive to close it"}
				}
				tx.Mail(queue.Mail{Op: queue.MailRemove, Folder: folder, UID: e.UID})
			}
			return nil
		})
		return err
	})
}

// step is how many messages one commit changes: a client may select all there
// are, and a commit is one line of the journal.
const step = 100

// inSteps calls f with some of the UIDs at a time, until it fails.
func inSteps(uids []uint32, f func([]uint32) error) error {
	for some := range slices.Chunk(uids, step) {
		if err := f(some); err != nil {
			return err
		}
	}
	return nil
}

// check refuses an account that was changed or removed after the login: an
// open connection must not outlive the right to it.
func (a *account) check() error {
	if now, ok := a.store.Accounts.Account(a.staff.User); !ok || now != a.staff {
		return &imapd.Refused{Code: imap.ResponseCodeAuthorizationFailed, Text: "your account was changed since you logged in; log in again"}
	}
	return nil
}

// entries returns the messages with those UIDs that are still there.
func (a *account) entries(folder string, uids []uint32) []mailbox.Entry {
	box, ok := a.desk.Mailbox(folder)
	if !ok {
		return nil
	}
	var out []mailbox.Entry
	for _, uid := range uids {
		if e, ok := box.Entry(uid); ok {
			out = append(out, e)
		}
	}
	return out
}

// commit runs decide as this person and says refusals in words.
func (a *account) commit(ctx context.Context, decide func(*queue.Tx) error) (queue.Receipt, error) {
	if err := a.check(); err != nil {
		return queue.Receipt{}, err
	}
	r, err := a.desk.Commit(ctx, func(tx *queue.Tx) error {
		tx.By(a.staff.User)
		return decide(tx)
	})
	if errors.Is(err, request.ErrNotAllowed) {
		return r, &imapd.Refused{Code: imap.ResponseCodeCannot, Text: err.Error()}
	}
	return r, err
}

func pairs(from []mailbox.Entry, r queue.Receipt) []imapd.UIDPair {
	var out []imapd.UIDPair
	for i, uid := range r.UIDs {
		if i < len(from) {
			out = append(out, imapd.UIDPair{From: from[i].UID, To: uid})
		}
	}
	return out
}
