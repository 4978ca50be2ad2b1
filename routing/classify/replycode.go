package classify

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// replyCode reads a line such as "Reply code: PRESERVED until 2027-01-22", or
// one that begins with the code itself if first is true.
func (c *Classifier) replyCode(l line, first bool) (code string, until time.Time) {
	rest, labelled := cutLabel(bytes.TrimSpace(l.folded), &c.replyLabels)
	if !labelled {
		if !first || len(l.folded) > 100 {
			return "", time.Time{}
		}
	}
	word := rest
	if i := bytes.IndexFunc(rest, func(r rune) bool { return !(r == '_' || r >= 'a' && r <= 'z') }); i >= 0 {
		word = rest[:i]
	}
	code = strings.ToUpper(string(word))
	if !slices.Contains(replyCodes, code) {
		return "", time.Time{}
	}
	if !labelled && !strings.HasPrefix(strings.TrimSpace(l.text), code) {
		return "", time.Time{} // without a label only in capitals
	}
	return code, c.findDate(string(rest[len(word):]))
}

// replyCodes is the closed list; see docs/classification.md.
var replyCodes = []string{
	"ACK_RECEIVED", "ACK_UNVERIFIED", "NEED_INFO", "FORMAL_CONFIRMATION_REQUIRED", "PRESERVED", "EXTENDED",
	"ALREADY_PRESERVED", "NO_DATA", "DATA_EXPIRED", "PRES_WARNING", "THIRD_STATE_PROVIDER", "FORWARDED",
	"POSTPONED", "CONDITIONS", "EXECUTED", "PARTIAL", "REFUSED", "CONFIDENTIALITY_NOT_POSSIBLE", "RELEASED",
	"PONG", "NEED_TRANSLATION",
}

// ReplyCodes returns the codes that a reply may carry.
func ReplyCodes() []string { return slices.Clone(replyCodes) }

func cutLabel(folded []byte, labels *prefixes) ([]byte, bool) {
	if len(folded) == 0 {
		return folded, false
	}
	for _, label := range labels[folded[0]] {
		rest, ok := bytes.CutPrefix(folded, []byte(label))
		if !ok {
			continue
		}
		if rest, ok = bytes.CutPrefix(bytes.TrimSpace(rest), []byte{':'}); ok {
			return bytes.TrimSpace(rest), true
		}
	}
	return folded, false
}

// findDate returns the last date of s: 2027-01-22, 22/01/2027, 22.01.2027 or
// 22 January 2027; zero if there is none. A line of a code is short, so s is
// split into words.
func (c *Classifier) findDate(s string) time.Time {
	if len(s) > 500 {
		s = s[:500]
	}
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '(' || r == ')' || r == '\t' })
	for i := len(fields) - 1; i >= 0; i-- {
		f := strings.TrimRight(fields[i], ".")
		for _, layout := range []string{"2006-01-02", "2/1/2006", "2.1.2006"} {
			if t, err := time.Parse(layout, f); err == nil {
				return t
			}
		}
		if i < 2 {
			continue
		}
		month := c.months[fields[i-1]]
		if month == 0 {
			continue
		}
		day := strings.TrimSuffix(strings.TrimSuffix(fields[i-2], "er"), "th")
		if t, err := time.Parse("2/1/2006", day+"/"+strconv.Itoa(month)+"/"+f); err == nil {
			return t
		}
	}
	return time.Time{}
}
