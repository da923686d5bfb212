package testservers

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbitBin is where Debian keeps RabbitMQ's programs that leave the environment
// alone; those in the path do not.
const rabbitBin = "/usr/lib/rabbitmq/bin"

// A RabbitMQConfig says what a RabbitMQ shall be.
type RabbitMQConfig struct {
	// Lines are added to rabbitmq.conf, as "listeners.ssl.default = 127.0.0.1:5671".
	Lines []string
}

// A RabbitMQ is a RabbitMQ server of one node. What it has confirmed survives all
// of Kill, Stop and Restart, with the queues that are durable, but for one case:
// version 3.10 writes the directory of its quorum queues some seconds late, so a
// queue declared just before Kill comes back empty and without a leader. A Restart
// after the declaration makes it last.
type RabbitMQ struct {
	*Server
	env []string
}

// NewRabbitMQ returns a server that is not started yet, or skips the test. It
// starts an epmd of its own, which runs until the test ends.
func NewRabbitMQ(t testing.TB, cfg RabbitMQConfig) *RabbitMQ {
	t.Helper()
	need(t, "RabbitMQ", filepath.Join(rabbitBin, "rabbitmq-server"), filepath.Join(rabbitBin, "rabbitmqctl"))
	r := &RabbitMQ{Server: newServer(t, "RabbitMQ")}
	epmd := fmt.Sprint(Port(t))
	r.settle(t, cfg, epmd)
	r.startEPMD(t, need(t, "RabbitMQ", "epmd"), epmd)
	r.command = func() *exec.Cmd { return r.run("rabbitmq-server") }
	r.answers = r.greet
	return r
}

// settle writes the server's files and names them in its environment.
func (r *RabbitMQ) settle(t testing.TB, cfg RabbitMQConfig, epmd string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(r.dir, name) }
	for _, dir := range []string{"home", "mnesia", "log.d", "generated"} {
		if err := os.MkdirAll(in(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lines := append([]string{"loopback_users = none", "log.console = true", "log.console.level = warning"}, cfg.Lines...)
	write(t, in("home/.erlang.cookie"), 0o400, rand.Text())
	write(t, in("plugins"), 0o600, "[].\n")
	write(t, in("rabbitmq.conf"), 0o600, strings.Join(lines, "\n")+"\n")
	_, port, _ := strings.Cut(r.addr, ":")
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + in("home"), "LANG=C.UTF-8",
		"ERL_EPMD_PORT=" + epmd, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=muster" + port + "@localhost", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + port, fmt.Sprintf("RABBITMQ_DIST_PORT=%d", Port(t)),
		"RABBITMQ_CONF_ENV_FILE=" + in("none"), "RABBITMQ_CONFIG_FILE=" + in("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + in("none.config"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + in("plugins"),
		"RABBITMQ_MNESIA_BASE=" + in("mnesia"), "RABBITMQ_LOG_BASE=" + in("log.d"), "RABBITMQ_PID_FILE=" + in("pid"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + in("generated"),
		// The script then becomes the server instead of watching over it, so that a
		// signal to our child reaches the server itself.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

func write(t testing.TB, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (r *RabbitMQ) startEPMD(t testing.TB, program, port string) {
	t.Helper()
	cmd := exec.Command(program, "-port", port)
	cmd.Env = r.env
	p, err := launch(cmd, filepath.Join(r.dir, "epmd.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // may have ended by itself
		<-p.ended
	})
}

func (r *RabbitMQ) run(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(rabbitBin, program), args...)
	cmd.Env, cmd.Dir = r.env, r.dir
	return cmd
}

// URL returns the URL of the virtual host "/" for user guest.
func (r *RabbitMQ) URL() string { return "amqp://guest:guest@" + r.addr + "/" }

// greet opens a connection.
func (r *RabbitMQ) greet(context.Context) error {
	conn, err := amqp.DialConfig(r.URL(), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	return conn.Close()
}

// Ctl runs rabbitmqctl, which takes some seconds, and returns what it says. The
// server must run.
func (r *RabbitMQ) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := r.run("rabbitmqctl", append([]string{"--quiet"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// FillDisk raises the alarm of a full disk: who publishes is blocked from then on,
// consumers are served. FreeDisk ends it.
func (r *RabbitMQ) FillDisk(t testing.TB) {
	t.Helper()
	r.Ctl(t, "set_disk_free_limit", "1000000000000000")
}

// FreeDisk ends what FillDisk began.
func (r *RabbitMQ) FreeDisk(t testing.TB) {
	t.Helper()
	r.Ctl(t, "set_disk_free_limit", "1000000")
}
