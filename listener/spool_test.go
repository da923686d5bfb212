package listener

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/internal/diskqueue"
)

func openDisk(t testing.TB, dir string, bytes int64) *diskqueue.Queue {
	t.Helper()
	d, err := diskqueue.Open(diskqueue.Config{Dir: dir, MaxBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func openSpool(t testing.TB, dir string, bytes int64) *spool {
	t.Helper()
	m, err := newSpoolMetrics(nil, event.PC)
	if err != nil {
		t.Fatal(err)
	}
	return newSpool(openDisk(t, dir, bytes), m, slog.New(slog.DiscardHandler))
}

func TestEveryFieldOfAMessageSurvivesTheSpool(t *testing.T) {
	var m bus.Message
	v := reflect.ValueOf(&m).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name)
		case reflect.Slice:
			f.SetBytes([]byte(v.Type().Field(i).Name))
		default:
			t.Fatalf("what of a %s in a message?", f.Kind())
		}
	}
	got, err := decode(encode(m))
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v: %v, want %+v", got, err, m)
	}
}

func FuzzDecodeSpooledMessage(f *testing.F) {
	f.Add(encode(bus.Message{ID: "id", Key: "key", Body: []byte("body")}))
	f.Add([]byte{formatVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(encode(m))
		if err != nil || again.ID != m.ID || again.Key != m.Key || !bytes.Equal(again.Body, m.Body) {
			t.Errorf("%+v becomes %+v: %v", m, again, err)
		}
	})
}

// TestTheQueueKeepsItsOrderWhereverItsMessagesAre has the spill and the publisher
// meet at every point where they can.
func TestTheQueueKeepsItsOrderWhereverItsMessagesAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		q := newQueue(1000, 1<<20)
		s := openSpool(t, dir, 1<<20)
		defer func() { _ = s.disk.Close() }()
		q.use(s)
		next, published, inFlight := 0, 0, 0
		var chunk []bus.Message // on its way to the spool
		var from uint64
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					q.add(bus.Message{ID: fmt.Sprint(next)}, false)
					next++
				}
			},
			"take a batch": func(rt *rapid.T) {
				if inFlight > 0 {
					rt.Skip("one at a time")
				}
				batch, _ := q.head(rapid.IntRange(1, 15).Draw(rt, "n"))
				for i, m := range batch {
					if m.ID != fmt.Sprint(published+i) {
						rt.Fatalf("%s is the next, want %d", m.ID, published+i)
					}
				}
				if inFlight = len(batch); inFlight == 0 && published != next {
					rt.Fatalf("nothing is left after %d of %d", published, next)
				}
			},
			"publish it": func(*rapid.T) {
				q.drop(inFlight)
				published, inFlight = published+inFlight, 0
			},
			"begin to spill": func(rt *rapid.T) {
				if len(chunk) > 0 {
					rt.Skip("one at a time")
				}
				q.mu.Lock()
				end := q.inMemory + uint64(rapid.IntRange(0, len(q.items)).Draw(rt, "n"))
				q.mu.Unlock()
				if chunk, from = q.oldest(end); len(chunk) > 0 {
					if err := s.append(chunk); err != nil {
						rt.Fatal(err)
					}
				}
			},
			"end it": func(*rapid.T) {
				if len(chunk) > 0 {
					q.spilled(from, len(chunk))
					chunk = nil
				}
			},
			"": func(rt *rapid.T) {
				if q.len() != next-published {
					rt.Fatalf("holds %d, want %d", q.len(), next-published)
				}
			},
		})
	})
}

// lines is a stream that brings the given number of events on world 1, numbered by
// their victims, then waits.
func lines(n int) *script {
	s := &script{states: []event.StreamState{live(1)}}
	s.run = func(ctx context.Context, h census.Handler) {
		for i := range n {
			h.Event(sighting(1, i))
		}
		<-ctx.Done()
	}
	return s
}

// victims returns the numbers of the events that were published, in order.
func (b *spy) victims() (all []int) {
	for _, e := range b.events() {
		var n int
		text := e.Detail.(event.Death).Victim.String()
		if _, err := fmt.Sscanf(text[len(text)-5:], "%d", &n); err != nil {
			panic(err)
		}
		all = append(all, n)
	}
	return all
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestWhatTheBusDoesNotTakeForASecondIsOnDisk(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := &spy{fail: errors.New("no broker")}
			if hangs {
				b.block = make(chan struct{})
			}
			disk := openDisk(t, t.TempDir(), 1<<20)
			reg := prometheus.NewRegistry()
			var log bytes.Buffer
			l, stop := start(t, Config{Stream: lines(2500), Bus: b, Locker: newDesk(), Spool: disk,
				Registerer: reg, Log: slog.New(slog.NewTextHandler(&log, nil))})
			<-time.After(spillAfter / 2)
			if n := disk.Len(); n != 0 {
				t.Errorf("%d messages are on disk before their time", n)
			}
			<-time.After(spillAfter/2 + spillEvery)
			synctest.Wait()
			if n := disk.Len(); n < 2500 || l.queue.unsafe() != 0 {
				t.Errorf("%d messages on disk and %d in memory, want 2500 events and states on disk", n, l.queue.unsafe())
			}
			<-time.After(stallAfter)
			if err := l.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "does not take events") {
				t.Errorf("ready says %v", err)
			}
			b.mu.Lock()
			b.fail = nil
			b.mu.Unlock()
			if hangs {
				close(b.block)
			}
			<-time.After(retryLast + spillEvery)
			synctest.Wait()
			if got := b.victims(); !slices.Equal(got, upTo(2500)) {
				t.Errorf("%d events are published, want 2500 in order, each once", len(got))
			}
			if n := disk.Len(); n != 0 || l.Ready(t.Context()) != nil {
				t.Errorf("%d messages are left on disk; ready says %v", n, l.Ready(t.Context()))
			}
			if n := testutil.ToFloat64(l.queue.spool.metrics.messages); n != 0 {
				t.Errorf("the metric says %v", n)
			}
			stop()
			for _, once := range []string{"the bus does not take events", "the bus takes events again"} {
				if n := strings.Count(log.String(), once); n != 1 {
					t.Errorf("said %d times %q:\n%s", n, once, log.String())
				}
			}
		})
	}
}

