// Package config reads relais.yaml. The Config struct is the documentation:
// every field carries its text, default and allowed values in tags, from which
// the decoder, configs/relais.example.yaml (Example) and docs/configuration.md
// (Describe) are made.
//
// Tags: doc (text), default, required ("true"), is (the kind of string, see
// check.go), oneof ("a|b"), min and max (inclusive, written like the value),
// unit, and example (shown in the example file where there is no default).
package config

//go:generate go run relais.example/gateway/config/generate ../..

import (
	"net"
	"strconv"
	"time"

	"relais.example/routing/verdict"
)

// Config is one gateway's whole configuration. Paths are absolute or relative
// to the working directory once Load has resolved them against the file's
// folder; sizes are bytes.
type Config struct {
	Hostname string `yaml:"hostname" is:"hostname" required:"true" example:"relais.alphaland.example" doc:"Full host name of this gateway. Used in the SMTP greeting, in EHLO, in Message-ID and in Received."`
	DataDir  string `yaml:"data_dir" is:"newpath" default:"data" doc:"Folder for everything the gateway writes: journal, message bodies, state of the embedded queue. It is created when missing."`

	TLS       TLS       `yaml:"tls" doc:"Certificate that SMTP and IMAP present to clients and other mail servers."`
	Listen    Listen    `yaml:"listen" doc:"Addresses to listen on, as host:port or :port. An empty string turns that service off."`
	Redis     Redis     `yaml:"redis" doc:"The queue. Without a url, an embedded Redis-compatible server runs in the process and the journal makes it durable."`
	Journal   Journal   `yaml:"journal" doc:"The append-only record of every event, from which an empty Redis is filled again."`
	Vault     Vault     `yaml:"vault" doc:"Message bodies, encrypted at rest."`
	Directory Directory `yaml:"directory" doc:"The signed list of contact points and their certificates."`
	Desks     []Desk    `yaml:"desks" required:"true" doc:"The contact points that this gateway serves. At least one."`

	Keyholder Keyholder `yaml:"keyholder" doc:"A process of its own for the desks' private keys, 'relais keyholder', so that the process that faces the network cannot read them. Both read this file."`

	StaffFile string `yaml:"staff_file" is:"secretfile" default:"staff.yaml" doc:"Staff accounts; written by 'relais staff'."`

	Policy Policy `yaml:"policy" doc:"What a message must fulfil to be accepted."`
	Limits Limits `yaml:"limits" doc:"Bounds on what anybody may send or open."`
	Relay  Relay  `yaml:"relay" doc:"How mail leaves."`

	Ping Ping `yaml:"ping" doc:"Tests whether the other contact points can be reached."`

	ClocksFile    string `yaml:"clocks_file" is:"file" default:"" doc:"Deadline rules. Empty: the built-in configs/clocks.yaml."`
	VocabularyDir string `yaml:"vocabulary_dir" is:"dir" default:"" doc:"Vocabulary of the classifier. Empty: the built-in configs/vocabulary."`

	Log Log `yaml:"log" doc:"Log lines go to standard error and never hold content, subjects or addresses of people."`
}

// Ping sets the tests that the gateway sends by itself.
type Ping struct {
	Every time.Duration `yaml:"every" default:"0s" min:"0s" max:"365d" doc:"How often the first desk sends each other contact point a signed test that asks for an answer, spread over that time; 30d is usual for a Secretariat. 0s: only when 'relais ping' asks for it."`
}

// DeskIDs lists the identifiers of the desks, in the order of the file.
func (c *Config) DeskIDs() []string {
	var out []string
	for _, d := range c.Desks {
		out = append(out, d.ID)
	}
	return out
}

// TLS names the server certificate.
type TLS struct {
	CertificateFile string `yaml:"certificate_file" is:"file" required:"true" example:"tls/cert.pem" doc:"PEM file with the certificate and its chain, leaf first."`
	KeyFile         string `yaml:"key_file" is:"secretfile" required:"true" example:"tls/key.pem" doc:"PEM file with the private key of that certificate."`
}

