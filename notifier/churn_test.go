package notifier_test

import (
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"muster/notifier"
)

// files returns how many files this process has open, 0 where that is not known.
func files() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

func TestFiveHundredConnectionsThatVanishLeaveNothing(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := start(t, func(c *notifier.Config) { c.Registerer, c.Limits.ClientsPerAddress = reg, 1000 })
	stall(t, s, "kind=login") // whatever is made once is made now
	eventually(t, "the first is in", func() bool { return clientsOf(t, reg) == 1 })
	goroutines, open := runtime.NumGoroutine(), files()
	requests := []string{
		"GET /api/v1/feed?kind=login HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /api/v1/feed/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nX-Half: ",
		"",
	}
	for range 5 {
		var conns []net.Conn
		for n := range 100 {
			c, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			if _, err := c.Write([]byte(requests[n%len(requests)])); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the feed's are in", func() bool { return clientsOf(t, reg) == 41 })
		for n, c := range conns {
			if n%2 == 0 {
				_ = c.(*net.TCPConn).SetLinger(0) // a reset, as when a process is killed
			}
			_ = c.Close()
		}
		eventually(t, "the feed's are forgotten", func() bool { return clientsOf(t, reg) == 1 })
	}
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	eventually(t, "the files are closed", func() bool { return files() <= open+2 })
}
