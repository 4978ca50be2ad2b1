package smtpout

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"testing"
)

// zone answers lookups from memory.
type zone struct {
	mx  map[string][]*net.MX
	ip  map[string][]netip.Addr
	err error
}

func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	if mx, ok := z.mx[name]; ok {
		return mx, nil
	}
	if z.err != nil {
		return nil, z.err
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	if ip, ok := z.ip[name]; ok {
		return ip, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func TestResolve(t *testing.T) {
	policy := TLSPolicy{Security: Required}
	z := zone{
		mx: map[string][]*net.MX{
			"betaland.example.":  {{Host: "mx1.betaland.example.", Pref: 10}, {Host: "mx2.betaland.example.", Pref: 20}},
			"nomail.example.":    {{Host: ".", Pref: 0}},
			"gammaland.example.": nil,
		},
		ip: map[string][]netip.Addr{"gammaland.example.": {netip.MustParseAddr("192.0.2.7")}},
	}
	tests := []struct {
		domain string
		hosts  []string
		code   int
		status string
	}{
		{"betaland.example", []string{"mx1.betaland.example", "mx2.betaland.example"}, 0, ""},
		{"gammaland.example", []string{"gammaland.example"}, 0, ""},
		{"nomail.example", nil, 556, "5.1.10"},
		{"nowhere.example", nil, 0, "5.1.2"},
		{"[192.0.2.1]", []string{"192.0.2.1"}, 0, ""},
		{"[IPv6:2001:db8::1]", []string{"2001:db8::1"}, 0, ""},
		{"[nonsense]", nil, 0, "5.1.2"},
		{"a b.example", nil, 0, "5.1.2"},
		{"", nil, 0, "5.1.2"},
	}
	for _, tt := range tests {
		hops, err := resolve(t.Context(), z, tt.domain, policy)
		var hosts []string
		for _, h := range hops {
			hosts = append(hosts, h.Host)
			if h.TLS.Security != Required {
				t.Errorf("%s: policy lost", tt.domain)
			}
		}
		if !reflect.DeepEqual(hosts, tt.hosts) {
			t.Errorf("%s: got %v, want %v", tt.domain, hosts, tt.hosts)
		}
		if tt.status != "" && (err == nil || err.Temporary || err.Status != tt.status || err.Code != tt.code) {
			t.Errorf("%s: got %v", tt.domain, err)
		}
	}
	z.err = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	if _, err := resolve(t.Context(), z, "later.example", policy); err == nil || !err.Temporary {
		t.Errorf("got %v", err)
	}
	var f *Error
	if _, err := ResolveMX(t.Context(), "a b", policy); !errors.As(err, &f) {
		t.Errorf("got %v", err)
	}
	if hops, err := ResolveMX(t.Context(), "[192.0.2.1]", policy); err != nil || len(hops) != 1 {
		t.Errorf("got %v, %v", hops, err)
	}
}
