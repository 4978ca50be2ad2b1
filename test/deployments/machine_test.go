package deployments

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestComposeGivesTheGatewaysNoRights(t *testing.T) {
	c := parse(t, "deployments/compose/compose.yaml")
	services, _ := c["services"].(map[string]any)
	for _, name := range []string{"alpha", "beta", "redis", "prometheus", "grafana"} {
		if _, ok := services[name].(map[string]any); !ok {
			t.Fatalf("service %s is missing", name)
		}
	}
	for _, name := range []string{"alpha", "beta", "alpha-keyholder", "beta-keyholder"} {
		s, _ := services[name].(map[string]any)
		if s["read_only"] != true || text(s, "cap_drop", 0) != "ALL" || text(s, "security_opt", 0) != "no-new-privileges:true" {
			t.Errorf("%s is not locked down: %v", name, s)
		}
		gateway := strings.TrimSuffix(name, "-keyholder")
		if mount := text(s, "volumes", 0); mount != "./"+gateway+":/etc/relais:ro" {
			t.Errorf("%s: configuration mounted as %q", name, mount)
		}
		if mounts := fmt.Sprint(s["volumes"]); !strings.Contains(mounts, gateway+"-socket:/run/relais-keyholder") {
			t.Errorf("%s and its counterpart do not share a socket: %s", name, mounts)
		}
		if name != gateway && (s["network_mode"] != "none" || s["user"] != "65533:65532" || s["ports"] != nil || strings.Contains(fmt.Sprint(s["volumes"]), "-data:")) {
			t.Errorf("%s has more than keys and a socket: %v", name, s)
		}
	}
	for name, s := range services {
		ports, _ := s.(map[string]any)["ports"].([]any)
		for _, p := range ports {
			if !strings.HasPrefix(fmt.Sprint(p), "127.0.0.1:") {
				t.Errorf("%s publishes %v to the world", name, p)
			}
		}
	}
	if services["redis"].(map[string]any)["ports"] != nil {
		t.Error("redis publishes a port")
	}
}

func TestMountedFilesExist(t *testing.T) {
	for _, m := range regexp.MustCompile(`(?m)^ +- (\.\.?/[^:]+):`).FindAllStringSubmatch(read(t, "deployments/compose/compose.yaml"), -1) {
		if _, err := os.Stat(filepath.Join(root, "deployments/compose", m[1])); err != nil {
			t.Errorf("compose.yaml mounts %s: %v", m[1], err)
		}
	}
}

func TestTheContainerRunsAStaticBinaryAsNobody(t *testing.T) {
	file := read(t, "deployments/container/Containerfile")
	last := file[strings.LastIndex(file, "\nFROM "):]
	for _, want := range []string{"FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/relais"]`, "ca-certificates.crt", "zoneinfo"} {
		if !strings.Contains(last, want) {
			t.Errorf("last stage lacks %q", want)
		}
	}
	if strings.Contains(last, "\nRUN ") {
		t.Error("an empty image cannot run commands")
	}
	if !strings.Contains(read(t, "Makefile"), "CGO_ENABLED=0") {
		t.Error("make build does not make a static binary")
	}
}

// The compose file starts Redis with these two scripts.
func TestRedisStartsWithSafeSettingsAndAPassword(t *testing.T) {
	tool(t, "redis-server")
	dir, data := t.TempDir(), t.TempDir()
	for _, name := range []string{"redis.conf", "start.sh", "healthy.sh"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, "deployments/compose/redis/"+name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("hunter2-hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	server := exec.Command("/bin/sh", filepath.Join(dir, "start.sh"), "--port", port, "--bind", "127.0.0.1")
	server.Env = append(os.Environ(), "TMPDIR="+data, "REDIS_DATA="+data)
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	waitFor(t, bufio.NewScanner(stdout), "Ready to accept connections")

	healthy := func() error {
		out, err := exec.Command("/bin/sh", filepath.Join(dir, "healthy.sh"), "-p", port).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := healthy(); err != nil {
		t.Error(err)
	}
	ask := func(password string, args ...string) string {
		cmd := exec.Command("redis-cli", append([]string{"-p", port}, args...)...)
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	for setting, want := range map[string]string{"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"} {
		if got := ask("hunter2-hunter2", "config", "get", setting); !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("%s: %q", setting, got)
		}
	}
	if got := ask("", "ping"); !strings.Contains(got, "NOAUTH") {
		t.Errorf("without a password: %q", got)
	}
	if got := ask("hunter2-hunter2", "flushall"); !strings.Contains(got, "unknown command") {
		t.Errorf("flushall: %q", got)
	}
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", server.Process.Pid))
	if err != nil || strings.Contains(string(arguments), "hunter2") {
		t.Errorf("the password is on the command line: %q %v", arguments, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := healthy(); err == nil {
		t.Error("healthy with a wrong password")
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// waitFor reads lines until one holds want, and goes on reading afterwards so
// that the server never blocks on its output.
func waitFor(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	found := make(chan bool, 1)
	go func() {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				found <- true
			}
		}
		close(found)
	}()
	select {
	case ok := <-found:
		if !ok {
			t.Fatalf("ended before %q", want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("no %q within 20 s", want)
	}
}
