package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
	"relais.example/gateway/imapd"
	"relais.example/gateway/inbox"
	"relais.example/gateway/intake"
	"relais.example/gateway/metrics"
	"relais.example/gateway/notice"
	"relais.example/gateway/relay"
	"relais.example/gateway/reply"
	"relais.example/gateway/smtpd"
	"relais.example/gateway/smtpout"
	"relais.example/gateway/timers"
	"relais.example/gateway/vault"
	"relais.example/routing/classify"
	"relais.example/routing/deadline"
	"relais.example/routing/directory"
	"relais.example/routing/queue"
)

// open builds the parts from the bottom up.
func (s *Server) open(version string) error {
	c := s.c
	desks := c.DeskIDs()
	s.metrics = metrics.New(version, desks, intake.Causes())
	if err := s.lock(c.DataDir); err != nil {
		return err
	}
	if filepath.Clean(c.Journal.Dir) != filepath.Clean(c.DataDir) {
		if err := s.lock(c.Journal.Dir); err != nil {
			return err
		}
	}
	if err := s.openDirectory(); err != nil {
		return err
	}
	if err := s.openKeys(); err != nil {
		return err
	}
	for _, f := range s.health(time.Now()) {
		s.log.Warn("directory entry needs attention; see relais directory health", "entry", f.ContactPoint, "fault", f.Code, "severity", f.Severity)
	}
	classifier, clocks, err := rules(c)
	if err != nil {
		return err
	}
	s.classifier = classify.NewLive(classifier)
	if s.accounts, err = accounts.Open(c.StaffFile, accounts.Options{Failures: c.Limits.LoginFailures, Lockout: c.Limits.LoginLockout}); err != nil {
		return err
	}
	s.certificate = &certificate{certFile: c.TLS.CertificateFile, keyFile: c.TLS.KeyFile}
	if err := s.certificate.load(); err != nil {
		return err
	}
	bodies := filepath.Join(c.DataDir, "vault")
	vaultKey, err := readVaultKey(c.VaultKeyFile(), bodies)
	if err != nil {
		return err
	}
	if s.vault, err = vault.Open(bodies, vaultKey, nil); err != nil {
		return err
	}
	if err := s.openQueue(desks); err != nil {
		return err
	}
	notices := &notice.Writer{Hostname: c.Hostname, Vault: s.vault}
	s.timers = timers.Options{Queue: s.queue, Notices: notices, Every: time.Second, Log: s.log, Observe: s.metrics.Timer}
	if err := s.openReminders(notices); err != nil {
		return err
	}
	if err := s.openPull(); err != nil {
		return err
	}
	s.metrics.Watch(metrics.Source{Queue: s.queue, Directory: s.directory.Current, Health: s.health, Pending: s.reminders.Pending, RedisUp: func() bool { return s.queue.Ready() == nil }})
	s.http, s.https, s.wkd = s.serveHTTP(), s.serveHTTPS(), s.serveWKD()

	policy := keyPolicy(c)
	in := intake.New(intake.Options{
		Hostname: c.Hostname, Desks: s.intakeDesks(), Directory: s.directory.Current, Queue: s.queue, Vault: s.vault,
		Classifier: s.classifier, Clocks: clocks, Rules: intakeRules(c, policy), Install: s.install, Pending: s.pending, Proposed: s.reminders.Wake,
		Log: s.log, Observe: s.metrics.Received,
		Contain: containment(c), Deferred: s.metrics.Deferred,
	})
	out := reply.New(reply.Options{
		Hostname: c.Hostname, Desks: s.replyDesks(), Accounts: s.accounts, Directory: s.directory.Current, Queue: s.queue, Vault: s.vault,
		Classifier: s.classifier, Clocks: clocks, Keys: policy, Log: s.log, Login: s.login("submission"), Release: s.release,
	})
	s.reply, s.control = out, s.serveControl()
	if err := s.openRelay(out, notices, clocks, desks); err != nil {
		return err
	}
	store := &inbox.Store{Accounts: s.accounts, Queue: s.queue, Vault: s.vault, Clocks: clocks, Login: s.login("imap")}
	return s.openPorts(in, out, store)
}

// login returns what is told of each login of one service. Those that fail are
// logged with the address, so that a tool that blocks addresses can read them;
// the name is not: it may be a password typed into the wrong field.
func (s *Server) login(service string) func(result, remote string) {
	count := s.metrics.Login(service)
	return func(result, remote string) {
		count(result)
		if result != "ok" {
			s.log.Warn("login failed", "service", service, "result", result, "remote", remote)
		}
	}
}

