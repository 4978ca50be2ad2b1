// Package deployments checks what stands in deployments/ as far as that is
// possible without a container engine and without an init system: the
// Prometheus files with promtool, the Redis scripts with a real redis-server,
// the rest by strict parsing.
package deployments

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"relais.example/gateway/config"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tool returns the path of a program that make test installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run make test", name)
	}
	return path
}

func TestPromtoolAcceptsTheConfigurationAndTheAlertsFire(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "relais.rules.yml"},
		{"test", "rules", "relais.rules.test.yml"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := exec.Command(promtool, args...)
			cmd.Dir = filepath.Join(root, "deployments/prometheus")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestEveryAlertHasAUnitTest(t *testing.T) {
	rules, tests := read(t, "deployments/prometheus/relais.rules.yml"), read(t, "deployments/prometheus/relais.rules.test.yml")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Fatal("no alerts found")
	}
	for _, a := range alerts {
		if !regexp.MustCompile(`(?m)alertname: ` + a[1] + `\n +exp_alerts:`).MatchString(tests) {
			t.Errorf("no test in which %s fires", a[1])
		}
	}
}

var metricName = regexp.MustCompile(`\brelais_[a-z_]+\b`)

// documented is the set of metric names of docs/metrics.md.
func documented(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(relais_[a-z_]+)` \\|").FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		names = append(names, m[1])
	}
	if len(names) < 20 {
		t.Fatalf("only %d metrics found in docs/metrics.md", len(names))
	}
	return names
}

func TestAlertsAndDashboardUseDocumentedMetricsOnly(t *testing.T) {
	known := documented(t)
	for _, file := range []string{"deployments/prometheus/relais.rules.yml", "deployments/prometheus/relais.rules.test.yml", "deployments/grafana/dashboards/relais.json"} {
		for _, name := range metricName.FindAllString(read(t, file), -1) {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if !slices.Contains(known, name) {
				t.Errorf("%s uses %s, which docs/metrics.md does not know", file, name)
			}
		}
	}
}

func TestTheDashboardShowsEveryMetricAndItsQueriesParse(t *testing.T) {
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	text := read(t, "deployments/grafana/dashboards/relais.json")
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	for _, name := range documented(t) {
		if !strings.Contains(text, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
	// promtool parses the queries as recording rules.
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			expr, err := json.Marshal(strings.ReplaceAll(target.Expr, "$desk", ".*"))
			if err != nil {
				t.Fatal(err)
			}
			rules += "      - {record: \"x:y:z\", expr: " + string(expr) + "}\n"
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "promtool"), "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestGrafanaFindsItsDatasourceAndDashboards(t *testing.T) {
	source := parse(t, "deployments/grafana/provisioning/datasources/prometheus.yaml")
	provider := parse(t, "deployments/grafana/provisioning/dashboards/relais.yaml")
	if !strings.Contains(read(t, "deployments/grafana/dashboards/relais.json"), `"uid": "`+text(source, "datasources", 0, "uid")+`"`) {
		t.Error("the dashboard names another datasource")
	}
	path := text(provider, "providers", 0, "options", "path")
	if !strings.Contains(read(t, "deployments/compose/compose.yaml"), "../grafana/dashboards:"+path+":ro") {
		t.Errorf("compose.yaml does not mount the dashboards at %s", path)
	}
}

func TestTheConfigurationsOfTheRehearsalAreValid(t *testing.T) {
	for _, name := range []string{"alpha", "beta"} {
		file := "deployments/compose/" + name + "/relais.yaml"
		c, err := config.Parse([]byte(read(t, file)), file)
		if err != nil {
			t.Error(err)
			continue
		}
		if c.Redis.Embedded() || len(c.Relay.NextHops) != 1 {
			t.Errorf("%s: %+v", file, c)
		}
	}
}

// parse reads a YAML file; repeated keys are errors.
func parse(t *testing.T, name string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.UnmarshalWithOptions([]byte(read(t, name)), &out, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// text follows keys and indexes; "" when the path does not exist.
func text(v any, path ...any) string {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return ""
			}
			v = l[s]
		}
	}
	s, _ := v.(string)
	return s
}
