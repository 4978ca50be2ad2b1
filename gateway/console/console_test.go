package console_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"relais.example/gateway/console"
)

func TestPages(t *testing.T) {
	var wrong error
	h := console.Handler(prometheus.NewRegistry(), func() error { return wrong })
	for _, tt := range []struct {
		name, method, path string
		wrong              error
		code               int
		body               string
	}{
		{"alive", "GET", "/healthz", nil, 200, "ok\n"},
		{"alive though not ready", "GET", "/healthz", errors.New("no Redis"), 200, "ok\n"},
		{"ready", "GET", "/readyz", nil, 200, "ready\n"},
		{"not ready says why", "GET", "/readyz", errors.New("desk XA-1: no <b>Redis</b>"), 503, "desk XA-1: no <b>Redis</b>\n"},
		{"metrics", "GET", "/metrics", nil, 200, ""},
		{"nothing else", "GET", "/", nil, 404, ""},
		{"nothing is changed over HTTP", "POST", "/readyz", nil, 405, ""},
		{"no profiles", "GET", "/debug/pprof/", nil, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wrong = tt.wrong
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			if w.Code != tt.code || tt.body != "" && w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.code, tt.body)
			}
			if tt.body != "" && (!strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}