// Listen holds the listening addresses; an empty one is off.
type Listen struct {
	MX          string `yaml:"mx" is:"listen" default:":25" doc:"SMTP from other mail servers and senders; offers STARTTLS; accepts mail for the desks only."`
	Submission  string `yaml:"submission" is:"listen" default:":587" doc:"SMTP from staff with STARTTLS and login (RFC 6409)."`
	Submissions string `yaml:"submissions" is:"listen" default:":465" doc:"SMTP from staff with TLS from the first byte and login (RFC 8314)."`
	IMAP        string `yaml:"imap" is:"listen" default:":143" doc:"IMAP for staff; login only after STARTTLS."`
	IMAPS       string `yaml:"imaps" is:"listen" default:":993" doc:"IMAP for staff with TLS from the first byte (RFC 8314)."`
	HTTPS       string `yaml:"https" is:"listen" default:"" example:":443" doc:"The Directory for staff: API and address book (CardDAV), with login. Empty: off."`
	HTTP        string `yaml:"http" is:"listen" default:"127.0.0.1:9465" doc:"/metrics, /healthz and /readyz, in clear and without login: keep it on a local or internal address."`
	WKD         string `yaml:"wkd" is:"listen" default:"" example:":443" doc:"Web Key Directory over HTTPS with the certificate of tls, for anybody: the OpenPGP certificates of the desks, by address. listen.https serves it, too, where both must share a port. Names of the certificate: openpgpkey.DOMAIN for the domains of the desks' addresses."`
}

// Redis says where the queue lives.
type Redis struct {
	URL             string        `yaml:"url" is:"redisurl" default:"" example:"rediss://redis.alphaland.example:6379/0" doc:"redis://host:port/db, rediss:// for TLS, or unix:///path. No user and password here. Empty: embedded."`
	Username        string        `yaml:"username" default:"" doc:"Redis ACL user. Empty: the default user."`
	PasswordFile    string        `yaml:"password_file" is:"secretfile" default:"" doc:"File with the Redis password. Empty: none."`
	CAFile          string        `yaml:"ca_file" is:"file" default:"" doc:"PEM file with the authority that signed the server's certificate. Empty: the system's authorities."`
	Timeout         time.Duration `yaml:"timeout" default:"5s" min:"100ms" max:"1m" doc:"How long one command may take; afterwards senders are answered 451."`
	StreamMaxEvents int64         `yaml:"stream_max_events" default:"1000000" min:"1000" unit:"events" doc:"Events kept per desk in Redis. Older ones stay in the journal."`
	MaxOpenEmbedded int           `yaml:"max_open_embedded" default:"20000" min:"100" max:"100000" unit:"requests" doc:"Open requests that the embedded queue takes; beyond, senders are answered 452. Install a Redis before that."`
}

// Embedded reports whether the queue runs inside this process.
func (r Redis) Embedded() bool { return r.URL == "" }

// Journal places the journal.
type Journal struct {
	Dir string `yaml:"dir" is:"newpath" default:"" doc:"Folder of the journal. Empty: the folder journal in data_dir."`
}

// Vault places the key of the stored bodies.
type Vault struct {
	KeyFile string `yaml:"key_file" is:"secretfile" default:"" doc:"File with the key that encrypts stored bodies. Empty: vault.key in data_dir, made at the first start. Back it up apart from the data: without it no stored message can be read."`
}

// Directory places the Directory and its authority.
type Directory struct {
	Dir           string `yaml:"dir" is:"dir" default:"directory" doc:"Folder with directory.json and directory.json.asc."`
	Distribute    bool   `yaml:"distribute" default:"false" doc:"Send each new version, once it is in force here, by signed and encrypted mail to every contact point that has no desk here. For the Secretariat."`
	AuthorityFile string `yaml:"authority_file" is:"file" default:"directory/authority.asc" doc:"OpenPGP certificate of the Directory authority. Only versions signed by it are used."`
	Pull          Pull   `yaml:"pull" doc:"Fetch new versions from another gateway, such as the Secretariat's, besides those that come by mail."`
}

// Pull says where the Directory is fetched from.
type Pull struct {
	URL          string        `yaml:"url" is:"httpsurl" default:"" example:"https://relais.secretariat.example/api/directory/directory.json" doc:"Address of the document; its signature is fetched from the same address with .asc behind it. Empty: nothing is fetched."`
	User         string        `yaml:"user" default:"" example:"gateway-xa" doc:"Account there, of the role peer."`
	PasswordFile string        `yaml:"password_file" is:"secretfile" default:"" doc:"File with its password."`
	CAFile       string        `yaml:"ca_file" is:"file" default:"" doc:"PEM file with the authorities that may vouch for the server there. Empty: those of the system."`
	Every        time.Duration `yaml:"every" min:"1s" default:"15m" doc:"How often to ask. An unchanged Directory costs one short answer."`
}

