// Package metrics counts what the gateway does, for Prometheus. Names begin
// with relais_, units are base units, no label holds personal data, and a
// scrape costs the same whatever the number of requests. docs/metrics.md lists
// them all.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"relais.example/gateway/pull"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// Metrics holds the counters. Create it with New.
type Metrics struct {
	registry *prometheus.Registry

	received      *prometheus.CounterVec
	deferred      *prometheus.CounterVec
	receiveTime   prometheus.Histogram
	acknowledge   *prometheus.HistogramVec
	answer        *prometheus.HistogramVec
	relayAttempts *prometheus.CounterVec
	fsync         prometheus.Histogram
	logins        *prometheus.CounterVec
	timers        *prometheus.CounterVec
	imap          prometheus.Gauge
	smtp          *prometheus.GaugeVec
	refused       *prometheus.CounterVec
	replayed      *prometheus.CounterVec
	keyholder     *prometheus.HistogramVec
	pulls         *prometheus.CounterVec
	pulled        prometheus.Gauge
}

// requestTimes are the buckets of what people take: a minute to 60 days.
var requestTimes = []float64{60, 300, 900, 1800, 3600, 4 * 3600, 8 * 3600, 24 * 3600, 48 * 3600, 72 * 3600, 7 * 86400, 30 * 86400, 60 * 86400}

// New returns counters that stand at zero: every reason, so that a rate can be
// computed from the first rejected message on. causes are those of
// relais_messages_deferred_total.
func New(version string, desks, causes []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_messages_received_total", Help: "Messages by what was decided about them."}, []string{"desk", "action", "reason"}),
		deferred: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_messages_deferred_total", Help: "Messages that the sender was asked to send later, by cause."}, []string{"desk", "cause"}),
		receiveTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "relais_message_receive_seconds", Help: "From the end of the message to the reply.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		acknowledge: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "relais_time_to_acknowledge_seconds", Help: "From a request to its acknowledgement.", Buckets: requestTimes}, []string{"kind"}),
		answer: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "relais_time_to_answer_seconds", Help: "From a request to the delivery of its answer.", Buckets: requestTimes}, []string{"kind"}),
		relayAttempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_relay_attempts_total", Help: "Attempts to deliver a message by result."}, []string{"result"}),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "relais_journal_fsync_seconds", Help: "Time of one sync of the journal.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15)}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_logins_total", Help: "Logins of staff by service and result."}, []string{"service", "result"}),
		timers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_timers_fired_total", Help: "Reminders, passed deadlines and escalations."}, []string{"desk", "clock", "what"}),
		imap: prometheus.NewGauge(prometheus.GaugeOpts{Name: "relais_imap_connections", Help: "Open IMAP connections."}),
		smtp: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "relais_smtp_connections", Help: "Open SMTP connections."}, []string{"port"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_smtp_events_total", Help: "What happened on SMTP connections."}, []string{"port", "event"}),
		replayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relais_journal_replayed_events_total", Help: "Events put back into a Redis that had lost them."}, []string{"desk"}),
	}
	m.keyholder = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "relais_keyholder_request_seconds", Help: "Requests to the keyholder by result.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}, []string{"operation", "result"})
	m.pulls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "relais_directory_pulls_total", Help: "Attempts to fetch the Directory from another gateway by result."}, []string{"result"})
	m.pulled = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "relais_directory_pull_success_timestamp_seconds", Help: "When the last attempt found the Directory in order."})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "relais_build_info", Help: "Always 1; the label is the version."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.received, m.deferred, m.receiveTime, m.acknowledge, m.answer, m.relayAttempts, m.fsync, m.logins, m.timers, m.imap, m.smtp,
		m.refused, m.replayed, m.keyholder, m.pulls, m.pulled, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, d := range desks {
		m.replayed.WithLabelValues(d)
		for _, e := range verdict.All() {
			m.received.WithLabelValues(d, string(e.Default), string(e.Reason))
		}
		for _, cause := range causes {
			m.deferred.WithLabelValues(d, cause)
		}
	}
	for _, r := range pull.Results() {
		m.pulls.WithLabelValues(string(r))
	}
	for _, r := range []string{"delivered", "deferred", "failed"} {
		m.relayAttempts.WithLabelValues(r)
	}
	for _, service := range []string{"imap", "submission"} {
		for _, r := range []string{"ok", "wrong", "throttled", "busy"} {
			m.logins.WithLabelValues(service, r)
		}
	}
	return m
}

