package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"relais.example/routing/verdict"
)

var (
	hostPattern       = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)
	credentialPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$`)
	deskPattern       = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,8}$`)
)

// checkString checks s by the "is" and "oneof" tags of its field. An empty
// string is fine here: the required tag is checked elsewhere.
func checkString(s string, tag reflect.StructTag) error {
	if one := tag.Get("oneof"); one != "" {
		for allowed := range strings.SplitSeq(one, "|") {
			if s == allowed {
				return nil
			}
		}
		return fmt.Errorf("%q is not allowed; use %s", clip(s), orList(one))
	}
	if s == "" {
		return nil
	}
	if strings.ContainsAny(s, "\r\n\x00") {
		return fmt.Errorf("must be one line")
	}
	switch tag.Get("is") {
	case "hostname":
		if len(s) > 253 || !hostPattern.MatchString(s) {
			return fmt.Errorf("%q is not a host name; use e.g. \"relais.alphaland.example\"", clip(s))
		}
	case "listen":
		if !isHostPort(s, true) {
			return fmt.Errorf("%q is not host:port; use e.g. \":993\", \"192.0.2.1:993\" or \"\" for off", clip(s))
		}
	case "hostport":
		if !isHostPort(s, false) {
			return fmt.Errorf("%q is not host:port; use e.g. \"mx.betaland.example:25\"", clip(s))
		}
	case "desk":
		if !deskPattern.MatchString(s) {
			return fmt.Errorf("%q is not the identifier of a contact point; use e.g. \"XA-1\"", clip(s))
		}
	case "inbox":
		return checkInbox(s)
	case "redisurl":
		return checkRedisURL(s)
	case "credential":
		if !credentialPattern.MatchString(s) {
			return fmt.Errorf("%q is not the name of a systemd credential; use e.g. \"desk-passphrase\"", clip(s))
		}
	case "httpsurl":
		return checkHTTPS(s)
	case "date":
		return checkDate(s)
	case "fingerprint":
		return checkFingerprint(s)
	case "sha256":
		if b, err := hex.DecodeString(strings.ReplaceAll(s, ":", "")); err != nil || len(b) != 32 {
			return fmt.Errorf("%q is not a SHA-256 in hex (64 digits)", clip(s))
		}
	}
	return nil
}

func checkInbox(s string) error {
	switch s {
	case "decrypted":
		return nil
	case "openpgp":
		return fmt.Errorf("\"openpgp\" (re-encrypted to the certificates of the staff) is not built yet; use \"decrypted\"")
	}
	return fmt.Errorf("%q is not allowed; use \"decrypted\"", clip(s))
}

// isHostPort accepts names, IPv4 and [IPv6]; listen also an empty host and
// port 0 (any free port).
func isHostPort(s string, listen bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (n == 0 && !listen) {
		return false
	}
	if host == "" {
		return listen
	}
	return net.ParseIP(host) != nil || hostPattern.MatchString(host)
}

func checkRedisURL(s string) error {
	const use = "use e.g. \"redis://127.0.0.1:6379/0\", \"rediss://redis.alphaland.example:6379/0\" or \"unix:///run/redis/redis.sock\""
	u, err := url.Parse(s)
	if err != nil { // the error of url.Parse would repeat a password
		return fmt.Errorf("not a URL; %s", use)
	}
	if u.User != nil {
		return fmt.Errorf("must hold no user and password; put them into redis.username and redis.password_file")
	}
	switch u.Scheme {
	case "redis", "rediss":
		host := u.Host
		if u.Port() == "" {
			host += ":6379"
		}
		db := strings.TrimPrefix(u.Path, "/")
		if _, err := strconv.ParseUint(db, 10, 16); err != nil && db != "" {
			return fmt.Errorf("database %q is not a number; %s", clip(db), use)
		}
		if !isHostPort(host, false) {
			return fmt.Errorf("%q is not host:port; %s", clip(u.Host), use)
		}
	case "unix":
		if u.Host != "" || u.Path == "" {
			return fmt.Errorf("a socket has three slashes and a path; %s", use)
		}
	default:
		return fmt.Errorf("%q is not a Redis URL; %s", clip(s), use)
	}
	return nil
}

// checkHTTPS does not repeat the address: it may hold a password.
func checkHTTPS(s string) error {
	const use = "use e.g. \"https://relais.secretariat.example/api/directory/directory.json\""
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || !hostPattern.MatchString(u.Hostname()) && net.ParseIP(u.Hostname()) == nil:
		return fmt.Errorf("not an https:// address; %s", use)
	case u.User != nil:
		return fmt.Errorf("must hold no user and password; put them into user and password_file beside it")
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("must have nothing behind a ? or #; %s", use)
	}
	return nil
}

func (c *Config) checkPull(d *decoder) {
	p := c.Directory.Pull
	if p.URL == "" {
		for key, value := range map[string]string{"user": p.User, "password_file": p.PasswordFile, "ca_file": p.CAFile} {
			if value != "" && !d.bad["directory.pull.url"] {
				d.at("directory.pull."+key, "has no effect without directory.pull.url; set it or remove this")
			}
		}
		return
	}
	if p.User == "" || p.PasswordFile == "" {
		d.at("directory.pull.url", "needs directory.pull.user and directory.pull.password_file beside it")
	}
}

