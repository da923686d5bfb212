package storage_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/alert"
	"muster/event"
	"muster/internal/cutproxy"
	"muster/internal/testservers"
	"muster/storage"
	"muster/storage/storagetest"
)

// A pair is a primary and a replica that follows it, behind a proxy. The replica
// has one row more, by which its answers are known.
type pair struct {
	*testing.T
	*storage.Store
	primary, replica *testservers.MariaDB
	proxy            *cutproxy.Proxy
	url, name        string // of the primary's database
	log              *lockedLog
	registry         *prometheus.Registry
}

type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

const onReplica = "by the replica"

func newPair(t *testing.T, options storage.Options) *pair {
	t.Helper()
	p := &pair{T: t, primary: testservers.NewMariaDB(t, testservers.MariaDBConfig{Binlog: true}),
		replica: testservers.NewMariaDB(t, testservers.MariaDBConfig{}), log: &lockedLog{}, registry: prometheus.NewRegistry()}
	testservers.Start(t, p.primary, p.replica)
	p.replica.Follow(t, p.primary)
	p.proxy = cutproxy.New(t, "tcp", p.replica.Addr())
	p.url = storagetest.NewDatabase(t, p.primary.DSN(""))
	p.name = p.url[strings.LastIndex(p.url, "/")+1:]
	storagetest.Open(t, p.url)
	options.Replicas = []string{"mysql:" + p.proxy.DSN(p.replica.DSN(p.name)) + "?timeout=1s"}
	options.Log, options.Registerer = slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})), p.registry
	p.Store = storagetest.OpenWith(t, p.url, options)
	p.mark()
	p.await("the replica is used", p.fromReplica)
	return p
}

// mark waits for the table and writes the replica's own row.
func (p *pair) mark() {
	p.Helper()
	db := storagetest.Raw(p, "mysql:"+p.replica.DSN(p.name))
	p.await("the replica has the tables", func() bool {
		_, err := db.Exec("INSERT INTO lookups (category, id, name, extra) VALUES ('who', 1, '" + onReplica + "', '') ON DUPLICATE KEY UPDATE id = id")
		return err == nil
	})
}

func (p *pair) await(what string, ok func() bool) {
	p.Helper()
	await(p.T, what, ok)
}

// await asks until ok, as long as the test may run.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// fromReplica reports whether the replica answers readers who do not mind.
func (p *pair) fromReplica() bool {
	p.Helper()
	list, err := p.Lagging().Lookups(p.Context(), "who")
	if err != nil {
		p.Fatalf("a reader got an error: %v", err)
	}
	return len(list) == 1 && list[0].Name == onReplica
}

func (p *pair) gauge(name string) float64 {
	p.Helper()
	value, ok := gauge(p.T, p.registry, name)
	if !ok {
		p.Fatalf("no metric %s", name)
	}
	return value
}

func gauge(t *testing.T, from *prometheus.Registry, name string) (value float64, ok bool) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

func TestReadersWhoDoNotMindAskAReplicaThatKeepsUp(t *testing.T) {
	p := newPair(t, storage.Options{ReplicaLag: 2 * time.Second})
	if p.gauge("muster_storage_replica_used") != 1 {
		t.Error("the metric says that the replica is not used")
	}
	list, err := p.Lookups(t.Context(), "who")
	if err != nil || len(list) != 0 {
		t.Errorf("the store itself asked the replica: %v (%v)", list, err)
	}

	// It stops copying: what a person has just written is read all the same.
	p.replica.Exec(t, "STOP SLAVE SQL_THREAD")
	if _, _, err := p.AddWatch(t.Context(), alert.Watch{User: 1, Kind: alert.WatchCharacter, Character: 5, CreatedAt: benchDay}); err != nil {
		t.Fatal(err)
	}
	if watches, err := p.Watches(t.Context(), 1); err != nil || len(watches) != 1 {
		t.Errorf("the watch just made is not there: %v (%v)", watches, err)
	}
	if err := p.SaveLookups(t.Context(), []event.Lookup{{Category: "later", ID: 1, Name: "x"}}); err != nil {
		t.Fatal(err)
	}
	p.await("the replica that lags is left out", func() bool { return !p.fromReplica() })
	if lag := p.gauge("muster_storage_replica_lag_seconds"); lag <= 2 || p.gauge("muster_storage_replica_used") != 0 {
		t.Errorf("the metrics say that it lags %g s", lag)
	}
	if later, err := p.Lagging().Lookups(t.Context(), "later"); err != nil || len(later) != 1 {
		t.Errorf("without a replica the primary does not answer: %v (%v)", later, err)
	}
	p.replica.Exec(t, "START SLAVE SQL_THREAD")
	p.await("the replica that has caught up is used", p.fromReplica)
	for text, want := range map[string]int{"a read replica is left out": 1, "a read replica is used": 1, "lags": 1} {
		if got := p.log.count(text); got != want {
			t.Errorf("%q was said %d times, want %d", text, got, want)
		}
	}
}