// Desk is a contact point served by this gateway.
type Desk struct {
	ID                   string   `yaml:"id" is:"desk" required:"true" example:"XA-1" doc:"Identifier of the contact point in the Directory."`
	KeyFiles             []string `yaml:"key_files" is:"secretfile" required:"true" example:"keys/XA-1.asc" doc:"OpenPGP private keys of the desk, armored. The first one signs; all of them decrypt."`
	PassphraseFile       string   `yaml:"passphrase_file" is:"secretfile" default:"" doc:"File with the passphrase of these keys. Empty: the keys are not protected, or passphrase_credential names it."`
	PassphraseCredential string   `yaml:"passphrase_credential" is:"credential" default:"" example:"desk-passphrase" doc:"Name of a systemd credential that holds the passphrase of these keys (LoadCredential= or LoadCredentialEncrypted= in the unit). Instead of passphrase_file."`
	Acknowledge          bool     `yaml:"acknowledge" default:"true" doc:"Send a signed and encrypted acknowledgement for each accepted request."`
	// DirectoryService turns on answers to questions and changes by mail.
	DirectoryService    bool   `yaml:"directory_service" default:"false" doc:"Answer questions to the Directory that listed contact points send by signed mail (find, key, who handles), and take the changes of their own entries as pending changes. For the desk of the Secretariat."`
	RemindStaff         bool   `yaml:"remind_staff" default:"true" doc:"Tell the staff 60, 30, 14 and 3 days before the desk's key ends. The first desk with this setting is told of other contact points' certificates, too."`
	RemindContactPoints bool   `yaml:"remind_contact_points" default:"false" doc:"Write to contact points, signed and encrypted, 60, 30, 14 and 3 days before their certificate ends. The first desk with this setting does so for the whole gateway. directory.distribute turns it on for all desks: the Secretariat reminds, not every gateway of the Network."`
	Inbox               string `yaml:"inbox" is:"inbox" default:"decrypted" doc:"How staff see mail. decrypted: the gateway decrypts and serves it over TLS."`
	Banner              string `yaml:"banner" oneof:"en|fr|off" default:"en" doc:"Language of the note with the gateway's findings that staff read above each message. off: they stand in header fields only."`
	AttachOriginal      bool   `yaml:"attach_original" default:"false" doc:"Attach to each message the mail as it came, encrypted and signed, for evidence. It is kept in the vault either way."`
}

// Keyholder says where the desks' private keys are.
type Keyholder struct {
	Socket string   `yaml:"socket" is:"socket" default:"" example:"/run/relais-keyholder/socket" doc:"Unix socket that the keyholder listens on and the gateway asks. Its folder must exist, and belong to the keyholder. Empty: the gateway reads key_files and passphrase_file of the desks itself."`
	Users  []string `yaml:"users" default:"" doc:"Users of this machine, by name or number, who may have mail opened and signed through the socket, besides the keyholder's own: the gateway's, such as relais."`
}

// Policy says what a message must fulfil.
type Policy struct {
	SignatureWindow       time.Duration     `yaml:"signature_window" default:"72h" min:"1h" max:"365d" doc:"A signature older than this is old-signature."`
	SignatureMaxAge       time.Duration     `yaml:"signature_max_age" default:"365d" min:"1h" max:"3650d" doc:"A signature older than this is too-old. Not shorter than signature_window."`
	ClockTolerance        time.Duration     `yaml:"clock_tolerance" default:"10m" min:"0s" max:"24h" doc:"How far in the future a signature may lie before it is future-signature."`
	MinRSABits            int               `yaml:"min_rsa_bits" default:"2048" min:"2048" max:"8192" unit:"bits" doc:"RSA keys shorter than this are not accepted."`
	SHA1CertificatesUntil string            `yaml:"sha1_certificates_until" is:"date" default:"2027-07-01" doc:"First day on which certificates are refused whose self-signatures use SHA-1; until then old ones are accepted. Empty: they always are. Signatures of messages with SHA-1 are never accepted."`
	SHA1Waivers           []Waiver          `yaml:"sha1_waivers" doc:"Certificates that may use SHA-1 beyond that day, each until a day of its own."`
	Reasons               map[string]string `yaml:"reasons" is:"reasons" example:"not-bound: quarantine" doc:"Reason code to action (accept, quarantine or reject), for the codes that docs/reason-codes.md marks as changeable."`
}

