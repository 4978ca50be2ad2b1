package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/test/gateway"
)

const day = 24 * time.Hour

// stage is a gateway whose Directory lists, beside the contact points of every
// installation, one for each thing that may be wrong with a key.
type stage struct {
	t     *testing.T
	g     *gateway.Gateway
	gpg   *gateway.GPG
	staff *gateway.Staff
	redis *gateway.Redis

	// aged has a key that is three years old and good; expired one that ended
	// yesterday; tomorrow one that begins tomorrow.
	aged, expired, tomorrow player
	// revoked and unusable have signed with a key that was revoked, or lost
	// its right to sign, since.
	revoked, unusable player
	stranger          *pgp.Key
}

// player is a contact point with its key.
type player struct {
	address string
	key     *pgp.Key
	cert    []byte // as the Directory lists it
}

func newStage(t *testing.T, g *gateway.Gateway, redis *gateway.Redis) *stage {
	t.Helper()
	s := &stage{t: t, g: g, redis: redis, gpg: gateway.NewGPG(t)}
	s.gpg.ImportFiles(filepath.Join(g.Dir, "keys", "XB-2.asc"), filepath.Join(g.Dir, "keys", "XA-1-public.asc"), filepath.Join(g.Dir, "keys", "XC-1-public.asc"))
	now := time.Now()
	s.aged = s.player("aged@betaland.example", now.Add(-3*365*day), 0)
	s.expired = s.player("expired@betaland.example", now.Add(-30*day), 29*day)
	s.tomorrow = s.player("tomorrow@betaland.example", now.Add(day), 0)
	s.revoked = s.gpgPlayer("revoked@betaland.example", func(fingerprint string) {
		text, err := os.ReadFile(filepath.Join(s.gpg.Home(), "openpgp-revocs.d", fingerprint+".rev"))
		if err != nil {
			t.Fatal(err)
		}
		_, block, _ := strings.Cut(string(text), "\n:-----BEGIN")
		s.gpg.Run("-----BEGIN"+block, "--import")
	})
	s.unusable = s.gpgPlayer("unusable@betaland.example", func(fingerprint string) {
		s.gpg.Run("change-usage\nS\nQ\nsave\n", "--command-fd", "0", "--edit-key", fingerprint)
	})
	s.stranger = newKey(t, "stranger@nowhere.example", now, 0)
	g.Publish(func(d *directory.Document) {
		// The key of aged counts for no emergency before tomorrow.
		vouchers := map[int][]directory.Voucher{0: {{
			Fingerprint: s.aged.key.Certificate().Fingerprint(), How: directory.CallBack, By: "Kim",
			At: now.Add(-day).UTC().Truncate(time.Second), EmergenciesFrom: now.Add(day).UTC().Truncate(time.Second),
		}}}
		for i, p := range []player{s.aged, s.expired, s.tomorrow, s.revoked, s.unusable} {
			d.Parties[1].ContactPoints = append(d.Parties[1].ContactPoints, directory.ContactPoint{
				ID: "XB-" + string(rune('3'+i)), Role: directory.Police, Institution: "Betaland, office " + string(rune('3'+i)),
				Addresses: []string{p.address}, CertificatesArmored: []string{string(p.cert)}, Vouchers: vouchers[i],
			})
		}
	})
	return s
}

func newKey(t *testing.T, address string, created time.Time, validFor time.Duration) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey("Officer on duty", address, pgp.Curve25519, created, validFor)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *stage) player(address string, created time.Time, validFor time.Duration) player {
	s.t.Helper()
	k := newKey(s.t, address, created, validFor)
	return player{address, k, k.Certificate().Armor()}
}

// gpgPlayer makes a key with gpg, keeps it as it is, and lists it in the
// Directory as it is after spoil.
func (s *stage) gpgPlayer(address string, spoil func(fingerprint string)) player {
	s.t.Helper()
	s.gpg.Run("", "--quick-generate-key", address, "ed25519", "cert,sign", "never")
	_, after, _ := strings.Cut(s.gpg.Run("", "--with-colons", "--list-keys", address), "\nfpr:::::::::")
	fingerprint, _, _ := strings.Cut(after, ":")
	s.gpg.Run("", "--quick-add-key", fingerprint, "cv25519", "encr", "never")
	key, err := pgp.ReadKey([]byte(s.gpg.Run("", "--armor", "--export-secret-keys", fingerprint)), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	spoil(fingerprint)
	return player{address, key, []byte(s.gpg.Run("", "--armor", "--export", fingerprint))}
}

// entity is a request as a player's mail program signs it.
func (p player) entity() string {
	return gateway.CRLF("Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\nFrom: " + p.address + "\nTo: " + gateway.AlphaAddress +
		"\nSubject: Logs, case " + gateway.SecretSubject + "\nMessage-ID: " + gateway.MessageID() + "\n\n" + gateway.Preservation)
}

// signedAt is a message that a player signed at a time of its choice, and
// encrypted today.
func (s *stage) signedAt(p player, at time.Time) []byte {
	s.t.Helper()
	entity := p.entity()
	signature, err := p.key.SignDetached([]byte(entity), at)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.encrypted(p.address, gateway.Signed(entity, string(signature)))
}

// encrypted encrypts an entity to XA-1 and says nothing about who did.
func (s *stage) encrypted(from, entity string, more ...string) []byte {
	s.t.Helper()
	return gateway.Encrypted([][2]string{{"From", from}, {"To", gateway.AlphaAddress}, {"Subject", "..."}},
		s.gpg.Encrypt(entity, s.g.Key("XA-1").Certificate(), more...))
}

// message is the usual way to send: it delivers what build makes.
func message(from string, build func(s *stage) []byte) func(*stage) func() gateway.Reply {
	return func(s *stage) func() gateway.Reply {
		raw := build(s)
		return func() gateway.Reply { return s.g.Deliver(from, gateway.AlphaAddress, raw) }
	}
}
