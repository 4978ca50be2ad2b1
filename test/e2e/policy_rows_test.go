package e2e

import (
	"fmt"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/routing/verdict"
	"relais.example/test/gateway"
)

const prosecutor = gateway.ProsecutorAddress

// asXB2 seals a draft with the key of XB-2 for XA-1.
func (s *stage) asXB2(d pgpmime.Draft) []byte {
	s.t.Helper()
	return s.g.SealedFor("XA-1", gateway.AlphaAddress, "XB-2", s.fill(d))
}

func (s *stage) fill(d pgpmime.Draft) pgpmime.Draft {
	if d.From == "" {
		d.From = gateway.SecretName + " <" + prosecutor + ">"
	}
	if d.Body == nil {
		d.Body = []byte(gateway.Preservation)
	}
	d.Subject = "Logs, case " + gateway.SecretSubject
	return d
}

func (s *stage) xb2() player { return player{prosecutor, s.g.Key("XB-2"), nil} }

func policyRows() []row {
	rows := append(acceptedRows(), heldRows()...)
	rows = append(rows, signatureRows()...)
	return append(append(rows, senderRows()...), formRows()...)
}

func acceptedRows() []row {
	return []row{
		{"everything in order", verdict.OK, message(prosecutor, func(s *stage) []byte { return s.asXB2(pgpmime.Draft{}) })},
		{"resent by a mail server", verdict.Duplicate, func(s *stage) func() gateway.Reply {
			raw := s.asXB2(pgpmime.Draft{})
			first := s.g.Deliver(prosecutor, gateway.AlphaAddress, raw)
			return func() gateway.Reply {
				again := s.g.Deliver(prosecutor, gateway.AlphaAddress, append([]byte("Received: from relay.example by mx.example; now\r\n"), raw...))
				if again.Reference() != first.Reference() {
					s.t.Errorf("answered %v first, then %v", first, again)
				}
				return again
			}
		}},
	}
}

func heldRows() []row {
	return []row{
		{"an emergency, signed with a key that is new in the Directory", verdict.KeyInCoolDown, func(s *stage) func() gateway.Reply {
			raw, err := pgpmime.Seal(pgpmime.Draft{
				From: s.aged.address, To: []string{gateway.AlphaAddress}, Subject: "Emergency, case " + gateway.SecretSubject, Date: time.Now(),
				Body: []byte("A child is in danger, her life is at risk. Who holds 192.0.2.7 now? " + gateway.SecretBody + "\r\n"),
			}, s.aged.key, []*pgp.Certificate{s.g.Key("XA-1").Certificate()}, time.Now())
			if err != nil {
				s.t.Fatal(err)
			}
			return func() gateway.Reply { return s.g.Deliver(s.aged.address, gateway.AlphaAddress, raw) }
		}},
		{"signed in clear", verdict.NotEncrypted, message(prosecutor, func(s *stage) []byte {
			entity := s.xb2().entity()
			signature, err := s.xb2().key.SignDetached([]byte(entity), time.Now())
			if err != nil {
				s.t.Fatal(err)
			}
			return append([]byte("From: "+prosecutor+"\r\nTo: "+gateway.AlphaAddress+"\r\nSubject: ...\r\nMIME-Version: 1.0\r\n"), gateway.Signed(entity, string(signature))...)
		})},
		{"signed five days ago", verdict.OldSignature, message("aged@betaland.example", func(s *stage) []byte { return s.signedAt(s.aged, time.Now().Add(-5*day)) })},
		{"signed in an hour", verdict.FutureSignature, message("aged@betaland.example", func(s *stage) []byte { return s.signedAt(s.aged, time.Now().Add(time.Hour)) })},
		{"no recipient is signed", verdict.NotBound, message(prosecutor, func(s *stage) []byte {
			return gateway.Encrypted(outerHeader("..."), s.gpg.SignEncrypt(plainEntity(gateway.Preservation), s.g.Key("XB-2").Certificate(), s.g.Key("XA-1").Certificate()))
		})},
		{"from a colleague who is not listed", verdict.FromNotListed, message("colleague@prosecutor.betaland.example", func(s *stage) []byte {
			return s.asXB2(pgpmime.Draft{From: "colleague@prosecutor.betaland.example"})
		})},
		{"encrypted, not signed, from a listed address", verdict.UnsignedListed, message(prosecutor, func(s *stage) []byte {
			return s.encrypted(prosecutor, plainEntity("Unsigned. "+gateway.Preservation))
		})},
	}
}

