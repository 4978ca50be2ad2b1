package intake_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/gateway/smtpd"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

// sending is one way to get a reason: the envelope sender, and the message.
type sending struct {
	from string
	raw  []byte
}

// ways has, for each reason, what gets it.
var ways = map[verdict.Reason]func(m *mx) sending{
	verdict.OK: func(m *mx) sending { return sending{desk.Beta, m.fromBeta(pgpmime.Draft{Body: []byte(preserve)})} },
	verdict.Duplicate: func(m *mx) sending {
		raw := m.fromBeta(pgpmime.Draft{Body: []byte(preserve)})
		m.deliver(desk.Beta, raw)
		return sending{desk.Beta, append([]byte("Received: from mx.example by mx.example; now\r\n"), raw...)}
	},

	verdict.NotEncrypted: func(m *mx) sending {
		return sending{desk.Beta, letter(desk.Beta, m.beta().signed(m.t, m.beta().entity(), time.Now()))}
	},
	verdict.OldSignature:    signedWhen(-5 * day),
	verdict.FutureSignature: signedWhen(time.Hour),
	verdict.TooOld:          signedWhen(-400 * day),
	verdict.NotBound: func(m *mx) sending {
		entity := "Content-Type: text/plain\r\n\r\n" + preserve
		return sending{desk.Beta, m.sealed(desk.Beta, m.beta().signed(m.t, entity, time.Now()))}
	},
	verdict.FromNotListed: func(m *mx) sending {
		return sending{desk.Nobody, m.fromBeta(pgpmime.Draft{From: desk.Nobody, Body: []byte(preserve)})}
	},
	verdict.UnsignedListed: func(m *mx) sending {
		return sending{desk.Beta, m.sealed(desk.Beta, "Content-Type: text/plain\r\n\r\n"+preserve)}
	},
	verdict.KeyInCoolDown: func(m *mx) sending {
		m.ChangeDirectory(func(doc *directory.Document) {
			cp := &doc.Parties[1].ContactPoints[0]
			cp.Vouchers = []directory.Voucher{{
				Fingerprint: m.Keys["XB-1"].Certificate().Fingerprint(), How: directory.CallBack, By: "Kim",
				At: time.Now().Add(-day).UTC().Truncate(time.Second), EmergenciesFrom: time.Now().Add(2 * day).UTC().Truncate(time.Second),
			}}
		})
		return sending{desk.Beta, m.fromBeta(pgpmime.Draft{Subject: "Emergency: a child is in danger", Body: []byte("A child is in danger, her life is at risk. Who holds 192.0.2.7 now? Article 9 of the Second Protocol.\r\n")})}
	},
	verdict.Unreadable: func(m *mx) sending {
		m.in.Probe(func(stage string, raw []byte) {
			if strings.Contains(string(raw), "X-Breaks: "+stage) {
				panic("a parser broke on " + string(raw))
			}
		})
		return sending{desk.Nobody, append([]byte("X-Breaks: open\r\n"), letter(desk.Nobody, "\r\nHello\r\n")...)}
	},

	verdict.CannotOpen: func(m *mx) sending {
		return sending{desk.Beta, m.Seal("XB-1", "XC-1", pgpmime.Draft{To: []string{desk.Alpha}, Body: []byte(preserve)})}
	},
	verdict.PlainUnsigned: func(*mx) sending { return sending{desk.Beta, letter(desk.Beta, "\r\n"+preserve)} },
	verdict.Unsigned: func(m *mx) sending {
		return sending{desk.Nobody, m.sealed(desk.Nobody, "Content-Type: text/plain\r\n\r\n"+preserve)}
	},
	verdict.UnknownKey: func(m *mx) sending {
		return sending{desk.Beta, m.Seal("stranger", "XA-1", pgpmime.Draft{From: desk.Beta, Body: []byte(preserve)})}
	},
	verdict.BadSignature: func(m *mx) sending {
		signed := m.beta().signed(m.t, m.beta().entity(), time.Now())
		return sending{desk.Beta, m.sealed(desk.Beta, strings.Replace(signed, "60 days", "61 days", 1))}
	},
	verdict.Altered: func(m *mx) sending {
		entity := "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nCafé. " + preserve
		signed := strings.NewReplacer("Encoding: 8bit", "Encoding: quoted-printable", "Café", "Caf=C3=A9").Replace(m.beta().signed(m.t, entity, time.Now()))
		return sending{desk.Beta, letter(desk.Beta, signed)}
	},
	verdict.PartlySigned: func(m *mx) sending {
		list := "Content-Type: multipart/mixed; boundary=\"list\"\r\n\r\n--list\r\n" + m.beta().signed(m.t, m.beta().entity(), time.Now()) +
			"\r\n--list\r\nContent-Type: text/plain\r\n\r\nSend the data elsewhere.\r\n--list--\r\n"
		return sending{desk.Beta, m.sealed(desk.Beta, list)}
	},
	verdict.WeakSignature: func(m *mx) sending {
		entity := m.beta().entity()
		sig := m.beta().altered(m.t, entity, func(*packet.Signature) {})
		i := slices.Index(sig, 4) // version, type, algorithm, hash
		sig[i+3] = 1              // MD5
		return sending{desk.Beta, m.sealed(desk.Beta, around(entity, signatureArmor(m.t, sig)))}
	},
	verdict.KeyExpired:     spoiled(-30*day, 29*day, -2*day, nil),
	verdict.KeyNotYetValid: spoiled(day, 0, day+time.Hour, nil),
	verdict.KeyRevoked: spoiled(-30*day, 0, 0, func(e *openpgp.Entity) {
		if err := e.Revoke(packet.KeySuperseded, "", nil); err != nil {
			panic(err)
		}
	}),
	verdict.KeyUnusable: spoiled(-30*day, 0, 0, func(e *openpgp.Entity) {
		for _, id := range e.Identities {
			sig := id.SelfCertifications[0].Packet
			sig.FlagSign = false
			if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, nil); err != nil {
				panic(err)
			}
		}
	}),
	verdict.Impersonated: func(m *mx) sending {
		return sending{desk.Delta, m.fromBeta(pgpmime.Draft{From: desk.Delta, Body: []byte(preserve)})}
	},
	verdict.AmbiguousSender: func(m *mx) sending {
		return sending{desk.Beta, append([]byte("From: "+desk.Delta+"\r\n"), m.fromBeta(pgpmime.Draft{Body: []byte(preserve)})...)}
	},
	verdict.NotForUs: func(m *mx) sending {
		entity := strings.Replace(m.beta().entity(), "To: "+desk.Alpha, "To: "+desk.Gamma, 1)
		return sending{desk.Beta, m.sealed(desk.Beta, m.beta().signed(m.t, entity, time.Now()))}
	},
	verdict.Replayed: func(m *mx) sending {
		raw := m.fromBeta(pgpmime.Draft{Body: []byte(preserve)})
		m.deliver(desk.Beta, raw)
		return sending{desk.Delta, raw}
	},
	verdict.BadStructure: func(m *mx) sending {
		raw := string(m.fromBeta(pgpmime.Draft{Body: []byte(preserve)}))
		return sending{desk.Beta, []byte(strings.Replace(raw, `multipart/encrypted; protocol="application/pgp-encrypted"`, "multipart/mixed", 1))}
	},
	verdict.BadLineEndings: func(*mx) sending { return sending{desk.Beta, letter(desk.Beta, "\r\nHello\nyou\r\n")} },
	verdict.OverLimits: func(*mx) sending {
		return sending{desk.Beta, letter(desk.Beta, "\r\n"+strings.Repeat("0123456789\r\n", 100_000))}
	},
	verdict.MailLoop: func(m *mx) sending {
		return sending{desk.Beta, append([]byte(strings.Repeat("Received: from a.example by b.example; now\r\n", 101)), m.fromBeta(pgpmime.Draft{Body: []byte(preserve)})...)}
	},
	verdict.Automatic: func(*mx) sending { return sending{"", letter(desk.Beta, "\r\nYour message was not delivered.\r\n")} },
}