// check finds what is wrong between keys.
func (c *Config) check(d *decoder) {
	c.checkListen(d)
	c.checkDesks(d)
	c.checkRelay(d)
	c.checkPull(d)
	if c.Keyholder.Socket == "" && len(c.Keyholder.Users) > 0 && !d.bad["keyholder.socket"] {
		d.at("keyholder.users", "has no effect without keyholder.socket; set it or remove this")
	}
	c.checkWaivers(d)
	if c.Policy.SignatureMaxAge < c.Policy.SignatureWindow && !d.bad["policy.signature_window"] {
		d.at("policy.signature_max_age", "is shorter than signature_window; messages would be refused before they are quarantined")
	}
	for reason, action := range c.Policy.Reasons {
		key := "policy.reasons." + reason
		if _, err := verdict.ParsePolicy(map[string]string{reason: action}); err != nil {
			d.at(key, "%s", err)
		}
	}
	if c.Redis.URL == "" && !d.bad["redis.url"] {
		for key, value := range map[string]string{"redis.username": c.Redis.Username, "redis.password_file": c.Redis.PasswordFile, "redis.ca_file": c.Redis.CAFile} {
			if value != "" {
				d.at(key, "has no effect without redis.url; set redis.url or remove it")
			}
		}
		return
	}
	if c.Redis.CAFile != "" && !strings.HasPrefix(c.Redis.URL, "rediss:") {
		d.at("redis.ca_file", "needs TLS; write redis.url with rediss://")
	}
	if c.Redis.Username != "" && c.Redis.PasswordFile == "" {
		d.at("redis.username", "needs redis.password_file")
	}
}

func (c *Config) checkListen(d *decoder) {
	type address struct{ key, host, port string }
	var seen []address
	walkStrings(&c.Listen, func(name, _ string, s *string) {
		host, port, err := net.SplitHostPort(*s)
		if err != nil || port == "0" {
			return
		}
		wild := host == "" || net.ParseIP(host).IsUnspecified()
		for _, other := range seen {
			if other.port == port && (wild || other.host == "" || other.host == host) {
				d.at("listen."+name, "port %s is taken by listen.%s already; choose another or \"\" for off", port, other.key)
				return
			}
		}
		if wild {
			host = ""
		}
		seen = append(seen, address{name, host, port})
	})
	if (c.Listen == Listen{}) {
		d.at("listen", "every service is off; set at least one address")
	}
}

func (c *Config) checkDesks(d *decoder) {
	ids, keys := map[string]int{}, map[string]string{}
	for i, desk := range c.Desks {
		key := fmt.Sprintf("desks[%d]", i)
		if first, ok := ids[desk.ID]; ok && desk.ID != "" {
			d.at(key+".id", "%q is the id of desks[%d] already; each desk has its own", desk.ID, first)
		}
		ids[desk.ID] = i
		if desk.PassphraseFile != "" && desk.PassphraseCredential != "" {
			d.at(key+".passphrase_credential", "passphrase_file is set too; keep one of them")
		}
		for j, file := range desk.KeyFiles {
			fileKey := fmt.Sprintf("%s.key_files[%d]", key, j)
			switch owner, ok := keys[file]; {
			case file == "":
				d.at(fileKey, "is empty; give the path of an OpenPGP private key")
			case ok:
				d.at(fileKey, "%q is used by desk %s already; a key belongs to one desk", clip(file), owner)
			}
			keys[file] = desk.ID
		}
	}
}

func (c *Config) checkRelay(d *decoder) {
	s := c.Relay.Smarthost
	checkHop(d, "relay.smarthost", s.TLS, s.CAFile, s.CertificateSHA256)
	if s.Address == "" && !d.bad["relay.smarthost.address"] {
		for key, value := range map[string]string{"user": s.User, "password_file": s.PasswordFile, "ca_file": s.CAFile, "certificate_sha256": s.CertificateSHA256} {
			if value != "" {
				d.at("relay.smarthost."+key, "has no effect without relay.smarthost.address; set it or remove this")
			}
		}
	}
	switch {
	case s.User != "" && s.PasswordFile == "":
		d.at("relay.smarthost.user", "needs relay.smarthost.password_file")
	case s.User == "" && s.PasswordFile != "":
		d.at("relay.smarthost.password_file", "needs relay.smarthost.user")
	case s.User != "" && (s.TLS == "none" || s.TLS == "opportunistic"):
		d.at("relay.smarthost.tls", "%q could send the password in clear; use \"required\" or \"pinned\"", s.TLS)
	}
	if len(c.Relay.Retry) == 0 {
		d.at("relay.retry", "is empty; give at least one waiting time, e.g. [5m]")
	}
	seen := map[string]int{}
	for i, hop := range c.Relay.NextHops {
		key := fmt.Sprintf("relay.next_hops[%d]", i)
		checkHop(d, key, hop.TLS, hop.CAFile, hop.CertificateSHA256)
		if first, ok := seen[hop.ContactPoint]; ok && hop.ContactPoint != "" {
			d.at(key+".contact_point", "%q has relay.next_hops[%d] already", hop.ContactPoint, first)
		}
		seen[hop.ContactPoint] = i
	}
}

func checkHop(d *decoder, key, tls, caFile, sha256 string) {
	switch pins := caFile != "" || sha256 != ""; {
	case tls == "pinned" && !pins:
		d.at(key+".tls", "\"pinned\" needs ca_file or certificate_sha256 beside it")
	case tls != "pinned" && caFile != "":
		d.at(key+".ca_file", "needs tls: pinned beside it (relay.ca_file adds authorities for tls: required)")
	case tls != "pinned" && sha256 != "":
		d.at(key+".certificate_sha256", "needs tls: pinned beside it")
	}
}

// orList turns "a|b|c" into "a", "b" or "c".
func orList(one string) string {
	words := strings.Split(one, "|")
	for i := range words {
		words[i] = strconv.Quote(words[i])
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
