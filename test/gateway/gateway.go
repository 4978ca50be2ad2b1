package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/setup"
	"relais.example/routing/directory"
)

// The contact points of the installation. XA-1 and XB-1 have a desk on the
// gateway; mail to the others goes to the Sink.
const (
	AlphaAddress      = "cp247@police.alphaland.example"         // XA-1
	BetaAddress       = "cp247@police.betaland.example"          // XB-1
	ProsecutorAddress = "cyber@prosecutor.betaland.example"      // XB-2
	GammaAddress      = "duty.office@ministry.gammaland.example" // XC-1
)

// The staff accounts.
const (
	Olga = "olga" // officer of XA-1
	Sven = "sven" // supervisor of XA-1
	Bob  = "bob"  // officer of XB-1
)

// Options are what tests change about an installation.
type Options struct {
	Redis       *Redis         // nil: embedded
	Acknowledge bool           // desks acknowledge what they receive
	Retry       []string       // pauses of the relay; nil: one second
	Settings    map[string]any // further top-level settings of relais.yaml
	Keyholder   bool           // the desks' keys are in a process of their own
}

// Gateway is one installation and, after Start, the program that serves it.
type Gateway struct {
	t       testing.TB
	Dir     string
	Written *setup.Written
	Listen  map[string]string // address by service: mx, submission, submissions, imap, imaps, http, https
	Sink    *Sink             // mail server of XB-2 and XC-1
	TLS     *tls.Config       // trusts the gateway's certificate

	Keyholder *Keyholder // nil: the gateway reads the keys itself
	unasked   bool       // the test knows nothing of the keyholder

	redis   *Redis
	secrets []string
	log     *os.File
	program *process // nil: does not run
}