// signedWhen is a message that a contact point with an old key signed then, and
// encrypted now.
func signedWhen(ago time.Duration) func(m *mx) sending { return spoiled(-3*365*day, 0, ago, nil) }

// spoiled is a message of a contact point whose key was made then and is listed
// as spoil leaves it.
func spoiled(created, validFor, signed time.Duration, spoil func(*openpgp.Entity)) func(m *mx) sending {
	return func(m *mx) sending {
		x := m.enlist("XB-9", time.Now().Add(created), validFor, spoil)
		return sending{x.address, m.sealed(x.address, x.signed(m.t, x.entity(), time.Now().Add(signed)))}
	}
}

// Each reason of the set is reached through the port, and stands alike in the
// reply, the counters, the journal, what staff see, and the documentation.
func TestEachReasonIsTheSameEverywhere(t *testing.T) {
	page, err := os.ReadFile("../../docs/reason-codes.md")
	noError(t, err)
	for _, e := range verdict.All() {
		t.Run(string(e.Reason), func(t *testing.T) {
			way, ok := ways[e.Reason]
			if !ok {
				t.Fatal("no message gets this reason: add one to ways")
			}
			if !strings.Contains(string(page), "\n| `"+string(e.Reason)+"` | "+string(e.Default)+" |") || !strings.Contains(string(page), "\n- `"+string(e.Reason)+"`: ") {
				t.Error("docs/reason-codes.md lacks its row or its advice")
			}
			m := openMX(t)
			s := way(m)
			labels := map[string]string{"desk": "XA-1", "action": string(e.Default), "reason": string(e.Reason)}
			counted, noted := m.count("relais_messages_received_total", labels), len(m.journal())
			reply := m.deliver(s.from, s.raw)
			if n := m.count("relais_messages_received_total", labels) - counted; n != 1 {
				t.Errorf("counted %v times; answered %s", n, reply)
			}
			m.checkReply(e, reply)
			m.checkJournal(e, m.journal()[noted:])
			if folder := map[verdict.Action]string{verdict.Accept: "INBOX", verdict.Quarantine: "Quarantine"}[e.Default]; folder != "" && e.Reason != verdict.Duplicate {
				head, flags := m.shown(folder)
				if !strings.Contains(head, fmt.Sprintf("\r\nX-Relais-Verdict: %s; %s; ", e.Default, e.Reason)) || !slices.Contains(flags, intake.KeywordVerdict+string(e.Reason)) {
					t.Errorf("staff see the flags %v and\n%s", flags, head)
				}
			}
		})
	}
}

