package classify

import "strings"

// automatic reports whether the headers say that a machine sent the message,
// and which one: RFC 3834 section 5, RFC 3462, and what programs did before.
func automatic(headers map[string][]string) (why string, certain bool) {
	for _, v := range headers["auto-submitted"] {
		if word := firstWord(v); word != "" && word != "no" {
			return "Auto-Submitted: " + word, true
		}
	}
	for _, v := range headers["content-type"] {
		if firstWord(v) == "multipart/report" {
			return "Content-Type: multipart/report", true
		}
	}
	for _, v := range headers["precedence"] {
		switch word := firstWord(v); word {
		case "auto_reply", "bulk", "junk":
			return "Precedence: " + word, true
		}
	}
	for _, v := range headers["return-path"] {
		if strings.TrimSpace(v) == "<>" {
			return "empty Return-Path", true
		}
	}
	for _, name := range []string{"x-autoreply", "x-autorespond"} {
		if len(headers[name]) > 0 {
			return name, true
		}
	}
	for _, v := range headers["from"] {
		if from := strings.ToLower(v); strings.Contains(from, "mailer-daemon@") || strings.Contains(from, "<postmaster@") || strings.HasPrefix(from, "postmaster@") {
			return "sent by a mail server", true
		}
	}
	// Some offices set this on everything they write, so it only counts with words.
	if len(headers["x-auto-response-suppress"]) > 0 {
		return "X-Auto-Response-Suppress", false
	}
	return "", false
}

func firstWord(v string) string {
	v = strings.ToLower(strings.TrimSpace(v))
	if i := strings.IndexAny(v, "; \t("); i >= 0 {
		v = v[:i]
	}
	return v
}
