package config

import (
	"strings"
	"testing"
	"time"
)

// policyOf parses a policy in a file that is otherwise in order.
func policyOf(t *testing.T, policy string) *Config {
	t.Helper()
	c, err := Parse([]byte(`hostname: relais.alphaland.example
tls: {certificate_file: tls/cert.pem, key_file: tls/key.pem}
desks: [{id: XA-1, key_files: [keys/XA-1.asc]}]
policy: `+policy), "relais.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSHA1PolicyHasADayAndNamedWaivers(t *testing.T) {
	c := policyOf(t, `{sha1_waivers: [{contact_point: XB-1, fingerprint: 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567, until: 2028-03-01, reason: new key on order}]}`)
	until, waivers := c.Policy.SHA1()
	if !until.Equal(time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("refused from %v by default", until)
	}
	if end := waivers["0123456789ABCDEF0123456789ABCDEF01234567"]; len(waivers) != 1 || !end.Equal(time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("waivers %v", waivers)
	}
	if until, _ := policyOf(t, `{sha1_certificates_until: ""}`).Policy.SHA1(); !until.IsZero() {
		t.Errorf("refused from %v where no day is set", until)
	}
}

func TestWaiversAreWarnedAboutBeforeTheyEndAndAfter(t *testing.T) {
	c := policyOf(t, `{sha1_waivers: [{contact_point: XB-1, fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567, until: 2028-03-01, reason: new key on order}]}`)
	end := time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		end.AddDate(0, 0, -31):    "",
		end.AddDate(0, 0, -29):    "ends on 2028-03-01",
		end.Add(-time.Nanosecond): "ends on 2028-03-01",
		end:                       "ended on 2028-03-01",
		end.AddDate(1, 0, 0):      "ended on 2028-03-01",
	} {
		got := strings.Join(c.WaiverWarnings(at), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("on %v: %q, want %q", at, got, want)
		}
	}
}
