// Package notice writes messages from the gateway to the staff of a desk, such
// as that an answer could not be delivered. They stay in the desk's own
// folders and are never sent anywhere.
package notice

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"

	"relais.example/gateway/vault"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// Keyword marks notices. They name a request but are not part of its work.
const Keyword = "$Notice"

// Notice is one message to the staff.
type Notice struct {
	Request request.Reference
	Subject string
	Text    string   // paragraphs separated by "\n"
	Flags   []string // keywords
}

// Writer stores notices.
type Writer struct {
	Hostname string
	Vault    *vault.Vault
}

// Prepare stores the notice and returns the change that shows it in INBOX, for
// use in a commit.
func (w *Writer) Prepare(ctx context.Context, n Notice) (func(*queue.Tx), error) {
	at := time.Now().UTC()
	raw := w.render(n, at)
	names, err := w.Vault.Put(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("storing notice: %w", err)
	}
	return func(tx *queue.Tx) {
		tx.Mail(queue.Mail{
			Op: queue.MailAdd, Folder: mailbox.Inbox, Item: names[0], Size: int64(len(raw)), Received: at,
			Flags: append([]string{Keyword}, n.Flags...), Request: string(n.Request),
		})
	}, nil
}

func (w *Writer) render(n Notice, at time.Time) []byte {
	var b bytes.Buffer
	from := mail.Address{Name: "Relais", Address: "relais@" + w.Hostname}
	subject := n.Subject
	if n.Request != "" {
		subject = fmt.Sprintf("[%s] %s", n.Request, subject)
	}
	fmt.Fprintf(&b, "From: %s\r\nDate: %s\r\nSubject: %s\r\n", from.String(), at.Format(time.RFC1123Z), mime.QEncoding.Encode("utf-8", subject))
	fmt.Fprintf(&b, "Message-Id: <%s@%s>\r\nAuto-Submitted: auto-generated\r\n", queue.NewID(), w.Hostname)
	if n.Request != "" {
		fmt.Fprintf(&b, "X-Relais-Reference: %s\r\n", n.Request)
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	b.WriteString(strings.NewReplacer("\r", "", "\x00", "", "\n", "\r\n").Replace(strings.TrimSpace(n.Text)))
	b.WriteString("\r\n")
	return b.Bytes()
}
