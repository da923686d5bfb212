package testservers_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"muster/internal/testservers"
)

const patience = time.Minute

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// A server is what all kinds have in common.
type server interface {
	Addr() string
	Start(testing.TB)
	Stop(testing.TB)
	Kill(testing.TB)
	Running() bool
	Pause(testing.TB)
	Resume(testing.TB)
	Await(testing.TB)
	Restart(testing.TB)
}

func isDown(t *testing.T, s server) {
	t.Helper()
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		_ = c.Close()
		t.Fatal("somebody still listens")
	}
}

// lives takes s through all that can befall it. kept fails the test unless the
// data is there.
func lives(t *testing.T, s server, kept func()) {
	t.Helper()
	kept()
	s.Kill(t)
	isDown(t, s)
	s.Start(t)
	kept()
	s.Restart(t)
	kept()
	s.Pause(t)
	s.Resume(t)
	s.Await(t)
	kept()
	if !s.Running() {
		t.Error("says that it does not run")
	}
	s.Stop(t)
	isDown(t, s)
}

func client(t *testing.T, r *testservers.Redis) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestARedisKeepsItsDataIfItShall(t *testing.T) {
	t.Parallel()
	r, empty := testservers.NewRedis(t, testservers.RedisConfig{AppendOnly: true}), testservers.NewRedis(t, testservers.RedisConfig{})
	testservers.Start(t, r, empty)
	for _, c := range []*goredis.Client{client(t, r), client(t, empty)} {
		if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	lives(t, r, func() {
		if got, err := client(t, r).Get(t.Context(), "k").Result(); err != nil || got != "v" {
			t.Fatalf("got %q, %v, want v", got, err)
		}
	})
	empty.Restart(t)
	if got, err := client(t, empty).Get(t.Context(), "k").Result(); !errors.Is(err, goredis.Nil) {
		t.Errorf("got %q, %v, want nothing", got, err)
	}
}

func rows(t *testing.T, db *testservers.MariaDB) (n int, err error) {
	t.Helper()
	pool, err := sql.Open("mysql", db.DSN("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM t").Scan(&n)
	return n, err
}

func TestAMariaDBKeepsItsDataAndIsReplicated(t *testing.T) {
	t.Parallel()
	db, replica := testservers.NewMariaDB(t, testservers.MariaDBConfig{Binlog: true}), testservers.NewMariaDB(t, testservers.MariaDBConfig{Binlog: true})
	testservers.Start(t, db, replica)
	db.Exec(t, "CREATE DATABASE x", "CREATE TABLE x.t (n INT)", "INSERT INTO x.t VALUES (1)")
	replica.Follow(t, db)
	copied := func(want int) {
		eventually(t, "the row is copied", func() bool {
			n, err := rows(t, replica)
			return err == nil && n == want
		})
	}
	copied(1)
	lives(t, db, func() {
		if n, err := rows(t, db); err != nil || n != 1 {
			t.Fatalf("got %d rows, %v, want 1", n, err)
		}
	})
	db.Start(t)
	db.Exec(t, "INSERT INTO x.t VALUES (2)")
	copied(2)
	replica.Unfollow(t)
	replica.Exec(t, "INSERT INTO x.t VALUES (3)")
	copied(3)
}

func connection(t *testing.T, r *testservers.RabbitMQ) *amqp.Connection {
	t.Helper()
	conn, err := amqp.Dial(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func channel(t *testing.T, conn *amqp.Connection) *amqp.Channel {
	t.Helper()
	amqpCh, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return amqpCh
}

func publish(t *testing.T, amqpCh *amqp.Channel) *amqp.DeferredConfirmation {
	t.Helper()
	if err := amqpCh.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := amqpCh.PublishWithDeferredConfirm("", "q", true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	return confirm
}

func within[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came; gave up")
	}
	return v
}

func confirmed(t *testing.T, c *amqp.DeferredConfirmation) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if ok, err := c.WaitContext(ctx); !ok || err != nil {
		t.Fatalf("confirmed: %v, %v", ok, err)
	}
}

func TestARabbitMQKeepsItsQueuesAndCanBeOutOfDisk(t *testing.T) {
	t.Parallel()
	r := testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{Lines: []string{"channel_max = 77"}})
	r.Start(t)
	if _, err := channel(t, connection(t, r)).QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	r.Restart(t) // see RabbitMQ: a queue this young would not survive being killed
	conn := connection(t, r)
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
	amqpCh := channel(t, conn)
	confirmed(t, publish(t, amqpCh))

	r.FillDisk(t)
	late := publish(t, amqpCh)
	if b := within(t, blocked); !b.Active || !strings.Contains(b.Reason, "disk") {
		t.Errorf("got %+v, want to be blocked for want of disk", b)
	}
	r.FreeDisk(t)
	confirmed(t, late)

	lives(t, r, func() {
		eventually(t, "both messages are there", func() bool {
			q, err := channel(t, connection(t, r)).QueueDeclarePassive("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			return err == nil && q.Messages == 2
		})
	})
}

func TestPortsAreGivenOutOnce(t *testing.T) {
	seen := map[int]bool{}
	for range 200 {
		p := testservers.Port(t)
		if seen[p] {
			t.Fatalf("port %d twice", p)
		}
		seen[p] = true
	}
}
