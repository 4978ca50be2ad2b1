package smtpd

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// evil is what an attacker hides in a body: a second message.
const evil = "MAIL FROM:<evil@gammaland.example>\r\nRCPT TO:<desk@alphaland.example>\r\nDATA\r\nFrom: evil@gammaland.example\r\n\r\nevil\r\n"

func assertOnly(t *testing.T, r *recorder, n int) {
	t.Helper()
	got := r.messages()
	if len(got) != n {
		t.Errorf("%d messages reached the receiver, want %d", len(got), n)
	}
	for _, m := range got {
		if m.MailFrom == "evil@gammaland.example" {
			t.Error("the smuggled message was accepted")
		}
	}
}

// Row 5: whatever others take for the end of a message is not one here, and a
// message that holds it is refused whole.
func TestAmbiguousLineEndsAreRefused(t *testing.T) {
	ends := []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n\x00.\r\n",
		"\r\n.\x00\r\n", "\r\r\n.\r\r\n", "\r\n.\r\r\n", "\r\n.\rX: y\r\n", "\n", "\r", "\x00", "\r\nSubject: x\rInjected: y\r\n",
	}
	for _, end := range ends {
		t.Run(strings.ReplaceAll(strings.ReplaceAll(end, "\r", "CR"), "\n", "LF"), func(t *testing.T) {
			r := &recorder{}
			ts := serveMX(t, r, Limits{})
			w := ts.hello(t)
			w.transaction()
			w.send("Subject: x\r\n\r\nhello" + end + evil + ".\r\n")
			w.expect("550 5.6.0 bad-line-endings: ")
			w.ask("NOOP", "250 ")
			w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
			w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
			w.send(chunk("Subject: x\r\n\r\nhello"+end, " LAST"))
			if strings.HasSuffix(end, "X: y\r\n") || !cleanLines(end) {
				w.expect("550 5.6.0 bad-line-endings: ")
				assertOnly(t, r, 0)
			}
			w.ask("QUIT", "221 ")
			w.expectEnd()
			if ts.events.count(EventBadLineEndings) == 0 {
				t.Error("no event")
			}
		})
	}
}

func cleanLines(s string) bool {
	s = strings.ReplaceAll(s, "\r\n", "")
	return !strings.ContainsAny(s, "\r\n\x00")
}

// A last line that ends in CR CR LF: go-smtp alone would miss the end and wait.
func TestEndAfterDoubleCR(t *testing.T) {
	r := &recorder{}
	w := serveMX(t, r, Limits{}).hello(t)
	w.transaction()
	w.send("Subject: x\r\r\n.\r\n")
	w.expect("550 5.6.0 bad-line-endings: ")
	assertOnly(t, r, 0)
}

// Row 1: a BDAT that is refused takes its chunk with it.
func TestRefusedChunkIsNotReadAsCommands(t *testing.T) {
	mail := "MAIL FROM:<a@gammaland.example>\r\n"
	rcpt := "RCPT TO:<desk@alphaland.example>\r\n"
	tests := []struct {
		name    string
		send    string
		replies []string
		ends    bool
		count   int
	}{
		{"no recipient", mail + "RCPT TO:<x@gammaland.example>\r\n" + chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"250 ", "550 ", "502 ", "250 2.0.0 I have"}, false, 0},
		{"no transaction", chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"502 ", "250 2.0.0 I have"}, false, 0},
		{"after a refused message", mail + rcpt + chunk("a\nb", " LAST") + chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"250 ", "250 ", "550 ", "502 ", "250 2.0.0 I have"}, false, 0},
		{"above the limit", mail + rcpt + chunk(strings.Repeat("x", 2000), "") + chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"250 ", "250 ", "552 ", "502 ", "250 2.0.0 I have"}, false, 0},
		{"second chunk above the limit", mail + rcpt + chunk(strings.Repeat("x", 1000), "") + chunk(strings.Repeat("x", 1000), "") + chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"250 ", "250 ", "250 ", "552 ", "502 ", "250 2.0.0 I have"}, false, 0},
		{"far above the limit", mail + rcpt + "BDAT 1000000\r\n" + evil + ".\r\n",
			[]string{"250 ", "250 ", "552 "}, true, 0},
		{"size of 2^32", mail + rcpt + "BDAT 4294967296 LAST\r\n" + evil, []string{"250 ", "250 ", "501 "}, true, 0},
		{"no size", mail + rcpt + "BDAT\r\n" + evil, []string{"250 ", "250 ", "501 "}, true, 0},
		{"negative size", mail + rcpt + "BDAT -1 LAST\r\n" + evil, []string{"250 ", "250 ", "501 "}, true, 0},
		{"sign", mail + rcpt + "BDAT +5 LAST\r\n" + evil, []string{"250 ", "250 ", "501 "}, true, 0},
		{"other word", mail + rcpt + "BDAT 5 LASTLY\r\n" + evil, []string{"250 ", "250 ", "501 "}, true, 0},
		{"reset between chunks", mail + rcpt + chunk("a", "") + "RSET\r\n" + chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"250 ", "250 ", "250 ", "250 ", "502 ", "250 2.0.0 I have"}, false, 0},
		{"mail between chunks", mail + rcpt + chunk("a", "") + mail + chunk(evil+".\r\n", " LAST") + "NOOP\r\n",
			[]string{"250 ", "250 ", "250 ", "250 ", "502 ", "250 2.0.0 I have"}, false, 0},
		{"data between chunks", mail + rcpt + chunk("a", "") + "DATA\r\n", []string{"250 ", "250 ", "250 ", "502 "}, false, 0},
		{"body ahead of the reply to DATA", mail + rcpt + "DATA\r\nx\r\n.\r\n" + evil, []string{"250 ", "250 ", "554 "}, true, 0},
		{"body ahead of a refusal of DATA", mail + "DATA\r\n" + evil, []string{"250 ", "554 "}, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{}
			w := serveMX(t, r, Limits{MessageBytes: 1500}).hello(t)
			w.send(tt.send)
			for _, want := range tt.replies {
				w.expect(want)
			}
			if tt.ends {
				w.expectEnd()
			}
			assertOnly(t, r, tt.count)
		})
	}
}

