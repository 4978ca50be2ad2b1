package reminders

import (
	"context"
	"fmt"
	"net/mail"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/notice"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
)

// ending is a certificate that ends.
type ending struct {
	directory.Finding
	version   uint64 // of the Directory
	left      time.Duration
	threshold int // days
}

// name is what is told once: a certificate that is prolonged has another end.
func (e ending) name(to string) string {
	return fmt.Sprintf("reminder:%s:%s:%d:%d", to, e.Fingerprint, e.Date.Unix(), e.threshold)
}

func (e ending) when() string {
	on := e.Date.UTC().Format("2 January 2006, 15:04 UTC")
	switch n := int(e.left / day); {
	case e.left < day:
		return on + ", in less than a day"
	case n == 1:
		return on + ", in one day"
	default:
		return fmt.Sprintf("%s, in %d days", on, n)
	}
}

func (e ending) subject(whose string) string {
	return fmt.Sprintf("%s ends on %s", whose, e.Date.UTC().Format("2 January 2006"))
}

// consequence says what happens when nobody does anything.
func (e ending) consequence() string {
	switch e.Use {
	case directory.Signing:
		return "From then on nobody can verify what is signed with it: messages are refused as key-expired."
	case directory.Encryption:
		return "From then on nothing can be encrypted to it: nobody can answer."
	}
	return "From then on messages signed with it are refused as key-expired, and nothing can be encrypted to it."
}

func ownKey(e ending) notice.Notice {
	return notice.Notice{
		Subject: e.subject("The key of this desk"),
		Text: fmt.Sprintf("The certificate of %s ends (%s) on %s.\n%s\n%s\n"+
			"Prolong it or make a new key now, send the certificate to the Directory authority, and have the new Directory installed before that day: "+
			"every contact point must have it by then.",
			e.ContactPoint, e.Use, e.when(), directory.Spaced(e.Fingerprint), e.consequence()),
	}
}

func theirKey(e ending, written bool) notice.Notice {
	told := "A signed and encrypted reminder was sent to it."
	if !written {
		told = "It was not reminded by mail: call it on a telephone number in the Directory."
	}
	return notice.Notice{
		Subject: e.subject("The certificate of " + e.ContactPoint),
		Text: fmt.Sprintf("The certificate of %s ends (%s) on %s.\n%s\n%s\n%s\n"+
			"A new certificate counts only when a new version of the Directory lists it; this gateway has version %d.",
			e.ContactPoint, e.Use, e.when(), directory.Spaced(e.Fingerprint), e.consequence(), told, e.version),
	}
}

// write sends the reminder to the contact point, once.
func (r *Reminders) write(ctx context.Context, k Desk, d *directory.Directory, to *directory.ContactPoint, certificates []*pgp.Certificate, e ending) error {
	from, ok := d.ContactPoint(k.ID)
	if !ok || len(from.Addresses) == 0 {
		return fmt.Errorf("desk %s is not in the Directory now", k.ID)
	}
	return r.once(ctx, k.ID, e.name("mail"), e.Date.Add(7*day), func() (func(*queue.Tx), error) {
		at := time.Now().UTC()
		key := k.Key()
		if key == nil {
			return nil, pgp.ErrKeyUnavailable
		}
		sealed, err := pgpmime.Seal(pgpmime.Draft{
			From: (&mail.Address{Name: from.Institution, Address: from.Addresses[0]}).String(), To: []string{to.Addresses[0]}, Date: at,
			Subject: e.subject("Your OpenPGP certificate"), Outside: [][2]string{{"Auto-Submitted", "auto-generated"}},
			Body: []byte(e.letter(k.ID)),
		}, key, certificates, at)
		if err != nil {
			return nil, err
		}
		names, err := r.o.Vault.Put(ctx, sealed)
		if err != nil {
			return nil, err
		}
		return func(tx *queue.Tx) {
			tx.Out(queue.Out{
				Op: queue.OutQueue, ID: queue.NewID(), Item: names[0], To: to.ID, Purpose: queue.PurposeReminder, Since: at, At: at,
			})
		}, nil
	})
}

func (e ending) letter(desk string) string {
	return fmt.Sprintf("To contact point %s.\r\n\r\n"+
		"The OpenPGP certificate that the Directory (version %d) lists for you ends (%s) on %s:\r\n\r\n"+
		"    %s\r\n\r\n%s\r\n\r\n"+
		"Please prolong it or make a new key now, and send the certificate to the Directory authority, signed with the present key while it is valid. "+
		"It counts only when the new version of the Directory has reached every contact point.\r\n\r\n"+
		"Please do not send the certificate to us: no contact point takes a key from a mail.\r\n\r\n"+
		"This reminder was written by the gateway of %s; nobody waits for an answer. If the certificate has been replaced meanwhile, there is nothing to do.\r\n",
		e.ContactPoint, e.version, e.Use, e.when(), directory.Spaced(e.Fingerprint), e.consequence(), desk)
}
