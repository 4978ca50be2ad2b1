package gateway

import (
	"os"
	"os/exec"
)

// Command runs the program with further arguments, such as "key", "list", on
// the configuration of this gateway, and returns what it printed.
func (g *Gateway) Command(args ...string) string {
	g.t.Helper()
	out, err := exec.Command(os.Getenv(binaryVariable), append(args, "--config", g.Written.Config)...).CombinedOutput()
	if err != nil {
		g.t.Fatalf("relais %v: %v\n%s", args, err, out)
	}
	return string(out)
}
