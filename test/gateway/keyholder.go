package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// keyholderVariable, when set, gives every installation a keyholder.
const keyholderVariable = "RELAIS_TEST_KEYHOLDER"

// Keyholder is the process that has the desks' keys of one installation.
type Keyholder struct {
	t       testing.TB
	Socket  string
	config  string
	log     *os.File
	program *process // nil: does not run
}

// newKeyholder takes the keys away from the gateway: its own configuration
// names files that do not exist, the keyholder's the real ones.
func (g *Gateway) newKeyholder(socket string) *Keyholder {
	g.t.Helper()
	k := &Keyholder{t: g.t, Socket: socket, config: filepath.Join(g.Dir, "keyholder.yaml")}
	text, err := os.ReadFile(g.Written.Config)
	if err != nil {
		g.t.Fatal(err)
	}
	g.Write("keyholder.yaml", string(text))
	g.Write("relais.yaml", strings.ReplaceAll(string(text), "keys/X", "not-here/X"))
	if k.log, err = os.OpenFile(filepath.Join(g.Dir, "keyholder.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return k
}

// keyholderSocket returns a path short enough for a socket.
func keyholderSocket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// Start runs 'relais keyholder'. The gateway finds it by itself.
func (k *Keyholder) Start() {
	k.t.Helper()
	if k.program != nil {
		return
	}
	k.program = start(k.t, k.log, os.Getenv(binaryVariable), "keyholder", "--config", k.config)
}

// Kill ends it with SIGKILL.
func (k *Keyholder) Kill() {
	if k.program != nil {
		k.program.kill()
		k.program = nil
	}
}

// Reload sends SIGHUP and waits until it was heeded.
func (k *Keyholder) Reload() {
	k.t.Helper()
	before := strings.Count(k.Log(), "msg=reload")
	if err := k.program.Process.Signal(syscall.SIGHUP); err != nil {
		k.t.Fatal(err)
	}
	WaitFor(k.t, "the keyholder to reload", func() error {
		if strings.Count(k.Log(), "msg=reload") == before {
			return fmt.Errorf("its log:\n%s", k.Log())
		}
		return nil
	})
}

// Log returns what it has logged so far.
func (k *Keyholder) Log() string {
	b, err := os.ReadFile(k.log.Name())
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}

// Stop asks it to end and waits.
func (k *Keyholder) Stop() {
	if k.program == nil {
		return
	}
	k.program.Process.Signal(syscall.SIGTERM)
	if err := <-k.program.exited; err != nil {
		k.t.Errorf("the keyholder ended with %v:\n%s", err, k.Log())
	}
	k.program = nil
}
