// Package wkd is a Web Key Directory (draft-koch-openpgp-webkey-service): it
// serves the certificates of the desks over HTTPS, so that the mail programs of
// their correspondents find them by the address alone.
//
// It serves what the Directory lists for the desks, and nothing else: no other
// contact point, no key that is only here. Whoever fetches a certificate learns
// what mail programs need to encrypt; what Relais trusts comes from the
// Directory, never from here.
package wkd

import (
	"crypto/sha1"
	"encoding/base32"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
)

// Options configure Handler. Every field is required.
type Options struct {
	Directory func() *directory.Directory
	Desks     []string // whose addresses are served
	Policy    pgp.Policy
}

// Handler serves the advanced method (on the host openpgpkey.DOMAIN) and the
// direct one (on DOMAIN itself), sections 3.1 and 4.5 of the draft.
func Handler(o Options) http.Handler { return &keys{o: o} }

// Root is where all paths of a Web Key Directory begin.
const Root = "/.well-known/openpgpkey/"

// ServeHTTP finds out which of the four kinds of paths it is.
func (d *keys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, Root)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	domain, steps := hostOf(r), strings.Split(path, "/")
	if steps[0] != "hu" && len(steps) > 1 { // the advanced method names it
		domain, steps = lower(steps[0]), steps[1:]
	}
	switch {
	case len(steps) == 2 && steps[0] == "hu":
		d.certificate(w, r, domain, steps[1])
	case len(steps) == 1 && steps[0] == "policy":
		d.policy(w, r, domain)
	default:
		http.NotFound(w, r)
	}
}

// Hash returns the name under which the certificate for a local part is found:
// SHA-1 of its lower-case form in z-base-32. SHA-1 names, it protects nothing.
func Hash(local string) string {
	sum := sha1.Sum([]byte(lower(local)))
	return zbase32.EncodeToString(sum[:])
}

var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// lower maps ASCII letters only, as the draft says.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// keys is what is served, as of one version of the Directory.
type keys struct {
	o    Options
	mu   sync.Mutex
	of   *directory.Directory
	at   time.Time
	list map[place][]byte
}

// place is where a certificate is found.
type place struct{ domain, hash string }

// lookAgain is how old the list may be while the Directory stays the same:
// certificates expire.
const lookAgain = time.Hour

func (d *keys) get(p place) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now, current := time.Now(), d.o.Directory(); d.of != current || now.Sub(d.at) >= lookAgain {
		d.of, d.at, d.list = current, now, d.collect(current, now)
	}
	key, ok := d.list[p]
	return key, ok
}

// collect returns the certificates of the desks that can be encrypted to now,
// each with the user ids of one address only. An address that no user id names
// is not served: GnuPG and others refuse what does not name it.
func (d *keys) collect(current *directory.Directory, at time.Time) map[place][]byte {
	list := map[place][]byte{}
	for _, id := range d.o.Desks {
		cp, ok := current.ContactPoint(id)
		if !ok {
			continue
		}
		certificates, err := cp.EncryptionCertificates(at, d.o.Policy)
		if err != nil {
			continue
		}
		for _, address := range cp.Addresses {
			local, domain, _ := strings.Cut(address, "@")
			where := place{lower(domain), Hash(local)}
			for _, c := range certificates {
				list[where] = append(list[where], c.ForAddress(address)...)
			}
			if len(list[where]) == 0 {
				delete(list, where)
			}
		}
	}
	return list
}

func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return lower(strings.TrimSuffix(host, "."))
}

func (d *keys) certificate(w http.ResponseWriter, r *http.Request, domain, hash string) {
	// The local part as the client has it (section 3.1); it must not contradict.
	if l := r.URL.Query().Get("l"); l != "" && Hash(l) != hash {
		http.NotFound(w, r)
		return
	}
	key, ok := d.get(place{domain, hash})
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := head(w)
	h.Set("Content-Type", "application/octet-stream") // section 3.1
	h.Set("Content-Length", strconv.Itoa(len(key)))
	w.Write(key) // net/http sends no body in answer to HEAD
}

// policy serves the policy flags of a domain: none, so the file is empty. It
// must be there (section 4.5).
func (d *keys) policy(w http.ResponseWriter, r *http.Request, domain string) {
	if !d.serves(domain) {
		http.NotFound(w, r)
		return
	}
	head(w).Set("Content-Type", "text/plain; charset=utf-8")
}

func (d *keys) serves(domain string) bool {
	current := d.o.Directory()
	return slices.ContainsFunc(d.o.Desks, func(id string) bool {
		cp, ok := current.ContactPoint(id)
		return ok && slices.ContainsFunc(cp.Addresses, func(address string) bool {
			_, of, _ := strings.Cut(address, "@")
			return lower(of) == domain
		})
	})
}

// head sets what all answers have: programs in a browser may read them, and
// nobody keeps them for long.
func head(w http.ResponseWriter) http.Header {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=3600")
	return h
}
