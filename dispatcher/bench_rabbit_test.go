package dispatcher

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"muster/alert"
	"muster/bus"
	"muster/bus/rabbit"
	"muster/event"
	"muster/storage"
)

// BenchmarkThroughRabbit is the production chain: a quorum queue, the dispatcher,
// MariaDB with durable commits. Presence, sessions, roll-ups, alerts and the feed
// are on, and what the feed brings is counted at a reader's end of the broker. Its
// baselines run in turn with it: a bare consumer of the very same rows, one event a
// message (see bareChain), the same with the chain's own bundles (ratio-alike), and the
// naive one that takes, inserts and acknowledges one message after the other. Targets:
// 0.7 of the bare one, 25 times the naive one.
func BenchmarkThroughRabbit(b *testing.B) {
	b.Run("one worker", func(b *testing.B) { benchChain(b, 1, false) })
	b.Run("two workers", func(b *testing.B) { benchChain(b, 2, false) })
	b.Run("while publishing", func(b *testing.B) { benchChain(b, 2, true) })
	b.Run("naive", benchNaive)
}

// benchChain runs the chain and the bare one. publishing says that the messages
// come while they are worked on, else they lie in the queue.
func benchChain(b *testing.B, workers int, publishing bool) {
	broker := benchBroker(b)
	bodies := benchBodies(benchEvents)
	singles, bundles := bareSingles(bodies), bareBundles(bodies)
	var ours, bare, alike time.Duration
	for b.Loop() {
		c := newChain(b, broker)
		took := c.run(b, workers, bodies, publishing)
		rows := c.rows(b)
		ours += took
		c.close(b)
		bare += bareChain(b, broker, rows, singles, workers, publishing)
		alike += bareChain(b, broker, rows, bundles, workers, publishing)
	}
	benchReport(b, ours, bare)
	b.ReportMetric(alike.Seconds()/ours.Seconds(), "ratio-alike")
}

func benchBroker(b *testing.B) string {
	b.Helper()
	broker := os.Getenv("MUSTER_TEST_AMQP_URL")
	if broker == "" || os.Getenv("MUSTER_TEST_MYSQL_DSN") == "" {
		b.Skip("MUSTER_TEST_AMQP_URL or MUSTER_TEST_MYSQL_DSN is not set: they name a RabbitMQ and a MySQL server")
	}
	return broker
}

// A chain is one production chain, with queues and a database of its own.
type chain struct {
	bus, reader *rabbit.Bus // the reader has connections of its own
	store       *storage.Store
	db          *sql.DB
	drop        func()
}

