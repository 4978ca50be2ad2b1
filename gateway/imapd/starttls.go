package imapd

import (
	"bufio"
	"fmt"
	"strings"
)

// Bounds of the talk before STARTTLS.
const (
	maxClearLines = 20
	maxClearLine  = 1024 // bytes, line ending included
)

// clearCaps is all that is offered without TLS.
const clearCaps = "IMAP4rev2 IMAP4rev1 SASL-IR LITERAL- STARTTLS LOGINDISABLED"

// startTLS holds the conversation in clear up to STARTTLS and reports whether
// the handshake may begin. Nothing said here survives it: the protocol
// library, and with it every command that means something, is reached over
// TLS only.
func startTLS(c *conn) bool {
	say := func(format string, args ...any) bool {
		_, err := fmt.Fprintf(c.raw, format+"\r\n", args...)
		return err == nil
	}
	if !say("* OK [CAPABILITY %s] IMAP server ready", clearCaps) {
		return false
	}
	br := bufio.NewReaderSize(c.raw, maxClearLine)
	for range maxClearLines {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return false
		}
		if looksLikeHTTP(line) {
			c.server.o.Observe.ConnectionRefused("protocol")
			return false
		}
		words := strings.Fields(string(line))
		if len(words) < 2 || !plainTag(words[0]) {
			say("* BAD not an IMAP command")
			return false
		}
		tag := words[0]
		switch strings.ToUpper(words[1]) {
		case "STARTTLS":
			// Commands sent along in clear must not count after the handshake.
			if br.Buffered() > 0 {
				say("* BYE commands after STARTTLS must wait for TLS")
				c.server.o.Observe.ConnectionRefused("protocol")
				return false
			}
			return say("%s OK begin TLS negotiation now", tag)
		case "CAPABILITY":
			say("* CAPABILITY %s", clearCaps)
			say("%s OK CAPABILITY completed", tag)
		case "NOOP":
			say("%s OK NOOP completed", tag)
		case "LOGOUT":
			say("* BYE logging out")
			say("%s OK LOGOUT completed", tag)
			return false
		case "LOGIN", "AUTHENTICATE":
			say("%s NO [PRIVACYREQUIRED] TLS is required to log in", tag)
		default:
			say("%s BAD unknown command or not available without TLS", tag)
			return false
		}
	}
	say("* BYE too many commands without TLS")
	return false
}

// plainTag reports whether tag may be repeated in an answer.
func plainTag(tag string) bool {
	for i := 0; i < len(tag); i++ {
		if tag[i] <= ' ' || tag[i] >= 0x7f || strings.IndexByte(`(){%*"\+`, tag[i]) >= 0 {
			return false
		}
	}
	return len(tag) > 0 && len(tag) <= 64
}
