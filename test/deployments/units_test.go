package deployments

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"relais.example/gateway/config"
)

// unit reads a unit file by the grammar of systemd.syntax(7), as far as ours
// use it: values by "[Section]Key".
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	section, keys := "", map[string][]string{}
	for i, line := range strings.Split(read(t, "deployments/systemd/"+name), "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case regexp.MustCompile(`^\[(Unit|Service|Install)\]$`).MatchString(line):
			section = line
		case section != "" && regexp.MustCompile(`^[A-Z][A-Za-z]+=.*$`).MatchString(line):
			key, value, _ := strings.Cut(line, "=")
			keys[section+key] = append(keys[section+key], value)
		default:
			t.Errorf("%s, line %d: %q is neither section, key nor comment", name, i+1, line)
		}
	}
	return keys
}

func TestTheUnitFilesAreWellFormedAndHardened(t *testing.T) {
	both := map[string]string{
		"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "NoNewPrivileges": "yes",
		"MemoryDenyWriteExecute": "yes", "LimitCORE": "0", "MemorySwapMax": "0", "UMask": "0077", "Restart": "always",
		"ExecReload": "/bin/kill -HUP $MAINPID", "Group": "relais",
	}
	for name, own := range map[string]map[string]string{
		"relais.service": {
			"User": "relais", "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE", "StateDirectory": "relais",
			"ExecStart": "/usr/local/bin/relais serve --config /etc/relais/relais.yaml", "InaccessiblePaths": "-/etc/relais/keys",
		},
		"relais-keyholder.service": {
			"User": "relais-keyholder", "CapabilityBoundingSet": "", "PrivateNetwork": "yes", "RestrictAddressFamilies": "AF_UNIX",
			"RuntimeDirectory": "relais-keyholder", "RuntimeDirectoryMode": "0750",
			"ExecStart": "/usr/local/bin/relais keyholder --config /etc/relais/relais.yaml",
		},
	} {
		keys := unit(t, name)
		for _, settings := range []map[string]string{both, own} {
			for key, want := range settings {
				if got := keys["[Service]"+key]; !slices.Equal(got, []string{want}) {
					t.Errorf("%s: %s is %q, want %q", name, key, got, want)
				}
			}
		}
	}
	if unit(t, "relais-keyholder.service")["[Service]StateDirectory"] != nil {
		t.Error("the keyholder may write more than its socket")
	}
	gateway := unit(t, "relais.service")
	if !strings.Contains(strings.Join(gateway["[Unit]Wants"], " "), "relais-keyholder.service") || gateway["[Unit]Requires"] != nil || gateway["[Unit]BindsTo"] != nil {
		t.Error("the gateway must want the keyholder, and not end with it")
	}
}

// The two services, the setting in their comments and the operator guide speak
// of one socket.
func TestTheUnitFilesAndTheGuideNameOneSocket(t *testing.T) {
	setting := "keyholder: {socket: /run/relais-keyholder/socket, users: [relais]}"
	for _, file := range []string{"deployments/systemd/relais.service", "deployments/systemd/relais-keyholder.service", "docs/operator-guide.md"} {
		if !strings.Contains(read(t, file), setting) {
			t.Errorf("%s does not say %s", file, setting)
		}
	}
	folder, gateway := unit(t, "relais-keyholder.service")["[Service]RuntimeDirectory"][0], unit(t, "relais.service")["[Service]User"][0]
	c, err := config.Parse([]byte("hostname: relais.alphaland.example\ntls: {certificate_file: a, key_file: b}\ndesks: [{id: XA-1, key_files: [c]}]\n"+setting+"\n"), "relais.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(c.Keyholder.Socket) != "/run/"+folder || !slices.Equal(c.Keyholder.Users, []string{gateway}) {
		t.Errorf("%+v does not fit folder %s and user %s", c.Keyholder, folder, gateway)
	}
}

// systemd reads them without a complaint. A program stands in for relais, which
// is not installed here.
func TestSystemdAcceptsTheUnitFiles(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"relais.service", "relais-keyholder.service"} {
		file := filepath.Join(dir, name)
		text := strings.ReplaceAll(read(t, "deployments/systemd/"+name), "/usr/local/bin/relais", "/bin/true")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
