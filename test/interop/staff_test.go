package interop

import (
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/gateway/mimeindex"
	"relais.example/gateway/smtpd"
	at "relais.example/test/desk"
)

// What staff find in their folder, written by the whole of intake, reads as it
// was written: character sets, inline text, flowed lines, attachments.
func TestStaffReadWhatWasWritten(t *testing.T) {
	parts, texts := charsetParts(t)
	for _, c := range []struct{ name, plain, frame, want string }{
		{"nine character sets", multipart("mixed", "cs", parts...), "", strings.Join(texts, "\n")},
		{"flowed", "Content-Type: text/plain; charset=utf-8; format=flowed\n\nPlease preserve the \nlogs.\n", "", "Please preserve the \nlogs."},
		{"quoted-printable in windows-1251", "Content-Type: text/plain; charset=\"windows-1251\"\nContent-Transfer-Encoding: quoted-printable\n\n=CF=F0=E8=E2=E5=F2=\n!\n", "", "Привет!"},
		{"nested", multipart("mixed", "a", multipart("alternative", "b", text(ask), "Content-Type: text/html\n\n<p>Please\n"), attachment("application/pdf", "o.pdf", pdf)), "", strings.TrimSpace(ask)},
		{"inline, ISO-8859-15 by the armor", "5 \xa4 f\xfcr \xbcuvre\n", "ISO-8859-15", "5 € für Œuvre"},
		{"inline, ISO-2022-JP by the armor", "\x1b$B>Z5r\x1b(B\n", "ISO-2022-JP", "証拠"},
		{"inline, UTF-8 whatever the armor says", "Łódź\n", "KOI8-R", "Łódź"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := at.Open(t)
			in := intake.New(intake.Options{
				Hostname: at.Hostname, Desks: []intake.Desk{{ID: "XA-1", Keys: func() []*pgp.Key { return []*pgp.Key{d.Keys["XA-1"]} }}},
				Directory: d.Current, Queue: d.Queue, Vault: d.Vault, Classifier: d.Classifier, Clocks: d.Clocks, Log: d.Log,
				Rules: intake.Rules{Window: 72 * time.Hour, MaxAge: 365 * 24 * time.Hour, ClockTolerance: 10 * time.Minute, Keys: pgp.DefaultPolicy(), Limits: pgpmime.DefaultLimits()},
			})
			armored, err := pgp.Encrypt([]byte(c.plain), d.Keys["XB-1"], []*pgp.Certificate{d.Keys["XA-1"].Certificate()}, time.Now())
			must(t, err)
			header := "From: <" + at.Beta + ">\nTo: <" + at.Alpha + ">\nSubject: ...\nMessage-ID: <3@betaland.example>\nMIME-Version: 1.0\n"
			raw := encryptedUnder(header, string(armored))
			if c.frame != "" {
				raw = crlf(header + "Content-Type: text/plain; charset=us-ascii\n\n" +
					strings.Replace(string(armored), "MESSAGE-----", "MESSAGE-----\nCharset: "+c.frame, 1))
			}
			answer, err := in.Receive(t.Context(), smtpd.Inbound{
				Desk: "XA-1", MailFrom: at.Beta, RcptTo: []string{at.Alpha}, Remote: "192.0.2.7", Raw: []byte(raw), Received: time.Now(),
			})
			if err != nil || answer.Code != 250 {
				t.Fatalf("%+v %v", answer, err)
			}
			// Without words that say what is asked it may lie in Triage.
			entries := append(d.Folder("INBOX"), d.Folder("Triage")...)
			if len(entries) != 1 {
				t.Fatalf("%d messages in INBOX and Triage", len(entries))
			}
			view := d.Body(entries[0].Item)
			// What the gateway itself writes for staff may stand before or behind.
			if got := reading([]byte(view)); !strings.Contains("\n"+got+"\n", "\n"+c.want+"\n") {
				t.Errorf("staff read %q, want %q", got, c.want)
			}
			verdict := ""
			mimeindex.Build([]byte(view)).Header([]byte(view), func(name, value string) bool {
				if name == "X-Relais-Verdict" {
					verdict = value
				}
				return verdict == ""
			})
			if !strings.HasPrefix(verdict, "accept; ok") {
				t.Errorf("verdict %q", verdict)
			}
		})
	}
}
