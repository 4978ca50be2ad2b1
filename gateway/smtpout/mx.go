package smtpout

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
)

// maxHops bounds how many exchangers of one domain are tried.
const maxHops = 10

// resolver is the part of net.Resolver that is needed.
type resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ResolveMX returns the hops of domain in the order to try them, each under
// policy: its mail exchangers, or the domain itself when it has an address but
// no MX (RFC 5321 5.1), or the address of a literal such as [192.0.2.1]. A
// domain that does not exist, or that says by a null MX (RFC 7505) that it
// takes no mail, is a permanent *Error.
func ResolveMX(ctx context.Context, domain string, policy TLSPolicy) ([]Hop, error) {
	hops, err := resolve(ctx, net.DefaultResolver, domain, policy)
	if err != nil {
		return nil, err
	}
	return hops, nil
}

func resolve(ctx context.Context, r resolver, domain string, policy TLSPolicy) ([]Hop, *Error) {
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		return literalHop(literal, policy)
	}
	if !isHostName(domain) {
		return nil, &Error{Stage: StageResolve, Status: "5.1.2", Text: "the domain is not an ASCII host name"}
	}
	mxs, err := r.LookupMX(ctx, domain+".")
	if len(mxs) == 0 {
		if err != nil && !isNotFound(err) {
			return nil, trouble(err)
		}
		return addressHop(ctx, r, domain, policy)
	}
	var hops []Hop
	for _, mx := range mxs { // sorted by preference, equals shuffled
		host := strings.TrimSuffix(mx.Host, ".")
		if isHostName(host) && len(hops) < maxHops {
			hops = append(hops, Hop{Host: host, TLS: policy})
		}
	}
	if len(hops) == 0 {
		return nil, &Error{Stage: StageResolve, Code: 556, Status: "5.1.10", Text: "the domain takes no mail (null MX)"}
	}
	return hops, nil
}

// addressHop is for a domain without MX.
func addressHop(ctx context.Context, r resolver, domain string, policy TLSPolicy) ([]Hop, *Error) {
	ips, err := r.LookupNetIP(ctx, "ip", domain+".")
	switch {
	case err != nil && !isNotFound(err):
		return nil, trouble(err)
	case len(ips) == 0:
		return nil, &Error{Stage: StageResolve, Status: "5.1.2", Text: "the domain does not exist or has no mail server"}
	}
	return []Hop{{Host: domain, TLS: policy}}, nil
}

func literalHop(literal string, policy TLSPolicy) ([]Hop, *Error) {
	ip, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(literal, "]"), "IPv6:"))
	if err != nil || ip.Zone() != "" {
		return nil, &Error{Stage: StageResolve, Status: "5.1.2", Text: "the address literal is malformed"}
	}
	return []Hop{{Host: ip.String(), TLS: policy}}, nil
}

func trouble(err error) *Error {
	return &Error{Temporary: true, Stage: StageResolve, Status: "4.4.3", Text: oneLine(err.Error()), Err: err}
}

func isNotFound(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

func isHostName(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == "" &&
		!strings.Contains(s, "..") && s[0] != '.' && s[0] != '-'
}
