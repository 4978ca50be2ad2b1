package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relais.example/test/gateway"
)

// protectedEntity is what a mail program that protects headers signs.
func protectedEntity(to, subject, text string) string {
	return gateway.CRLF("Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\n" +
		"From: " + gateway.SecretName + " <" + gateway.ProsecutorAddress + ">\nTo: " + to + "\nSubject: " + subject + "\n\n" + text)
}

// plainEntity is what an older one signs.
func plainEntity(text string) string {
	return gateway.CRLF("Content-Type: text/plain; charset=utf-8\n\n" + text)
}

func outerHeader(subject string) [][2]string {
	return [][2]string{{"From", gateway.ProsecutorAddress}, {"To", gateway.AlphaAddress}, {"Subject", subject}}
}

// client runs a program and returns what it prints.
func client(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	gateway.Need(t, name)
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// swaks sends a file as it is to one of the ports.
func swaks(t *testing.T, g *gateway.Gateway, service, from, to string, raw []byte, more ...string) (string, error) {
	t.Helper()
	host, port, _ := strings.Cut(g.Listen[service], ":")
	return client(t, "swaks", append([]string{"--server", host, "--port", port, "--from", from, "--to", to, "--data", "@" + file(t, raw)}, more...)...)
}

// TestMainJobWithGPGSwaksCurlAndImaplib is the whole job with programs of
// others only: gpg signs and encrypts, swaks sends, curl and Python's imaplib
// read, mark and move, swaks answers, gpg decrypts and verifies the answer.
func TestMainJobWithGPGSwaksCurlAndImaplib(t *testing.T) {
	t.Parallel()
	redis := gateway.StartRedis(t)
	g := gateway.Run(t, gateway.Options{Redis: redis})
	gpg := gateway.NewGPG(t).ImportFiles(filepath.Join(g.Dir, "keys", "XB-2.asc"), filepath.Join(g.Dir, "keys", "XA-1-public.asc"))
	xb, xa := g.Key("XB-2").Certificate(), g.Key("XA-1").Certificate()

	// The request, by SMTP with STARTTLS.
	entity := protectedEntity(gateway.AlphaAddress, "Logs, case "+gateway.SecretSubject, gateway.Preservation)
	out, err := swaks(t, g, "mx", gateway.ProsecutorAddress, gateway.AlphaAddress,
		gateway.Encrypted(outerHeader("..."), gpg.SignEncrypt(entity, xb, xa)), "--tls")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ref := gateway.References(out)
	if len(ref) == 0 {
		t.Fatalf("no reference in the reply:\n%s", out)
	}

	// curl lists and reads as the officer.
	curl := func(path string, more ...string) string {
		t.Helper()
		out, err := client(t, "curl", append([]string{"--silent", "--show-error", "--cacert", g.CA(),
			"--user", gateway.Olga + ":" + g.Written.Passwords[gateway.Olga], "imaps://" + g.Listen["imaps"] + "/" + path}, more...)...)
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, out)
		}
		return out
	}
	if out := curl(""); !strings.Contains(out, "INBOX") || !strings.Contains(out, "Quarantine") {
		t.Errorf("curl lists\n%s", out)
	}
	read := curl("INBOX;MAILINDEX=1")
	for _, want := range []string{
		"X-Relais-Verdict: accept; ok;", "X-Relais-Signer: XB-2;", "X-Relais-Kind: PRESERVATION", "X-Relais-Reference: " + ref[0],
		"Subject: [" + ref[0] + "] Logs, case " + gateway.SecretSubject, gateway.SecretBody,
	} {
		if !strings.Contains(read, want) {
			t.Errorf("the message that curl reads lacks %q:\n%s", want, read)
		}
	}

	// An interim answer on port 587, the final one on port 465.
	m := g.IMAP(gateway.Olga).Find("INBOX", "the request", gateway.OfRequest(ref[0]))
	login := []string{"--auth", "PLAIN", "--auth-user", gateway.Olga, "--auth-password", g.Written.Passwords[gateway.Olga]}
	for i, answer := range []struct {
		service, tls, text string
	}{
		{"submission", "--tls", "Reply code: POSTPONED\n\nWe are waiting for the court, " + gateway.SecretBody},
		{"submissions", "--tls-on-connect", "Reply code: PRESERVED until 2027-01-22\n\nThe logs are preserved, " + gateway.SecretBody},
	} {
		out, err := swaks(t, g, answer.service, gateway.AlphaAddress, gateway.ProsecutorAddress,
			gateway.ReplyTo(m, gateway.SecretName+" <"+gateway.AlphaAddress+">", answer.text), append(login, answer.tls)...)
		if err != nil || !strings.Contains(out, "answer to "+ref[0]+" for XB-2") {
			t.Fatalf("%v\n%s", err, out)
		}
		gateway.WaitFor(t, "the answer to arrive", func() error {
			if n := len(g.Sink.Mails()); n != i+1 {
				return fmt.Errorf("%d arrived", n)
			}
			return nil
		})
		checkAnswer(t, gpg, g.Sink.Mails()[i], xa.Fingerprint(), ref[0], answer.text)
	}

	// Python's imaplib marks it and moves it to Archive, which closes it.
	out, err = client(t, "python3", "testdata/staff.py", g.Listen["imaps"], g.CA(), gateway.Olga, g.Written.Passwords[gateway.Olga], ref[0])
	if err != nil {
		t.Fatalf("imaplib: %v\n%s", err, out)
	}
	archived := g.IMAP(gateway.Olga).Find("Archive", "the closed request", gateway.OfRequest(ref[0]))
	if !archived.Has(`\Seen`) || !archived.Has(`\Answered`) || !archived.Has(`\Flagged`) {
		t.Errorf("flags in Archive: %v", archived.Flags)
	}
	if s := g.Request(ref[0]); s.Status != "closed" || s.Owner != gateway.Olga {
		t.Errorf("the journal says %+v", s)
	}
}

