package imapd

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/routing/mailbox"
)

func TestLoginNeedsTLS(t *testing.T) {
	r := newRig(t)
	w := r.dial(t, false)
	if line := w.line(); !strings.Contains(line, "LOGINDISABLED") || strings.Contains(line, "AUTH=") {
		t.Errorf("greeting in clear: %s", line)
	}
	for _, command := range []string{"LOGIN officer secret", "AUTHENTICATE PLAIN AG9mZmljZXIAc2VjcmV0"} {
		if _, tagged := w.command("%s", command); !strings.HasPrefix(tagged, "NO [PRIVACYREQUIRED]") {
			t.Errorf("%s: %s", command, tagged)
		}
	}
	if r.logins.Load() != 0 {
		t.Error("a password sent in clear was checked")
	}
}

func TestSTARTTLS(t *testing.T) {
	r := newRig(t)
	w := r.dial(t, false)
	w.line()
	w.must("CAPABILITY")
	w.must("STARTTLS")
	secured := tls.Client(w.conn, r.clientTLS())
	w.conn = secured
	w.r.Reset(secured)
	if got := w.must("CAPABILITY"); len(got) != 1 || !strings.Contains(got[0], "AUTH=PLAIN") || strings.Contains(got[0], "STARTTLS") {
		t.Errorf("after the handshake: %q", got)
	}
	w.must("LOGIN officer secret")
	w.must("SELECT INBOX")
}

func TestCommandsSentAlongWithSTARTTLSDoNotCount(t *testing.T) {
	r := newRig(t)
	w := r.dial(t, false)
	w.line()
	w.send("a STARTTLS\r\nb NOOP\r\n")
	if got := w.rest(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("told %q", got)
	}
}

func TestWebClientsAreDropped(t *testing.T) {
	r := newRig(t)
	for _, overTLS := range []bool{false, true} {
		w := r.dial(t, overTLS)
		w.line()
		w.send("POST /mail HTTP/1.1\r\nHost: x\r\n\r\na LOGIN officer secret\r\n")
		if got := w.rest(); got != "" {
			t.Errorf("TLS %v: told %q", overTLS, got)
		}
	}
	raw, err := net.Dial("tcp", r.tls)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	config := r.clientTLS()
	config.NextProtos = []string{"h2", "http/1.1"}
	if err := tls.Client(raw, config).Handshake(); err == nil {
		t.Error("a web client's handshake succeeded")
	}
	if r.logins.Load() != 0 {
		t.Error("a login was tried")
	}
}

func TestLoginAttemptsAreLimited(t *testing.T) {
	r := newRig(t)
	w := r.dial(t, true)
	w.line()
	w.send("a LOGIN officer one\r\nb AUTHENTICATE PLAIN AG9mZmljZXIAd3Jvbmc=\r\nc LOGIN officer three\r\nd LOGIN officer secret\r\n")
	got := w.rest()
	if strings.Count(got, "NO [AUTHENTICATIONFAILED]") < 3 || !strings.Contains(got, "* BYE too many failed logins") || strings.Contains(got, " OK ") {
		t.Errorf("told %q", got)
	}
	if n := r.logins.Load(); n != 3 {
		t.Errorf("%d passwords were checked", n)
	}
}

func TestLoginAnswers(t *testing.T) {
	r := newRig(t)
	for user, want := range map[string]string{
		"locked": "NO [LIMIT] too many failed logins, wait a minute",
		"down":   "NO [UNAVAILABLE] not possible right now, try again later",
	} {
		w := r.dial(t, true)
		w.line()
		if _, tagged := w.command("LOGIN %s secret", user); tagged != want {
			t.Errorf("%s: %s", user, tagged)
		}
	}
}

func TestTimeBeforeLoginIsLimited(t *testing.T) {
	r := newRig(t, func(o *Options) { o.LoginTime = 200 * time.Millisecond })
	for _, overTLS := range []bool{false, true} {
		w := r.dial(t, overTLS)
		w.line()
		if got := w.rest(); overTLS && !strings.HasPrefix(got, "* BYE waited too long") {
			t.Errorf("told %q", got)
		}
	}
	raw, err := net.Dial("tcp", r.tls) // never begins the handshake
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := raw.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the silent connection was not closed: %v", err)
	}
}

func TestDataBeforeLoginIsLimited(t *testing.T) {
	r := newRig(t)
	w := r.dial(t, true)
	w.line()
	go func() {
		for range 5000 { // stops with an error when the server closes
			if _, err := fmt.Fprintf(w.conn, "a NOOP %s\r\n", strings.Repeat(" ", 100)); err != nil {
				return
			}
		}
	}()
	for {
		if _, err := w.r.ReadString('\n'); err != nil {
			break
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.MaxUnauthenticatedIP = 2
		o.MaxConnectionsPerUser = 2
	})
	r.loggedIn(t)
	r.loggedIn(t)
	third := r.dial(t, true)
	third.line()
	if _, tagged := third.command("LOGIN officer secret"); !strings.HasPrefix(tagged, "NO [LIMIT]") {
		t.Errorf("third connection of one user: %s", tagged)
	}
	fourth := r.dial(t, false)
	fourth.line()
	fifth := r.dial(t, false)
	if line := fifth.line(); !strings.HasPrefix(line, "* BYE too many connections") {
		t.Errorf("third connection before login: %s", line)
	}
	if n := r.observed.get("refused address"); n != 1 {
		t.Errorf("%d refusals counted", n)
	}
}

