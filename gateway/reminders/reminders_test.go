package reminders_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/notice"
	"relais.example/gateway/reminders"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/test/desk"
)

const day = 24 * time.Hour

// clock is the time that the test has.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func options(d *desk.Desk, c *clock, change ...func(*reminders.Options)) reminders.Options {
	o := reminders.Options{
		Hostname: desk.Hostname, Directory: d.Current, Policy: pgp.DefaultPolicy(), Queue: d.Queue, Vault: d.Vault,
		Notices: &notice.Writer{Hostname: desk.Hostname, Vault: d.Vault}, Now: c.now, Log: d.Log,
		Desks: []reminders.Desk{
			{ID: "XA-1", Key: func() *pgp.Key { return d.Keys["XA-1"] }, Staff: true, ContactPoints: true},
			{ID: "XC-1", Key: func() *pgp.Key { return d.Keys["XC-1"] }, Staff: true, ContactPoints: true},
		},
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// look makes several gateways that have just been started look at the same
// moment.
func look(t *testing.T, o ...reminders.Options) {
	t.Helper()
	var wg sync.WaitGroup
	for _, one := range o {
		wg.Go(func() {
			if err := reminders.New(one).Look(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// notices returns what the staff of a desk were told, oldest first.
func notices(t *testing.T, q *queue.Queue, body func(string) string, id string) []string {
	t.Helper()
	d, ok := q.Desk(id)
	if !ok {
		t.Fatalf("no desk %s", id)
	}
	box, _ := d.Mailbox(mailbox.Inbox)
	entries, _ := box.Snapshot()
	var list []string
	for _, e := range entries {
		list = append(list, body(e.Item))
	}
	return list
}

// outbox returns what a desk has to send.
func outbox(t *testing.T, q *queue.Queue, id string) []queue.Out {
	t.Helper()
	d, _ := q.Desk(id)
	list, err := d.Lease(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The certificate of XD-1 ends; XD-1 is remote.
func TestBothSidesAreRemindedOnceForEachThreshold(t *testing.T) {
	d := desk.Open(t)
	end, _ := d.Keys["XD-1"].Certificate().SigningEnds()
	c := &clock{}
	for _, step := range []struct {
		left time.Duration
		want int // reminders so far
	}{
		{61 * day, 0}, {60 * day, 1}, {60*day - time.Hour, 1}, {45 * day, 1}, {30 * day, 2}, {15 * day, 2}, {14 * day, 3},
		{3*day + time.Hour, 3}, {3 * day, 4}, {time.Hour, 4}, {-time.Hour, 4},
	} {
		c.at = end.Add(-step.left)
		look(t, options(d, c), options(d, c), options(d, c)) // three gateways
		look(t, options(d, c))                               // and a restart
		told, sent := notices(t, d.Queue, d.Body, "XA-1"), outbox(t, d.Queue, "XA-1")
		if len(told) != step.want || len(sent) != step.want {
			t.Fatalf("%v before the end: %d notices, %d mails; want %d", step.left, len(told), len(sent), step.want)
		}
	}
	if other := len(notices(t, d.Queue, d.Body, "XC-1")) + len(outbox(t, d.Queue, "XC-1")); other != 0 {
		t.Errorf("the second desk of the gateway told %d more", other)
	}

	fingerprint := directory.Spaced(d.Keys["XD-1"].Certificate().Fingerprint())
	text := notices(t, d.Queue, d.Body, "XA-1")[0]
	for _, want := range []string{"The certificate of XD-1 ends on", "in 60 days", fingerprint, "A signed and encrypted reminder was sent to it."} {
		if !strings.Contains(text, want) {
			t.Errorf("the notice lacks %q\n%s", want, text)
		}
	}
	for _, out := range outbox(t, d.Queue, "XA-1") {
		if out.To != "XD-1" || out.Purpose != queue.PurposeReminder || out.Item == "" || out.Request != "" {
			t.Errorf("outgoing %+v", out)
		}
	}
	m := d.Open([]byte(d.Body(outbox(t, d.Queue, "XA-1")[0].Item)), "XD-1")
	if !m.Encrypted || m.Signature.State != pgp.SignatureGood || m.Signature.Signer.Fingerprint() != d.Keys["XA-1"].Certificate().Fingerprint() {
		t.Errorf("mail: encrypted %v, signature %s", m.Encrypted, m.Signature.State)
	}
	if to := m.Protected.Get("To"); !strings.Contains(to, desk.Delta) || m.Protected.Get("Auto-Submitted") != "auto-generated" ||
		!strings.HasPrefix(m.Protected.Get("Subject"), "Your OpenPGP certificate ends on ") || m.Outer.Get("Subject") != "..." {
		t.Errorf("headers %v", m.Protected)
	}
	body := strings.ReplaceAll(string(m.Entity), "=\r\n", "")
	if !strings.Contains(body, fingerprint) || !strings.Contains(body, "Please do not send the certificate to us") {
		t.Errorf("the mail says\n%s", body)
	}
}

// A gateway that was off tells the nearest threshold, not those it missed.
func TestAfterDowntimeTheNearestThresholdIsTold(t *testing.T) {
	d := desk.Open(t)
	end, _ := d.Keys["XD-1"].Certificate().SigningEnds()
	look(t, options(d, &clock{end.Add(-2 * day)}))
	told, sent := notices(t, d.Queue, d.Body, "XA-1"), outbox(t, d.Queue, "XA-1")
	if len(told) != 1 || len(sent) != 1 || !strings.Contains(told[0], "in 2 days") {
		t.Errorf("%d mails, notices %q", len(sent), told)
	}
}

func TestTheDesksOwnKeyRemindsItsStaffAlone(t *testing.T) {
	d := desk.Open(t)
	ending, err := pgp.GenerateKey("Ending", desk.Gamma, pgp.Curve25519, time.Now().Add(-day), 21*day)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, d, "XC-1", ending)
	look(t, options(d, &clock{time.Now()}))
	if told := notices(t, d.Queue, d.Body, "XC-1"); len(told) != 1 || !strings.Contains(told[0], "The key of this desk ends on") {
		t.Errorf("XC-1 was told %q", told)
	}
	if n := len(notices(t, d.Queue, d.Body, "XA-1")) + len(outbox(t, d.Queue, "XA-1")) + len(outbox(t, d.Queue, "XC-1")); n != 0 {
		t.Errorf("%d others were told", n)
	}
}

func TestSettingsOfTheDesks(t *testing.T) {
	end := func(d *desk.Desk) time.Time { e, _ := d.Keys["XD-1"].Certificate().SigningEnds(); return e }
	for _, tt := range []struct {
		name             string
		set              func(*reminders.Options)
		told, sent       string // by which desk
		theStaffMustCall bool
	}{
		{"no mail from the first", func(o *reminders.Options) { o.Desks[0].ContactPoints = false }, "XA-1", "XC-1", false},
		{"no mail at all", func(o *reminders.Options) { o.Desks[0].ContactPoints, o.Desks[1].ContactPoints = false, false }, "XA-1", "", true},
		{"no notice to the first", func(o *reminders.Options) { o.Desks[0].Staff = false }, "XC-1", "XA-1", false},
		{"nothing", func(o *reminders.Options) { o.Desks = []reminders.Desk{{ID: "XA-1"}, {ID: "XC-1"}} }, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := desk.Open(t)
			look(t, options(d, &clock{end(d).Add(-10 * day)}, tt.set))
			var told, sent []string
			for _, id := range []string{"XA-1", "XC-1"} {
				for _, text := range notices(t, d.Queue, d.Body, id) {
					told = append(told, id)
					if strings.Contains(text, "call it on a telephone number") != tt.theStaffMustCall {
						t.Errorf("notice:\n%s", text)
					}
				}
				for range outbox(t, d.Queue, id) {
					sent = append(sent, id)
				}
			}
			if strings.Join(told, " ") != tt.told || strings.Join(sent, " ") != tt.sent {
				t.Errorf("told %v, sent %v; want %q and %q", told, sent, tt.told, tt.sent)
			}
		})
	}
}

// What was told stays told when the gateway starts with an empty queue and
// fills it from the journal.
func TestARestartTellsNothingTwice(t *testing.T) {
	d := desk.Open(t)
	end, _ := d.Keys["XD-1"].Certificate().SigningEnds()
	c := &clock{end.Add(-20 * day)}
	journal := t.TempDir()
	for range 2 {
		client, stop := queue.Embedded()
		q, err := queue.Open(queue.Options{Client: client, Embedded: true, JournalDir: journal, Desks: []string{"XA-1", "XC-1"}, Timeout: 5 * time.Second, Log: d.Log})
		if err != nil {
			t.Fatal(err)
		}
		d.Wait("the queue", func() bool { return q.Ready() == nil })
		look(t, options(d, c, func(o *reminders.Options) { o.Queue = q }))
		if told, sent := notices(t, q, d.Body, "XA-1"), outbox(t, q, "XA-1"); len(told) != 1 || len(sent) != 1 {
			t.Errorf("%d notices, %d mails", len(told), len(sent))
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		stop()
	}
}

// replace gives a contact point another key in the Directory.
func replace(t *testing.T, d *desk.Desk, id string, k *pgp.Key) {
	t.Helper()
	doc := *d.Directory.Document()
	for i := range doc.Parties {
		for j := range doc.Parties[i].ContactPoints {
			if cp := &doc.Parties[i].ContactPoints[j]; cp.ID == id {
				cp.CertificatesArmored = []string{string(k.Certificate().Armor())}
			}
		}
	}
	text, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := directory.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if d.Directory, err = directory.New(parsed); err != nil {
		t.Fatal(err)
	}
}

func TestPendingChangesAreAnnouncedOnce(t *testing.T) {
	d := desk.Open(t)
	store, err := pending.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	with := func(o *reminders.Options) { o.Pending = store }
	propose := func(fingerprint, at string) pending.Change {
		c, _, err := store.Propose(pending.Proposal{Kind: pending.Certificate, ContactPoint: "XB-1", Path: "certificates", New: "x", Fingerprint: fingerprint,
			News: []string{"a certificate that is not listed (Ed25519)"}, Carrier: pending.AutocryptOuter, Signer: "s", Desk: at, Seen: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := &clock{time.Now()}
	first := propose("AAAABBBB", "XC-1")
	look(t, options(d, c, with), options(d, c, with))
	look(t, options(d, c, with))
	told := notices(t, d.Queue, d.Body, "XC-1")
	if len(told) != 1 || len(notices(t, d.Queue, d.Body, "XA-1")) != 0 {
		t.Fatalf("XC-1 was told %d times", len(told))
	}
	for _, want := range []string{"AAAA BBBB", "relais directory pending confirm " + first.ID, desk.Hostname, "that no signature covers", "Two different people", "a certificate that is not listed (Ed25519)"} {
		if !strings.Contains(told[0], want) {
			t.Errorf("the notice lacks %q\n%s", want, told[0])
		}
	}
	gone := propose("CC", "XA-1")
	if _, err := store.Reject(gone.ID, "amy", "no", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	propose("DD", "XZ-9") // a desk that is no longer served: the first one is told
	r := reminders.New(options(d, c, with))
	for range 2 {
		if err := r.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r.Pending() != 2 {
		t.Errorf("%d wait for people, want 2", r.Pending())
	}
	if told := notices(t, d.Queue, d.Body, "XA-1"); len(told) != 1 || !strings.Contains(told[0], "Certificate DD") {
		t.Errorf("XA-1 was told %q", told)
	}
}

// Run looks when it starts, when it is woken, and in between; it ends with its
// context.
func TestRunLooksWhenWoken(t *testing.T) {
	d := desk.Open(t)
	store, err := pending.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	end, _ := d.Keys["XD-1"].Certificate().SigningEnds()
	r := reminders.New(options(d, &clock{end.Add(-day)}, func(o *reminders.Options) { o.Pending, o.Every = store, time.Hour }))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	d.Wait("a reminder at the start", func() bool { return len(notices(t, d.Queue, d.Body, "XA-1")) == 1 })
	if _, _, err := store.Propose(pending.Proposal{Kind: pending.Field, ContactPoint: "XB-1", Path: "unit", New: "x", Carrier: pending.Message, Desk: "XA-1", Seen: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r.Wake()
	d.Wait("the pending change", func() bool { return len(notices(t, d.Queue, d.Body, "XA-1")) == 2 })
	stop()
	<-done
}

// What fails is tried again soon, not at the next look.
func TestRunTriesAgainSoon(t *testing.T) {
	d := desk.Open(t)
	end, _ := d.Keys["XD-1"].Certificate().SigningEnds()
	first, asked := d.Document(1, "XA-1"), 0 // the desk is missing: nothing can be sent
	r := reminders.New(options(d, &clock{end.Add(-day)}, func(o *reminders.Options) {
		o.Every = time.Hour
		o.Directory = func() *directory.Directory {
			if asked++; asked == 1 {
				return first
			}
			return d.Directory
		}
	}))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	d.Wait("the reminder", func() bool { return len(notices(t, d.Queue, d.Body, "XA-1")) == 1 })
	stop()
	<-done
	if asked < 2 || !strings.Contains(d.Logged.String(), "trying again") {
		t.Errorf("asked %d times; log:\n%s", asked, d.Logged)
	}
}
