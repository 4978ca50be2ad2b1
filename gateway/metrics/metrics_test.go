package metrics_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/console"
	"relais.example/gateway/intake"
	"relais.example/gateway/metrics"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

// busy returns counters of a gateway on which everything has happened once.
func busy(t *testing.T) (*metrics.Metrics, *desk.Desk) {
	t.Helper()
	d := desk.Open(t)
	m := metrics.New("1.2.3", []string{"XA-1", "XC-1"}, intake.Causes())
	m.Watch(metrics.Source{Queue: d.Queue, Directory: d.Current, RedisUp: func() bool { return d.Queue.Ready() == nil },
		Health: func(at time.Time) []directory.Finding {
			return d.Directory.Health(directory.HealthOptions{At: at, Policy: pgp.DefaultPolicy(), Desks: map[string][]*pgp.Certificate{"XA-1": {d.Keys["stranger"].Certificate()}}})
		},
		Pending: func() int { return 4 },
	})
	m.Received("XA-1", verdict.Verdict{Action: verdict.Accept, Reason: verdict.OK}, time.Second)
	since := time.Now().Add(-2 * time.Hour)
	for _, e := range []request.EventType{request.EvAcknowledged, request.EvAnswered} {
		m.Applied(queue.Record{Events: []request.Event{{Type: e, Direction: request.Received, Kind: request.Preservation, Since: since, At: time.Now()}}})
	}
	m.Relayed("delivered")
	m.Synced(time.Millisecond)
	m.Keyholder("sign", "ok", time.Millisecond)
	m.Replayed("XA-1", 3)
	m.Login("imap")("ok")
	m.Timer("XA-1", "acknowledge", request.TimerDue)
	m.SMTP("mx", "connection", "disconnection")("connection")
	m.IMAP().ConnectionOpened()
	return m, d
}

// figures is what a scrape returns, without what the Prometheus client adds.
type figures struct {
	kinds   map[string]string  // by name
	samples map[string]float64 // by name and labels, such as relais_x{a="b"}
}

