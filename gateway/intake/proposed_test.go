package intake_test

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/routing/directory/pending"
	"relais.example/routing/mailbox"
	"relais.example/test/desk"
)

// openWithPending is open with a store for proposed certificates.
func openWithPending(t *testing.T) (*port, *pending.Store, *int) {
	t.Helper()
	store, err := pending.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	return open(t, func(o *intake.Options) { o.Pending, o.Proposed = store, func() { told++ } }), store, &told
}

func freshKey(t *testing.T, address string) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey("New", address, pgp.Curve25519, time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func binary(k *pgp.Key, address string) []byte { return k.Certificate().ForAddress(address) }

func autocrypt(address string, k *pgp.Key) string {
	return "addr=" + address + "; prefer-encrypt=mutual; keydata=" + lines(base64.StdEncoding.EncodeToString(binary(k, address)), " ")
}

func withAttachment(kind string, content []byte) pgpmime.Draft {
	return pgpmime.Draft{ContentType: `multipart/mixed; boundary="b"`, Body: []byte("--b\r\nContent-Type: text/plain\r\n\r\n" + preserve +
		"--b\r\nContent-Type: " + kind + "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"key.asc\"\r\n\r\n" +
		lines(base64.StdEncoding.EncodeToString(content), "\r\n") + "\r\n--b--\r\n")}
}

func lines(text, end string) string {
	var folded []string
	for ; len(text) > 70; text = text[70:] {
		folded = append(folded, text[:70])
	}
	return strings.Join(append(folded, text), end)
}

// However a certificate comes with an accepted message, it becomes a pending
// change, and nothing else happens.
func TestCertificateInAMessageIsPendingAndTrustedForNothing(t *testing.T) {
	key := freshKey(t, desk.Beta)
	armored := string(key.Certificate().Armor())
	plain := pgpmime.Draft{Body: []byte(preserve)}
	for _, tt := range []struct {
		name    string
		draft   pgpmime.Draft
		outside string
		want    pending.Carrier
	}{
		{"protected Autocrypt", pgpmime.Draft{Body: []byte(preserve), Extra: [][2]string{{"Autocrypt", autocrypt(desk.Beta, key)}}}, "", pending.AutocryptProtected},
		{"outer Autocrypt", plain, "Autocrypt: " + strings.ReplaceAll(autocrypt(desk.Beta, key), " ", "\r\n ") + "\r\n", pending.AutocryptOuter},
		{"attached, armored", withAttachment("application/pgp-keys", []byte(armored)), "", pending.Attachment},
		{"attached, binary", withAttachment("application/pgp-keys", binary(key, desk.Beta)), "", pending.Attachment},
		{"attached as a file", withAttachment("application/octet-stream", []byte(armored)), "", pending.Attachment},
		{"inline", pgpmime.Draft{Body: []byte(preserve + "\r\nOur new key:\r\n" + strings.ReplaceAll(armored, "\n", "\r\n"))}, "", pending.Inline},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, store, told := openWithPending(t)
			before := p.Directory
			ring := reflect.ValueOf(before.Ring()).Pointer()
			s := p.opened(p.send(250, append([]byte(tt.outside), p.fromBeta(tt.draft)...)))
			list, err := store.List()
			if err != nil || len(list) != 1 || *told != 1 {
				t.Fatalf("%d changes, told %d times, %v", len(list), *told, err)
			}
			c := list[0].Proposal
			if c.Kind != pending.Certificate || c.ContactPoint != "XB-1" || c.Fingerprint != key.Certificate().Fingerprint() || c.Carrier != tt.want ||
				c.Signer != p.Keys["XB-1"].Certificate().Fingerprint() || c.Desk != "XA-1" || c.Request != string(s.Ref) || c.Seen.IsZero() {
				t.Errorf("proposal %+v", c)
			}
			if list[0].Status() != pending.Open {
				t.Errorf("status %s", list[0].Status())
			}
			if certs, err := pgp.ParseCertificates([]byte(c.New)); err != nil || certs[0].Fingerprint() != c.Fingerprint {
				t.Errorf("kept certificate: %v", err)
			}
			view := p.Body(p.Folder(mailbox.Inbox)[0].Item)
			want := fmt.Sprintf("X-Relais-Proposed-Key: %s; %s; not trusted: pending change %s", c.Fingerprint, tt.want, list[0].ID)
			if head, _, _ := strings.Cut(view, "\r\n\r\n"); !strings.Contains(strings.ReplaceAll(head, "\r\n ", " "), want) {
				t.Errorf("header is missing: %s\n%s", want, head)
			}

			// The key is still nobody's.
			if p.Directory != before || reflect.ValueOf(p.Directory.Ring()).Pointer() != ring || before.Ring().Certificate(c.Fingerprint) != nil {
				t.Error("the Directory in force has changed")
			}
			if _, ok := before.BySigner(c.Fingerprint); ok {
				t.Error("the proposed certificate counts as XB-1's")
			}
			raw, err := pgpmime.Seal(pgpmime.Draft{From: desk.Beta, To: []string{desk.Alpha}, Date: time.Now(), Body: []byte(preserve)},
				key, []*pgp.Certificate{p.Keys["XA-1"].Certificate()}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if o := p.send(550, raw); !strings.HasPrefix(o.Text, "unknown-key: ") {
				t.Errorf("signed by the proposed key: %q", o.Text)
			}

			// The same certificate once more is not another change.
			p.send(250, append([]byte(tt.outside), p.fromBeta(tt.draft)...))
			if list, _ := store.List(); len(list) != 1 || *told != 1 {
				t.Errorf("%d changes after the second message, told %d times", len(list), *told)
			}
		})
	}
}

