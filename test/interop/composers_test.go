package interop

import (
	"fmt"
	"strings"
	"testing"

	"relais.example/crypto/pgpmime"
)

// composed are mails laid out as programs lay them out that do not run here:
// their MIME frames are written by hand, what is in them is made by each of the
// OpenPGP programs.
func composed() []shape {
	return []shape{
		{file: "thunderbird", name: "as Thunderbird composes", form: pgpmime.MIMEEncrypted, want: ask, check: field("Subject", "Logs of 192.0.2.44"), mail: thunderbird},
		{file: "thunderbird-clear-subject", name: "as Thunderbird composes, subject not encrypted", form: pgpmime.MIMEEncrypted, want: ask, mail: thunderbirdClearSubject,
			check: func(m *pgpmime.Message) error {
				if values, protected := m.Field("Subject"); !protected || values[0] != "Logs of 192.0.2.44" {
					return fmt.Errorf("subject %q, protected: %v", values, protected)
				}
				return nil
			}},
		{file: "apple-mail", name: "as Apple Mail with GPG Suite composes", form: pgpmime.MIMEEncrypted, want: "Subject: Logs of 192.0.2.44\n" + ask, check: field("Subject", "Logs of 192.0.2.44"), mail: appleMail},
		{file: "apple-mail-signed", name: "as Apple Mail with GPG Suite composes, signed in clear", form: pgpmime.MIMESigned, want: ask, mail: appleMailSigned},
		{file: "gpgol", name: "as GpgOL (Outlook) composes", form: pgpmime.MIMEEncrypted, want: ask, check: field("Subject", "Logs of 192.0.2.44"), mail: gpgOL},
		{file: "mutt", name: "as NeoMutt composes", form: pgpmime.MIMEEncrypted, want: ask, mail: mutt},
		{file: "proton-mail", name: "as Proton Mail composes for others", form: pgpmime.MIMEEncrypted, want: ask, mail: protonMail},
		{file: "k9", name: "as K-9 Mail with OpenKeychain composes", form: pgpmime.MIMEEncrypted, want: ask, check: field("Subject", "Logs of 192.0.2.44"), mail: k9},
	}
}

func thunderbird(t testing.TB, p program) string {
	return thunderbirdWith(t, p, "Subject: Logs of 192.0.2.44\n")
}

// thunderbirdClearSubject has the subject outside too, and twice inside.
func thunderbirdClearSubject(t testing.TB, p program) string {
	return strings.Replace(thunderbirdWith(t, p, "Subject: Logs of 192.0.2.44\nSubject: Logs of 192.0.2.44\n"), "Subject: ...", "Subject: Logs of 192.0.2.44", 1)
}

func thunderbirdWith(t testing.TB, p program, subject string) string {
	inner := "Content-Type: multipart/mixed; boundary=\"------------0aPzY0x5MJVmHHkUyRmfEw0N\";\n protected-headers=\"v1\"\n" +
		"From: " + from + "\nTo: " + to + "\nMessage-ID: <1@betaland.example>\n" + subject + "\n" +
		"--------------0aPzY0x5MJVmHHkUyRmfEw0N\nContent-Type: text/plain; charset=UTF-8; format=flowed\nContent-Transfer-Encoding: base64\n\n" +
		"UGxlYXNlIHByZXNlcnZlIHRoZSBsb2dzIG9mIDE5Mi4wLjIuNDQuDQo=\n\n--------------0aPzY0x5MJVmHHkUyRmfEw0N--\n"
	return crlf(outer + "User-Agent: Mozilla Thunderbird\nContent-Language: en-US\nContent-Type: multipart/encrypted;\n protocol=\"application/pgp-encrypted\";\n" +
		" boundary=\"------------vC0pAe0ZzX2y4Q1iF6kHhD7b\"\n\nThis is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n" +
		"--------------vC0pAe0ZzX2y4Q1iF6kHhD7b\nContent-Type: application/pgp-encrypted\nContent-Description: PGP/MIME version identification\n\nVersion: 1\n\n" +
		"--------------vC0pAe0ZzX2y4Q1iF6kHhD7b\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\nContent-Description: OpenPGP encrypted message\n" +
		"Content-Disposition: inline; filename=\"encrypted.asc\"\n\n" + p.seal(t, crlf(inner), sender, how{}, desk) + "\n--------------vC0pAe0ZzX2y4Q1iF6kHhD7b--\n")
}

