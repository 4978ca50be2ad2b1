package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	"relais.example/routing/classify"
	"relais.example/routing/directory"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// hold keeps a message that broke what was to read it, or took too long: its
// original, and a note for a person. Anybody can send such a message, so only
// so many are kept.
func (a *arrival) hold(ctx context.Context) (smtpd.Outcome, verdict.Verdict, error) {
	now := time.Now()
	if !a.in.unreadablePerIP.spend(peer{network: network(a.inbound.Remote)}, now) || !a.in.unreadable.spend(peer{}, now) {
		return smtpd.Outcome{}, verdict.Verdict{}, errTooManyUnreadable
	}
	// A new arrival, because what went over its time may still read this one.
	held := &arrival{
		in: a.in, directory: a.directory, desk: a.desk, queue: a.queue, inbound: a.inbound, share: a.share, worker: &worker{}, at: a.at, broken: true,
		outline: mimeindex.Outline(nil),
		message: &pgpmime.Message{Form: pgpmime.Clear, Signature: pgp.Signature{State: pgp.SignatureNone}},
		peer:    &directory.ContactPoint{},
		class:   classify.Result{Kinds: []request.Kind{request.Unclassified}},
	}
	if a.signer != nil { // it was opened, and broke something later
		held.signer, held.peer = a.signer, a.signer
	}
	defer held.worker.end()
	return held.keep(ctx, a.in.o.Rules.Reasons.Decide(verdict.Unreadable))
}

// renderBroken makes what staff see of a message that could not be read: a
// note of ours, and the original as a file that no program opens by itself.
// Nothing of the message stands in the note.
func (a *arrival) renderBroken(v verdict.Verdict, ref request.Reference) []byte {
	signed := "nobody: the message was not opened"
	if a.signer != nil {
		signed = a.signer.ID
	}
	at := a.at.Format(time.RFC1123Z)
	boundary := "=_relais_" + boundaryOf(a.inbound.Raw) // no line of base64 holds a "_"
	var b bytes.Buffer
	b.Grow(len(a.inbound.Raw)*3/2 + 4096)
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("Received: from %s by %s; %s", a.inbound.Remote, a.in.o.Hostname, at)
	line("From: Relais <relais@%s>", a.in.o.Hostname)
	line("Date: %s", at)
	line("Subject: [%s] A message that could not be read", ref)
	line("%sReference: %s", HeaderPrefix, ref)
	line("%sVerdict: %s; %s; %s", HeaderPrefix, v.Action, v.Reason, verdict.Of(v.Reason).Meaning)
	line("%sSigner: %s", HeaderPrefix, signed)
	line("%sKind: %s", HeaderPrefix, request.Unclassified)
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/mixed; boundary=\"%s\"", boundary)
	line("\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n", boundary)
	line("%s", a.note())
	line("--%s\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64", boundary)
	line("Content-Disposition: attachment; filename=\"original-%s.eml.txt\"\r\n", ref)
	writeBase64(&b, a.inbound.Raw)
	line("--%s--", boundary)
	return b.Bytes()
}

func (a *arrival) note() string {
	who := "It was not opened, so nobody knows who sent it and nothing in it was checked.\r\nIt may be an attack; it may be an emergency."
	if a.signer != nil {
		who = "It was opened, and is signed by " + a.signer.ID + ": call this contact point at the number in the Directory."
	}
	return fmt.Sprintf("A message of %d bytes came from the address %s\r\non %s.\r\n"+
		"It broke the program that reads mail, or took too long to read.\r\n\r\n%s\r\n\r\n"+
		"It is attached as it came. Do not open the file on your computer: give it to your administrator,\r\n"+
		"who will find the cause in the log of the gateway. The sender was told that a person looks at it.\r\n",
		len(a.inbound.Raw), a.inbound.Remote, a.at.Format(time.RFC1123Z), who)
}

// writeBase64 writes data in lines of 76 characters (RFC 2045 section 6.8).
func writeBase64(b *bytes.Buffer, data []byte) {
	const perLine = 57
	for len(data) > 0 {
		n := min(perLine, len(data))
		b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), data[:n]))
		b.WriteString("\r\n")
		data = data[n:]
	}
}

// boundaryOf is different for each message, so that none can guess it.
func boundaryOf(raw []byte) string { return fmt.Sprintf("%x", sha256.Sum256(raw))[:24] }
