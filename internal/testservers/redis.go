package testservers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// A RedisConfig says what a Redis shall be.
type RedisConfig struct {
	// AppendOnly keeps the data over restarts, each write on the disk before it is
	// answered. Without it a restarted server is empty.
	AppendOnly bool
	// Args are further arguments, as "--requirepass".
	Args []string
}

// A Redis is a Redis server.
type Redis struct{ *Server }

// NewRedis returns a server that is not started yet, or skips the test.
func NewRedis(t testing.TB, cfg RedisConfig) *Redis {
	t.Helper()
	program := need(t, "Redis", "redis-server")
	r := &Redis{newServer(t, "Redis")}
	_, port, _ := strings.Cut(r.addr, ":")
	args := []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", r.dir, "--daemonize", "no"}
	if cfg.AppendOnly {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	} else {
		args = append(args, "--appendonly", "no")
	}
	args = append(args, cfg.Args...)
	r.command = func() *exec.Cmd { return exec.Command(program, args...) }
	r.answers = r.ping
	return r
}

// URL returns the server's URL, without a password.
func (r *Redis) URL() string { return "redis://" + r.addr }

// ping says PING. A server that wants a password first serves as well.
func (r *Redis) ping(ctx context.Context) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(until); err != nil {
			return err
		}
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(answer, "+PONG") || strings.HasPrefix(answer, "-NOAUTH") {
		return nil
	}
	return fmt.Errorf("it says %q", answer)
}
