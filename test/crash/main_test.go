// Package crash kills the gateway and Redis while mail comes in, staff work
// and answers leave, and checks that nothing that was confirmed is lost and
// nothing happens twice.
//
// The moments are random. A failing run says its seed; RELAIS_SEED repeats the
// choices, RELAIS_ROUNDS makes runs longer:
//
//	RELAIS_ROUNDS=50 go test -run Kill ./test/crash
package crash

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"relais.example/test/gateway"
)

func TestMain(m *testing.M) { os.Exit(gateway.Main(m)) }

// rounds is how often something is killed in one test.
func rounds(t *testing.T) int {
	return number(t, "RELAIS_ROUNDS", 2)
}

// chance returns the source of random choices of a test.
func chance(t *testing.T) *rand.Rand {
	seed := number(t, "RELAIS_SEED", int(time.Now().UnixNano()%1_000_000_000))
	t.Logf("RELAIS_SEED=%d", seed)
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number from 1 on", variable, text)
	}
	return n
}

// backends runs a test with the embedded queue and with a real Redis that
// keeps nothing on disk.
func backends(t *testing.T, f func(t *testing.T, redis *gateway.Redis)) {
	t.Run("embedded", func(t *testing.T) { t.Parallel(); f(t, nil) })
	t.Run("redis", func(t *testing.T) { t.Parallel(); f(t, gateway.StartRedis(t)) })
}
