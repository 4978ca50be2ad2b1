package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relais.example/test/gateway"
)

// deskSettings adds lines to the settings of the desk XA-1.
func deskSettings(t *testing.T, g *gateway.Gateway, lines ...string) {
	t.Helper()
	path := filepath.Join(g.Dir, "relais.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), "id: XA-1\n")
	if !ok {
		t.Fatalf("no desk XA-1 in\n%s", text)
	}
	indent := strings.Repeat(" ", len(before)-strings.LastIndex(before, "\n")-1)
	for _, line := range lines {
		after = indent + line + "\n" + after
	}
	if err := os.WriteFile(path, []byte(before+"id: XA-1\n"+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fetched is what imaplib reads of a message.
type fetched struct {
	Structure, Whole, Note, Content, Middle, Header, Original string
	Size                                                      int
	Found                                                     map[string][]string
}

func imaplib(t *testing.T, g *gateway.Gateway, ref string, searches ...string) fetched {
	t.Helper()
	out, err := client(t, "python3", append([]string{"testdata/shows.py", g.Listen["imaps"], g.CA(), gateway.Olga, g.Written.Passwords[gateway.Olga], ref}, searches...)...)
	if err != nil {
		t.Fatalf("imaplib: %v\n%s", err, out)
	}
	var f fetched
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatalf("imaplib: %v\n%s", err, out)
	}
	return f
}

func TestStaffReadTheNoteAboveTheMessage(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	_, m := received(t, g)
	for _, want := range []string{"ACCEPTED (ok)", "Signed by: XB-2, Betaland Prosecutor General (Betaland)", g.Key("XB-2").Certificate().Fingerprint(), "Encrypted: yes", reference(m)} {
		if !strings.Contains(m.Note, want) {
			t.Errorf("the note lacks %q:\n%s", want, m.Note)
		}
	}
	mark := m.Note[len("[RELAIS-"):][:19]
	if !strings.HasSuffix(m.Text("X-Relais-Verdict"), "; mark "+mark) || strings.Contains(m.Note, gateway.SecretBody) || !strings.Contains(m.Body, gateway.SecretBody) {
		t.Errorf("verdict %q, note\n%s\nbody\n%s", m.Text("X-Relais-Verdict"), m.Note, m.Body)
	}

	f := imaplib(t, g, reference(m), `BODY "`+gateway.SecretBody+`"`, `HEADER X-Relais-Signer "XB-2;"`, `HEADER X-Relais-Signer "XB-1;"`, `TEXT "betaland prosecutor"`, `BODY "no such words"`)
	if f.Size != len(f.Whole) || f.Note != m.Note || !strings.HasPrefix(f.Structure, `(("text" "plain"`) || !strings.Contains(f.Structure, `"Note by the gateway"`) || !strings.Contains(f.Structure, `"mixed"`) {
		t.Errorf("size %d of %d; structure %s", f.Size, len(f.Whole), f.Structure)
	}
	if at := strings.Index(f.Whole, f.Content); at < 0 || !strings.Contains(f.Content, gateway.SecretBody) || f.Middle != f.Content[5:25] || !strings.Contains(f.Header, "Subject: ") {
		t.Errorf("content %q, %q of it, its header %q", f.Content, f.Middle, f.Header)
	}
	for search, want := range map[string]int{`BODY "` + gateway.SecretBody + `"`: 1, `HEADER X-Relais-Signer "XB-2;"`: 1, `HEADER X-Relais-Signer "XB-1;"`: 0, `TEXT "betaland prosecutor"`: 1, `BODY "no such words"`: 0} {
		if len(f.Found[search]) != want {
			t.Errorf("SEARCH %s finds %v", search, f.Found[search])
		}
	}
}

// What an answer quotes of the note stays here.
func TestTheNoteNeverLeaves(t *testing.T) {
	t.Parallel()
	g := gateway.Run(t, gateway.Options{})
	gpg := gateway.NewGPG(t).ImportFiles(filepath.Join(g.Dir, "keys", "XB-2.asc"), filepath.Join(g.Dir, "keys", "XA-1-public.asc"))
	olga, m := received(t, g)
	quoted := "> " + strings.ReplaceAll(strings.TrimSpace(m.Note), "\r\n", "\n> ")
	text := "Reply code: POSTPONED\n\nWe are on it, " + gateway.SecretBody + ".\n\nOn Monday, Betaland wrote:\n" + quoted + "\n> Please keep it.\n"
	if r := answer(g, m, text); r.Code != 250 {
		t.Fatalf("the answer: %v", r)
	}
	waitMails(t, g, 1)
	_, armored, _ := strings.Cut(string(g.Sink.Mails()[0]), "-----BEGIN PGP MESSAGE-----")
	out, report, err := gpg.Try("-----BEGIN PGP MESSAGE-----"+armored, "--decrypt")
	if err != nil {
		t.Fatalf("gpg: %v\n%s", err, report)
	}
	sent := olga.Find("Sent", "the answer", gateway.OfRequest(reference(m)))
	for name, said := range map[string]string{"what left": out, "the copy in Sent": sent.Body} {
		if strings.Contains(said, "RELAIS") || strings.Contains(said, "ACCEPTED") || !strings.Contains(said, gateway.SecretBody) || !strings.Contains(said, "> Please keep it.") {
			t.Errorf("%s:\n%s", name, said)
		}
	}
	// Half a note cannot be told from words of the staff.
	if r := answer(g, m, "Reply code: POSTPONED\n\n"+quoted[:len(quoted)/2]); r.Code != 550 || !strings.Contains(r.Text, "delete what is left from [RELAIS-") {
		t.Errorf("an answer with half a note: %v", r)
	}
}

// The mail as it came, byte for byte, so that anybody with the desk's key can
// verify it.
func TestTheOriginalIsAttachedAsItCame(t *testing.T) {
	t.Parallel()
	g := gateway.New(t, gateway.Options{})
	deskSettings(t, g, "attach_original: true", "banner: fr")
	g.Start()
	raw := g.RequestMail()
	reply := g.Deliver(gateway.ProsecutorAddress, gateway.AlphaAddress, raw)
	m := g.IMAP(gateway.Olga).Find("INBOX", "the request", gateway.OfRequest(reply.Reference()))
	if !strings.Contains(m.Note, "Signé par : XB-2") {
		t.Errorf("note:\n%s", m.Note)
	}
	f := imaplib(t, g, reply.Reference())
	if !bytes.HasSuffix([]byte(f.Original), raw) || f.Size != len(f.Whole) || !strings.Contains(f.Whole, "\r\n\r\n"+f.Original+"\r\n--") {
		t.Errorf("the original, %d bytes, is not the end of what is attached, %d bytes; size %d of %d", len(raw), len(f.Original), f.Size, len(f.Whole))
	}
	if !strings.Contains(f.Structure, `"application" "octet-stream"`) || !strings.Contains(f.Structure, reply.Reference()+"-original.eml") {
		t.Errorf("structure %s", f.Structure)
	}
	gpg := gateway.NewGPG(t).ImportFiles(filepath.Join(g.Dir, "keys", "XA-1.asc"))
	gpg.Import(g.Key("XB-2").Certificate().Armor())
	_, armored, _ := strings.Cut(f.Original, "-----BEGIN PGP MESSAGE-----")
	out, report, err := gpg.Try("-----BEGIN PGP MESSAGE-----"+armored, "--decrypt")
	if err != nil || !strings.Contains(report, "VALIDSIG "+g.Key("XB-2").Certificate().Fingerprint()) || !strings.Contains(out, gateway.SecretBody) {
		t.Errorf("gpg: %v\n%s\n%s", err, report, out)
	}
	evidence := filepath.Join(g.Dir, "evidence") // made by the command
	out, err = g.Command("message", "export", reply.Reference(), "--dir", evidence)
	exported, readErr := os.ReadFile(filepath.Join(evidence, reply.Reference()+"-1.eml"))
	_, sum, _ := strings.Cut(m.Header.Get("X-Relais-Original"), "attached; sha256 ")
	if err != nil || readErr != nil || string(exported) != f.Original || sum == "" || !strings.Contains(out, sum) {
		t.Errorf("exported %d bytes, %v; %v\n%s", len(exported), readErr, err, out)
	}
	if !slices.ContainsFunc(g.Journal(), func(r gateway.Entry) bool { return r.Export != nil && string(r.Export.Request) == reply.Reference() }) {
		t.Error("the journal does not say that it was exported")
	}
	if out, err := g.Command("message", "export", reply.Reference(), "--dir", evidence); err == nil {
		t.Errorf("a file was written over: %s", out)
	}
	if out, err := g.Command("message", "export", "XA-1-2026-000099-V", "--dir", evidence); err == nil {
		t.Errorf("a request that is not there: %s", out)
	}
	// It outlives the process, as everything that was confirmed does.
	g.Kill()
	g.Start()
	if again := imaplib(t, g, reply.Reference()); again.Whole != f.Whole {
		t.Errorf("after a restart there are %d bytes, not %d", len(again.Whole), len(f.Whole))
	}
}