// appleMail signs first and encrypts the multipart/signed, with the headers
// protected in the older way, a display copy of them included.
func appleMail(t testing.TB, p program) string {
	inner := signed(t, p, "Content-Type: multipart/mixed;\n\tboundary=\"Apple-Mail=_5B3C\";\n\tprotected-headers=\"v1\"\n"+
		"Subject: Logs of 192.0.2.44\nFrom: "+from+"\nTo: "+to+"\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\n"+
		"--Apple-Mail=_5B3C\nContent-Transfer-Encoding: 7bit\nContent-Type: text/rfc822-headers; protected-headers=\"v1\"\nContent-Disposition: inline\n\nSubject: Logs of 192.0.2.44\n\n"+
		"--Apple-Mail=_5B3C\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain;\n\tcharset=utf-8\n\nPlease preserve the logs of=\n 192.0.2.44.\n\n--Apple-Mail=_5B3C--\n")
	return appleFrame(p.encrypt(t, inner, desk))
}

func appleFrame(armored string) string {
	return crlf("Content-Type: multipart/encrypted;\n\tboundary=\"Apple-Mail=_9F5D\";\n\tprotocol=\"application/pgp-encrypted\";\n" +
		outer + "X-Mailer: Apple Mail (2.3826.200.121)\nContent-Transfer-Encoding: 7bit\nContent-Description: OpenPGP encrypted message\n\n" +
		"This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)\n--Apple-Mail=_9F5D\nContent-Transfer-Encoding: 7bit\nContent-Type: application/pgp-encrypted\n" +
		"Content-Description: PGP/MIME Versions Identification\n\nVersion: 1\n\n--Apple-Mail=_9F5D\nContent-Transfer-Encoding: 7bit\nContent-Disposition: inline;\n\tfilename=encrypted.asc\n" +
		"Content-Type: application/octet-stream;\n\tname=encrypted.asc\nContent-Description: OpenPGP encrypted message\n\n" + armored + "\n--Apple-Mail=_9F5D--\n")
}

func appleMailSigned(t testing.TB, p program) string {
	entity := crlf("Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain;\n\tcharset=us-ascii\n\nPlease preserve the logs of=\n 192.0.2.44.\n")
	return crlf("Content-Type: multipart/signed;\n\tboundary=\"Apple-Mail=_1A2B\";\n\tprotocol=\"application/pgp-signature\";\n\tmicalg=pgp-sha512\n"+outer+
		"X-Mailer: Apple Mail (2.3826.200.121)\n\n\n--Apple-Mail=_1A2B\n") + entity +
		crlf("\n--Apple-Mail=_1A2B\nContent-Transfer-Encoding: 7bit\nContent-Disposition: attachment;\n\tfilename=signature.asc\nContent-Type: application/pgp-signature;\n\tname=signature.asc\n"+
			"Content-Description: Message signed with OpenPGP\n\n"+p.detach(t, entity, sender)+"\n--Apple-Mail=_1A2B--\n")
}

