package imapd

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"time"
)

// Options configures a Server. Store and TLS are required; zero values take
// the defaults named at each field.
type Options struct {
	Store Store
	// TLS is used for STARTTLS and for ServeTLS. Nobody logs in without it.
	// Its NextProtos are set to "imap", so that a TLS client of another
	// protocol that says so is refused (ALPACA).
	TLS *tls.Config
	Log *slog.Logger // default: slog.Default()
	// Observe receives what happens, for counting. Default: nothing.
	Observe Observer
	// Keyword judges a keyword that a client wants to set or remove.
	// Default: ReserveKeywords("$Relais").
	Keyword func(keyword string) KeywordRule

	MaxMessageBytes int64 // largest APPEND; default 35 MiB

	MaxConnections        int // default 1000
	MaxConnectionsPerIP   int // default 200
	MaxUnauthenticated    int // connections before login; default 200
	MaxUnauthenticatedIP  int // the same, of one IP address; default 30
	MaxConnectionsPerUser int // default 60
	MaxLoginAttempts      int // per connection; default 3

	LoginTime    time.Duration // until logged in, TLS handshake included; default 1 min
	WriteTimeout time.Duration // for a client that does not read; default 30 s
	CommandTime  time.Duration // for one change or search; default 1 min

	SearchBytes int64 // message bytes that one SEARCH may read; default 1 GiB
	IndexCache  int64 // bytes of message headers and structures kept; default 32 MiB
}

// KeywordRule says what happens to a keyword that a client names in STORE or
// APPEND.
type KeywordRule int

// The rules.
const (
	KeywordAllowed KeywordRule = iota
	KeywordIgnored             // left out without a word: many clients send back all flags they saw
	KeywordRefused             // the command ends with NO
)

// ReserveKeywords returns a rule that ignores clients' changes to keywords
// with one of the prefixes, in any case, and allows all others.
func ReserveKeywords(prefixes ...string) func(string) KeywordRule {
	return func(keyword string) KeywordRule {
		for _, p := range prefixes {
			if len(keyword) >= len(p) && strings.EqualFold(keyword[:len(p)], p) {
				return KeywordIgnored
			}
		}
		return KeywordAllowed
	}
}

// Observer counts what the server does. Its methods are called from many
// goroutines and must return at once.
type Observer interface {
	// ConnectionOpened is followed by exactly one ConnectionClosed.
	ConnectionOpened()
	ConnectionClosed()
	// ConnectionRefused: reason is "total", "address", "unauthenticated",
	// "tls" or "protocol".
	ConnectionRefused(reason string)
	// Login: result is "ok", "failed", "limit" or "error".
	Login(result string)
	// Command: name is the IMAP command in capitals; result is "ok", "no" or
	// "error".
	Command(name, result string, took time.Duration)
	// Panic is called after a connection was ended by a programming error.
	Panic()
}

type nobody struct{}

func (nobody) ConnectionOpened()                     {}
func (nobody) ConnectionClosed()                     {}
func (nobody) ConnectionRefused(string)              {}
func (nobody) Login(string)                          {}
func (nobody) Command(string, string, time.Duration) {}
func (nobody) Panic()                                {}

// withDefaults fills the zero values.
func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Observe == nil {
		o.Observe = nobody{}
	}
	if o.Keyword == nil {
		o.Keyword = ReserveKeywords("$Relais")
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.NextProtos = []string{"imap"}
	}
	for _, d := range []struct {
		value *int
		def   int
	}{
		{&o.MaxConnections, 1000}, {&o.MaxConnectionsPerIP, 200},
		{&o.MaxUnauthenticated, 200}, {&o.MaxUnauthenticatedIP, 30},
		{&o.MaxConnectionsPerUser, 60}, {&o.MaxLoginAttempts, 3},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&o.LoginTime, time.Minute}, {&o.WriteTimeout, 30 * time.Second}, {&o.CommandTime, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = 35 << 20
	}
	if o.SearchBytes == 0 {
		o.SearchBytes = 1 << 30
	}
	if o.IndexCache == 0 {
		o.IndexCache = 32 << 20
	}
	return o
}