// checkAnswer decrypts with gpg what arrived at the requester.
func checkAnswer(t *testing.T, gpg *gateway.GPG, raw []byte, signer, ref, text string) {
	t.Helper()
	if s := string(raw); strings.Contains(s, gateway.SecretSubject) || strings.Contains(s, gateway.SecretName) || !strings.Contains(s, "Subject: ...\r\n") {
		t.Errorf("what passes over the network says too much:\n%s", s)
	}
	_, armored, _ := strings.Cut(string(raw), "-----BEGIN PGP MESSAGE-----")
	out, report, err := gpg.Try("-----BEGIN PGP MESSAGE-----"+armored, "--decrypt")
	if err != nil || !strings.Contains(report, "VALIDSIG "+signer) || !strings.Contains(report, "DECRYPTION_OKAY") {
		t.Fatalf("gpg: %v\n%s", err, report)
	}
	firstLine, _, _ := strings.Cut(text, "\n")
	for _, want := range []string{"Subject: Re: [" + ref + "] Logs, case " + gateway.SecretSubject, firstLine, gateway.SecretBody} {
		if !strings.Contains(out, want) {
			t.Errorf("the answer lacks %q:\n%s", want, out)
		}
	}
}

// TestMailMadeWithGPG: GnuPG 2.2 names no recipient in its signatures, so that
// only what the mail program protects can.
func TestMailMadeWithGPG(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	gpg := gateway.NewGPG(t).ImportFiles(filepath.Join(g.Dir, "keys", "XB-2.asc"), filepath.Join(g.Dir, "keys", "XA-1-public.asc"))
	xb, xa := g.Key("XB-2").Certificate(), g.Key("XA-1").Certificate()
	subject := "Logs, case " + gateway.SecretSubject
	text := "Content-Type: text/plain; charset=utf-8"
	inline := func(armored string) []byte {
		return gateway.Letter(append(outerHeader(subject), [2]string{"Content-Type", strings.TrimPrefix(text, "Content-Type: ")}), armored)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want string // part of the reply
		dir  string
	}{
		{"protected To", gateway.Encrypted(outerHeader("..."), gpg.SignEncrypt(protectedEntity(gateway.AlphaAddress, subject, gateway.Preservation), xb, xa)), "received", "INBOX"},
		{"nothing protected", gateway.Encrypted(outerHeader(subject), gpg.SignEncrypt(plainEntity(gateway.Preservation), xb, xa)), "not-bound", "Quarantine"},
		{"inline", inline(gpg.SignEncrypt(gateway.Preservation, xb, xa)), "not-bound", "Quarantine"},
		{"signed inside, encrypted outside", gateway.Encrypted(outerHeader("..."), gpg.Encrypt(gateway.Signed(
			protectedEntity(gateway.AlphaAddress, subject, "Dear colleagues,\n"+gateway.Preservation),
			gpg.Run(protectedEntity(gateway.AlphaAddress, subject, "Dear colleagues,\n"+gateway.Preservation), "--armor", "--detach-sign", "--local-user", xb.Fingerprint())), xa)), "received", "INBOX"},
		{"inline signed only", inline(gpg.Run(gateway.Preservation, "--clearsign", "--local-user", xb.Fingerprint())), "not-encrypted", "Quarantine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, c.raw)
			if reply.Code != 250 || !strings.Contains(reply.Text, c.want) {
				t.Fatalf("answered %v", reply)
			}
			m := g.IMAP(gateway.Olga).Find(c.dir, "the message", gateway.OfRequest(reply.Reference()))
			if !strings.Contains(m.Text("Subject"), subject) || !strings.Contains(m.Body, gateway.SecretBody) {
				t.Errorf("subject %q, text:\n%s", m.Text("Subject"), m.Body)
			}
		})
	}
}