func scrape(t *testing.T, m *metrics.Metrics) figures {
	t.Helper()
	w := httptest.NewRecorder()
	console.Handler(m.Registry(), func() error { return nil }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	f := figures{map[string]string{}, map[string]float64{}}
	for line := range strings.SplitSeq(w.Body.String(), "\n") {
		if kind, ok := strings.CutPrefix(line, "# TYPE relais_"); ok {
			name, kind, _ := strings.Cut(kind, " ")
			f.kinds["relais_"+name] = kind
		}
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "relais_") && i > 0 {
			v, err := strconv.ParseFloat(line[i+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			f.samples[line[:i]] = v
		}
	}
	return f
}

// labels returns the label names of a metric, in order.
func (f figures) labels(name string) []string {
	for sample := range f.samples {
		base, rest, _ := strings.Cut(sample, "{")
		if base != name && base != name+"_count" {
			continue
		}
		var out []string
		for _, m := range label.FindAllStringSubmatch(rest, -1) {
			out = append(out, m[1])
		}
		slices.Sort(out)
		return out
	}
	return nil
}

var (
	inTable = regexp.MustCompile("(?m)^\\| `(relais_[a-z_]+)` \\| ([a-z]+) \\|([a-z_, ]*)\\|")
	inList  = regexp.MustCompile("(?m)^- `(relais_[a-z_]+)` \\(([a-z]+); ([a-z_, ]*)\\)")
	label   = regexp.MustCompile(`([a-z_]+)="`)
)

// TestDocumentationIsWhatIsExported holds both ways.
func TestDocumentationIsWhatIsExported(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := busy(t)
	exported := scrape(t, m)
	documented := append(inTable.FindAllSubmatch(page, -1), inList.FindAllSubmatch(page, -1)...)
	if len(documented) < 20 {
		t.Fatalf("only %d metrics found on the page", len(documented))
	}
	for _, d := range documented {
		name, kind, labels := string(d[1]), string(d[2]), strings.FieldsFunc(string(d[3]), func(r rune) bool { return r == ' ' || r == ',' })
		if exported.kinds[name] != kind {
			t.Errorf("%s is exported as %q, documented as %s", name, exported.kinds[name], kind)
		}
		delete(exported.kinds, name)
		slices.Sort(labels)
		if got := exported.labels(name); !slices.Equal(got, labels) {
			t.Errorf("%s has labels %v, documented %v", name, got, labels)
		}
	}
	for name := range exported.kinds {
		t.Errorf("%s is exported but not documented", name)
	}
}

func TestFigures(t *testing.T) {
	m, d := busy(t)
	due := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	d.Commit(func(tx *queue.Tx) error {
		tx.Mail(queue.Mail{Op: queue.MailAdd, Folder: "Quarantine", Item: "x", Size: 1, Received: tx.At()})
		tx.Out(queue.Out{Op: queue.OutQueue, ID: "o", To: "XB-1", Since: tx.At().Add(-time.Hour), At: tx.At()})
		return tx.Open(request.Open{Ref: request.NewReference("XA-1", 2026, 1), At: tx.At(), Direction: request.Received, Kind: request.Preservation, Peer: "XB-1", Message: "m",
			Deadlines: []request.Deadline{{Clock: "c", At: due, StopsOn: "answered"}}})
	})
	f := scrape(t, m)
	for sample, want := range map[string]float64{
		`relais_messages_received_total{action="accept",desk="XA-1",reason="ok"}`:          1,
		`relais_messages_received_total{action="reject",desk="XC-1",reason="unknown-key"}`: 0, // there before the first one
		`relais_requests_open{desk="XA-1",kind="PRESERVATION"}`:                            1,
		`relais_requests_open{desk="XC-1",kind="PRESERVATION"}`:                            0,
		`relais_requests_overdue{desk="XA-1"}`:                                             1,
		`relais_next_deadline_timestamp_seconds{desk="XA-1"}`:                              float64(due.UnixMilli()) / 1000,
		`relais_next_deadline_timestamp_seconds{desk="XC-1"}`:                              0,
		`relais_quarantine_messages{desk="XA-1"}`:                                          1,
		`relais_outbox_messages{desk="XA-1"}`:                                              1,
		`relais_journal_lag_events{desk="XA-1"}`:                                           0,
		`relais_journal_replayed_events_total{desk="XA-1"}`:                                3,
		`relais_journal_replayed_events_total{desk="XC-1"}`:                                0,
		`relais_directory_findings{code="desk-key-missing",severity="error"}`:              1,
		`relais_directory_findings{code="key-expired",severity="error"}`:                   0, // there before the first one
		`relais_directory_pending_changes`:                                                 4,
		`relais_redis_up`:                                                                  1,
		`relais_directory_version`:                                                         1,
		`relais_imap_connections`:                                                          1,
		`relais_smtp_connections{port="mx"}`:                                               1,
		`relais_logins_total{result="ok",service="imap"}`:                                  1,
		`relais_logins_total{result="wrong",service="submission"}`:                         0,
		`relais_timers_fired_total{clock="acknowledge",desk="XA-1",what="overdue"}`:        1,
		`relais_time_to_acknowledge_seconds_count{kind="PRESERVATION"}`:                    1,
		`relais_relay_attempts_total{result="failed"}`:                                     0,
	} {
		if got, ok := f.samples[sample]; !ok || got != want {
			t.Errorf("%s is %v (there: %t), want %v", sample, got, ok, want)
		}
	}
	end, _ := d.Keys["XD-1"].Certificate().SigningEnds()
	for _, use := range []string{"signing", "encryption"} {
		if got := f.samples[`relais_certificate_expiry_timestamp_seconds{contact_point="XD-1",use="`+use+`"}`]; got != float64(end.Unix()) {
			t.Errorf("%s of XD-1 ends at %v, want %d", use, got, end.Unix())
		}
	}
	if age := f.samples[`relais_outbox_oldest_seconds{desk="XA-1"}`]; age < 3590 || age > 3700 {
		t.Errorf("the oldest outgoing message is %v s old, want an hour", age)
	}
}

// Only requests that were received say how long the desk takes.
func TestAnswersToOurOwnRequestsAreNotOurTime(t *testing.T) {
	m := metrics.New("1", nil, nil)
	m.Applied(queue.Record{Events: []request.Event{{Type: request.EvAnswered, Direction: request.Sent, Kind: request.Ping, Since: time.Now(), At: time.Now()}}})
	if kind, ok := scrape(t, m).kinds["relais_time_to_answer_seconds"]; ok {
		t.Errorf("counted as %s", kind)
	}
}

// Figures about certificates are those of the Directory in force at once, and
// otherwise looked at only now and then.
func TestCertificatesAreLookedAtOncePerVersion(t *testing.T) {
	d := desk.Open(t)
	m, looked := metrics.New("1", nil, nil), 0
	m.Watch(metrics.Source{Queue: d.Queue, Directory: d.Current, RedisUp: func() bool { return true }, Pending: func() int { return 0 },
		Health: func(time.Time) []directory.Finding { looked++; return nil }})
	scrape(t, m)
	scrape(t, m)
	if looked != 1 {
		t.Errorf("looked %d times for two scrapes", looked)
	}
	d.Directory = d.Document(2, "XD-1")
	if f := scrape(t, m); looked != 2 || f.kinds["relais_certificate_expiry_timestamp_seconds"] != "" {
		t.Errorf("looked %d times, the figures are %v", looked, f.kinds)
	}
}

func TestScrapeWithoutRedisSaysSo(t *testing.T) {
	m, d := busy(t)
	d.Queue.Close()
	d.Client.Close()
	f := scrape(t, m)
	if f.kinds["relais_requests_open"] != "" || f.kinds["relais_directory_version"] == "" {
		t.Error("figures that are not known are given, or known ones are missing")
	}
}
