package imapd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relais.example/routing/mailbox"
)

// tool finds a foreign client.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run make test", name)
	}
	return path
}

// files writes the certificate and returns its path and the port of addr.
func (r *rig) files(t *testing.T, addr string) (certificate, port string) {
	t.Helper()
	certificate = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(certificate, r.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, port
}

func TestCurl(t *testing.T) {
	curl := tool(t, "curl")
	r := newRig(t)
	r.deliver("INBOX", simple)
	ca, port := r.files(t, r.tls)
	run := func(args ...string) string {
		t.Helper()
		args = append([]string{"--silent", "--show-error", "--max-time", "20", "--cacert", ca, "--user", "officer:secret"}, args...)
		out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	base := "imaps://localhost:" + port + "/"
	if got := run(base); strings.Count(got, "* LIST") != len(mailbox.Names()) {
		t.Errorf("curl lists\n%s", got)
	}
	if got := run(base + "INBOX;MAILINDEX=1"); got != simple {
		t.Errorf("curl fetches by number %q", got)
	}
	if got := run(base + "INBOX;UID=1;SECTION=TEXT"); got != "Keep the d=C3=A9tails, please.\r\n" {
		t.Errorf("curl fetches the text %q", got)
	}
	if got := run(base+"INBOX", "--request", "SEARCH SEEN"); !strings.Contains(got, "* SEARCH 1") {
		t.Errorf("curl searches %q", got)
	}
	draft := filepath.Join(t.TempDir(), "draft.eml")
	if err := os.WriteFile(draft, []byte(simple), 0o600); err != nil {
		t.Fatal(err)
	}
	run(base+mailbox.Drafts, "--upload-file", draft)
	if got := string(r.bodies["Drafts-1"]); got != simple {
		t.Errorf("curl appended %q", got)
	}
	_, plain := r.files(t, r.plain)
	if got := run("imap://localhost:"+plain+"/INBOX;UID=1", "--ssl-reqd"); got != simple {
		t.Errorf("curl over STARTTLS fetches %q", got)
	}
}

// pythonSession uses the standard library of Python as a mail client would.
const pythonSession = `
import imaplib, ssl, sys
port, plain, ca = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]
c = imaplib.IMAP4_SSL('localhost', port, ssl_context=context)
ok(c.login('officer', 'secret'))
assert len(ok(c.list())) == 9
assert len(ok(c.lsub())) == 9
assert ok(c.select('INBOX')) == [b'2']
assert ok(c.search(None, 'SUBJECT', 'plain')) == [b'2']
assert ok(c.search('UTF-8', 'UNSEEN')) == [b'1 2']
data = ok(c.fetch('1', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODYSTRUCTURE ENVELOPE)'))
assert b'Subject: =?utf-8?q?' in data[0][1], data
whole = ok(c.uid('FETCH', '1', '(RFC822)'))[0][1]
assert whole.endswith(b'please.\r\n'), whole
ok(c.store('2', '+FLAGS', '(\\Flagged $Mine)'))
ok(c.append('Drafts', '(\\Draft)', imaplib.Time2Internaldate(1772000000), b'Subject: big\n\n' + b'x' * 200000))
ok(c.uid('MOVE', '2', 'Archive'))
ok(c.copy('1', 'Waiting'))
ok(c.store('1', '+FLAGS', '\\Deleted'))
assert ok(c.expunge())[-1] == b'1'
assert c.create('Mine')[0] == 'NO'
ok(c.status('Archive', '(MESSAGES UNSEEN)'))
ok(c.close())
ok(c.select('Archive', readonly=True))
assert c.store('1', '+FLAGS', '\\Deleted')[0] == 'NO'
c.logout()
d = imaplib.IMAP4('localhost', plain)
d.starttls(context)
ok(d.login('officer', 'secret'))
assert ok(d.select('Drafts')) == [b'1']
d.logout()
`

func TestPythonImaplib(t *testing.T) {
	python := tool(t, "python3")
	r := newRig(t)
	r.deliver("INBOX", simple)
	r.deliver("INBOX", "Subject: plain\r\n\r\nx\r\n")
	ca, port := r.files(t, r.tls)
	_, plain := r.files(t, r.plain)
	out, err := exec.CommandContext(t.Context(), python, "-c", pythonSession, port, plain, ca).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := r.flagsOf(mailbox.Archive, 1); !slices.Equal(got, []string{"$Mine", `\Flagged`}) {
		t.Errorf("the moved message has flags %v", got)
	}
	if got := len(r.bodies["Drafts-1"]); got != len("Subject: big\r\n\r\n")+200000 {
		t.Errorf("the draft has %d bytes", got)
	}
}