// Registry returns what is served under /metrics.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Received counts a message that was decided on.
func (m *Metrics) Received(desk string, v verdict.Verdict, took time.Duration) {
	m.received.WithLabelValues(desk, string(v.Action), string(v.Reason)).Inc()
	m.receiveTime.Observe(took.Seconds())
}

// Deferred counts a message that the sender was asked to send later.
func (m *Metrics) Deferred(desk, cause string) { m.deferred.WithLabelValues(desk, cause).Inc() }

// Applied takes the times out of a record that became history.
func (m *Metrics) Applied(r queue.Record) {
	for _, e := range r.Events {
		if e.Since.IsZero() || e.Direction != request.Received {
			continue
		}
		switch e.Type {
		case request.EvAcknowledged:
			m.acknowledge.WithLabelValues(string(e.Kind)).Observe(e.At.Sub(e.Since).Seconds())
		case request.EvAnswered:
			m.answer.WithLabelValues(string(e.Kind)).Observe(e.At.Sub(e.Since).Seconds())
		}
	}
}

// Relayed counts an attempt to deliver.
func (m *Metrics) Relayed(result string) { m.relayAttempts.WithLabelValues(result).Inc() }

// Synced records how long a sync of the journal took.
func (m *Metrics) Synced(took time.Duration) { m.fsync.Observe(took.Seconds()) }

// Replayed counts events put back into Redis.
func (m *Metrics) Replayed(desk string, n int) { m.replayed.WithLabelValues(desk).Add(float64(n)) }

// Pulled counts an attempt to fetch the Directory.
func (m *Metrics) Pulled(r pull.Result) {
	m.pulls.WithLabelValues(string(r)).Inc()
	if r == pull.Installed || r == pull.Unchanged {
		m.pulled.SetToCurrentTime()
	}
}

// Keyholder counts a request to the keyholder.
func (m *Metrics) Keyholder(operation, result string, took time.Duration) {
	m.keyholder.WithLabelValues(operation, result).Observe(took.Seconds())
}

// Login returns a counter of logins of one service.
func (m *Metrics) Login(service string) func(result string) {
	return func(result string) { m.logins.WithLabelValues(service, result).Inc() }
}

// Timer counts a timer that fired.
func (m *Metrics) Timer(desk, clock, what string) {
	names := map[string]string{request.TimerRemind: "reminder", request.TimerDue: "overdue", request.TimerEscalate: "escalation"}
	m.timers.WithLabelValues(desk, clock, names[what]).Inc()
}

// SMTP returns a counter of the events of one port; connection and
// disconnection keep the gauge of open connections.
func (m *Metrics) SMTP(port, opened, closed string) func(event string) {
	gauge := m.smtp.WithLabelValues(port)
	return func(event string) {
		switch event {
		case opened:
			gauge.Inc()
		case closed:
			gauge.Dec()
		}
		m.refused.WithLabelValues(port, event).Inc()
	}
}

// Source is what the gauges are read from at a scrape.
type Source struct {
	Queue     *queue.Queue
	Directory func() *directory.Directory
	Health    func(time.Time) []directory.Finding // about its certificates
	Pending   func() int                          // changes of the Directory that wait for a person
	RedisUp   func() bool
}

// Watch registers the gauges.
func (m *Metrics) Watch(s Source) { m.registry.MustRegister(&gauges{s: s}) }

// gauges reads figures that others keep; each read is O(1).
type gauges struct {
	s            Source
	certificates certificates
}

