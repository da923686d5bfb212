package main

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// apart starts roles in processes of their own, over the servers of the tests and a
// game of that many events/s on the platform that is followed. It returns them by
// name, the notifier's page and the game's stream.
func apart(b *testing.B, rate int, roles ...string) (procs map[string]*proc, page string) {
	b.Helper()
	env := servers(b)
	people := startDiscord(b)
	// Fewer players would come to the end of what they can do in a second, and go on in
	// bursts. Three quarters of the events of all platforms are on the one that is followed.
	sim := startBinary(b, nil, "sim", "game", "--addr=127.0.0.1:0", "--players=3000", "--events="+strconv.Itoa(rate*4/3))
	env = append(env, "MUSTER_GAME_STREAM_URL="+sim.out.find(b, `MUSTER_GAME_STREAM_URL=(\S+)`),
		"MUSTER_GAME_QUERY_URL="+sim.out.find(b, `MUSTER_GAME_QUERY_URL=(\S+)`), "MUSTER_GAME_SERVICE_ID=bench",
		"MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test",
		"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0")
	procs = map[string]*proc{}
	for _, role := range roles {
		procs[role] = startBinary(b, env, role)
		procs[role].err.find(b, "muster runs")
	}
	return procs, procs["notifier"].err.find(b, `muster runs.* page=(\S+)`)
}

// BenchmarkFrameToFeedApart is FrameToFeed over the production chain at 1,000
// events/s: the game's WebSocket, the listener, a quorum queue, the dispatcher's
// commit in MariaDB, the broadcast of the feed and the notifier's SSE, each role in
// a process of its own. The baseline is what one of its three hops costs: a bare
// publish and consume through a quorum queue of the same broker, at the same rate and in
// the simulated game's bursts.
func BenchmarkFrameToFeedApart(b *testing.B) {
	const rate = 1000
	hop := map[string]float64{}
	b.Run("bare publish to consume", func(b *testing.B) { bareHop(b, rate, hop) })
	b.Run("muster", func(b *testing.B) {
		_, page := apart(b, rate, "dispatcher", "notifier", "roster", "listener")
		feed := follow(b, page, "")
		feed.wait(b, 5*rate) // names and tables have been read
		report(b, feed, nil, hop)
	})
}

// burstsEach is how often the simulated game sends what has happened.
const burstsEach = 50 * time.Millisecond

// bareHop publishes b.N messages at a rate, each confirmed, and takes the time from
// before the publish to the arrival. They come in bursts, as the game's events do, which
// count from the burst's beginning: so do frames that arrive together.
func bareHop(b *testing.B, rate int, keep map[string]float64) {
	broker := os.Getenv("MUSTER_TEST_AMQP_URL")
	if broker == "" {
		b.Skip("MUSTER_TEST_AMQP_URL is not set: it names a RabbitMQ")
	}
	queue := "bench-hop-" + strings.ToLower(rand.Text()[:10])
	pub, sub := bareChannel(b, broker), bareChannel(b, broker)
	if _, err := sub.QueueDeclare(queue, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}); err != nil {
		b.Fatal(err)
	}
	if err := pub.Confirm(false); err != nil {
		b.Fatal(err)
	}
	confirmed := pub.NotifyPublish(make(chan amqp.Confirmation, 4*rate))
	if err := sub.Qos(2000, 0, false); err != nil {
		b.Fatal(err)
	}
	deliveries, err := sub.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, b.N)
	arrived := make(chan error, 1)
	go func() {
		for i := range took {
			d, ok := <-deliveries
			if !ok {
				arrived <- amqp.ErrClosed
				return
			}
			took[i] = time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(d.Body))))
			if err := d.Ack(false); err != nil {
				arrived <- err
				return
			}
		}
		arrived <- nil
	}()
	tick := time.NewTicker(burstsEach)
	defer tick.Stop()
	b.ResetTimer()
	var now time.Time
	for i := range took {
		if i%(rate*int(burstsEach)/int(time.Second)) == 0 {
			<-tick.C
			now = time.Now()
		}
		body := make([]byte, 400)
		binary.BigEndian.PutUint64(body, uint64(now.UnixNano()))
		if err := pub.Publish("", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}); err != nil {
			b.Fatal(err)
		}
		select { // they come in their own time
		case <-confirmed:
		default:
		}
	}
	if err := <-arrived; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if _, err := sub.QueueDelete(queue, false, false, false); err != nil {
		b.Fatal(err)
	}
	percentiles(b, took, keep, nil)
}

func bareChannel(b *testing.B, broker string) *amqp.Channel {
	b.Helper()
	conn, err := amqp.Dial(broker)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	return ch
}

// BenchmarkRoles reports the resident memory of each role in a process of its own,
// after 30 s of events; the baseline is the same binary doing nothing.
func BenchmarkRoles(b *testing.B) {
	for _, rate := range []int{300, 1000} {
		b.Run(strconv.Itoa(rate)+" a second", func(b *testing.B) {
			for b.Loop() {
				roles := []string{"dispatcher", "notifier", "bot", "roster", "listener"}
				procs, page := apart(b, rate, roles...)
				follow(b, page, "").wait(b, 30*rate)
				slices.Sort(roles)
				for _, role := range roles {
					b.ReportMetric(residentMB(b, procs[role].cmd.Process.Pid), role+"-MB")
				}
				for _, p := range procs {
					_ = p.cmd.Process.Kill()
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
