package inbox

import (
	"bytes"
	"context"
	"strings"

	"relais.example/gateway/intake"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/mailbox"
)

// sentCopy finds the copy that the gateway itself put into Sent when the
// message was submitted. Mail programs save one of their own after sending;
// storing it again would show every message twice, once without its request.
func (a *account) sentCopy(ctx context.Context, body []byte) (uid uint32, ok bool, err error) {
	id := messageID(body)
	if id == "" {
		return 0, false, nil
	}
	found, err := a.desk.Arrive(ctx, 0, nil, []string{a.store.Vault.Name("thread", id)})
	if err != nil || found.Threads[0] == "" {
		return 0, false, err
	}
	box, ok := a.desk.Mailbox(mailbox.Sent)
	if !ok {
		return 0, false, nil
	}
	for _, at := range a.desk.Where(found.Threads[0]) {
		e, there := box.Entry(at.UID)
		if at.Folder != mailbox.Sent || !there {
			continue
		}
		stored, err := a.store.Vault.Get(ctx, e.Item)
		if err != nil {
			return 0, false, err
		}
		if messageID(stored) == id {
			return at.UID, true, nil
		}
	}
	return 0, false, nil
}

func messageID(raw []byte) string {
	if head, _, ok := bytes.Cut(raw, []byte("\r\n\r\n")); ok {
		raw = append(bytes.Clone(head), "\r\n\r\n"...)
	}
	var id string
	mimeindex.Build(raw).Header(raw, func(name, value string) bool {
		if strings.EqualFold(name, "Message-Id") {
			if ids := intake.MessageIDs(value, 1); len(ids) == 1 {
				id = ids[0]
			}
			return false
		}
		return true
	})
	return id
}