func TestWhatIsOnDiskAtTheEndIsPublishedByTheNextEvenIfItDoesNotLead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		disk := openDisk(t, dir, 1<<20)
		b := &spy{fail: errors.New("no broker")}
		_, stop := start(t, Config{Stream: lines(1234), Bus: b, Locker: newDesk(), Spool: disk})
		<-time.After(stallAfter)
		before := time.Now()
		stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("the end waited %s for a bus that does not answer, although the disk keeps what there is", took)
		}
		_ = disk.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		other, err := d.Acquire(t.Context(), "listener/ps2")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Release()
		b := &spy{}
		l, stop := start(t, Config{Stream: lines(0), Bus: b, Locker: d, Spool: openDisk(t, dir, 1<<20)})
		synctest.Wait()
		if got := b.victims(); !slices.Equal(got, upTo(1234)) {
			t.Errorf("%d events are published, want the 1234 of the first run", len(got))
		}
		if n := testutil.ToFloat64(l.queue.spool.metrics.recovered); n < 1234 {
			t.Errorf("the metric says that %v messages were found", n)
		}
		stop()
	})
}

func TestOnlyWhatFitsNeitherDiskNorMemoryIsDroppedAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{fail: errors.New("no broker")}
		s := &script{states: []event.StreamState{live(1)}}
		more := make(chan int)
		sent := 0
		s.run = func(ctx context.Context, h census.Handler) {
			for n := range more {
				for range n {
					h.Event(sighting(1, sent))
					sent++
				}
				more <- sent
			}
			<-ctx.Done()
		}
		disk := openDisk(t, t.TempDir(), 100_000) // some 350 events
		l, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk(), Spool: disk, QueueMessages: 200})
		total := 0
		for range 10 {
			more <- 100
			total = <-more
			<-time.After(time.Second)
		}
		synctest.Wait()
		lost := int(testutil.ToFloat64(l.metrics.dropped))
		if st := l.States()[0]; lost == 0 || st.Health != event.StreamDown || st.Reason != "buffer full" {
			t.Errorf("%d of %d dropped, world 1 is %s (%s)", lost, total, st.Health, st.Reason)
		}
		if n := disk.Stats().Bytes; n > 100_000 || n < 70_000 {
			t.Errorf("%d bytes on disk of 100,000", n)
		}
		if n := l.queue.unsafe(); n < 200 || n > 210 { // states pass the bound
			t.Errorf("%d messages in memory, want its bound of 200", n)
		}
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		<-time.After(10 * time.Second)
		synctest.Wait()
		got := b.victims()
		if want := total - lost; !slices.Equal(got, upTo(want)) {
			t.Errorf("%d events are published, want the first %d in order", len(got), want)
		}
		states := b.streams()
		if last := states[len(states)-1]; last.Health != event.StreamLive {
			t.Errorf("at last world 1 is %s (%s)", last.Health, last.Reason)
		}
		close(more)
		stop()
	})
}

func TestADiskThatFailsLeavesTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		b := &spy{fail: errors.New("no broker")}
		disk := openDisk(t, dir, 1<<20)
		var log bytes.Buffer
		l, stop := start(t, Config{Stream: lines(100), Bus: b, Locker: newDesk(), Spool: disk,
			Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // no directory can be made here
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if n := l.queue.unsafe(); n < 100 {
			t.Errorf("%d messages in memory, want all", n)
		}
		if n := testutil.ToFloat64(l.queue.spool.metrics.failures); n < 2 || n > 12 {
			t.Errorf("%v tries in 2 min", n)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		<-time.After(spillRetryLast + spillEvery)
		synctest.Wait()
		if n := disk.Len(); n < 100 {
			t.Errorf("%d messages are on the disk that works again, want all that waited", n)
		}
		stop()
		for _, once := range []string{"the spool cannot be written, events wait in memory only", "the spool can be written again"} {
			if n := strings.Count(log.String(), once); n != 1 {
				t.Errorf("said %d times %q:\n%s", n, once, log.String())
			}
		}
	})
}

func TestWhatMakesNoSenseInTheSpoolBlocksNothing(t *testing.T) {
	dir := t.TempDir()
	disk := openDisk(t, dir, 1<<20)
	good := func(n int) []byte {
		s := sighting(1, n)
		return encode(bus.Message{ID: s.Event.Key().String(), Key: "k", Body: event.EncodeSighting(s.Payload, s.ReceivedAt, 0)})
	}
	if err := disk.Append(good(0), []byte{formatVersion + 1, 'x'}, good(1), []byte{formatVersion, 200}, []byte("?"), good(2)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := &spy{}
		l, stop := start(t, Config{Stream: lines(0), Bus: b, Locker: newDesk(), Spool: disk})
		synctest.Wait()
		if got := b.victims(); !slices.Equal(got, upTo(3)) {
			t.Errorf("published are %v", got)
		}
		if n := testutil.ToFloat64(l.queue.spool.metrics.lost); n != 3 {
			t.Errorf("%v are counted as lost, want 3", n)
		}
		if l.queue.len() != 0 {
			t.Errorf("%d are left", l.queue.len())
		}
		stop()
	})
}