// Row 2: when the time for a body is up, the rest of it is not commands.
func TestSlowBodyIsNotReadAsCommands(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"DATA\r\n", "BDAT 100000 LAST\r\n", "BDAT 100000\r\n"} {
		t.Run(strings.TrimSpace(body), func(t *testing.T) {
			r := &recorder{}
			ts := serveMX(t, r, Limits{ReadTimeout: 700 * time.Millisecond, MinRate: 1 << 20})
			w := ts.hello(t)
			w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
			w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
			w.send(body)
			if body == "DATA\r\n" {
				w.expect("354 ")
			}
			w.send("Subject: x\r\n\r\nslow\r\n")
			w.expect("421 4.4.2 ")
			io.WriteString(w, evil+".\r\n") // may fail: the server is gone
			rest, _ := io.ReadAll(w.r)      // EOF or reset
			if len(rest) > 0 {
				t.Errorf("replies after the timeout: %q", rest)
			}
			assertOnly(t, r, 0)
			if ts.events.count(EventTimeout) != 1 {
				t.Errorf("%d timeouts", ts.events.count(EventTimeout))
			}
		})
	}
}

// A body dribbled byte by byte is cut off although every read succeeds.
func TestSlowLorisBody(t *testing.T) {
	t.Parallel()
	ts := serveMX(t, &recorder{}, Limits{ReadTimeout: 700 * time.Millisecond, MinRate: 1 << 20})
	w := ts.hello(t)
	w.transaction()
	dribble(t, w)
}

// So is a command line.
func TestSlowLorisCommand(t *testing.T) {
	t.Parallel()
	dribble(t, serveMX(t, &recorder{}, Limits{ReadTimeout: 700 * time.Millisecond}).hello(t))
}

// dribble sends a byte every few milliseconds until the server has said 421.
func dribble(t *testing.T, w *wire) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
		}
	}()
	w.expect("421 4.4.2 ")
	w.Close()
	<-over
}

// A large body that keeps moving outlives the read timeout.
func TestSteadyBodyIsNotCutOff(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := serveMX(t, r, Limits{ReadTimeout: 700 * time.Millisecond, MinRate: 1000}).hello(t)
	w.transaction()
	line := []byte(strings.Repeat("x", 98) + "\r\n")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 20 { // one second in all
		<-tick.C
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	w.send(".\r\n")
	w.expect("250 ")
	if got := r.messages(); len(got) != 1 || !bytes.Equal(got[0].Raw, bytes.Repeat(line, 20)) {
		t.Error("the body is not what was sent")
	}
}

// A connection that ends inside a body leaves nothing behind.
func TestBrokenBody(t *testing.T) {
	for _, body := range []string{"DATA\r\n", "BDAT 1000 LAST\r\n", "BDAT 5\r\n"} {
		r := &recorder{}
		ts := serveMX(t, r, Limits{})
		w := ts.hello(t)
		w.ask("MAIL FROM:<a@gammaland.example>", "250 ")
		w.ask("RCPT TO:<desk@alphaland.example>", "250 ")
		w.send(body)
		if body == "DATA\r\n" {
			w.expect("354 ")
		}
		w.send("Subject: x\r\n\r\n")
		if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, w.r)
		assertOnly(t, r, 0)
		if n := ts.events.count(EventTruncated); n != 1 && body != "BDAT 5\r\n" {
			t.Errorf("%s: %d events", body, n)
		}
	}
}