func signatureRows() []row {
	return []row{
		{"signed by a stranger", verdict.UnknownKey, message(prosecutor, func(s *stage) []byte {
			return s.signedAt(player{prosecutor, s.stranger, nil}, time.Now())
		})},
		{"altered after signing", verdict.BadSignature, message(prosecutor, func(s *stage) []byte {
			entity := s.xb2().entity()
			signature, err := s.xb2().key.SignDetached([]byte(entity), time.Now())
			if err != nil {
				s.t.Fatal(err)
			}
			return s.encrypted(prosecutor, gateway.Signed(strings.Replace(entity, "192.0.2.44", "192.0.2.45", 1), string(signature)))
		})},
		{"signed in clear, 8bit text made quoted-printable on the way", verdict.Altered, message(prosecutor, func(s *stage) []byte {
			entity := gateway.CRLF("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nCafé. " + gateway.Preservation)
			signature, err := s.xb2().key.SignDetached([]byte(entity), time.Now())
			if err != nil {
				s.t.Fatal(err)
			}
			signed := strings.Replace(gateway.Signed(entity, string(signature)), "Encoding: 8bit", "Encoding: quoted-printable", 1)
			return []byte("From: " + prosecutor + "\r\nTo: " + gateway.AlphaAddress + "\r\nSubject: ...\r\nMIME-Version: 1.0\r\n" + strings.Replace(signed, "Café", "Caf=C3=A9", 1))
		})},
		{"text beside the signed part, encrypted", verdict.PartlySigned, message(prosecutor, func(s *stage) []byte {
			return s.encrypted(prosecutor, s.besideSigned())
		})},
		{"text beside the signed part, in clear", verdict.PartlySigned, message(prosecutor, func(s *stage) []byte {
			return []byte("From: " + prosecutor + "\r\nTo: " + gateway.AlphaAddress + "\r\nSubject: ...\r\nMIME-Version: 1.0\r\n" + s.besideSigned())
		})},
		{"SHA-1 by gpg", verdict.WeakSignature, message(prosecutor, func(s *stage) []byte {
			entity := s.xb2().entity()
			return s.encrypted(prosecutor, gateway.Signed(entity,
				s.gpg.Run(entity, "--armor", "--detach-sign", "--digest-algo", "SHA1", "--local-user", s.g.Key("XB-2").Certificate().Fingerprint())))
		})},
		{"certificate expired since", verdict.KeyExpired, message("expired@betaland.example", func(s *stage) []byte { return s.signedAt(s.expired, time.Now().Add(-2*day)) })},
		{"certificate revoked", verdict.KeyRevoked, message("revoked@betaland.example", func(s *stage) []byte { return s.signedAt(s.revoked, time.Now()) })},
		{"certificate begins tomorrow", verdict.KeyNotYetValid, message("tomorrow@betaland.example", func(s *stage) []byte { return s.signedAt(s.tomorrow, time.Now().Add(day+time.Hour)) })},
		{"signed before the certificate, by gpg", verdict.KeyNotYetValid, message(prosecutor, func(s *stage) []byte {
			entity := s.xb2().entity()
			return s.encrypted(prosecutor, gateway.Signed(entity,
				s.gpg.Run(entity, "--armor", "--detach-sign", "--faked-system-time", time.Now().UTC().Add(-3*day).Format("20060102T150405"), "--ignore-time-conflict",
					"--local-user", s.g.Key("XB-2").Certificate().Fingerprint())))
		})},
		{"certificate may not sign", verdict.KeyUnusable, message("unusable@betaland.example", func(s *stage) []byte { return s.signedAt(s.unusable, time.Now()) })},
		{"signed two years ago", verdict.TooOld, message("aged@betaland.example", func(s *stage) []byte { return s.signedAt(s.aged, time.Now().Add(-2*365*day)) })},
	}
}

