package cutproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"muster/internal/cutproxy"
)

const (
	patience = 30 * time.Second      // until a test gives up
	moment   = 50 * time.Millisecond // in which nothing may happen
)

// echo is a server that says each line back.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // until either side ends
			}()
		}
	}()
	return ln.Addr().String()
}

// A talk is one connection through the proxy.
type talk struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func open(t *testing.T, p *cutproxy.Proxy) *talk {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &talk{t, c, bufio.NewReader(c)}
}

// eventually polls until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

func (c *talk) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *talk) read(d time.Duration) (string, error) {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		c.t.Fatal(err)
	}
	return c.in.ReadString('\n')
}

func (c *talk) hears(want string) {
	c.t.Helper()
	if got, err := c.read(patience); err != nil || got != want+"\n" {
		c.t.Fatalf("heard %q, %v, want %q", got, err, want)
	}
}

func (c *talk) hearsNothing() {
	c.t.Helper()
	if got, err := c.read(moment); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("heard %q, %v, want nothing", got, err)
	}
}

func (c *talk) isEnded() {
	c.t.Helper()
	if got, err := c.read(patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("heard %q, %v, want the connection's end", got, err)
	}
}

func TestWhatHangsComesLater(t *testing.T) {
	p := cutproxy.New(t, "tcp", echo(t))
	c := open(t, p)
	c.say("one")
	c.hears("one")
	p.Set(cutproxy.Hang)
	c.say("two")
	late := open(t, p)
	late.say("three")
	c.hearsNothing()
	p.Set(cutproxy.Pass)
	c.hears("two")
	late.hears("three")
	if p.Made() != 2 {
		t.Errorf("%d connections, want 2", p.Made())
	}
}

func TestWhatIsSwallowedIsGoneAndSoIsItsConnection(t *testing.T) {
	for _, m := range []cutproxy.Mode{cutproxy.Swallow, cutproxy.Mute} {
		t.Run(m.String(), func(t *testing.T) {
			p := cutproxy.New(t, "tcp", echo(t))
			c, idle := open(t, p), open(t, p)
			c.say("one")
			c.hears("one")
			idle.say("one")
			idle.hears("one")
			p.Set(m)
			c.say("two")
			c.hearsNothing()
			late := open(t, p)
			late.say("three")
			late.hearsNothing()
			eventually(t, "the proxy has met it", func() bool { return p.Accepted() == 3 })
			p.Set(cutproxy.Pass)
			c.isEnded()
			late.isEnded()
			idle.say("four") // it has lost nothing
			idle.hears("four")
		})
	}
}

func TestWhoWaitsForAGreetingFromABlackHoleIsEndedWithIt(t *testing.T) {
	p := cutproxy.New(t, "tcp", echo(t))
	p.Set(cutproxy.Swallow)
	c := open(t, p)
	c.hearsNothing()
	eventually(t, "the proxy has met it", func() bool { return p.Accepted() == 1 })
	if p.Made() != 0 {
		t.Error("the server was told")
	}
	p.Set(cutproxy.Pass)
	c.isEnded()
}

func TestCutEndsConnections(t *testing.T) {
	p := cutproxy.New(t, "tcp", echo(t))
	c := open(t, p)
	c.say("one")
	c.hears("one")
	p.Cut()
	c.isEnded()
	again := open(t, p)
	again.say("two")
	again.hears("two")
	p.Set(cutproxy.Cut)
	again.isEnded()
	open(t, p).isEnded()
	p.Set(cutproxy.Pass)
	last := open(t, p)
	last.say("three")
	last.hears("three")
}

func TestADelayHoldsInBothDirections(t *testing.T) {
	p := cutproxy.New(t, "tcp", echo(t))
	p.Delay(moment)
	c := open(t, p)
	began := time.Now()
	c.say("one")
	c.hears("one")
	if took := time.Since(began); took < 2*moment {
		t.Errorf("there and back took %s, want at least %s", took, 2*moment)
	}
}

func TestAddressesLeadThroughTheProxy(t *testing.T) {
	p := cutproxy.New(t, "tcp", "127.0.0.1:1")
	tests := []struct{ got, want string }{
		{p.URL("amqp://guest:guest@127.0.0.1:5672/"), "amqp://guest:guest@" + p.Addr() + "/"},
		{p.URL("redis://localhost:6379"), "redis://" + p.Addr()},
		{p.DSN("root@tcp(127.0.0.1:3306)/x?parseTime=true"), "root@tcp(" + p.Addr() + ")/x?parseTime=true"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}
