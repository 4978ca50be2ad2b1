package imapd

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"relais.example/test/pipe"
)

// FuzzCommands sends anything after LOGIN. The server must neither panic nor
// hang, and must end the connection.
func FuzzCommands(f *testing.F) {
	for _, seed := range []string{
		"a SELECT INBOX\r\nb FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY FLAGS UID RFC822 BODY.PEEK[1.2.MIME]<1.9223372036854775807>)\r\n",
		"a SELECT INBOX\r\nb UID SEARCH RETURN (SAVE MIN) OR NOT 1:* (TEXT x LARGER 1)\r\nc UID COPY $ Archive\r\nd UID MOVE *:1 Trash\r\n",
		"a SELECT INBOX\r\nb STORE 1:* -FLAGS.SILENT (\\Seen $x)\r\nc EXPUNGE\r\nd CLOSE\r\n",
		"a APPEND Drafts (\\Seen) \" 2-Mar-2026 10:00:00 +0100\" {3+}\r\nabc\r\nb APPEND Drafts UTF8 (~{3+}\r\nabc)\r\n",
		"a LIST (SPECIAL-USE) \"\" (\"*\" %) RETURN (STATUS (MESSAGES SIZE))\r\nb LSUB \"\" *\r\nc IDLE\r\nDONE\r\n",
		"a ENABLE IMAP4rev2\r\nb SELECT INBOX\r\nc FETCH 1 BINARY[1]\r\nd UID EXPUNGE 1\r\ne UNSELECT\r\nf SEARCH ALL\r\n",
		"a EXAMINE INBOX\r\nb FETCH 1 BODY[HEADER.FIELDS.NOT (x {3}\r\nabc)]\r\n{9999999999999999999}\r\n",
	} {
		f.Add([]byte(seed))
	}
	r := newRig(f, func(o *Options) { o.MaxMessageBytes = 1 << 20 })
	l := pipe.Listen()
	served := make(chan error, 1)
	go func() { served <- r.server.ServeTLS(l) }()
	f.Cleanup(func() {
		l.Close()
		<-served
	})
	f.Fuzz(func(t *testing.T, commands []byte) {
		if entries, _ := r.boxes["INBOX"].Snapshot(); len(entries) < 3 {
			r.deliver("INBOX", simple)
		}
		raw, ended, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, r.clientTLS())
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		go func() { // fails when the server has heard enough
			io.WriteString(c, "l LOGIN officer secret\r\n")
			c.Write(commands)
			c.CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("the server hangs")
		}
		<-ended
		if n := r.observed.get("panic"); n > 0 {
			t.Fatal("the server panicked")
		}
	})
}

// FuzzLiteralGuard: whatever the input and the answers, what is handed on is
// the input, in order, and never more than one line at once outside literals.
func FuzzLiteralGuard(f *testing.F) {
	f.Add([]byte("a LOGIN {3}\r\nabc {2+}\r\nxy\r\n"), true)
	f.Add([]byte("a X {99999999999999999999}\r\n{1}\n{0+}\n"), false)
	f.Fuzz(func(t *testing.T, input []byte, accept bool) {
		g := &literalGuard{}
		br := bufio.NewReader(bytes.NewReader(input))
		var got []byte
		buf := make([]byte, 64)
		for {
			if reason := g.check(); reason != "" {
				break
			}
			inLiteral := g.rest > 0
			n, err := g.read(br, buf)
			if err != nil {
				if len(got) != len(input) {
					t.Fatalf("handed on %d of %d bytes", len(got), len(input))
				}
				break
			}
			if i := bytes.IndexByte(buf[:n], '\n'); !inLiteral && i >= 0 && i != n-1 {
				t.Fatalf("%q is more than a line", buf[:n])
			}
			got = append(got, buf[:n]...)
			if accept && g.waits && !g.nonSync {
				g.answered('+')
			}
		}
		if !bytes.HasPrefix(input, got) {
			t.Fatalf("handed on %q of %q", got, input)
		}
	})
}