// Verdicts returns the configured actions. Reasons must have passed Parse or
// Load; entries that did not are left out, so that their default holds.
func (p Policy) Verdicts() verdict.Policy {
	out := verdict.Policy{}
	for reason, action := range p.Reasons {
		one, err := verdict.ParsePolicy(map[string]string{reason: action})
		if err != nil {
			continue
		}
		for r, a := range one {
			out[r] = a
		}
	}
	return out
}

// Limits bounds what anybody may send. Sizes are bytes.
type Limits struct {
	MessageSize        int64         `yaml:"message_size" is:"size" default:"48MiB" min:"64KiB" max:"256MiB" doc:"Largest message on the wire, as announced in SIZE (RFC 1870). 48MiB carries about 25MiB of attachments, which are encoded twice: inside the encryption and around it."`
	PlaintextSize      int64         `yaml:"plaintext_size" is:"size" default:"36MiB" min:"64KiB" max:"256MiB" doc:"Largest message after decryption and decompression."`
	HeaderSize         int64         `yaml:"header_size" is:"size" default:"64KiB" min:"4KiB" max:"1MiB" doc:"Largest header of one MIME part."`
	MIMEDepth          int           `yaml:"mime_depth" default:"20" min:"3" max:"100" unit:"levels" doc:"Deepest nesting of MIME parts."`
	MIMEParts          int           `yaml:"mime_parts" default:"1000" min:"10" max:"10000" unit:"parts" doc:"Most MIME parts in one message."`
	Recipients         int           `yaml:"recipients" default:"100" min:"1" max:"1000" unit:"recipients" doc:"Most recipients of one transaction."`
	Connections        int           `yaml:"connections" default:"1000" min:"1" max:"100000" unit:"connections" doc:"Most connections at a time, for each listening address."`
	ConnectionsPerIP   int           `yaml:"connections_per_ip" default:"50" min:"1" max:"100000" unit:"connections" doc:"Most connections at a time from one IP address, for each listening address."`
	ReceiveConcurrency int           `yaml:"receive_concurrency" default:"0" min:"0" max:"1024" unit:"messages" doc:"Messages handled at the same time. Most of their time is waiting for the disk. 0: 32 for each processor."`
	BytesInFlight      int64         `yaml:"bytes_in_flight" is:"size" default:"144MiB" min:"1MiB" max:"16GiB" doc:"Messages worked on at the same time, by their sizes on the wire: this is what bounds memory. A larger message goes alone. Others wait, and are answered 451 after two minutes. Twice as much may be arriving on each port; beyond, senders are answered 452."`
	MessageTime        time.Duration `yaml:"message_time" default:"1m" min:"1s" max:"30m" doc:"Longest time for opening, judging or showing one message. One that takes longer is held as unreadable."`
	Unreadable         int           `yaml:"unreadable" default:"20" min:"1" max:"10000" unit:"messages an hour" doc:"Most messages that are held as unreadable, because they break a parser or take too long, per hour. Beyond, senders are answered 451."`
	UnreadablePerIP    int           `yaml:"unreadable_per_ip" default:"5" min:"1" max:"10000" unit:"messages an hour" doc:"The same from one IP address (IPv6: /64)."`
	FailedOpenings     int           `yaml:"failed_openings" default:"30" min:"0" max:"100000" unit:"messages an hour" doc:"Most messages from one IP address (IPv6: /64) and one sender domain that cannot be opened, per hour; ten times as many from the address, whatever the domain. Beyond, everything from there is answered 451 unopened, so that nobody can put many questions to the desk's key. 0: without limit."`
	SMTPTimeout        time.Duration `yaml:"smtp_timeout" default:"5m" min:"10s" max:"1h" doc:"How long an SMTP connection may be silent (RFC 5321 4.5.3.2 asks for 5 minutes)."`
	LoginFailures      int           `yaml:"login_failures" default:"5" min:"1" max:"100" unit:"attempts" doc:"Wrong passwords in a row, for one user from one address, before waiting times begin. Twenty times as many for one address in all."`
	LoginLockout       time.Duration `yaml:"login_lockout" default:"15m" min:"1s" max:"24h" doc:"Longest waiting time after wrong passwords. It starts at one second and doubles with each further one."`
}

