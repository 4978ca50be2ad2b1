package imapd

import (
	"runtime"
	"strings"
)

// libraryLog takes the library's log lines. Their arguments may quote what a
// client sent, so only what cannot carry content is kept.
type libraryLog struct{ s *Server }

// Printf implements imapserver.Logger.
func (l libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "panic") && len(args) == 2 {
		l.s.o.Log.Error("imap connection ended by a programming error",
			"panic", panicText(args[0]), "stack", string(asBytes(args[1])))
		l.s.o.Observe.Panic()
		return
	}
	what, _, _ := strings.Cut(format, "%")
	l.s.o.Log.Debug("imap connection", "event", strings.TrimRight(what, ": ("))
}

// panicText describes a recovered value without what a client may have sent.
func panicText(v any) string {
	switch v := v.(type) {
	case runtime.Error:
		return v.Error()
	case string:
		if strings.HasPrefix(v, "imap") { // a constant of the library
			return v
		}
	}
	return "an error value"
}

func asBytes(v any) []byte {
	b, _ := v.([]byte)
	return b
}
