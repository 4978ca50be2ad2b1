package smtpd

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// command is one checked command line. What reaches go-smtp is written anew
// from it, so that both read it alike.
type command struct {
	verb    string // upper case, one of verbs; empty when refused
	arg     string
	chunk   int64 // BDAT: bytes that follow
	refusal refusal
}

// refusal says why a line is not passed on.
type refusal int

const (
	fine         refusal = iota
	lineEnd              // not CRLF: 500 and the connection ends
	malformed            // control characters, broken UTF-8, unknown verb: 500
	badArgument          // 501
	badChunk             // BDAT whose length is unknown: 501 and the connection ends
	foreignProto         // HTTP or TLS: the connection ends without a word
)

// verbs are the only words that reach go-smtp. An allowed list, because it
// takes some other spellings for a command ("STARTTLSx", U+017F for S).
var verbs = map[string]bool{
	"HELO": true, "EHLO": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true,
	"RSET": true, "NOOP": true, "QUIT": true, "VRFY": true, "EXPN": true, "HELP": true,
	"AUTH": true, "STARTTLS": true,
}

// webWords start the lines of a browser that was sent here (ALPACA).
var webWords = map[string]bool{
	"GET": true, "POST": true, "PUT": true, "HEAD": true, "DELETE": true, "OPTIONS": true,
	"CONNECT": true, "TRACE": true, "PATCH": true, "PRI": true,
	"HOST:": true, "USER-AGENT:": true, "ACCEPT:": true, "CONTENT-TYPE:": true,
	"CONTENT-LENGTH:": true, "ORIGIN:": true, "REFERER:": true, "COOKIE:": true,
}

// parseCommand reads one line with its line end.
func parseCommand(line []byte) command {
	if len(line) > 0 && line[0] == 0x16 { // a TLS record
		return command{refusal: foreignProto}
	}
	text, ok := bytes.CutSuffix(line, crlf)
	word, arg, _ := strings.Cut(string(text), " ")
	verb := upperASCII(strings.TrimRight(word, "\r\n"))
	switch {
	case webWords[verb]:
		return command{refusal: foreignProto}
	case !ok:
		return command{refusal: lineEnd}
	case !isText(text) || !verbs[verb]:
		return command{refusal: malformed}
	}
	c := command{verb: verb, arg: strings.Trim(arg, " ")}
	switch {
	case verb == "STARTTLS" && c.arg != "":
		c.refusal = badArgument
	case (verb == "EHLO" || verb == "HELO") && !isASCII(c.arg):
		// go-smtp repeats the name in its reply, which must be ASCII (RFC 6531
		// 3.7.1: the name is written in ASCII even with SMTPUTF8).
		c.refusal = badArgument
	case verb == "BDAT":
		c.chunk, c.arg, ok = parseChunk(c.arg)
		if !ok {
			c.refusal = badChunk
		}
	}
	return c
}

// line is what go-smtp is given.
func (c command) line() string {
	if c.arg == "" {
		return c.verb + "\r\n"
	}
	return c.verb + " " + c.arg + "\r\n"
}

// withPostmaster gives RCPT TO:<postmaster> a domain: RFC 5321 4.1.1.3 wants
// it accepted without one, go-smtp refuses it.
func (c command) withPostmaster(hostname string) command {
	if c.verb != "RCPT" || len(c.arg) < 3 || !strings.EqualFold(c.arg[:3], "TO:") {
		return c
	}
	const bare = "<postmaster>"
	path := strings.TrimLeft(c.arg[3:], " ")
	if len(path) >= len(bare) && strings.EqualFold(path[:len(bare)], bare) {
		c.arg = "TO:<postmaster@" + hostname + ">" + path[len(bare):]
	}
	return c
}

// parseChunk reads "size" or "size LAST" (RFC 3030 2).
func parseChunk(arg string) (size int64, canonical string, ok bool) {
	digits, last, more := strings.Cut(arg, " ")
	last = strings.Trim(last, " ")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || more && !strings.EqualFold(last, "LAST") {
		return 0, "", false
	}
	size, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0, "", false
	}
	canonical = strconv.FormatInt(size, 10)
	if more {
		canonical += " LAST"
	}
	return size, canonical, true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// isText refuses control characters and broken UTF-8.
func isText(line []byte) bool {
	for _, c := range line {
		if c < ' ' || c == 0x7f {
			return false
		}
		if c >= utf8.RuneSelf {
			return isUnicodeText(line)
		}
	}
	return true
}

func isUnicodeText(line []byte) bool {
	return utf8.Valid(line) && bytes.IndexFunc(line, unicode.IsControl) < 0
}

// upperASCII leaves letters of other scripts alone, unlike strings.ToUpper.
func upperASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