// openDirectory opens the Directory.
func (s *Server) openDirectory() error {
	b, err := os.ReadFile(s.c.Directory.AuthorityFile)
	if err != nil {
		return fmt.Errorf("directory authority: %w", err)
	}
	certs, err := pgp.ParseCertificates(b)
	if err == nil && len(certs) != 1 {
		err = fmt.Errorf("%d certificates where one belongs", len(certs))
	}
	if err != nil {
		return fmt.Errorf("directory authority: %s: %w", s.c.Directory.AuthorityFile, err)
	}
	if s.directory, err = directory.OpenStore(s.c.Directory.Dir, certs[0], time.Now()); err != nil {
		return err
	}
	for _, w := range s.c.WaiverWarnings(time.Now()) {
		s.log.Warn("configuration needs attention", "what", w)
	}
	for _, w := range s.c.Policy.SHA1Waivers {
		if cp, ok := s.directory.Current().BySigner(strings.Join(strings.Fields(w.Fingerprint), "")); !ok || cp.ID != w.ContactPoint {
			s.log.Warn("waiver for a certificate that the Directory does not list for that contact point", "contact_point", w.ContactPoint)
		}
	}
	return nil
}

// vocabulary returns the classifier with the words that the configuration names.
func vocabulary(c *config.Config) (*classify.Classifier, error) {
	if c.VocabularyDir != "" {
		return classify.Load(c.VocabularyDir)
	}
	return classify.Default()
}

func rules(c *config.Config) (*classify.Classifier, *deadline.Clocks, error) {
	classifier, err := vocabulary(c)
	if err != nil {
		return nil, nil, err
	}
	clocks, err := deadline.Default()
	if c.ClocksFile != "" {
		clocks, err = deadline.Load(c.ClocksFile)
	}
	return classifier, clocks, err
}

func (s *Server) openQueue(desks []string) error {
	client, err := s.dialRedis()
	if err != nil {
		return err
	}
	s.queue, err = queue.Open(queue.Options{
		Client: client, Embedded: s.c.Redis.Embedded(), MaxOpen: s.c.Redis.MaxOpenEmbedded, JournalDir: s.c.Journal.Dir,
		Desks: desks, StreamKeep: s.c.Redis.StreamMaxEvents, Timeout: 2 * s.c.Redis.Timeout, Log: s.log,
		ObserveSync: s.metrics.Synced, OnReplayed: s.metrics.Replayed,
		OnApplied: func(desk string, r queue.Record) {
			s.metrics.Applied(r)
			if relay := s.relay.Load(); relay != nil && len(r.Out) > 0 {
				relay.Wake(desk)
			}
		},
	})
	return err
}

func (s *Server) dialRedis() (redis.UniversalClient, error) {
	r := s.c.Redis
	if r.Embedded() {
		client, stop := queue.Embedded()
		s.stopRedis = stop
		return client, nil
	}
	password := ""
	if r.PasswordFile != "" {
		var err error
		if password, err = readSecret(r.PasswordFile); err != nil {
			return nil, fmt.Errorf("redis: reading password: %w", err)
		}
	}
	var tlsConfig *tls.Config
	if r.CAFile != "" {
		pool, err := readPool(r.CAFile, x509.NewCertPool())
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
		tlsConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client, err := queue.Dial(r.URL, r.Username, password, tlsConfig)
	if err != nil {
		return nil, err
	}
	s.stopRedis = func() { client.Close() }
	return client, nil
}

func keyPolicy(c *config.Config) pgp.Policy {
	p := pgp.DefaultPolicy()
	p.MinRSABits = c.Policy.MinRSABits
	p.SHA1Until, p.SHA1Waivers = c.Policy.SHA1()
	p.ClockTolerance = c.Policy.ClockTolerance
	return p
}

func intakeRules(c *config.Config, keys pgp.Policy) intake.Rules {
	l := c.Limits
	limits := pgpmime.DefaultLimits()
	limits.MaxPlaintext, limits.MaxDepth, limits.MaxParts, limits.MaxHeaderBytes = l.PlaintextSize, l.MIMEDepth, l.MIMEParts, int(l.HeaderSize)
	return intake.Rules{
		Reasons: c.Policy.Verdicts(), Window: c.Policy.SignatureWindow, MaxAge: c.Policy.SignatureMaxAge,
		ClockTolerance: c.Policy.ClockTolerance, Keys: keys, Limits: limits,
	}
}

func containment(c *config.Config) intake.Containment {
	l := c.Limits
	return intake.Containment{
		Bytes: l.BytesInFlight, Time: l.MessageTime, Unreadable: l.Unreadable, UnreadablePerIP: l.UnreadablePerIP, FailedOpenings: l.FailedOpenings,
	}
}

func (s *Server) openRelay(out *reply.Reply, notices *notice.Writer, clocks *deadline.Clocks, desks []string) error {
	c := s.c.Relay
	o := relay.Options{
		Helo: s.c.HeloName(), Desks: desks, Directory: s.directory.Current, Queue: s.queue, Vault: s.vault, Clocks: clocks,
		NextHops: map[string]smtpout.Hop{}, MXPolicy: smtpout.TLSPolicy{Security: smtpout.Security(c.TLS)},
		Retry: c.Retry, GiveUp: c.GiveUpAfter, Compose: out.Compose, Notices: notices, Log: s.log, Observe: s.metrics.Relayed,
	}
	further, err := furtherAuthorities(c.CAFile)
	if err != nil {
		return fmt.Errorf("relay.ca_file: %w", err)
	}
	o.MXPolicy.CAs = further
	for _, n := range c.NextHops {
		hop, err := nextHop(n.Address, n.TLS, n.CAFile, n.CertificateSHA256, further)
		if err != nil {
			return fmt.Errorf("relay.next_hops: %s: %w", n.ContactPoint, err)
		}
		o.NextHops[n.ContactPoint] = hop
	}
	if h := c.Smarthost; h.Address != "" {
		hop, err := nextHop(h.Address, h.TLS, h.CAFile, h.CertificateSHA256, further)
		if err != nil {
			return fmt.Errorf("relay.smarthost: %w", err)
		}
		hop.Username = h.User
		if h.PasswordFile != "" {
			if hop.Password, err = readSecret(h.PasswordFile); err != nil {
				return fmt.Errorf("relay.smarthost: reading password: %w", err)
			}
		}
		o.Smarthost = &hop
	}
	s.relay.Store(relay.New(o))
	return nil
}

// furtherAuthorities returns the system's authorities and those of a file; nil,
// which stands for the system's alone, if there is no file.
func furtherAuthorities(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		system = x509.NewCertPool()
	}
	return readPool(caFile, system)
}

