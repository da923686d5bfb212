package day

import (
	"bytes"
	"context"
	"flag"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/bus"
	"muster/event"
)

var count = flag.Int("count-events", 200_000, "how many events of the day, of 10,000,000")

// patience is how long anything may stand still.
const patience = 2 * time.Minute

// How the publisher goes about it. It holds back while more than that waits, as it
// is faster than what follows.
const (
	batchSize  = 1000
	publishers = 4
	mostWait   = 20_000 / event.BundleMessages // messages
	mostBehind = 40_000                        // events that the reader of everything has not had
	againEvery = 97                            // one batch in so many is sent twice, as after a lost connection
)

func TestADayAtFullRateArrivesAsItWasSent(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	p := raise(t)
	presence := follow(t, p.page, "kind=login&kind=logout")
	all := follow(t, p.page, "")
	full := *count >= dayFull/2
	every := time.Second
	if full {
		every = 5 * time.Second
	}
	day := newTraffic(42, *count, time.Now())
	w := p.watch(t, every)
	began := time.Now()
	sent := p.publish(t, day, all)
	published := time.Since(began)
	p.settle(t, int64(day.made))
	took := time.Since(began)
	presence.await(t, day.presences)
	all.await(t, int64(day.made))
	w.end()

	t.Logf("%d events, sent %d times, %d seconds of the game, in %v: published in %v, %.0f events/s from end to end",
		day.made, sent, day.seconds, took.Round(time.Millisecond), published.Round(time.Millisecond), float64(day.made)/took.Seconds())
	t.Logf("%s", w.table())
	for q := range 4 {
		p50, p99 := all.quarter(q)
		t.Logf("quarter %d: from publishing to a reader of the feed p50 %v, p99 %v", q+1, p50.Round(time.Millisecond), p99.Round(time.Millisecond))
	}
	checkReader(t, "reader of logins and logouts", presence, day.presences, true)
	checkReader(t, "reader of everything", all, int64(day.made), false)
	for _, name := range roleNames {
		p.roles[name].Stop(t)
	}
	p.check(t, day)
	if full {
		w.checkFlat(t)
	}
}

// publish sends everything, no faster than it is stored and reader gets it, and returns
// how many events that were.
func (p *plant) publish(t *testing.T, day *traffic, reader *reader) (sent int) {
	t.Helper()
	batches := make(chan *batch)
	g, ctx := errgroup.WithContext(t.Context())
	for range publishers {
		g.Go(func() error {
			for b := range batches {
				if err := p.bus.Publish(ctx, event.TopicEvents, b.messages()...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for n := 1; ; n++ {
		b := &batch{first: sent}
		for payload := day.next(); payload != nil; payload = day.next() {
			if b.payloads = append(b.payloads, payload); len(b.payloads) == batchSize {
				break
			}
		}
		if len(b.payloads) == 0 {
			break
		}
		times := 1
		if n%againEvery == 0 {
			times = 2
		}
		for range times {
			p.makeRoom(ctx, t, int64(day.made)-mostBehind, reader)
			select {
			case batches <- b:
				sent += len(b.payloads)
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(batches)
	if err := g.Wait(); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return sent
}

// A batch is what one Publish brings. Sent again, it is the same.
type batch struct {
	first    int // its first message's number
	payloads [][]byte
	once     sync.Once
	ready    []bus.Message
}

// messages wraps the payloads as the listener does, received now: those of one world
// travel together.
func (b *batch) messages() []bus.Message {
	b.once.Do(func() {
		now := time.Now()
		worlds := map[string][][]byte{}
		for i, payload := range b.payloads {
			world := worldOf(payload)
			worlds[world] = append(worlds[world], event.EncodeSighting(payload, now.Add(time.Duration(i)), 0))
		}
		for world, bodies := range worlds {
			for some := range slices.Chunk(bodies, event.BundleMessages) {
				b.ready = append(b.ready, bus.Message{ID: strconv.Itoa(b.first), Key: "ps2." + world + ".many", Body: event.EncodeBundle(some)})
			}
		}
	})
	return b.ready
}

// worldOf cuts the world out of a payload of ours.
func worldOf(payload []byte) string {
	_, rest, _ := bytes.Cut(payload, []byte(`"world_id":"`))
	world, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(world)
}

// makeRoom waits while too much waits, and until reader has had some events: a feed
// drops what a reader is too slow for, and says so.
func (p *plant) makeRoom(ctx context.Context, t *testing.T, read int64, reader *reader) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		n, err := p.bus.Depth(ctx, event.QueueDispatcher)
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		had := reader.had()
		if err != nil || n <= mostWait && had >= read {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d messages wait, the reader has had %d of %d events, and nothing moves", n, had, read)
		}
	}
}

// settle waits until everything is stored.
func (p *plant) settle(t *testing.T, want int64) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		depth, err := p.bus.Depth(t.Context(), event.QueueDispatcher)
		if err != nil {
			t.Fatal(err)
		}
		if depth == 0 && p.stored(t) >= want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d messages wait, %d events are stored, want 0 and %d", depth, p.stored(t), want)
		}
	}
}

// checkReader holds what a reader got against what there was. One that is too slow
// for everything is told how much it missed, of experience first.
func checkReader(t *testing.T, name string, r *reader, want int64, complete bool) {
	t.Helper()
	came, twice, dropped := r.seen()
	t.Logf("%s: %d came, %d dropped, %d came twice", name, came, dropped, twice)
	if came+dropped != want || twice != 0 || complete && dropped != 0 {
		t.Errorf("%s: %d came and %d were dropped, %d came twice; want %d in all, none twice", name, came, dropped, twice, want)
	}
}

// checkFlat holds the memory of our own processes at the end against the beginning.
func (w *watch) checkFlat(t *testing.T) {
	t.Helper()
	for _, name := range roleNames {
		q := quarters(w.memory[name])
		if q[3] > 1.25*q[1]+8 {
			t.Errorf("%s has grown: %.1f MB in the second quarter, %.1f MB in the last", name, q[1], q[3])
		}
	}
}