// besideSigned is what a mailing list makes of a signed message.
func (s *stage) besideSigned() string {
	entity := s.xb2().entity()
	signature, err := s.xb2().key.SignDetached([]byte(entity), time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return "Content-Type: multipart/mixed; boundary=\"list\"\r\n\r\n--list\r\n" + gateway.Signed(entity, string(signature)) +
		"\r\n--list\r\nContent-Type: text/plain\r\n\r\nSend the data to " + gateway.SecretName + " instead.\r\n--list--\r\n"
}

func senderRows() []row {
	return []row{
		{"signed by XB-2 in the name of XB-1", verdict.Impersonated, message(gateway.BetaAddress, func(s *stage) []byte {
			return s.asXB2(pgpmime.Draft{From: gateway.BetaAddress})
		})},
		{"two From fields", verdict.AmbiguousSender, message(prosecutor, func(s *stage) []byte {
			return append([]byte("From: "+gateway.BetaAddress+"\r\n"), s.asXB2(pgpmime.Draft{})...)
		})},
		{"two addresses in From", verdict.AmbiguousSender, message(prosecutor, func(s *stage) []byte {
			entity := strings.Replace(s.xb2().entity(), "From: "+prosecutor, "From: "+prosecutor+", "+gateway.BetaAddress, 1)
			return gateway.Encrypted(outerHeader("..."), s.gpg.SignEncrypt(entity, s.g.Key("XB-2").Certificate(), s.g.Key("XA-1").Certificate()))
		})},
		{"no From", verdict.AmbiguousSender, message(prosecutor, func(s *stage) []byte {
			return gateway.Encrypted(outerHeader("...")[1:], s.gpg.SignEncrypt(plainEntity(gateway.Preservation), s.g.Key("XB-2").Certificate(), s.g.Key("XA-1").Certificate()))
		})},
		{"signature names another recipient", verdict.NotForUs, message(prosecutor, func(s *stage) []byte {
			entity := s.xb2().entity()
			return s.encrypted(prosecutor, gateway.Signed(entity, s.g.SignNaming(s.g.Key("XB-2"), entity, s.g.Key("XC-1").Certificate())))
		})},
		{"protected To names another recipient", verdict.NotForUs, message(prosecutor, func(s *stage) []byte {
			return gateway.Encrypted(outerHeader("..."), s.gpg.SignEncrypt(protectedEntity(gateway.GammaAddress, "...", gateway.Preservation),
				s.g.Key("XB-2").Certificate(), s.g.Key("XA-1").Certificate()))
		})},
		{"the same signature in another envelope", verdict.Replayed, func(s *stage) func() gateway.Reply {
			raw := s.asXB2(pgpmime.Draft{})
			if r := s.g.Deliver(prosecutor, gateway.AlphaAddress, raw); r.Code != 250 {
				s.t.Fatalf("answered %v", r)
			}
			return func() gateway.Reply { return s.g.Deliver("somebody@else.example", gateway.AlphaAddress, raw) }
		}},
		{"the same signature encrypted anew", verdict.Replayed, func(s *stage) func() gateway.Reply {
			entity := s.xb2().entity()
			signature, err := s.xb2().key.SignDetached([]byte(entity), time.Now())
			if err != nil {
				s.t.Fatal(err)
			}
			signed := gateway.Signed(entity, string(signature))
			if r := s.g.Deliver(prosecutor, gateway.AlphaAddress, s.encrypted(prosecutor, signed)); r.Code != 250 {
				s.t.Fatalf("answered %v", r)
			}
			again := s.encrypted(prosecutor, signed)
			return func() gateway.Reply { return s.g.Deliver(prosecutor, gateway.AlphaAddress, again) }
		}},
	}
}

func formRows() []row {
	clear := func(fields ...[2]string) []byte {
		return gateway.Letter(append(outerHeader("Logs, case "+gateway.SecretSubject), fields...), gateway.Preservation)
	}
	sealedFor := func(s *stage, certificate *pgp.Certificate) []byte {
		return gateway.Encrypted(outerHeader("..."), s.gpg.SignEncrypt(s.xb2().entity(), s.g.Key("XB-2").Certificate(), certificate))
	}
	return []row{
		{"encrypted to another contact point", verdict.CannotOpen, message(prosecutor, func(s *stage) []byte { return sealedFor(s, s.g.Key("XC-1").Certificate()) })},
		{"altered on the way", verdict.CannotOpen, message(prosecutor, func(s *stage) []byte {
			raw := string(s.asXB2(pgpmime.Draft{}))
			i := strings.Index(raw, "-----END PGP MESSAGE-----") - 100
			return []byte(raw[:i] + "AAAA" + raw[i+4:])
		})},
		{"not protected against alteration", verdict.CannotOpen, message(prosecutor, func(s *stage) []byte {
			return s.encrypted(prosecutor, s.xb2().entity(), "--rfc2440", "--disable-mdc", "--cipher-algo", "AES")
		})},
		{"encrypted with a password", verdict.CannotOpen, message(prosecutor, func(s *stage) []byte {
			return gateway.Encrypted(outerHeader("..."), s.gpg.Run(s.xb2().entity(), "--armor", "--symmetric", "--passphrase", "a word of ours"))
		})},
		{"neither encrypted nor signed", verdict.PlainUnsigned, message(prosecutor, func(*stage) []byte { return clear() })},
		{"encrypted, not signed, from nobody listed", verdict.Unsigned, message("nobody@nowhere.example", func(s *stage) []byte {
			return s.encrypted("nobody@nowhere.example", plainEntity(gateway.Preservation))
		})},
		{"encrypted part in a mixed message", verdict.BadStructure, message(prosecutor, func(s *stage) []byte {
			return []byte(strings.Replace(string(s.asXB2(pgpmime.Draft{})), `multipart/encrypted; protocol="application/pgp-encrypted"`, "multipart/mixed", 1))
		})},
		{"text beside an inline block", verdict.BadStructure, message(prosecutor, func(s *stage) []byte {
			return gateway.Letter(outerHeader("..."), "See below.\n\n"+s.gpg.Encrypt(gateway.Preservation, s.g.Key("XA-1").Certificate()))
		})},
		{"a line that ends in LF alone", verdict.BadLineEndings, raw(strings.Replace(string(clear()), "order the\r\n", "order the\n", 1))},
		{"a line that ends in CR alone", verdict.BadLineEndings, raw(strings.Replace(string(clear()), "Convention", "Con\rvention", 1))},
		{"a NUL", verdict.BadLineEndings, raw(strings.Replace(string(clear()), "Convention", "Con\x00vention", 1))},
		{"smuggled second message", verdict.BadLineEndings, raw(string(clear()) + "\r\n\n.\r\nMAIL FROM:<smuggler@nowhere.example>\r\n")},
		{"larger than the limit", verdict.OverLimits, raw(string(clear()) + strings.Repeat("0123456789012345678901234567890123456789\r\n", 8000))},
		{"a bomb: small, but not when decompressed", verdict.OverLimits, message(prosecutor, func(s *stage) []byte {
			bomb := gateway.CRLF("Content-Type: text/plain\n\n") + strings.Repeat("0", 20<<20)
			raw := gateway.Encrypted(outerHeader("..."), s.gpg.SignEncrypt(bomb, s.g.Key("XB-2").Certificate(), s.g.Key("XA-1").Certificate(), "--compress-algo", "zlib"))
			if len(raw) > 100<<10 {
				s.t.Fatalf("the bomb has %d bytes", len(raw))
			}
			return raw
		})},
		{"nested too deep", verdict.OverLimits, message(prosecutor, func(s *stage) []byte {
			var b strings.Builder
			for i := range 30 {
				fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
			}
			return s.encrypted(prosecutor, b.String()+"\r\nhello\r\n")
		})},
		{"too many parts", verdict.OverLimits, message(prosecutor, func(s *stage) []byte {
			return s.encrypted(prosecutor, "Content-Type: multipart/mixed; boundary=b\r\n\r\n"+strings.Repeat("--b\r\n\r\nhello\r\n", 1500)+"--b--\r\n")
		})},
		{"too many hops", verdict.MailLoop, message(prosecutor, func(s *stage) []byte {
			return append([]byte(strings.Repeat("Received: from a.example by b.example; Mon, 23 Nov 2026 10:00:00 +0000\r\n", 101)), s.asXB2(pgpmime.Draft{})...)
		})},
		{"an automatic answer", verdict.Automatic, message(prosecutor, func(*stage) []byte { return clear([2]string{"Auto-Submitted", "auto-replied"}) })},
		{"a bounce", verdict.Automatic, message("", func(*stage) []byte { return clear() })},
	}
}

// raw delivers bytes that no mail library would send.
func raw(text string) func(*stage) func() gateway.Reply {
	return func(s *stage) func() gateway.Reply {
		return func() gateway.Reply { return s.g.DeliverRaw(prosecutor, gateway.AlphaAddress, text) }
	}
}