func TestRefusedLiteralsEndTheConnection(t *testing.T) {
	content := "x CREATE evil\r\ny LOGOUT\r\n"
	for name, test := range map[string]struct{ send, want string }{
		"APPEND too big":              {"a APPEND Drafts {1001}\r\n", "a NO [TOOBIG]"},
		"APPEND too big, not waiting": {"a APPEND Drafts {1001+}\r\n" + content, "a NO [TOOBIG]"},
		"non-synchronising over 4096": {"a APPEND Drafts {900+}\r\n" + strings.Repeat("x", 900) + "\r\nb APPEND Drafts {5000+}\r\n" + content, "b "},
		"syntax error before literal": {"a FETCH {25+}\r\n" + content, "a BAD"},
		"unknown command":             {"a BOGUS {25+}\r\n" + content, "a BAD"},
	} {
		r := newRig(t, func(o *Options) { o.MaxMessageBytes = 1000 })
		w := r.loggedIn(t)
		w.send("%s", test.send)
		got := w.rest()
		if !strings.Contains(got, test.want) || !strings.Contains(got, "* BYE a literal was refused") {
			t.Errorf("%s: told %q", name, got)
		}
		if n := r.observed.get("CREATE no"); n != 0 {
			t.Errorf("%s: content ran as a command", name)
		}
	}
}

func TestLiteralsPass(t *testing.T) {
	r := newRig(t)
	w := r.dial(t, true)
	w.line()
	w.send("a LOGIN {7+}\r\nofficer {6}\r\n")
	if line := w.line(); !strings.HasPrefix(line, "+ ") {
		t.Fatal(line)
	}
	w.send("secret\r\n")
	if _, tagged := w.until("a"); !strings.HasPrefix(tagged, "OK") {
		t.Fatal(tagged)
	}
	w.send("b APPEND Drafts (\\Draft) {%d+}\r\n%s\r\nc APPEND nowhere {6+}\r\nx{9}\r\n\r\nd NOOP\r\n", len(simple), simple)
	if _, tagged := w.until("b"); !strings.HasPrefix(tagged, "OK [APPENDUID 1005 1]") {
		t.Error(tagged)
	}
	if _, tagged := w.until("c"); !strings.HasPrefix(tagged, "NO [NONEXISTENT]") {
		t.Error(tagged)
	}
	w.until("d")
}

func TestShutdownSaysBye(t *testing.T) {
	config, pool, _ := testTLS(t)
	store := newFakeStore()
	server := New(Options{Store: store, TLS: config, Log: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	r := &rig{fakeStore: store, server: server, pool: pool, tls: listen(t, served, server.ServeTLS)}
	waiting, idling := r.loggedIn(t), r.loggedIn(t)
	idling.must("SELECT INBOX")
	idling.send("i IDLE\r\n")
	idling.line()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	for name, w := range map[string]*wire{"waiting": waiting, "idling": idling} {
		if got := w.rest(); !strings.Contains(got, "* BYE server is shutting down") {
			t.Errorf("the %s client was told %q", name, got)
		}
	}
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

// panicking is an account whose bodies cannot be read without a crash.
type panicking struct{ *fakeAccount }

func (panicking) Body(context.Context, string) ([]byte, error) { panic("content of a secret mail") }

type panickingStore struct{ *fakeStore }

func (s panickingStore) Authenticate(context.Context, string, string, string) (Account, error) {
	return panicking{&fakeAccount{s.fakeStore, "officer"}}, nil
}

// syncBuffer collects the log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestPanicEndsOneConnectionOnly(t *testing.T) {
	config, pool, _ := testTLS(t)
	store := newFakeStore()
	var log syncBuffer
	observed := &fakeObserver{panicked: make(chan struct{}, 1)}
	server := New(Options{Store: panickingStore{store}, TLS: config, Observe: observed, Log: slog.New(slog.NewTextHandler(&log, nil))})
	served := make(chan error, 1)
	r := &rig{fakeStore: store, server: server, pool: pool, tls: listen(t, served, server.ServeTLS)}
	store.deliver("INBOX", simple)
	other := r.loggedIn(t)
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	w.send("a FETCH 1 BODY[]\r\n")
	w.rest()
	other.must("NOOP")
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-served
	receive(t, observed.panicked) // recovered after the connection is gone
	if !strings.Contains(log.String(), "programming error") {
		t.Errorf("the panic was not recorded: %s", log.String())
	}
	if strings.Contains(log.String(), "secret mail") {
		t.Error("content is in the log")
	}
}

func TestBrokenFolderEndsItsSessions(t *testing.T) {
	r := newRig(t)
	r.deliver("INBOX", simple)
	w := r.loggedIn(t)
	w.must("SELECT INBOX")
	r.boxes["INBOX"].Expunge(1)
	r.boxes["INBOX"].Add(mailbox.Entry{UID: 1, Item: "again"}) // a UID that comes back
	if got := w.rest(); !strings.Contains(got, "* BYE the folder must be opened again") {
		t.Errorf("told %q", got)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	r := newRig(t)
	r.deliver("Quarantine", simple)
	w := r.loggedIn(t)
	w.must("SELECT Quarantine")
	r.fail = fmt.Errorf("moving: %w", &Refused{"NOPERM", "only a supervisor\r\nreleases from quarantine"})
	if _, tagged := w.command("MOVE 1 INBOX"); tagged != "NO [NOPERM] only a supervisor??releases from quarantine" {
		t.Error(tagged)
	}
	r.fail = fmt.Errorf("redis at 192.0.2.1 is away")
	if _, tagged := w.command("STORE 1 +FLAGS (\\Seen)"); tagged != "NO [UNAVAILABLE] not possible right now, try again later" {
		t.Error(tagged)
	}
	if !slices.Equal(r.view("Quarantine"), []uint32{1}) {
		t.Error("the refused message is gone")
	}
}