// A replica is left out for what it has not copied yet; what it is telling is no
// worse for that.
func TestAnAnswerThatHasBegunIsHeardToItsEnd(t *testing.T) {
	p := newPair(t, storage.Options{})
	rows := 0
	err := p.Lagging().ForEach(t.Context(), "SELECT seq FROM seq_1_to_200000", func() {
		if rows++; rows == 1 {
			p.LeaveReplicasOut(t.Context(), errors.New("it lags"))
		}
	})
	if err != nil || rows != 200_000 {
		t.Errorf("%d rows: %v", rows, err)
	}
}

func TestAReplicaThatDiesOrFreezesIsNoticedByNobody(t *testing.T) {
	p := newPair(t, storage.Options{ReplicaLag: time.Second})
	for _, fault := range []struct {
		name           string
		strike, relief func()
	}{
		{"connections cut", func() { p.proxy.Set(cutproxy.Cut) }, func() { p.proxy.Set(cutproxy.Pass) }},
		{"network swallows everything", func() { p.proxy.Set(cutproxy.Swallow) }, func() { p.proxy.Set(cutproxy.Pass) }},
		{"paused", func() { p.replica.Pause(t) }, func() { p.replica.Resume(t) }},
		{"killed", func() { p.replica.Kill(t) }, func() { p.replica.Start(t) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			fault.strike()
			p.await("the primary answers", func() bool { return !p.fromReplica() })
			fault.relief()
			p.await("the replica answers", p.fromReplica)
		})
	}
}

// With the primary away a replica has all that is known to be written.
func TestWithoutThePrimaryReplicasStillAnswer(t *testing.T) {
	p := newPair(t, storage.Options{ReplicaLag: time.Second})
	p.primary.Kill(t)
	p.await("beats fail for longer than the lag allowed", func() bool {
		if !p.fromReplica() {
			t.Fatal("the replica is left out")
		}
		return p.log.count("beat for the replicas") > 6 // four are a lag
	})
	p.primary.Start(t)
	p.await("the primary is back", func() bool { return p.Ping(t.Context()) == nil })
	p.await("the replica goes on", p.fromReplica)
}

func TestSeveralReplicasShareTheReads(t *testing.T) {
	p := newPair(t, storage.Options{})
	second := testservers.NewMariaDB(t, testservers.MariaDBConfig{})
	second.Start(t)
	second.Follow(t, p.primary)
	s := storagetest.OpenWith(t, p.url, storage.Options{Replicas: []string{"mysql:" + p.replica.DSN(p.name), "mysql:" + second.DSN(p.name)}})
	p.await("both answer", func() bool {
		answers := map[int]int{}
		for range 10 {
			list, err := s.Lagging().Lookups(t.Context(), "who")
			if err != nil {
				t.Fatal(err)
			}
			answers[len(list)]++
		}
		return answers[0] == 5 && answers[1] == 5
	})
}

func TestAReplicaMustBeMySQL(t *testing.T) {
	url := storagetest.NewMySQL(t)
	for _, bad := range []string{"sqlite:x.db", "mysql:", "mysql:root@tcp(127.0.0.1:1)/"} {
		if s, err := storage.Open(t.Context(), url, storage.Options{Replicas: []string{bad}}); err == nil {
			t.Errorf("%s was taken (%v)", bad, s.Close())
		}
	}
}
