package smtpd

import (
	"bytes"
	"strings"
	"testing"
)

// decodeAll runs a decoder over src in pieces of at most step bytes.
func decodeAll(src []byte, step int, chunked bool) (out []byte, rest []byte, done bool, d bodyDecoder) {
	d.chunked = chunked
	emit := func(p []byte) { out = append(out, p...) }
	for len(src) > 0 && !done {
		piece := src[:min(step, len(src))]
		var n int
		n, done = d.decode(piece, emit)
		src = src[n:]
	}
	if chunked {
		d.finish(emit)
	}
	return out, src, done, d
}

func TestBodyDecoder(t *testing.T) {
	tests := []struct {
		in, out, rest string
		done, bad     bool
	}{
		{".\r\n", "", "", true, false},
		{".\r\nQUIT\r\n", "", "QUIT\r\n", true, false},
		{"a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n", true, false},
		{"a\r\n..\r\n.b\r\n.\r\n", "a\r\n.\r\nb\r\n", "", true, false},
		{"a.\r\n.\r\n", "a.\r\n", "", true, false},
		{"a\r\n", "a\r\n", "", false, false},
		{"a\n.\r\n.\r\n", "a\n.\r\n", "", true, true},
		{"a\r\n.\n.\r\n", "a\r\n\n.\r\n", "", false, true},
		{"a\r\r\n.\r\n", "a\r\r\n", "", true, true},
		{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", "", true, true},
		{"a\r\n.\rX\r\n.\r\n", "a\r\n\rX\r\n", "", true, true},
		{"a\x00b\r\n.\r\n", "a\x00b\r\n", "", true, true},
	}
	for _, tt := range tests {
		for step := 1; step <= len(tt.in); step++ {
			out, rest, done, d := decodeAll([]byte(tt.in), step, false)
			if string(out) != tt.out || string(rest) != tt.rest || done != tt.done || d.bad != tt.bad {
				t.Errorf("%q in steps of %d: got %q, %q, done %v, bad %v", tt.in, step, out, rest, done, d.bad)
			}
		}
	}
}

// However the bytes are cut, the result is the same; clean content goes in and
// comes out unchanged; nothing but CRLF.CRLF ends a body; every bare CR, LF
// and NUL is noticed.
func FuzzBodyDecoder(f *testing.F) {
	f.Add([]byte("a\r\n..b\r\n.\r\nQUIT\r\n"), 3)
	f.Add([]byte("\r\r\n.\r\r\n\n.\n\x00"), 1)
	f.Fuzz(func(t *testing.T, src []byte, step int) {
		if step < 1 || len(src) == 0 {
			return
		}
		out, rest, done, whole := decodeAll(src, len(src), false)
		out2, rest2, done2, cut := decodeAll(src, step, false)
		if !bytes.Equal(out, out2) || !bytes.Equal(rest, rest2) || done != done2 || whole.bad != cut.bad || whole.longest != cut.longest {
			t.Fatalf("cutting %q by %d changes the result", src, step)
		}
		used := src[:len(src)-len(rest)]
		end := bytes.Index(append([]byte("\r\n"), src...), []byte("\r\n.\r\n"))
		if done != (end >= 0) || done && len(used) != end+3 {
			t.Fatalf("%q ended at %d (%v), want %d", src, len(used), done, end+3)
		}
		if done && whole.bad == cleanBytes(used) {
			t.Fatalf("%q: bad is %v", used, whole.bad)
		}
		raw, _, _, chunked := decodeAll(src, step, true)
		if !bytes.Equal(raw, src) || chunked.bad == cleanBytes(src) {
			t.Fatalf("chunk %q came out as %q, bad %v", src, raw, chunked.bad)
		}
		if !chunked.bad {
			stuffed := strings.ReplaceAll("\r\n"+string(src)+"\r\n", "\r\n.", "\r\n..")[2:] + ".\r\n"
			back, _, ok, _ := decodeAll([]byte(stuffed), step, false)
			if !ok || string(back) != string(src)+"\r\n" {
				t.Fatalf("%q stuffed and back is %q", src, back)
			}
		}
	})
}

func cleanBytes(b []byte) bool { return cleanLines(string(b)) }

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"EHLO x\r\n", "MAIL FROM:<a@b>\r\n", "BDAT 10 LAST\r\n", "BDAT 1  last \r\n", "STARTTLS\r\n", "ſTARTTLS\r\n", "GET / HTTP/1.1\n", "rcpt to: <postmaster> X=1\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		c := parseCommand(line)
		if c.refusal != fine {
			return
		}
		passed := c.withPostmaster("mx.alphaland.example").line()
		if strings.Count(passed, "\n") != 1 || strings.Count(passed, "\r") != 1 || !strings.HasSuffix(passed, "\r\n") || strings.Contains(passed, "\x00") {
			t.Fatalf("%q is passed on as %q", line, passed)
		}
		again := parseCommand([]byte(passed))
		if again.refusal != fine || again.verb != c.verb || again.chunk != c.chunk || again.line() != passed {
			t.Fatalf("%q reads back as %+v", passed, again)
		}
	})
}
