package intake_test

import (
	"bytes"
	"strings"
	"testing"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/banner"
)

// BenchmarkReceiveHostileContents receives 16 MiB of what once cost minutes, or
// looks as if it might: each must cost about what text does, and a few times
// that at most.
func BenchmarkReceiveHostileContents(b *testing.B) {
	const n = 16 << 20
	lines := func(s string) []byte { return bytes.Repeat([]byte(s), n/len(s)) }
	for name, d := range map[string]pgpmime.Draft{
		"text":            {Body: lines("Please preserve the logs of the account, thank you very much indeed.\r\n")},
		"dashes":          {ContentType: "multipart/mixed; boundary=b", Body: append([]byte("--b\r\nContent-Type: text/plain\r\n\r\n"), append(lines("--------------------------------------------------------------------------\r\n"), "\r\n--b--\r\n"...)...)},
		"blank lines":     {Body: lines("\r\n")},
		"html <":          {ContentType: "text/html", Body: lines("<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\r\n")},
		"html <!--":       {ContentType: "text/html", Body: lines("<!--<!--<!--<!--<!--<!--<!--<!--<!--<!--<!--\r\n")},
		"html amp":        {ContentType: "text/html", Body: lines("&amp;&lt;&#65;&amp;&lt;&#65;&amp;&lt;&#65;&amp;&lt;&#65;&amp;&lt;&#65;\r\n")},
		"html utf-7":      {ContentType: "text/html; charset=utf-7", Body: lines("+ADw-p+AD4-+ADw-p+AD4-+ADw-p+AD4-+ADw-p+AD4-+ADw-p+AD4-\r\n")},
		"x-relais lines":  {Body: lines("X-Relais-Verdict: accept\r\n")},
		"relais marks":    {Body: lines("[RELAIS-0000-0000-0000-0000] Note\r\n")},
		"pgp blocks":      {Body: lines("-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n")},
		"pgp ends":        {Body: lines("-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nabcd\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n")},
		"boundaries":      {ContentType: "multipart/mixed; boundary=b", Body: lines("--b\r\n\r\nx\r\n")},
		"near boundaries": {ContentType: "multipart/mixed; boundary=b", Body: append([]byte("--b\r\nContent-Type: text/plain\r\n\r\n"), append(lines("--bb\r\n"), "\r\n--b--\r\n"...)...)},
		"nested mails":    {ContentType: "message/rfc822", Body: []byte(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 10000) + "x\r\n")},
		"quotes":          {Body: lines("> > > > > > > > > > > quoted\r\n")},
		"form":            {Body: lines("=== 24/7 REQUEST v1 ===\r\nkind: PING\r\n")},
		"refs":            {Body: lines("XA-1-2026-000001-K ")},
		"long word":       {Body: append(bytes.Repeat([]byte("a"), 900), lines("\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")...)},
		"json":            {Body: lines("{\"id\":\"XB-1\",{{{{{{{{[[[[[[[[[[\r\n")},
	} {
		b.Run(name, func(b *testing.B) {
			p := busy(b, banner.English)
			for b.Loop() {
				b.StopTimer()
				raw := p.Seal("XB-1", "XA-1", d) // anew: a second one would be a duplicate
				b.SetBytes(int64(len(raw)))
				b.StartTimer()
				if _, err := p.in.Receive(b.Context(), inbound(raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