// Relay says how mail leaves.
type Relay struct {
	Helo        string          `yaml:"helo" is:"hostname" default:"" doc:"Name given in EHLO. Empty: hostname."`
	TLS         string          `yaml:"tls" oneof:"required|opportunistic" default:"required" doc:"For mail servers found by MX records. required: a certificate that matches the server's name, else the message waits. opportunistic: any TLS, or none."`
	CAFile      string          `yaml:"ca_file" is:"file" default:"" doc:"PEM file with further authorities for required TLS. Empty: the system's authorities."`
	Smarthost   Smarthost       `yaml:"smarthost" doc:"A mail server that takes all outgoing mail. Contact points in next_hops go past it. Without an address, mail goes to the MX of the recipient's domain."`
	NextHops    []NextHop       `yaml:"next_hops" doc:"Fixed mail servers for single contact points."`
	Retry       []time.Duration `yaml:"retry" default:"1m,5m,15m,30m,1h,2h,4h" min:"1s" max:"24h" doc:"Waiting times between attempts; the last one repeats."`
	GiveUpAfter time.Duration   `yaml:"give_up_after" default:"48h" min:"1m" max:"30d" doc:"When to stop trying and put the failure before the staff (RFC 5321 4.5.4.1 asks for 4-5 days; a 24/7 request cannot wait so long)."`
}

// HeloName is the name for EHLO.
func (c *Config) HeloName() string {
	if c.Relay.Helo != "" {
		return c.Relay.Helo
	}
	return c.Hostname
}

// Smarthost is the server that takes all outgoing mail; off without Address.
type Smarthost struct {
	Address      string `yaml:"address" is:"hostport" default:"" example:"smtp.alphaland.example:587" doc:"host:port. Port 465 means TLS from the first byte, any other port STARTTLS. Empty: no smarthost."`
	TLS          string `yaml:"tls" oneof:"required|pinned|opportunistic|none" default:"required" doc:"As in next_hops."`
	User         string `yaml:"user" default:"" doc:"User name for AUTH. Empty: no login."`
	PasswordFile string `yaml:"password_file" is:"secretfile" default:"" doc:"File with the password for AUTH."`

	CAFile            string `yaml:"ca_file" is:"file" default:"" doc:"For tls: pinned. PEM file with the only authority that is trusted for this server."`
	CertificateSHA256 string `yaml:"certificate_sha256" is:"sha256" default:"" doc:"For tls: pinned. SHA-256 of the server's certificate in hex, with or without colons."`
}

// NextHop is the fixed mail server of one contact point.
type NextHop struct {
	ContactPoint      string `yaml:"contact_point" is:"desk" required:"true" example:"XB-1" doc:"Identifier of the contact point in the Directory."`
	Address           string `yaml:"address" is:"hostport" required:"true" example:"mx.betaland.example:25" doc:"host:port. Port 465 means TLS from the first byte, any other port STARTTLS."`
	TLS               string `yaml:"tls" oneof:"required|pinned|opportunistic|none" default:"required" doc:"required: a certificate that matches the host name. pinned: the one of ca_file or certificate_sha256. opportunistic: any TLS, or none. none: in clear, for a private line only."`
	CAFile            string `yaml:"ca_file" is:"file" default:"" doc:"For tls: pinned. PEM file with the only authority that is trusted for this server."`
	CertificateSHA256 string `yaml:"certificate_sha256" is:"sha256" default:"" doc:"For tls: pinned. SHA-256 of the server's certificate in hex, with or without colons."`
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level" oneof:"debug|info|warn|error" default:"info" doc:"Least level that is written."`
	Format string `yaml:"format" oneof:"text|json" default:"text" doc:"Form of the lines."`
}

// SplitAddress cuts a checked host:port into its parts. implicitTLS is true
// for port 465, where TLS starts with the first byte (RFC 8314).
func SplitAddress(address string) (host string, port int, implicitTLS bool) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0, false
	}
	port, err = strconv.Atoi(p)
	if err != nil {
		return host, 0, false
	}
	return host, port, port == 465
}