var (
	openDesc       = prometheus.NewDesc("relais_requests_open", "Received requests that are still to be answered.", []string{"desk", "kind"}, nil)
	overdueDesc    = prometheus.NewDesc("relais_requests_overdue", "Requests whose next deadline has passed.", []string{"desk"}, nil)
	nextDesc       = prometheus.NewDesc("relais_next_deadline_timestamp_seconds", "The earliest running deadline; 0 if none runs.", []string{"desk"}, nil)
	quarantineDesc = prometheus.NewDesc("relais_quarantine_messages", "Messages held for a supervisor.", []string{"desk"}, nil)
	outboxDesc     = prometheus.NewDesc("relais_outbox_messages", "Outgoing messages not delivered yet.", []string{"desk"}, nil)
	oldestDesc     = prometheus.NewDesc("relais_outbox_oldest_seconds", "Age of the oldest outgoing message; 0 if there is none.", []string{"desk"}, nil)
	lagDesc        = prometheus.NewDesc("relais_journal_lag_events", "Events in Redis that the journal of this gateway does not hold yet.", []string{"desk"}, nil)
	redisDesc      = prometheus.NewDesc("relais_redis_up", "1 if every desk can commit.", nil, nil)
	versionDesc    = prometheus.NewDesc("relais_directory_version", "Version of the Directory in use.", nil, nil)
	pendingDesc    = prometheus.NewDesc("relais_directory_pending_changes", "Proposed changes of the Directory that wait for two people.", nil, nil)
	issuedDesc     = prometheus.NewDesc("relais_directory_issued_timestamp_seconds", "When that version was issued.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{openDesc, overdueDesc, nextDesc, quarantineDesc, outboxDesc, oldestDesc, lagDesc, redisDesc, versionDesc, issuedDesc, expiryDesc, findingsDesc, pendingDesc} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	up := 1.0
	if !g.s.RedisUp() {
		up = 0
	}
	gauge(redisDesc, up)
	for _, desk := range g.s.Queue.Desks() {
		s, err := desk.Stats(ctx)
		if err != nil {
			continue // relais_redis_up tells
		}
		for _, k := range request.Kinds() {
			gauge(openDesc, float64(s.Open[k]), desk.ID(), string(k))
		}
		gauge(overdueDesc, float64(s.Overdue), desk.ID())
		gauge(nextDesc, unix(s.NextDeadline), desk.ID())
		gauge(quarantineDesc, float64(s.Quarantine), desk.ID())
		gauge(outboxDesc, float64(s.Outbox), desk.ID())
		age := 0.0
		if !s.OutboxSince.IsZero() {
			age = time.Since(s.OutboxSince).Seconds()
		}
		gauge(oldestDesc, age, desk.ID())
		gauge(lagDesc, float64(s.Head-min(s.Head, desk.Applied())), desk.ID())
	}
	d := g.s.Directory()
	gauge(versionDesc, float64(d.Version()))
	gauge(issuedDesc, float64(d.Issued().Unix()))
	g.certificates.collect(d, g.s.Health, gauge)
	gauge(pendingDesc, float64(g.s.Pending()))
}

// unix returns seconds since 1970, 0 for the zero time.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// IMAP counts what the IMAP server does; it implements imapd.Observer.
type IMAP struct{ m *Metrics }

// IMAP returns the observer of the IMAP server.
func (m *Metrics) IMAP() IMAP { return IMAP{m} }

// ConnectionOpened counts an open connection.
func (i IMAP) ConnectionOpened() { i.m.imap.Inc() }

// ConnectionClosed counts it as gone.
func (i IMAP) ConnectionClosed() { i.m.imap.Dec() }

// ConnectionRefused does nothing: relais_logins_total shows the pressure.
func (i IMAP) ConnectionRefused(string) {}

// Login does nothing: the account store counts logins of all services.
func (i IMAP) Login(string) {}

// Command does nothing yet.
func (i IMAP) Command(string, string, time.Duration) {}

// Panic does nothing: it stands in the log.
func (i IMAP) Panic() {}