// gpgOL writes its own frame into what Outlook sends.
func gpgOL(t testing.TB, p program) string {
	inner := "MIME-Version: 1.0\nContent-Type: multipart/mixed; protected-headers=\"v1\";\n\tboundary=\"=-=3FvXkPq=-=\"\nFrom: " + from + "\nTo: <" + to + ">\nSubject: Logs of 192.0.2.44\n\n" +
		"--=-=3FvXkPq=-=\nContent-Type: text/plain;\n\tcharset=\"us-ascii\"\nContent-Transfer-Encoding: quoted-printable\n\nPlease preserve the logs of 192.0.2.44=2E\n\n--=-=3FvXkPq=-=--\n"
	return crlf(outer + "X-Mailer: Microsoft Outlook 16.0\nThread-Index: AdxX\nContent-Type: multipart/encrypted;\n\tprotocol=\"application/pgp-encrypted\";\n\tboundary=\"=-=bTr3mnYa=-=\"\n\n" +
		"--=-=bTr3mnYa=-=\nContent-Type: application/pgp-encrypted\nContent-Transfer-Encoding: 7Bit\n\nVersion: 1\n\n--=-=bTr3mnYa=-=\n" +
		"Content-Type: application/octet-stream\nContent-Disposition: inline;\n\tfilename=\"openpgp-encrypted-message.asc\"\nContent-Transfer-Encoding: 7Bit\n\n" +
		p.seal(t, crlf(inner), sender, how{}, desk) + "\n--=-=bTr3mnYa=-=--\n")
}

func mutt(t testing.TB, p program) string {
	inner := "Content-Type: text/plain; charset=us-ascii\nContent-Disposition: inline\n\n" + ask
	return crlf(outer + "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n\tboundary=\"k1k6e5q2hgxn7jd5\"\nContent-Disposition: inline\n\n\n" +
		"--k1k6e5q2hgxn7jd5\nContent-Type: application/pgp-encrypted\nContent-Disposition: attachment\n\nVersion: 1\n\n--k1k6e5q2hgxn7jd5\n" +
		"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"msg.asc\"\n\n" + p.seal(t, inner, sender, how{}, desk) + "\n--k1k6e5q2hgxn7jd5--\n")
}

func k9(t testing.TB, p program) string {
	inner := "Content-Type: multipart/mixed; boundary=\"----9ZM5\"; hp=\"cipher\"\nSubject: Logs of 192.0.2.44\nFrom: " + from + "\nTo: " + to + "\nHP-Outer: Subject: ...\n\n" +
		"------9ZM5\nContent-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nPlease preserve the logs of 192=2E0=2E2=2E44=2E\n\n------9ZM5--\n"
	return crlf(outer + "User-Agent: K-9 Mail for Android\nAutocrypt: addr=" + to + "; keydata=AAAA\nContent-Type: multipart/encrypted; boundary=\"----7QK1\";\n protocol=\"application/pgp-encrypted\"\n\n" +
		"------7QK1\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n------7QK1\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\n" +
		"Content-Disposition: inline; filename=\"encrypted.asc\"\n\n" + p.seal(t, crlf(inner), sender, how{}, desk) + "\n------7QK1--\n")
}

func protonMail(t testing.TB, p program) string {
	inner := "Content-Type: multipart/mixed;boundary=---------------------8f6c\n\n-----------------------8f6c\n" +
		"Content-Type: multipart/alternative;boundary=---------------------21ad\n\n-----------------------21ad\n" +
		"Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain;charset=utf-8\n\nPlease preserve the logs of 192.0.2.44.\n" +
		"-----------------------21ad\nContent-Type: text/html;charset=utf-8\nContent-Transfer-Encoding: base64\n\nPGRpdj5QbGVhc2UgcHJlc2VydmUgdGhlIGxvZ3M8L2Rpdj4=\n-----------------------21ad--\n" +
		"-----------------------8f6c\nContent-Type: application/pgp-keys; filename=\"publickey.asc\"; name=\"publickey.asc\"\nContent-Transfer-Encoding: base64\n" +
		"Content-Disposition: attachment; filename=\"publickey.asc\"; name=\"publickey.asc\"\n\nLS0tLS1CRUdJTg==\n-----------------------8f6c--\n"
	return crlf(outer + "Feedback-ID: 1:user:proton\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"------c7a4\"; charset=utf-8\n\n" +
		"This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n--------c7a4\nContent-Type: application/pgp-encrypted\nContent-Description: PGP/MIME version identification\n\nVersion: 1\n\n" +
		"--------c7a4\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\nContent-Description: OpenPGP encrypted message\nContent-Disposition: inline; filename=\"encrypted.asc\"\n\n" +
		p.seal(t, crlf(inner), sender, how{}, desk) + "\n--------c7a4--\n")
}
