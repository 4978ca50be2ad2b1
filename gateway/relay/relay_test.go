package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/notice"
	"relais.example/gateway/relay"
	"relais.example/gateway/smtpout"
	"relais.example/routing/mailbox"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/test/desk"
)

// hop is a mail server that answers as the test says.
type hop struct {
	listener net.Listener
	data     func() string // reply to the end of a message; "" hangs up without one

	mu       sync.Mutex
	messages []string
	open     int // sessions now
	most     int // sessions at the same time
}

func startHop(t *testing.T, data func() string) *hop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hop{listener: l, data: data}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { h.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return h
}

func (h *hop) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(c)
	fmt.Fprint(c, "220 hop\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:4]); verb {
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(line)
			}
			h.mu.Lock()
			h.messages = append(h.messages, b.String())
			h.open++
			h.most = max(h.most, h.open)
			h.mu.Unlock()
			answer := h.data()
			h.mu.Lock()
			h.open--
			h.mu.Unlock()
			if answer == "" {
				return
			}
			fmt.Fprint(c, answer+"\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func (h *hop) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

func (h *hop) next() smtpout.Hop {
	a := h.listener.Addr().(*net.TCPAddr)
	return smtpout.Hop{Host: "127.0.0.1", Port: a.Port, TLS: smtpout.TLSPolicy{Security: smtpout.None}}
}

// running is a relay that works through the outbox of XA-1.
type running struct {
	*desk.Desk
	t       *testing.T
	relay   *relay.Relay
	folder  string // where the message of the request is
	written int    // acknowledgements written
	mu      sync.Mutex
	results []string
	stop    func() // waits until it has stopped
}

func run(t *testing.T, h *hop, change ...func(*relay.Options)) *running {
	t.Helper()
	d := desk.Open(t)
	r := &running{Desk: d, t: t, folder: mailbox.Inbox}
	o := relay.Options{
		Helo: desk.Hostname, Desks: []string{"XA-1", "XC-1"}, Directory: d.Current, Queue: d.Queue, Vault: d.Vault, Clocks: d.Clocks,
		NextHops: map[string]smtpout.Hop{"XB-1": h.next()}, Smarthost: &smtpout.Hop{Host: "127.0.0.1", Port: 1, TLS: smtpout.TLSPolicy{Security: smtpout.None}},
		Retry: []time.Duration{time.Millisecond}, GiveUp: time.Hour, Notices: &notice.Writer{Hostname: desk.Hostname, Vault: d.Vault}, Log: d.Log,
		Compose: func(context.Context, string, queue.Out) ([]byte, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.written++
			return []byte(fmt.Sprintf("Subject: acknowledgement %d\r\n\r\nReceived.\r\n", r.written)), nil
		},
		Observe: func(result string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.results = append(r.results, result)
		},
	}
	for _, f := range change {
		f(&o)
	}
	r.relay = relay.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.relay.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

func (r *running) observed(result string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.results, result)
}

// queue puts messages for XB-1 into the outbox, about a request that is open.
func (r *running) queue(s request.Open, n int, change func(*queue.Out), commands ...func(tx *queue.Tx, out string) request.Command) request.Reference {
	r.t.Helper()
	names, err := r.Vault.Put(r.t.Context(), []byte("Subject: x\r\n\r\nHello\r\n"))
	if err != nil {
		r.t.Fatal(err)
	}
	s.Ref, s.Peer = request.NewReference("XA-1", 2026, 1), "XB-1"
	r.Commit(func(tx *queue.Tx) error {
		s.At, s.Out = tx.At(), "out0"
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: r.folder, Item: names[0], Size: 1, Received: tx.At(), Request: string(s.Ref)})
		if err := tx.Open(s); err != nil {
			return err
		}
		for i := range n {
			out := queue.Out{Op: queue.OutQueue, ID: fmt.Sprint("out", i), Item: names[0], To: "XB-1", Request: s.Ref, Purpose: queue.PurposeReply, Since: tx.At(), At: tx.At()}
			change(&out)
			tx.Out(out)
		}
		for _, c := range commands {
			if err := tx.Do(s.Ref, c(tx, "out0")); err != nil {
				return err
			}
		}
		return nil
	})
	r.relay.Wake("XA-1")
	return s.Ref
}

func (r *running) empty() bool {
	s, err := r.At("XA-1").Stats(r.t.Context())
	return err == nil && s.Outbox == 0
}

var preservation = request.Open{Direction: request.Received, Kind: request.Preservation, Message: "m"}

