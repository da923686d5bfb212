package metered_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	_ "modernc.org/sqlite" // the spool's driver

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/metered"
)

func mustMeter(t *testing.T, b bus.Transport, reg prometheus.Registerer) *metered.Bus {
	t.Helper()
	m, err := metered.New(metered.Config{Transport: b, Topology: bustest.Topology(), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() }) // some tests close it themselves
	return m
}

func TestABusThatCountsKeepsTheContract(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (bus.Bus, func() bus.Bus) {
		return mustMeter(t, bus.NewMemory(bustest.Topology()), prometheus.NewRegistry()), nil
	})
}

func TestASharedSpoolThatIsCountedSettlesInTheCallersTransaction(t *testing.T) {
	bustest.RunSettleIn(t, func(t *testing.T) (bus.Bus, *sql.DB, func() (bus.Bus, *sql.DB)) {
		path := filepath.Join(t.TempDir(), "s.db")
		var b *metered.Bus
		var db *sql.DB
		open := func() (bus.Bus, *sql.DB) {
			var err error
			if db, err = sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_txlock=immediate"); err != nil {
				t.Fatal(err)
			}
			db.SetMaxOpenConns(1)
			spool, err := bus.OpenSpool(t.Context(), db, bus.SpoolConfig{Topology: bustest.Topology(), Shared: true})
			if err != nil {
				t.Fatal(err)
			}
			b = mustMeter(t, spool, prometheus.NewRegistry())
			return b, db
		}
		reopen := func() (bus.Bus, *sql.DB) {
			if err := errors.Join(b.Close(), db.Close()); err != nil {
				t.Fatal(err)
			}
			return open()
		}
		t.Cleanup(func() {
			_ = b.Close() // may be closed already
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		open()
		return b, db, reopen
	})
}

// wantMetrics compares the named metrics with lines of the exposition format.
func wantMetrics(t *testing.T, reg *prometheus.Registry, want string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			line := f.GetName()
			for _, l := range m.GetLabel() {
				line += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			got[fmt.Sprintf("%s %v", line, m.GetCounter().GetValue()+m.GetGauge().GetValue())] = true
		}
	}
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" && !got[line] {
			t.Errorf("no %q", line)
		}
	}
	if t.Failed() {
		t.Logf("there is %v", got)
	}
}

func TestEverythingIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		b := mustMeter(t, bus.NewMemory(bustest.Topology()), reg)
		ctx, cancel := context.WithCancel(t.Context())
		publish := func(topic string, n int) {
			var all []bus.Message
			for i := range n {
				all = append(all, bus.Message{ID: fmt.Sprint(i)})
			}
			if err := b.Publish(ctx, topic, all...); err != nil {
				t.Fatal(err)
			}
		}
		heard := 0
		go func() { _ = b.Listen(ctx, bustest.News, nil, func(bus.Message, int) { heard++ }) }()
		synctest.Wait()
		publish(bustest.News, 20_000) // the listener runs beside, and may miss some
		publish(bustest.Work, 3)
		publish(bustest.Solo, 10)
		if err := b.Publish(ctx, bustest.Solo, bus.Message{Body: make([]byte, bus.MaxBody+1)}); !errors.Is(err, bus.ErrTooLarge) {
			t.Fatal(err)
		}
		if err := b.Publish(ctx, "nowhere", bus.Message{}); !errors.Is(err, bus.ErrTopic) {
			t.Fatal(err)
		}
		calls := 0
		go func() {
			_ = b.Consume(ctx, bustest.Only, func(_ context.Context, batch bus.Batch) error {
				if calls++; calls == 1 {
					return errors.New("not now")
				}
				return &bus.Rejected{Reasons: map[int]error{0: errors.New("poison"), 4: errors.New("poison")}}
			})
		}()
		time.Sleep(metered.DefaultEvery + time.Second)
		synctest.Wait()
		wantMetrics(t, reg, fmt.Sprintf(`
			muster_bus_published_total topic=news 20000
			muster_bus_published_total topic=work 3
			muster_bus_published_total topic=solo 10
			muster_bus_refused_total reason=too_large topic=solo 1
			muster_bus_heard_total topic=news %d
			muster_bus_missed_total topic=news %d
			muster_bus_delivered_total queue=only 20
			muster_bus_redelivered_total queue=only 10
			muster_bus_settled_total queue=only 8
			muster_bus_rejected_total queue=only 2
			muster_bus_failed_batches_total queue=only 1
			muster_bus_delivered_total queue=first 0
			muster_queue_messages queue=only 0
			muster_queue_messages queue=first 3
			muster_queue_dead_letters queue=only 2
			muster_queue_consumers queue=only 1
			muster_queue_consumers queue=other 0
		`, heard, 20_000-heard))
		if n := testutil.CollectAndCount(reg, "muster_bus_refused_total"); n != 1 {
			t.Errorf("%d series of refusals, want 1: names from outside must not become labels", n)
		}
		cancel()
	})
}

// moody is a transport whose state can be withheld.
type moody struct {
	bus.Transport
	away atomic.Bool
}

func (m *moody) State(ctx context.Context, queue string) (bus.QueueState, error) {
	if m.away.Load() {
		return bus.QueueState{}, errors.New("away")
	}
	return m.Transport.State(ctx, queue)
}

func TestWhatIsNotKnownHasNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		below := &moody{Transport: bus.NewMemory(bustest.Topology())}
		mustMeter(t, below, reg)
		synctest.Wait()
		for _, step := range []struct {
			away bool
			want int
		}{{false, 3}, {true, 0}, {false, 3}} {
			below.away.Store(step.away)
			time.Sleep(metered.DefaultEvery + time.Millisecond)
			synctest.Wait()
			if n := testutil.CollectAndCount(reg, "muster_queue_dead_letters"); n != step.want {
				t.Errorf("away %v: %d queues, want %d", step.away, n, step.want)
			}
		}
	})
}

func TestMetricsOfTwoBusesInOneRegistryAreAnError(t *testing.T) {
	reg := prometheus.NewRegistry()
	mustMeter(t, bus.NewMemory(bustest.Topology()), reg)
	second := bus.NewMemory(bustest.Topology())
	if _, err := metered.New(metered.Config{Transport: second, Topology: bustest.Topology(), Registerer: reg}); err == nil {
		t.Error("got nil, want an error")
	}
	if err := second.Close(); err != nil {
		t.Errorf("the transport was closed: %v", err)
	}
}
