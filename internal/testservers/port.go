package testservers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports are given out below the ephemeral ones, so that no outgoing connection
// takes the port of a server that is down.
const (
	firstPort = 20_000
	ports     = 12_000
)

// given are the ports that this process has given out.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// Port returns a TCP port of the loopback on which nobody listens and that this
// process has not given out before.
func Port(t testing.TB) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(ports)
		if given.ports[port] {
			continue
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = ln.Close() // nobody has connected
		given.ports[port] = true
		return port
	}
	t.Fatal("no free port")
	return 0
}