func (m *mx) checkReply(e verdict.Entry, reply string) {
	m.t.Helper()
	ref := request.FindReferences(reply, 1)
	ok := len(ref) == 1 && strings.HasPrefix(reply, "250 2.0.0 ")
	switch {
	case e.Reason == verdict.Duplicate:
		ok = ok && strings.HasSuffix(reply, " already received")
	case e.Default == verdict.Quarantine:
		ok = ok && strings.HasSuffix(reply, fmt.Sprintf(" held for a person to look at (%s: %s)", e.Reason, e.Text))
	case e.Default == verdict.Reject:
		ok = reply == fmt.Sprintf("%d %s %s: %s", e.Code, e.Status, e.Reason, e.Text)
	}
	if !ok {
		m.t.Errorf("answered %q", reply)
	}
}

// checkJournal wants one line for a refused message, the reason in the event of
// a stored one, and none for a duplicate.
func (m *mx) checkJournal(e verdict.Entry, added []queue.Record) {
	m.t.Helper()
	var got []string
	for _, r := range added {
		if r.Refuse != nil {
			got = append(got, r.Refuse.Reason)
		}
		for _, ev := range r.Events {
			got = append(got, ev.Reason)
		}
	}
	want := []string{string(e.Reason)}
	if e.Reason == verdict.Duplicate {
		want = nil
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("the journal holds the reasons %q, want %q", got, want)
	}
}

// What a contact point's mail server sends is stored as it was sent.
func TestOriginalIsByteExact(t *testing.T) {
	m := openMX(t)
	draft := pgpmime.Draft{Body: []byte(preserve)}
	plain := string(m.fromBeta(draft))
	for name, raw := range map[string]string{
		"sealed by us":              plain,
		"dots that begin lines":     strings.Replace(string(m.fromBeta(draft)), "This is an OpenPGP/MIME", ".\r\n..\r\n.dotted\r\nThis is an OpenPGP/MIME", 1),
		"8bit text and white space": strings.Replace(string(m.fromBeta(draft)), "This is an OpenPGP/MIME", "Caf\xe9 \xff \t \r\n \r\nThis is an OpenPGP/MIME", 1),
		"folded and odd header":     "X-Odd:\t a\r\n\t b  \r\nReceived: from x by y; now\r\n" + string(m.fromBeta(draft)),
		"a long line":               strings.Replace(string(m.fromBeta(draft)), "This is an OpenPGP/MIME", strings.Repeat("x", 40_000)+"\r\nThis is an OpenPGP/MIME", 1),
	} {
		t.Run(name, func(t *testing.T) {
			m := *m
			m.t = t
			reply := m.deliver(desk.Beta, []byte(raw))
			s := m.opened(smtpd.Outcome{Text: reply})
			if len(s.Messages) != 1 || m.Body(s.Messages[0]) != raw {
				t.Errorf("answered %s; stored %+v", reply, s.Messages)
			}
		})
	}
}