func answered(code string) func(tx *queue.Tx, out string) request.Command {
	return func(tx *queue.Tx, out string) request.Command {
		return request.Reply{At: tx.At(), By: desk.Amy, Code: code, Final: request.CodeFinal(code), Waits: request.CodeWaits(code), Out: out, Message: "m"}
	}
}

func TestDeliveredAnswerAnswersTheRequest(t *testing.T) {
	h := startHop(t, func() string { return "250 2.0.0 taken" })
	r := run(t, h)
	until := time.Now().UTC().AddDate(0, 3, 0).Truncate(24 * time.Hour)
	ref := r.queue(preservation, 1, func(o *queue.Out) { o.Code, o.Until = request.CodePreserved, until }, answered(request.CodePreserved))
	r.Wait("delivery", func() bool { return r.empty() && r.observed("delivered") })
	s := r.State(ref)
	if s.Status != request.StatusAnswered || len(s.Deadlines) != 2 || !s.Deadlines[0].At.Equal(until) || len(h.got()) != 1 {
		t.Errorf("request %+v, %d messages", s, len(h.got()))
	}
}

func TestTemporaryFailureIsTriedAgainWithTheSameBytes(t *testing.T) {
	var mu sync.Mutex
	tries := 0
	h := startHop(t, func() string {
		mu.Lock()
		defer mu.Unlock()
		switch tries++; tries {
		case 1:
			return "451 4.7.1 try again"
		case 2:
			return "" // taken, perhaps: the reply is lost
		}
		return "250 2.0.0 taken"
	})
	r := run(t, h)
	ref := r.queue(preservation, 1, func(o *queue.Out) { o.Item, o.Purpose = "", queue.PurposeAck })
	r.Wait("delivery", r.empty)
	got := h.got()
	if len(got) != 3 || got[0] != got[1] || got[1] != got[2] || r.written != 1 {
		t.Errorf("the acknowledgement was written %d times:\n%q", r.written, got)
	}
	if s := r.State(ref); s.AcknowledgedAt.IsZero() || s.Status != request.StatusOpen {
		t.Errorf("request %+v", s)
	}
	if n := len(r.Folder(mailbox.Inbox)); n != 1 {
		t.Errorf("%d messages in INBOX: the staff were told of something that went well", n)
	}
}

func TestMachineDoesNotTakeUpAnEmergency(t *testing.T) {
	h := startHop(t, func() string { return "250 ok" })
	r := run(t, h)
	open := preservation
	open.Emergency = true
	open.Deadlines = r.Clocks.Arm(r.Clocks.For(request.Preservation, true, "received", time.Now()))
	ref := r.queue(open, 1, func(o *queue.Out) { o.Purpose = queue.PurposeAck })
	r.Wait("delivery", r.empty)
	if s := r.State(ref); s.AcknowledgedAt.IsZero() || !slices.ContainsFunc(s.Deadlines, func(d request.Deadline) bool { return d.Clock == "emergency-acknowledge" }) {
		t.Errorf("request %+v: the clock was stopped by a machine", s)
	}
}

func TestGivenUpMessageIsPutBeforeTheStaff(t *testing.T) {
	h := startHop(t, func() string { return "550 5.7.1 <cp247@betaland.example> says no\r\n" })
	for name, change := range map[string]func(*relay.Options){
		"refused for good": nil,
		"time is up":       func(o *relay.Options) { o.GiveUp, o.NextHops = 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			var changes []func(*relay.Options)
			if change != nil {
				changes = append(changes, change)
			}
			r := run(t, h, changes...)
			r.folder = mailbox.Waiting
			ref := r.queue(preservation, 1, func(o *queue.Out) { o.Code, o.Purpose = "NEED_INFO", queue.PurposeMessage }, answered("NEED_INFO"))
			r.Wait("giving up", func() bool { return r.observed("failed") })
			if s := r.State(ref); s.Status != request.StatusOpen || s.Pending != "" {
				t.Errorf("request %+v: a question that did not arrive leaves it open", s)
			}
			inbox := r.Folder(mailbox.Inbox)
			i := slices.IndexFunc(inbox, func(e mailbox.Entry) bool { return slices.Contains(e.Flags, "$Undelivered") })
			if len(inbox) != 2 || i < 0 || len(r.Folder(mailbox.Waiting)) != 0 {
				t.Fatalf("INBOX %+v, Waiting %+v; want the request back and a notice", inbox, r.Folder(mailbox.Waiting))
			}
			if text := r.Body(inbox[i].Item); !strings.Contains(text, string(ref)) || !strings.Contains(text, "XB-1") {
				t.Errorf("notice:\n%s", text)
			}
			if strings.Contains(r.Logged.String(), "betaland.example") {
				t.Errorf("the log holds an address:\n%s", r.Logged)
			}
		})
	}
}