func TestWhatIsNoProposal(t *testing.T) {
	key := freshKey(t, desk.Beta)
	armored := strings.ReplaceAll(string(key.Certificate().Armor()), "\n", "\r\n")
	attached := func(k *pgp.Key) pgpmime.Draft { return withAttachment("application/pgp-keys", k.Certificate().Armor()) }
	header := func(value string) pgpmime.Draft {
		return pgpmime.Draft{Body: []byte(preserve), Extra: [][2]string{{"Autocrypt", value}}}
	}
	p, store, _ := openWithPending(t)
	nested := pgpmime.Draft{ContentType: `multipart/mixed; boundary="b"`, Body: []byte("--b\r\nContent-Type: text/plain\r\n\r\n" + preserve +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\nSubject: forwarded\r\n\r\n" + armored + "\r\n--b--\r\n")}
	private, err := key.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]pgpmime.Draft{
		"the listed certificate":          attached(p.Keys["XB-1"]),
		"that of another contact point":   attached(p.Keys["XC-1"]),
		"ours":                            attached(p.Keys["XA-1"]),
		"in a forwarded message":          nested,
		"quoted":                          {Body: []byte(preserve + "> " + strings.ReplaceAll(armored, "\r\n", "\r\n> "))},
		"cut short":                       {Body: []byte(preserve + armored[:len(armored)/2])},
		"a private key":                   withAttachment("application/pgp-keys", private),
		"too large":                       withAttachment("application/pgp-keys", append(key.Certificate().Armor(), make([]byte, 2<<20)...)),
		"rubbish":                         withAttachment("application/pgp-keys", []byte{0x99, 1, 2, 3}),
		"about another address":           header(autocrypt(desk.Beta, key)[:4] + "x" + autocrypt(desk.Beta, key)[4:]),
		"with an attribute not to ignore": header("critical=1; " + autocrypt(desk.Beta, key)),
		"not base64":                      header("addr=" + desk.Beta + "; keydata=!!!"),
	} {
		p.send(250, p.fromBeta(d))
		if list, err := store.List(); err != nil || len(list) != 0 {
			t.Errorf("%s: %d changes, %v", name, len(list), err)
			for _, c := range list {
				store.Reject(c.ID, "test", "test", "", time.Now())
			}
		}
	}
}

// Nobody but a listed contact point can propose anything.
func TestMessagesOfStrangersProposeNothing(t *testing.T) {
	p, store, told := openWithPending(t)
	key := freshKey(t, desk.Beta)
	d := withAttachment("application/pgp-keys", key.Certificate().Armor())
	d.From = desk.Beta
	outer := []byte("Autocrypt: " + autocrypt(desk.Beta, key) + "\r\n")

	p.send(550, append(outer, p.Seal("stranger", "XA-1", d)...)) // unknown key
	p.send(550, append(outer, []byte("From: "+desk.Beta+"\r\nTo: "+desk.Alpha+"\r\n\r\n"+string(key.Certificate().Armor()))...))
	old, err := pgpmime.Seal(pgpmime.Draft{From: desk.Beta, To: []string{desk.Alpha}, Date: time.Now().Add(-5 * 24 * time.Hour), Extra: [][2]string{{"Autocrypt", autocrypt(desk.Beta, key)}}, Body: []byte(preserve)},
		p.Keys["XB-1"], []*pgp.Certificate{p.Keys["XA-1"].Certificate()}, time.Now().Add(-5*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p.send(250, old) // held: its signature is old
	if p.folders()[mailbox.Quarantine] != 1 {
		t.Fatalf("folders %v", p.folders())
	}
	p.send(550, append(outer, p.Seal("XC-1", "XA-1", d)...)) // another contact point in the name of XB-1
	if list, err := store.List(); err != nil || len(list) != 0 || *told != 0 {
		t.Errorf("%d changes, told %d times, %v", len(list), *told, err)
	}
}

func TestProposalsAreBoundedAndNeverKeepARequestWaiting(t *testing.T) {
	p, store, told := openWithPending(t)
	for i := range pending.MaxOpen + 2 {
		d := withAttachment("application/pgp-keys", freshKey(t, desk.Beta).Certificate().Armor())
		p.opened(p.send(250, p.fromBeta(d)))
		if want := min(i+1, pending.MaxOpen); *told != want {
			t.Fatalf("message %d: told %d times, want %d", i+1, *told, want)
		}
	}
	if list, err := store.List(); err != nil || len(list) != pending.MaxOpen {
		t.Errorf("%d changes, %v", len(list), err)
	}
	last := p.Folder(mailbox.Inbox)[pending.MaxOpen+1]
	if !strings.Contains(p.Body(last.Item), "not trusted: not kept: too many changes") {
		t.Error("the staff are not told that the certificate was not kept")
	}
}
