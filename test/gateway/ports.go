package gateway

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// freePorts returns addresses on loopback. They lie below the range from which
// the kernel takes the ports of outgoing connections, so that nothing else can
// hold one of them while a killed gateway is being started again.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for tries := 0; len(held) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			held = append(held, l)
		} else if tries > 1000 {
			t.Fatalf("looking for free ports: %v", err)
		}
	}
	var addresses []string
	for _, l := range held {
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}
