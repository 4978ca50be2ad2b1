package smtpd

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// swaks runs the client as an administrator would.
func swaks(t *testing.T, addr string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("swaks")
	if err != nil {
		t.Fatal("swaks is not installed: run make test")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--server", host, "--port", port, "--helo", "client.example", "--timeout", "20"}, args...)
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

func TestSwaksDelivers(t *testing.T) {
	for _, args := range [][]string{nil, {"--tls"}, {"--pipeline"}} {
		r := &recorder{}
		ts := serveMX(t, r, Limits{})
		args = append(args, "--from", "a@gammaland.example", "--to", "desk@alphaland.example", "--body", ".dot\n..two")
		out, err := swaks(t, ts.addr, args...)
		if err != nil {
			t.Fatalf("swaks %q: %v\n%s", args, err, out)
		}
		got := r.messages()
		if len(got) != 1 || !strings.Contains(string(got[0].Raw), "\r\n.dot\r\n..two\r\n") || got[0].Helo != "client.example" || got[0].TLS != (args[0] == "--tls") {
			t.Errorf("swaks %q: got %+v", args, got)
		}
	}
}

func TestSwaksSubmits(t *testing.T) {
	c := &clerk{}
	ts := serveSubmission(t, c, Limits{})
	login := []string{"--auth-user", "anna", "--auth-password", "correct horse", "--from", "desk@alphaland.example", "--to", "desk@betaland.example"}
	tests := []struct {
		name string
		addr string
		args []string
	}{
		{"starttls plain", ts.addr, []string{"--tls", "--auth", "PLAIN"}},
		{"starttls login", ts.addr, []string{"--tls", "--auth", "LOGIN"}},
		{"implicit plain", ts.tls, []string{"--tls-on-connect", "--auth", "PLAIN"}},
		{"implicit login", ts.tls, []string{"--tls-on-connect", "--auth", "LOGIN"}},
	}
	for i, tt := range tests {
		out, err := swaks(t, tt.addr, append(tt.args, login...)...)
		if err != nil || len(c.submissions()) != i+1 {
			t.Errorf("%s: %v\n%s", tt.name, err, out)
		}
	}
	if out, err := swaks(t, ts.addr, append([]string{"--auth", "PLAIN"}, login...)...); err == nil {
		t.Errorf("a login in clear went through:\n%s", out)
	}
	if out, err := swaks(t, ts.addr, "--tls", "--from", "desk@alphaland.example", "--to", "desk@betaland.example"); err == nil {
		t.Errorf("mail without a login went through:\n%s", out)
	}
}