// New writes an installation and starts its Sink.
func New(t testing.TB, o Options) *Gateway {
	t.Helper()
	at := freePorts(t, 8)
	g := &Gateway{t: t, Dir: filepath.Join(t.TempDir(), "relais"), redis: o.Redis, secrets: standingSecrets()}
	g.Listen = map[string]string{"mx": at[0], "submission": at[1], "submissions": at[2], "imap": at[3], "imaps": at[4], "http": at[5], "https": at[7]}
	if o.Retry == nil {
		o.Retry = []string{"1s"}
	}
	in := installation(g.Listen, at[6])
	in.Quiet, in.Retry, in.More = !o.Acknowledge, o.Retry, maps.Clone(o.Settings)
	if o.Redis != nil {
		in.RedisURL = o.Redis.URL()
	}
	asked := o.Keyholder
	if o.Keyholder = asked || os.Getenv(keyholderVariable) != ""; o.Keyholder {
		if in.More == nil {
			in.More = map[string]any{}
		}
		in.More["keyholder"] = map[string]string{"socket": keyholderSocket(t)}
	}
	var err error
	if g.Written, err = in.Write(g.Dir); err != nil {
		t.Fatal(err)
	}
	if g.log, err = os.OpenFile(filepath.Join(g.Dir, "relais.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Keyholder {
		g.Keyholder = g.newKeyholder(in.More["keyholder"].(map[string]string)["socket"])
	}
	g.unasked = o.Keyholder && !asked
	pem, err := os.ReadFile(g.CA())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	g.TLS = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	pair, err := tls.LoadX509KeyPair(filepath.Join(g.Dir, "tls", "cert.pem"), filepath.Join(g.Dir, "tls", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	g.Sink = newSink(t, at[6], pair)
	t.Cleanup(g.finish)
	return g
}

// Run is New and Start.
func Run(t testing.TB, o Options) *Gateway {
	t.Helper()
	g := New(t, o)
	g.Start()
	return g
}

func installation(listen map[string]string, sink string) setup.Installation {
	pinned := func(cp, address string) map[string]string {
		return map[string]string{"contact_point": cp, "address": address, "tls": "pinned", "ca_file": "tls/ca.pem"}
	}
	point := func(id string, role directory.Role, institution, address string) directory.ContactPoint {
		return directory.ContactPoint{ID: id, Role: role, Institution: institution, Addresses: []string{address}, Hours: "24/7", Zone: "UTC"}
	}
	return setup.Installation{
		Hostname: "localhost", Algorithm: pgp.Curve25519, Desks: []string{"XA-1", "XB-1"}, Listen: listen,
		Parties: []directory.Party{
			{Code: "XA", Names: map[string]string{"en": "Alphaland"}, ContactPoints: []directory.ContactPoint{
				point("XA-1", directory.Police, "Alphaland National Cybercrime Unit", AlphaAddress)}},
			{Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{
				point("XB-1", directory.Police, "Betaland Federal Police", BetaAddress),
				point("XB-2", directory.Prosecutor, "Betaland Prosecutor General", ProsecutorAddress)}},
			{Code: "XC", Names: map[string]string{"en": "Gammaland"}, ContactPoints: []directory.ContactPoint{
				point("XC-1", directory.Ministry, "Gammaland Ministry of Justice", GammaAddress)}},
		},
		Staff: []accounts.Account{
			{User: Olga, Desk: "XA-1", Role: accounts.Officer, Name: "Olga"},
			{User: Sven, Desk: "XA-1", Role: accounts.Supervisor, Name: "Sven"},
			{User: Bob, Desk: "XB-1", Role: accounts.Officer, Name: "Bob"},
		},
		NextHops: []map[string]string{pinned("XA-1", listen["mx"]), pinned("XB-1", listen["mx"]), pinned("XB-2", sink), pinned("XC-1", sink)},
	}
}

// In returns the same gateway for a subtest, which must not start or stop it.
func (g *Gateway) In(t testing.TB) *Gateway {
	same := *g
	same.t = t
	return &same
}

// CA is the path of the authority that signed the TLS certificate.
func (g *Gateway) CA() string { return filepath.Join(g.Dir, "tls", "ca.pem") }

// Key returns the private key of a contact point.
func (g *Gateway) Key(contactPoint string) *pgp.Key { return g.Written.Keys[contactPoint] }

// Publish changes the Directory and signs it as the next version. A gateway
// that runs takes it after Reload.
func (g *Gateway) Publish(change func(*directory.Document)) {
	g.t.Helper()
	g.Prepare("directory", change)
}

// Prepare writes and signs the next version of the Directory into a folder of
// the installation.
func (g *Gateway) Prepare(folder string, change func(*directory.Document)) {
	g.t.Helper()
	old, err := os.ReadFile(filepath.Join(g.Dir, "directory", directory.FileName))
	if err != nil {
		g.t.Fatal(err)
	}
	doc, err := directory.Parse(old)
	if err != nil {
		g.t.Fatal(err)
	}
	change(doc)
	doc.Version++
	text, err := doc.Encode()
	if err != nil {
		g.t.Fatal(err)
	}
	// Signed without the checks of 'relais directory sign': tests publish
	// certificates that it would not.
	signature, err := g.Written.Authority.SignDetached(text, time.Now())
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(g.Dir, folder), 0o700); err != nil {
		g.t.Fatal(err)
	}
	path := filepath.Join(g.Dir, folder, directory.FileName)
	for p, b := range map[string][]byte{path: text, path + directory.SignatureSuffix: signature} {
		if err := os.WriteFile(p, b, 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
}

// Read returns a file of the installation's folder.
func (g *Gateway) Read(name string) []byte {
	g.t.Helper()
	b, err := os.ReadFile(filepath.Join(g.Dir, name))
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// Status is what 'relais directory status' says of a contact point, behind the
// line on what is in force.
func (g *Gateway) Status(contactPoint string) string {
	g.t.Helper()
	out, err := g.Command("directory", "status")
	if err != nil {
		g.t.Fatal(err)
	}
	head, rest, _ := strings.Cut(out, "\n")
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, contactPoint+" ") {
			return head + ": " + line
		}
	}
	g.t.Fatalf("%s is not in\n%s", contactPoint, out)
	return ""
}

// Write puts a file into the installation's folder.
func (g *Gateway) Write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.Dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}
