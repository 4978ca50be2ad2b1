package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"relais.example/routing/mailbox"
)

// Bounds of what one command may set.
const (
	maxKeyword     = 64 // bytes
	maxFlags       = 64 // in one command
	maxShownFlags  = 200
	recentFlag     = `\Recent`
	invalidInFlags = `(){%*"\]`
)

// systemFlags are the flags that a client may set (RFC 9051, section 2.3.2).
var systemFlags = []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft}

// settable returns the flags of a STORE or APPEND that may be changed, without
// those that the gateway keeps to itself.
func (s *session) settable(flags []imap.Flag) ([]string, error) {
	if len(flags) > maxFlags {
		return nil, &Refused{imap.ResponseCodeLimit, "too many flags in one command"}
	}
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		if strings.EqualFold(string(f), recentFlag) {
			continue // only servers set it
		}
		if strings.HasPrefix(string(f), `\`) {
			if !slices.Contains(systemFlags, f) {
				return nil, &Refused{imap.ResponseCodeCannot, "there is no such system flag"}
			}
			out = append(out, string(f))
			continue
		}
		if len(f) > maxKeyword || !validFlag(string(f)) {
			return nil, &Refused{imap.ResponseCodeCannot, "a keyword has at most 64 ASCII characters"}
		}
		switch s.server.o.Keyword(string(f)) {
		case KeywordRefused:
			return nil, &Refused{imap.ResponseCodeNoPerm, "this keyword is set by the gateway only"}
		case KeywordAllowed:
			out = append(out, string(f))
		}
	}
	return out, nil
}

// reserved reports whether clients cannot remove flag.
func (s *session) reserved(flag string) bool {
	return !strings.HasPrefix(flag, `\`) && s.server.o.Keyword(flag) != KeywordAllowed
}

// wireFlags leaves out what the protocol cannot express: one such flag would
// make the message unreadable.
func wireFlags(flags []string) []imap.Flag {
	out := make([]imap.Flag, 0, len(flags))
	for _, f := range flags {
		if validFlag(f) {
			out = append(out, imap.Flag(f))
		}
	}
	return out
}

func validFlag(f string) bool {
	f = strings.TrimPrefix(f, `\`)
	for i := 0; i < len(f); i++ {
		if f[i] <= ' ' || f[i] >= 0x7f || strings.IndexByte(invalidInFlags, f[i]) >= 0 {
			return false
		}
	}
	return f != ""
}

// knownFlags are the system flags and the keywords in use in a folder.
func knownFlags(entries []mailbox.Entry) []imap.Flag {
	flags := slices.Clone(systemFlags)
	seen := map[string]bool{}
	for _, f := range flags {
		seen[string(f)] = true
	}
	for _, e := range entries {
		for _, f := range e.Flags {
			if !seen[f] && validFlag(f) && len(flags) < maxShownFlags {
				seen[f] = true
				flags = append(flags, imap.Flag(f))
			}
		}
	}
	return flags
}

func hasFlag(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}
