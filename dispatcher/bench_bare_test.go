package dispatcher

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"muster/event"
)

// barePrefetch is two batches: one in hand, one on its way.
const barePrefetch = 2 * benchBatch

// bareChain is the least that a batch consumer can do, written by hand: it takes
// 1,000 messages of a quorum queue, looks up the rows they stand for, which are
// ready in memory, inserts them with one statement a table in one transaction, and
// acknowledges all with one frame. Nothing is decoded, nothing derived.
func bareChain(b *testing.B, broker string, rows []benchRow, messages []bareMessage, workers int, publishing bool) time.Duration {
	b.Helper()
	dsn, db, drop := benchDatabase(b)
	defer drop()
	migrateBare(b, dsn)
	queue := "bench-bare-" + strings.ToLower(rand.Text()[:10])
	var took time.Duration
	benchChannel(b, broker, func(ch *amqp.Channel) {
		declareBare(b, ch, queue)
		if !publishing {
			barePublish(b, broker, queue, messages)
		}
		began := time.Now()
		r := &bareRun{db: db, rows: rows, all: make(chan struct{})}
		var g errgroup.Group
		for range workers {
			g.Go(func() error { return r.worker(broker, queue) })
		}
		if publishing {
			barePublish(b, broker, queue, messages)
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		took = time.Since(began)
		if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
			b.Fatal(err)
		}
	})
	benchCount(b, db, len(rows))
	return took
}

func migrateBare(b *testing.B, dsn string) {
	b.Helper()
	if err := benchOpen(b, "mysql:"+dsn).Close(); err != nil {
		b.Fatal(err)
	}
}

func declareBare(b *testing.B, ch *amqp.Channel, queue string) {
	b.Helper()
	if _, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}); err != nil {
		b.Fatal(err)
	}
}

// benchChannel runs f on a connection of its own.
func benchChannel(b *testing.B, broker string, f func(*amqp.Channel)) {
	b.Helper()
	err := bareChannel(broker, func(ch *amqp.Channel) error { f(ch); return nil })
	if err != nil {
		b.Fatal(err)
	}
}

func bareChannel(broker string, f func(*amqp.Channel) error) error {
	conn, err := amqp.Dial(broker)
	if err != nil {
		return err
	}
	defer conn.Close() // what f says matters
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return f(ch)
}

// A bareMessage has the indexes of its rows for an id.
type bareMessage struct {
	id   string
	body []byte
}

// bareSingles are one message an event.
func bareSingles(bodies [][]byte) []bareMessage {
	all := make([]bareMessage, len(bodies))
	for i, body := range bodies {
		all[i] = bareMessage{strconv.Itoa(i), body}
	}
	return all
}

// bareBundles are the events of one world together, as the chain has them.
func bareBundles(bodies [][]byte) (all []bareMessage) {
	apart := make(map[int][]int)
	flush := func(indexes []int) {
		var ids []string
		var some [][]byte
		for _, i := range indexes {
			ids, some = append(ids, strconv.Itoa(i)), append(some, bodies[i])
		}
		all = append(all, bareMessage{strings.Join(ids, ","), event.EncodeBundle(some)})
	}
	for i, world := range benchWorlds(bodies) {
		if apart[world] = append(apart[world], i); len(apart[world]) == event.BundleMessages {
			flush(apart[world])
			delete(apart, world)
		}
	}
	for _, rest := range apart {
		flush(rest)
	}
	return all
}

// barePublish keeps at most 1,000 messages unconfirmed.
func barePublish(b *testing.B, broker, queue string, messages []bareMessage) {
	b.Helper()
	benchChannel(b, broker, func(ch *amqp.Channel) {
		if err := ch.Confirm(false); err != nil {
			b.Fatal(err)
		}
		window := make(chan *amqp.DeferredConfirmation, 1000)
		confirmed := make(chan int, 1)
		go func() {
			n := 0
			for c := range window {
				if c.Wait() {
					n++
				}
			}
			confirmed <- n
		}()
		for _, m := range messages {
			c, err := ch.PublishWithDeferredConfirm("", queue, true, false,
				amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: m.id, Body: m.body})
			if err != nil {
				b.Fatal(err)
			}
			window <- c
		}
		close(window)
		if n := <-confirmed; n != len(messages) {
			b.Fatalf("%d of %d messages were confirmed", n, len(messages))
		}
	})
}