// A reminder belongs to no request; that it did not arrive is told all the same.
func TestGivenUpReminderIsPutBeforeTheStaff(t *testing.T) {
	r := run(t, startHop(t, func() string { return "550 5.1.1 no such mailbox" }))
	names, err := r.Vault.Put(t.Context(), r.Seal("XA-1", "XB-1", pgpmime.Draft{Subject: "Your OpenPGP certificate ends"}))
	if err != nil {
		t.Fatal(err)
	}
	r.Commit(func(tx *queue.Tx) error {
		tx.Out(queue.Out{Op: queue.OutQueue, ID: queue.NewID(), Item: names[0], To: "XB-1", Purpose: queue.PurposeReminder, Since: tx.At(), At: tx.At()})
		return nil
	})
	r.Wait("giving up", func() bool { return r.observed("failed") && r.empty() })
	inbox := r.Folder(mailbox.Inbox)
	if len(inbox) != 1 || !slices.Contains(inbox[0].Flags, "$Undelivered") {
		t.Fatalf("INBOX %+v", inbox)
	}
	if text := r.Body(inbox[0].Item); !strings.Contains(text, "Subject: Not delivered: reminder to XB-1") || !strings.Contains(text, "550") || strings.Contains(text, "X-Relais-Reference") {
		t.Errorf("notice:\n%s", text)
	}
}

// More messages than attempts at a time: each leaves once, although the first
// ones take long.
func TestEachMessageLeavesOnce(t *testing.T) {
	release := make(chan struct{})
	h := startHop(t, func() string { <-release; return "250 ok" })
	r := run(t, h)
	const n = 50
	r.queue(preservation, n, func(o *queue.Out) { o.Purpose = queue.PurposeMessage })
	r.Wait("all attempts at a time", func() bool { return len(h.got()) >= 32 })
	left, err := r.At("XA-1").Lease(t.Context(), 0, n)
	if err != nil || len(left) != n-32 {
		t.Errorf("%d messages are leased by nobody, %v; want those that wait for a free attempt", len(left), err)
	}
	close(release)
	r.Wait("delivery", r.empty)
	if got := len(h.got()); got != n {
		t.Errorf("%d messages arrived, want %d", got, n)
	}
}

func TestRunningAttemptEndsBeforeTheRelayStops(t *testing.T) {
	release := make(chan struct{})
	h := startHop(t, func() string { <-release; return "250 ok" })
	r := run(t, h)
	ref := r.queue(preservation, 1, func(*queue.Out) {}, answered(""))
	r.Wait("the attempt", func() bool { return len(h.got()) == 1 })
	stopped := make(chan struct{})
	go func() { r.stop(); close(stopped) }()
	close(release)
	<-stopped
	if s := r.State(ref); s.Status != request.StatusAnswered || !r.empty() {
		t.Errorf("request %s, outbox empty %t: it would be sent again", s.Status, r.empty())
	}
}

func TestResultOfAnotherGatewayCounts(t *testing.T) {
	release := make(chan struct{})
	h := startHop(t, func() string { <-release; return "451 4.0.0 later" })
	r := run(t, h)
	ref := r.queue(preservation, 1, func(*queue.Out) {}, answered(""))
	r.Wait("the attempt", func() bool { return len(h.got()) == 1 })
	r.Commit(func(tx *queue.Tx) error { // the lease had run out: another one delivered it
		tx.Out(queue.Out{Op: queue.OutDone, ID: "out0"})
		return tx.Do(ref, request.Delivered{At: tx.At(), Out: "out0", Final: true, Ack: true})
	})
	close(release)
	r.Wait("the result", func() bool { return r.observed("deferred") })
	r.stop()
	if s := r.State(ref); s.Status != request.StatusAnswered || !r.empty() || len(h.got()) != 1 {
		t.Errorf("request %s, outbox empty %t, %d attempts", s.Status, r.empty(), len(h.got()))
	}
}

func TestContactPointThatLeftTheDirectoryIsWaitedFor(t *testing.T) {
	h := startHop(t, func() string { return "250 ok" })
	r := run(t, h)
	r.Directory = r.Document(2, "XB-1")
	r.queue(preservation, 1, func(*queue.Out) {})
	r.Wait("an attempt", func() bool { return r.observed("deferred") })
	if len(h.got()) != 0 {
		t.Error("sent to a contact point that is not listed")
	}
}
