package imapd

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"relais.example/routing/mailbox"
)

// Store is what stands behind the server: it knows the accounts.
type Store interface {
	// Authenticate returns the account of user, or an error. A *Refused is
	// told to the client; any other error that is not ErrBadCredentials
	// counts as trouble on our side. remote is the client's IP address. The
	// implementer throttles and takes constant time.
	Authenticate(ctx context.Context, user, password, remote string) (Account, error)
}

// Account is one person's access to the folders of a desk. Its methods are
// called concurrently by the sessions of that person.
//
// Every changing method returns when the change is durable and applied to the
// mailbox views that Mailbox returns in this process.
type Account interface {
	// User is the name that connections are counted under.
	User() string
	// Mailboxes lists the folders in listing order, INBOX first.
	Mailboxes() []MailboxInfo
	// Mailbox returns the live view of one folder.
	Mailbox(name string) (*mailbox.Mailbox, bool)
	// Body returns the whole message as stored: RFC 5322 with CRLF. The
	// length must be the Entry's Size. The caller does not modify it.
	Body(ctx context.Context, item string) ([]byte, error)
	// Append stores a message and returns its UID.
	Append(ctx context.Context, mailbox string, m NewMessage) (uid uint32, err error)
	// Store adds and removes flags. UIDs that are gone are ignored.
	Store(ctx context.Context, mailbox string, uids []uint32, add, remove []string) error
	// Move and Copy return one pair per message that arrived, in the order
	// of uids. UIDs that are gone are ignored.
	Move(ctx context.Context, from string, uids []uint32, to string) ([]UIDPair, error)
	Copy(ctx context.Context, from string, uids []uint32, to string) ([]UIDPair, error)
	// Expunge removes messages for good. UIDs that are gone are ignored.
	Expunge(ctx context.Context, mailbox string, uids []uint32) error
}

// MailboxInfo describes a folder for LIST.
type MailboxInfo struct {
	Name       string
	SpecialUse imap.MailboxAttr // RFC 6154, such as `\Sent`; "" for none
}

// UIDPair says which UID a moved or copied message got in the other folder.
type UIDPair struct {
	From, To uint32
}

// Refused is an answer that the client's user is meant to read. It ends the
// command with a tagged NO.
type Refused struct {
	Code imap.ResponseCode // RFC 9051, section 7.1; "" for none
	Text string            // plain ASCII, one line
}

// Error implements error.
func (r *Refused) Error() string { return "refused: " + r.Text }

// ErrBadCredentials is returned by Store.Authenticate for an unknown user or
// a wrong password.
var ErrBadCredentials = errors.New("user name or password is wrong")

// NewMessage is a message that a client saves with APPEND.
type NewMessage struct {
	Flags    []string
	Received time.Time // INTERNALDATE; the time of arrival unless the client gave one
	Body     []byte    // as sent by the client, bare line feeds turned into CRLF
}