// A bareRun is what the workers of one bare chain share.
type bareRun struct {
	db    *sql.DB
	rows  []benchRow
	taken atomic.Int64
	all   chan struct{} // closed when every message has been taken
}

// worker consumes full batches, and what is left over once all is taken.
func (r *bareRun) worker(broker, queue string) error {
	return bareChannel(broker, func(ch *amqp.Channel) error {
		if err := ch.Qos(barePrefetch, 0, false); err != nil {
			return err
		}
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		batch := make([]benchRow, 0, benchBatch)
		for {
			var last amqp.Delivery
			for over := false; len(batch) < benchBatch && !over; {
				select {
				case last = <-deliveries:
					for id := range strings.SplitSeq(last.MessageId, ",") {
						i, err := strconv.Atoi(id)
						if err != nil {
							return fmt.Errorf("the message has no row: %w", err)
						}
						batch = append(batch, r.rows[i])
						if r.taken.Add(1) == int64(len(r.rows)) {
							close(r.all)
						}
					}
				case <-r.all:
					over = true
				}
			}
			if len(batch) == 0 {
				return nil
			}
			if err := bareInsert(r.db, batch); err != nil {
				return err
			}
			if err := last.Ack(true); err != nil {
				return err
			}
			batch = batch[:0]
		}
	})
}

// bareInsert writes a batch, table by table, in one transaction.
func bareInsert(db *sql.DB, batch []benchRow) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	for _, table := range benchTables {
		var args []any
		n := 0
		for i := range batch {
			if batch[i].table == table {
				args = append(args, batch[i].values...)
				n++
			}
		}
		if n == 0 {
			continue
		}
		if _, err := tx.Exec(benchText(table, len(args)/n, n), args...); err != nil {
			_ = tx.Rollback()
			return err
		}
	}
	return tx.Commit()
}

// benchNaive compares the chain's single worker with a consumer that has one
// message in hand: take it, insert one row, acknowledge it.
func benchNaive(b *testing.B) {
	broker := benchBroker(b)
	bodies := benchBodies(benchEvents)
	const few = 3000 // it takes seconds as it is
	var ours, naive time.Duration
	for b.Loop() {
		c := newChain(b, broker)
		ours += c.run(b, 1, bodies, false)
		rows := c.rows(b)
		c.close(b)
		naive += naiveChain(b, broker, rows[:few], bodies[:few]) * benchEvents / few
	}
	benchReport(b, ours, naive)
}

func naiveChain(b *testing.B, broker string, rows []benchRow, bodies [][]byte) time.Duration {
	b.Helper()
	dsn, db, drop := benchDatabase(b)
	defer drop()
	migrateBare(b, dsn)
	queue := "bench-naive-" + strings.ToLower(rand.Text()[:10])
	var took time.Duration
	benchChannel(b, broker, func(ch *amqp.Channel) {
		declareBare(b, ch, queue)
		barePublish(b, broker, queue, bareSingles(bodies))
		if err := ch.Qos(1, 0, false); err != nil {
			b.Fatal(err)
		}
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for range rows {
			d := <-deliveries
			i, err := strconv.Atoi(d.MessageId)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := db.Exec(benchText(rows[i].table, len(rows[i].values), 1), rows[i].values...); err != nil {
				b.Fatal(err)
			}
			if err := d.Ack(false); err != nil {
				b.Fatal(err)
			}
		}
		took = time.Since(began)
		if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
			b.Fatal(err)
		}
	})
	benchCount(b, db, len(rows))
	return took
}
