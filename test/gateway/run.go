package gateway

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Start runs 'relais serve', and the keyholder if there is one, and waits until
// it can take messages.
func (g *Gateway) Start() {
	g.t.Helper()
	if g.Keyholder != nil {
		g.Keyholder.Start()
	}
	g.Launch()
	g.WaitReady()
}

// Launch runs 'relais serve' and waits until it answers over HTTP, ready or
// not.
func (g *Gateway) Launch() {
	g.t.Helper()
	if g.unasked {
		g.Keyholder.Start()
	}
	g.program = start(g.t, g.log, os.Getenv(binaryVariable), "serve", "--config", g.Written.Config)
	WaitFor(g.t, "relais to answer", func() error {
		select {
		case err := <-g.program.exited:
			g.program = nil
			g.t.Fatalf("relais ended: %v\n%s", err, g.Log())
		default:
		}
		status, body := g.get("/healthz")
		if status != http.StatusOK {
			return fmt.Errorf("/healthz: %d %s", status, body)
		}
		return nil
	})
}

// WaitReady returns when /readyz says 200.
func (g *Gateway) WaitReady() {
	g.t.Helper()
	WaitFor(g.t, "relais to be ready", func() error {
		if status, body := g.Ready(); status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
}

// Ready asks /readyz.
func (g *Gateway) Ready() (status int, body string) { return g.get("/readyz") }

// Alive asks /healthz.
func (g *Gateway) Alive() (status int, body string) { return g.get("/healthz") }

func (g *Gateway) get(path string) (status int, body string) {
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + g.Listen["http"] + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// Kill ends the gateway with SIGKILL.
func (g *Gateway) Kill() {
	if g.program != nil {
		g.program.kill()
		g.program = nil
	}
}

// Stop asks the gateway to end and waits; it must end in good order.
func (g *Gateway) Stop() {
	g.t.Helper()
	if g.program == nil {
		return
	}
	g.program.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-g.program.exited:
		if err != nil {
			g.t.Errorf("relais ended with %v", err)
		}
	case <-time.After(patience):
		g.t.Error("relais did not end after SIGTERM")
		g.program.kill()
	}
	g.program = nil
}

// Reload sends SIGHUP.
func (g *Gateway) Reload() {
	g.t.Helper()
	if err := g.program.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
}

// Command runs 'relais' with the gateway's configuration, as an administrator
// beside it does. It returns what was printed on standard output; the error
// holds what was printed on standard error.
func (g *Gateway) Command(args ...string) (string, error) {
	g.t.Helper()
	var out, errs strings.Builder
	c := exec.CommandContext(g.t.Context(), os.Getenv(binaryVariable), append(args, "--config", g.Written.Config)...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("relais %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}