// nextHop returns a fixed hop; further are the authorities beside the system's
// where it needs none of its own.
func nextHop(address, security, caFile, sha256 string, further *x509.CertPool) (smtpout.Hop, error) {
	host, port, implicit := config.SplitAddress(address)
	hop := smtpout.Hop{Host: host, Port: port, ImplicitTLS: implicit, TLS: smtpout.TLSPolicy{Security: smtpout.Security(security)}}
	if sha256 != "" {
		hop.TLS.Fingerprints = []string{sha256}
	}
	if hop.TLS.Security == smtpout.Required {
		hop.TLS.CAs = further
	}
	if caFile != "" {
		pool, err := readPool(caFile, x509.NewCertPool())
		if err != nil {
			return hop, err
		}
		hop.TLS.CAs = pool
	}
	return hop, nil
}

func (s *Server) openPorts(in *intake.Intake, out *reply.Reply, store *inbox.Store) error {
	l := s.c.Limits
	limits := smtpd.DefaultLimits()
	limits.MessageBytes, limits.Recipients = l.MessageSize, l.Recipients
	limits.Connections, limits.ConnectionsPerIP, limits.ReadTimeout = l.Connections, l.ConnectionsPerIP, l.SMTPTimeout
	limits.BufferedBytes = 2 * max(l.BytesInFlight, l.MessageSize)
	limits.ConcurrentMessages = l.ReceiveConcurrency
	if limits.ConcurrentMessages == 0 {
		// Most of a message's time is waiting for the disk, so that more than
		// one per processor keeps them busy.
		limits.ConcurrentMessages = 32 * runtime.GOMAXPROCS(0)
	}
	var err error
	s.mx, err = smtpd.NewMX(in, smtpd.Options{
		Hostname: s.c.Hostname, TLS: s.certificate.config(), Limits: limits, Log: s.log,
		Observe: s.metrics.SMTP("mx", smtpd.EventConnection, smtpd.EventDisconnection), Refused: in.Refused,
	})
	if err != nil {
		return err
	}
	s.submission, err = smtpd.NewSubmission(out, smtpd.Options{
		Hostname: s.c.Hostname, TLS: s.certificate.config(), Limits: limits, Log: s.log,
		Observe: s.metrics.SMTP("submission", smtpd.EventConnection, smtpd.EventDisconnection),
	})
	if err != nil {
		return err
	}
	s.imap = imapd.New(imapd.Options{
		Store: store, TLS: s.certificate.config(), Log: s.log, Observe: s.metrics.IMAP(),
		Keyword:         imapd.ReserveKeywords("$Verdict-", "$Kind-", intake.KeywordEmergency, intake.KeywordDueSoon, intake.KeywordOverdue, intake.KeywordInterim, "$Notice", "$Undelivered"),
		MaxMessageBytes: l.MessageSize, MaxConnections: l.Connections, MaxConnectionsPerIP: l.ConnectionsPerIP,
	})
	return nil
}
