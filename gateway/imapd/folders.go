package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"relais.example/routing/mailbox"
)

const delimiter = '/'

// Select opens a folder, read-only for EXAMINE.
func (s *session) Select(name string, options *imap.SelectOptions) (data *imap.SelectData, err error) {
	command := "SELECT"
	if options.ReadOnly {
		command = "EXAMINE"
	}
	defer s.track(command, &err)()
	s.saved = nil
	m, err := s.mailbox(name)
	if err != nil {
		return nil, err
	}
	box, entries, uidNext := openView(m, options.ReadOnly, func() {
		s.conn.end("the folder must be opened again")
	})
	s.box = box
	flags := knownFlags(entries)
	data = &imap.SelectData{
		Flags:          flags,
		PermanentFlags: []imap.Flag{},
		NumMessages:    uint32(len(entries)),
		UIDNext:        imap.UID(uidNext),
		UIDValidity:    m.UIDValidity(),
	}
	if !options.ReadOnly {
		data.PermanentFlags = append(slices.Clone(flags), imap.FlagWildcard)
	}
	for i, e := range entries {
		if !slices.Contains(e.Flags, string(imap.FlagSeen)) {
			data.FirstUnseenSeqNum = uint32(i + 1)
			break
		}
	}
	if s.wire.EnabledCaps().Has(imap.CapIMAP4rev2) { // RFC 9051, section 6.3.2
		if info, ok := s.info(m.Name()); ok {
			data.List = listData(info, &imap.ListOptions{})
		}
	}
	return data, nil
}

// mailbox finds a folder of the account by name.
func (s *session) mailbox(name string) (*mailbox.Mailbox, error) {
	m, ok := s.account.Mailbox(name)
	if !ok {
		return nil, &Refused{imap.ResponseCodeNonExistent, "there is no such folder"}
	}
	return m, nil
}

func (s *session) info(name string) (MailboxInfo, bool) {
	for _, info := range s.account.Mailboxes() {
		if info.Name == name {
			return info, true
		}
	}
	return MailboxInfo{}, false
}

// errFixedFolders answers every try to change the tree.
var errFixedFolders = &Refused{imap.ResponseCodeCannot, "the folders of a desk are fixed"}

// Create is refused: folders are the states of a request.
func (s *session) Create(string, *imap.CreateOptions) (err error) {
	defer s.track("CREATE", &err)()
	return errFixedFolders
}

// Delete is refused.
func (s *session) Delete(string) (err error) {
	defer s.track("DELETE", &err)()
	return errFixedFolders
}

// Rename is refused.
func (s *session) Rename(string, string, *imap.RenameOptions) (err error) {
	defer s.track("RENAME", &err)()
	return errFixedFolders
}

// Subscribe changes nothing: every folder is always subscribed.
func (s *session) Subscribe(name string) (err error) {
	defer s.track("SUBSCRIBE", &err)()
	_, err = s.mailbox(name)
	return err
}

// Unsubscribe changes nothing.
func (s *session) Unsubscribe(name string) (err error) {
	defer s.track("UNSUBSCRIBE", &err)()
	_, err = s.mailbox(name)
	return err
}

// Namespace says that there is one tree without prefix (RFC 2342).
func (s *session) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: delimiter}}}, nil
}

// List answers LIST and LSUB.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) (err error) {
	defer s.track("LIST", &err)()
	if len(patterns) == 0 { // asks for the delimiter (RFC 9051, section 6.3.9)
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
	}
	for _, info := range s.account.Mailboxes() {
		if options.SelectSpecialUse && info.SpecialUse == "" || !matchesAny(info.Name, ref, patterns) {
			continue
		}
		data := listData(info, options)
		if options.ReturnStatus != nil {
			if data.Status, err = s.status(info.Name); err != nil {
				return err
			}
		}
		if w.WriteList(data) != nil {
			return errWire
		}
	}
	return nil
}

func listData(info MailboxInfo, options *imap.ListOptions) *imap.ListData {
	data := &imap.ListData{
		Attrs:   []imap.MailboxAttr{imap.MailboxAttrHasNoChildren},
		Delim:   delimiter,
		Mailbox: info.Name,
	}
	if info.SpecialUse != "" {
		data.Attrs = append(data.Attrs, info.SpecialUse)
	}
	if options.ReturnSubscribed || options.SelectSubscribed {
		data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
	}
	return data
}

func matchesAny(name, ref string, patterns []string) bool {
	for _, p := range patterns {
		if p = ref + p; matchPattern(p, name) || name == mailbox.Inbox && matchPattern(strings.ToUpper(p), name) {
			return true
		}
	}
	return false
}

// matchPattern matches LIST wildcards in time proportional to the product of
// the lengths, whatever the pattern.
func matchPattern(pattern, name string) bool {
	reach := make([]bool, len(name)+1) // positions of name that the pattern so far can end at
	reach[0] = true
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*', '%':
			for j := 1; j <= len(name); j++ {
				if reach[j-1] && (c == '*' || name[j-1] != delimiter) {
					reach[j] = true
				}
			}
		default:
			for j := len(name); j >= 1; j-- {
				reach[j] = reach[j-1] && name[j-1] == c
			}
			reach[0] = false
		}
	}
	return reach[len(name)]
}

// Status answers STATUS.
func (s *session) Status(name string, _ *imap.StatusOptions) (data *imap.StatusData, err error) {
	defer s.track("STATUS", &err)()
	return s.status(name)
}

// status fills every item, as the writer takes what was asked for.
func (s *session) status(name string) (*imap.StatusData, error) {
	m, err := s.mailbox(name)
	if err != nil {
		return nil, err
	}
	entries, uidNext := m.Snapshot()
	var unseen, deleted, recent uint32
	var size, deletedSize int64
	for _, e := range entries {
		size += e.Size
		if !slices.Contains(e.Flags, string(imap.FlagSeen)) {
			unseen++
		}
		if slices.Contains(e.Flags, string(imap.FlagDeleted)) {
			deleted++
			deletedSize += e.Size
		}
	}
	total, limit := uint32(len(entries)), s.AppendLimit()
	return &imap.StatusData{
		Mailbox:        m.Name(),
		NumMessages:    &total,
		NumRecent:      &recent,
		UIDNext:        imap.UID(uidNext),
		UIDValidity:    m.UIDValidity(),
		NumUnseen:      &unseen,
		NumDeleted:     &deleted,
		Size:           &size,
		AppendLimit:    &limit,
		DeletedStorage: &deletedSize,
	}, nil
}