func newChain(b *testing.B, broker string) *chain {
	b.Helper()
	cfg := rabbit.Config{URL: broker, Topology: topology(), Namespace: "bench-" + strings.ToLower(rand.Text()[:10]),
		Lasting: []string{event.TopicFeed, event.TopicNames}, Prefetch: 256} // as cmd/muster has it
	dsn, db, dropDB := benchDatabase(b)
	c := &chain{db: db, bus: benchBus(b, cfg), reader: benchBus(b, cfg), store: benchOpen(b, "mysql:"+dsn)}
	c.drop = func() {
		benchRemove(b, cfg)
		dropDB()
	}
	for i := range benchCharacters / 10 { // every tenth is watched by somebody
		w := alert.Watch{User: alert.UserID(1 + i%100), Kind: alert.WatchCharacter, Character: event.CharacterID(benchCharacter(10 * i)), CreatedAt: time.Now()}
		if _, _, err := c.store.AddWatch(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

func benchBus(b *testing.B, cfg rabbit.Config) *rabbit.Bus {
	b.Helper()
	r, err := rabbit.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// benchOpen opens a migrated store that still tells of logins an hour old.
func benchOpen(b *testing.B, url string) *storage.Store {
	b.Helper()
	s, err := storage.Open(b.Context(), url, storage.Options{AlertLifetime: 24 * time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

// benchDatabase makes an empty database.
func benchDatabase(b *testing.B) (dsn string, db *sql.DB, drop func()) {
	b.Helper()
	cfg, err := mysql.ParseDSN(os.Getenv("MUSTER_TEST_MYSQL_DSN"))
	if err != nil {
		b.Fatal(err)
	}
	name := "muster_bench_" + strings.ToLower(rand.Text())
	cfg.InterpolateParams = true
	admin, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		b.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		b.Fatal(err)
	}
	cfg.DBName = name
	if db, err = sql.Open("mysql", cfg.FormatDSN()); err != nil {
		b.Fatal(err)
	}
	db.SetMaxIdleConns(8)
	return cfg.FormatDSN(), db, func() {
		if _, err := db.Exec("DROP DATABASE " + name); err != nil {
			b.Error(err)
		}
		_ = db.Close()
	}
}

// benchRemove deletes what a bus has left on the broker.
func benchRemove(b *testing.B, cfg rabbit.Config) {
	b.Helper()
	benchChannel(b, cfg.URL, func(ch *amqp.Channel) {
		prefix := cfg.Namespace + "." + rabbit.Version
		exchanges := []string{prefix + "-dead"}
		for _, topic := range cfg.Lasting {
			if _, err := ch.QueueDelete(prefix+"-stream."+topic, false, false, false); err != nil {
				b.Error(err)
			}
		}
		for topic, queues := range cfg.Topology {
			exchanges = append(exchanges, prefix+"."+topic)
			for _, queue := range queues {
				for _, name := range []string{prefix + "." + queue, prefix + "-dead." + queue} {
					if _, err := ch.QueueDelete(name, false, false, false); err != nil {
						b.Error(err)
					}
				}
			}
		}
		for _, name := range exchanges {
			if err := ch.ExchangeDelete(name, false, false); err != nil {
				b.Error(err)
			}
		}
	})
}

// run lets a dispatcher work until everything is stored, summed up and on the
// feed, and proves it.
func (c *chain) run(b *testing.B, workers int, bodies [][]byte, publishing bool) time.Duration {
	b.Helper()
	worlds := benchWorlds(bodies)
	var lost atomic.Int64
	ready, all := make(chan struct{}), make(chan struct{})
	heard := make(map[string]bool, len(bodies)) // by id: a batch may be told twice
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var g errgroup.Group
	g.Go(func() error {
		return c.reader.Listen(ctx, event.TopicFeed, func() { close(ready) }, func(m bus.Message, n int) {
			lost.Add(int64(n))
			before := len(heard)
			benchItems(m.Body, func(id []byte) { heard[string(id)] = true })
			if before < len(heard) && len(heard) == len(bodies) {
				close(all)
			}
		})
	})
	<-ready
	if !publishing {
		benchPublishAll(b, c.bus, bodies, worlds)
	}
	began := time.Now()
	g.Go(func() error { return New(Config{Bus: c.bus, Store: c.store, Workers: workers}).Run(ctx) })
	if publishing {
		benchPublishAll(b, c.reader, bodies, worlds)
	}
	<-all
	if _, err := c.store.Rollup(ctx, time.Now().Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	cancel()
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	if n := lost.Load(); n > 0 {
		b.Fatalf("the feed lost %d messages", n)
	}
	c.prove(b, len(bodies))
	return took
}

// benchPublishAll publishes bodies by 1,000, four times at once, in bundles as the
// listener makes them: those of one world together.
func benchPublishAll(b *testing.B, m bus.Bus, bodies [][]byte, worlds []int) {
	b.Helper()
	var g errgroup.Group
	g.SetLimit(4)
	for from := 0; from < len(bodies); from += benchBatch {
		g.Go(func() error {
			to := min(from+benchBatch, len(bodies))
			return m.Publish(b.Context(), event.TopicEvents, benchBundles(bodies[from:to], worlds[from:to])...)
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func benchBundles(bodies [][]byte, worlds []int) (messages []bus.Message) {
	apart := make(map[int][][]byte)
	for i, body := range bodies {
		apart[worlds[i]] = append(apart[worlds[i]], body)
	}
	for world, all := range apart {
		for some := range slices.Chunk(all, event.BundleMessages) {
			messages = append(messages, bus.Message{ID: "bundle", Key: fmt.Sprintf("ps2.%d.many", world), Body: event.EncodeBundle(some)})
		}
	}
	return messages
}

// benchWorlds returns where each of bodies happened.
func benchWorlds(bodies [][]byte) []int {
	worlds := make([]int, len(bodies))
	for i, body := range bodies {
		m, err := event.DecodeMessage(body)
		if err != nil {
			panic(err)
		}
		worlds[i] = int(m.Event.World)
	}
	return worlds
}

// prove counts what the tables must hold.
func (c *chain) prove(b *testing.B, events int) {
	b.Helper()
	if n, err := c.bus.Depth(b.Context(), event.QueueDispatcher); err != nil || n != 0 {
		b.Fatalf("%d messages left (%v)", n, err)
	}
	benchCount(b, c.db, events)
	experience := benchOne(b, c.db, "SELECT COUNT(*) FROM event_experience")
	if summed := benchOne(b, c.db, "SELECT SUM(n) FROM experience_hourly"); summed != experience {
		b.Fatalf("%d of %d rows of experience are summed up", summed, experience)
	}
	for table, least := range map[string]int{"presence": 1000, "sessions": 1000, "characters": 1000, "alerts": 10} {
		if n := benchOne(b, c.db, "SELECT COUNT(*) FROM "+table); n < least {
			b.Fatalf("%s has %d rows", table, n)
		}
	}
}

func benchOne(b *testing.B, db *sql.DB, query string) (n int) {
	b.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// rows are what the chain has stored, in the order of the bodies.
func (c *chain) rows(b *testing.B) []benchRow { return benchRows(b, c.db) }

func (c *chain) close(b *testing.B) {
	b.Helper()
	for _, err := range []error{c.bus.Close(), c.reader.Close(), c.store.Close()} {
		if err != nil {
			b.Fatal(err)
		}
	}
	c.drop()
}
