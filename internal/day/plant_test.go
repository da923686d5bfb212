package day

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"

	"muster/bus"
	"muster/bus/rabbit"
	"muster/event"
	"muster/internal/testservers"
)

// A plant is the whole chain: servers, and roles in processes of their own.
type plant struct {
	db     *testservers.MariaDB
	broker *testservers.RabbitMQ
	redis  *testservers.Redis
	roles  map[string]*testservers.Server
	page   string
	url    string // of the database, for package storage
	sql    *sql.DB
	bus    *rabbit.Bus // as the listener has one
}

var roleNames = []string{"dispatcher-1", "dispatcher-2", "notifier-1"}

func raise(t *testing.T) *plant {
	t.Helper()
	p := &plant{
		db: testservers.NewMariaDB(t, testservers.MariaDBConfig{}), broker: testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{}),
		redis: testservers.NewRedis(t, testservers.RedisConfig{}), roles: map[string]*testservers.Server{},
	}
	binary := filepath.Join(t.TempDir(), "muster")
	if out, err := exec.Command("go", "build", "-o", binary, "muster/cmd/muster").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	testservers.Start(t, p.db, p.broker, p.redis)
	p.db.Exec(t, "CREATE DATABASE muster")
	p.url = "mysql:" + p.db.DSN("muster")
	var err error
	if p.sql, err = sql.Open("mysql", p.db.DSN("muster")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.sql.Close() })
	namespace := "day-" + strings.ToLower(rand.Text()[:10])
	addr := fmt.Sprintf("127.0.0.1:%d", testservers.Port(t))
	p.page = "http://" + addr
	for _, name := range roleNames {
		p.roles[name] = p.role(t, binary, name, "MUSTER_BUS_NAMESPACE="+namespace, "MUSTER_HTTP_ADDR="+addr)
		p.roles[name].Start(t) // one after the other: the first makes the tables
	}
	p.bus, err = rabbit.Open(t.Context(), rabbit.Config{URL: p.broker.URL(), Namespace: namespace,
		Topology: bus.Topology{event.TopicEvents: {event.QueueDispatcher}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.bus.Close() })
	return p
}

// role returns a role that is not started yet.
func (p *plant) role(t *testing.T, binary, name string, env ...string) *testservers.Server {
	t.Helper()
	home := t.TempDir()
	var s *testservers.Server
	role, _, _ := strings.Cut(name, "-")
	s = testservers.New(t, name, func() *exec.Cmd {
		cmd := exec.Command(binary, role)
		cmd.Dir = home
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "MUSTER_ADMIN_ADDR=" + s.Addr(),
			"MUSTER_BUS_URL=" + p.broker.URL(), "MUSTER_DATABASE_URL=" + p.url, "MUSTER_LEASE_URLS=" + p.redis.URL(),
			"MUSTER_PRESENCE_IDLE=24h"}, env...) // the day is an old one
		return cmd
	}, func(ctx context.Context) error { return ready(ctx, "http://"+s.Addr()+"/readyz") })
	return s
}

func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return nil
}

// pids are the processes whose memory is watched.
func (p *plant) pids() map[string]int {
	all := map[string]int{"mariadb": p.db.Pid(), "rabbitmq": p.broker.Pid()}
	for name, s := range p.roles {
		all[name] = s.Pid()
	}
	return all
}
