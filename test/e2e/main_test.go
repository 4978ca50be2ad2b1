// Package e2e tests the relais program from the outside: with real mail
// clients, gpg and redis-server, through the ports that people use.
package e2e

import (
	"os"
	"testing"

	"relais.example/test/gateway"
)

func TestMain(m *testing.M) { os.Exit(gateway.Main(m)) }
