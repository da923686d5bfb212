package storage_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/internal/cutproxy"
	"muster/internal/testservers"
	"muster/storage"
	"muster/storage/storagetest"
)

// repeats is a log that tells of each transaction that is repeated, with the kind
// of fault.
type repeats struct {
	slog.Handler
	seen chan string
}

func newRepeats() repeats {
	return repeats{slog.DiscardHandler, make(chan string, 10_000)}
}

func (r repeats) Enabled(context.Context, slog.Level) bool { return true }

func (r repeats) Handle(_ context.Context, rec slog.Record) error {
	if rec.Message == "transaction is repeated" {
		rec.Attrs(func(a slog.Attr) bool {
			if a.Key == "fault" {
				r.seen <- a.Value.String()
			}
			return true
		})
	}
	return nil
}

func (r repeats) WithAttrs([]slog.Attr) slog.Handler { return r }

// one event of a character, so that each call has something new.
func logins(n int, ids ...event.CharacterID) []event.Event {
	var events []event.Event
	for i, id := range ids {
		events = append(events, event.Event{Kind: event.Login, World: 10, At: benchDay.Add(time.Duration(n+i) * time.Second),
			ReceivedAt: benchDay, Detail: event.Presence{Character: id}})
	}
	return events
}

// told is what a Record said, as far as others act on it.
func told(got event.Recorded) string {
	return fmt.Sprint(got.New, len(got.Changes), got.Alerts, got.Unresolved, len(got.Streams))
}

// throughProxy opens a store whose connections a test can break, with what params, of
// the DSN, say beside. The last result goes to the server directly. Faults are noticed
// by cut connections, never by waiting.
func throughProxy(t *testing.T, params string) (*storage.Store, *cutproxy.Proxy, *sql.DB) {
	t.Helper()
	url := storagetest.NewMySQL(t)
	direct := strings.TrimPrefix(url, "mysql:")
	addr := direct[strings.Index(direct, "(")+1 : strings.Index(direct, ")")]
	proxy := cutproxy.New(t, "tcp", addr)
	storagetest.Open(t, url)
	return storagetest.Open(t, "mysql:"+proxy.DSN(direct)+params), proxy, storagetest.Raw(t, url)
}

func TestACommitThatNobodyAnsweredIsToldAsItWas(t *testing.T) {
	for _, arrives := range []bool{true, false} {
		t.Run(fmt.Sprintf("arrives=%t", arrives), func(t *testing.T) {
			s, proxy, db := throughProxy(t, "")
			if _, _, err := s.AddWatch(t.Context(), alert.Watch{User: 1, Kind: alert.WatchCharacter, Character: 5, CreatedAt: benchDay}); err != nil {
				t.Fatal(err)
			}
			rec := event.Record{Events: logins(0, 5, 6, 7), Streams: []event.StreamState{{World: 10, Health: event.StreamLive, Since: benchDay, ReportedAt: benchDay}}}
			attempts := 0
			settle := func(context.Context, *sql.Tx) error {
				if attempts++; attempts > 1 {
					return nil
				}
				if !arrives {
					proxy.Cut()
					return nil
				}
				proxy.Set(cutproxy.Mute)
				go func() { // once it is there, the connection is ended
					for n := 0; n < 3; {
						if err := db.QueryRow("SELECT COUNT(*) FROM event_login").Scan(&n); err != nil {
							t.Error(err)
							break
						}
					}
					proxy.Set(cutproxy.Pass)
				}()
				return nil
			}
			got, err := s.Record(t.Context(), benchDay.Add(time.Second), rec, settle)
			if err != nil {
				t.Fatal(err)
			}
			if want := "[true true true] 3 1 [6 7] 1"; told(got) != want {
				t.Errorf("told %s, want %s", told(got), want)
			}
			if again := 2; !arrives && attempts != again || arrives && attempts != 1 {
				t.Errorf("%d attempts came to the end", attempts)
			}
			for table, want := range map[string]int{"event_login": 3, "alerts": 1, "sessions": 3, "characters": 3} {
				var n int
				if err := db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil || n != want {
					t.Errorf("%s has %d rows, want %d (%v)", table, n, want, err)
				}
			}
			more, err := s.Record(t.Context(), benchDay.Add(2*time.Second), rec, nil)
			if err != nil || told(more) != "[false false false] 0 0 [] 0" {
				t.Errorf("told again: %s (%v)", told(more), err)
			}
		})
	}
}

func TestAWishWhoseAnswerWasLostCountsAsGranted(t *testing.T) {
	s, proxy, db := throughProxy(t, "")
	steps := []struct {
		what  string
		do    func() (bool, error)
		table string
		after int
	}{
		{"link", func() (bool, error) {
			return s.Link(t.Context(), alert.Link{User: 1, Character: 5, LinkedAt: benchDay})
		}, "links", 1},
		{"watch", func() (bool, error) {
			_, added, err := s.AddWatch(t.Context(), alert.Watch{User: 1, Kind: alert.WatchCharacter, Character: 6, CreatedAt: benchDay})
			return added, err
		}, "watches", 2},
		{"unlink", func() (bool, error) { return s.Unlink(t.Context(), 1, 5) }, "links", 0},
	}
	for _, step := range steps {
		// The answer to the commit is the only one that is lost: the proxy lets
		// through what the transaction asks, until its effect can be seen.
		var done atomic.Bool
		var watching sync.WaitGroup
		watching.Go(func() {
			for n := -1; n != step.after && !done.Load(); {
				if err := db.QueryRow("SELECT COUNT(*) FROM " + step.table).Scan(&n); err != nil {
					t.Error(err)
					return
				}
			}
			proxy.Cut()
		})
		granted, err := step.do()
		done.Store(true)
		watching.Wait() // it must be through with the database before the test is
		if err != nil || !granted {
			t.Errorf("%s: %t (%v)", step.what, granted, err)
		}
		granted, err = step.do()
		if err != nil || granted {
			t.Errorf("%s again: %t (%v)", step.what, granted, err)
		}
	}
}

// load writes events from several goroutines by two stores until stop is closed, and
// returns those that were said to be new. Every call must succeed.
func load(t *testing.T, stores []*storage.Store, stop <-chan struct{}) (fresh map[event.Key]int, wait func() int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	fresh = map[event.Key]int{}
	for n := range 4 {
		s := stores[n%len(stores)]
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				// Every event is given to two of the four.
				var events []event.Event
				for j := range 20 {
					who := event.CharacterID(1000 + (i*20+j)%150)
					e := logins(i, who)[0]
					e.Kind, e.Detail = event.Experience, event.Gain{Character: who, Other: event.CharacterID(1 + n/2), ID: 1, Amount: int64(i*20 + j)}
					events = append(events, e)
				}
				if n%2 == 1 {
					slices.Reverse(events)
				}
				got, err := s.Record(context.Background(), benchDay.Add(time.Hour), event.Record{Events: events}, nil)
				if err != nil {
					t.Errorf("record: %v", err)
					return
				}
				mu.Lock()
				for k, isNew := range got.New {
					if isNew {
						fresh[events[k].Key()]++
					}
				}
				mu.Unlock()
			}
		})
	}
	return fresh, func() int { all.Wait(); return len(fresh) }
}

func sameOnce(t *testing.T, s *storage.Store, fresh map[event.Key]int) {
	t.Helper()
	for k, n := range fresh {
		if n != 1 {
			t.Errorf("event %s was new %d times", k, n)
		}
	}
	count, err := s.CountEvents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := count[event.Experience]; got != int64(len(fresh)) {
		t.Errorf("%d rows stored, %d were said to be new", got, len(fresh))
	}
}

// awaitFault returns once a transaction was repeated for a fault of that kind.
func awaitFault(r repeats, kind string) {
	for seen := range r.seen {
		if seen == kind {
			return
		}
	}
}

// drain forgets the faults of before.
func (r repeats) drain() {
	for {
		select {
		case <-r.seen:
		default:
			return
		}
	}
}

func TestAServerThatDiesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	db := testservers.NewMariaDB(t, testservers.MariaDBConfig{})
	db.Start(t)
	url := storagetest.NewDatabase(t, db.DSN(""))
	log := newRepeats()
	var stores []*storage.Store
	for range 2 {
		// An answer that does not come within a second is not waited for here.
		stores = append(stores, storagetest.OpenWith(t, url+"?readTimeout=1s&timeout=1s", storage.Options{Log: slog.New(log)}))
	}
	for _, fault := range []struct {
		name           string
		strike, relief func()
	}{
		{"killed", func() { db.Kill(t) }, func() { db.Start(t) }},
		{"stopped by its operator", func() { db.Stop(t) }, func() { db.Start(t) }},
		{"paused", func() { db.Pause(t) }, func() { db.Resume(t) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			db.Exec(t, "DELETE FROM "+strings.TrimPrefix(url[strings.LastIndex(url, "/"):], "/")+".event_experience")
			stop := make(chan struct{})
			fresh, wait := load(t, stores, stop)
			for range 20 { // it is under way
				if _, err := stores[0].Record(t.Context(), benchDay, event.Record{}, nil); err != nil {
					t.Fatal(err)
				}
			}
			log.drain()
			fault.strike()
			awaitFault(log, "lost")
			fault.relief()
			for range 20 {
				if _, err := stores[1].Record(t.Context(), benchDay, event.Record{}, nil); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			if wait() == 0 {
				t.Error("nothing was written")
			}
			sameOnce(t, stores[0], fresh)
		})
	}
}

func TestAServerThatTakesNoWritesIsLeft(t *testing.T) {
	server := testservers.NewMariaDB(t, testservers.MariaDBConfig{})
	server.Start(t)
	url := storagetest.NewDatabase(t, server.DSN(""))
	server.Exec(t, "CREATE USER muster@'%'", "GRANT ALL ON *.* TO muster@'%'", "REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM muster@'%'")
	log := newRepeats()
	s := storagetest.OpenWith(t, strings.Replace(url, "root@", "muster@", 1), storage.Options{Log: slog.New(log)})
	put(t, s, logins(0, 5))
	conns := func() (ids []int) {
		rows, err := storagetest.Raw(t, url).Query("SELECT id FROM information_schema.processlist WHERE user = 'muster' ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	before := conns()
	server.Exec(t, "SET GLOBAL read_only = 1")
	done := make(chan error, 1)
	go func() {
		_, err := s.Record(context.Background(), benchDay, event.Record{Events: logins(1, 6)}, nil)
		done <- err
	}()
	awaitFault(log, "read-only")
	server.Exec(t, "SET GLOBAL read_only = 0")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, id := range conns() {
		if slices.Contains(before, id) {
			t.Errorf("connection %d to the server that took no writes is used still", id)
		}
	}
}

func TestAServerWithoutRoomIsWaitedFor(t *testing.T) {
	server := testservers.NewMariaDB(t, testservers.MariaDBConfig{Args: []string{"--max-connections=12"}})
	server.Start(t)
	root := storagetest.NewDatabase(t, server.DSN(""))
	server.Exec(t, "CREATE USER muster@'%'", "GRANT ALL ON *.* TO muster@'%'", "REVOKE SUPER, CONNECTION ADMIN ON *.* FROM muster@'%'")
	url := strings.Replace(root, "root@", "muster@", 1)
	log := newRepeats()
	s := storagetest.OpenWith(t, url, storage.Options{Log: slog.New(log)})
	s.DropIdle()
	admin, others := storagetest.Raw(t, root), storagetest.Raw(t, url)
	others.SetMaxIdleConns(-1)
	for n := -1; n != 0; { // the server takes its time to see them go
		if err := admin.QueryRow("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'muster'").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	var held []*sql.Conn
	for {
		c, err := others.Conn(t.Context())
		if err != nil {
			break
		}
		held = append(held, c)
	}
	if more, err := storage.Open(t.Context(), url, storage.Options{}); err == nil || !strings.Contains(err.Error(), "many connections") {
		t.Errorf("opened %v, with %v", more, err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Record(context.Background(), benchDay, event.Record{Events: logins(1, 6)}, nil)
		done <- err
	}()
	awaitFault(log, "lost")
	for _, c := range held {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOneProcessTakesNoMoreConnectionsThanItMay(t *testing.T) {
	const most = 7
	s := storagetest.OpenWith(t, storagetest.NewMySQL(t), storage.Options{Conns: most})
	var peak atomic.Int64
	var all sync.WaitGroup
	for n := range 30 {
		all.Go(func() {
			_, err := s.Record(context.Background(), benchDay, event.Record{Events: gains(benchDay.Add(time.Duration(n)*time.Hour), 3)},
				func(context.Context, *sql.Tx) error {
					used := int64(s.OpenConns())
					for old := peak.Load(); used > old && !peak.CompareAndSwap(old, used); old = peak.Load() {
					}
					return nil
				})
			if err != nil {
				t.Error(err)
			}
			if _, err := s.Rollup(context.Background(), benchDay); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := peak.Load(); got > most || got < 2 {
		t.Errorf("%d connections were open, want at most %d", got, most)
	}
}

func TestSessionsAreTheSameWhateverTheDSNSays(t *testing.T) {
	url := storagetest.NewMySQL(t)
	odd := url + "?parseTime=false&loc=Asia%2FTokyo&interpolateParams=false&clientFoundRows=true&multiStatements=true" +
		"&collation=latin1_swedish_ci&sql_mode=%27%27&time_zone=%27%2B05%3A00%27&wait_timeout=7&maxAllowedPacket=1024"
	s := storagetest.Open(t, odd)
	db := s.WriteDB()
	for text, want := range map[string]string{
		"SELECT @@time_zone": "+00:00",
		"SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%' AND @@sql_mode LIKE '%NO_ZERO_DATE%'": "1",
		"SELECT @@wait_timeout":                      "15",
		"SELECT @@innodb_lock_wait_timeout":          "10",
		"SELECT @@lock_wait_timeout":                 "20",
		"SELECT @@collation_connection":              "utf8mb4_bin",
		"SELECT 'a' = 'A'":                           "0",
		"SELECT DATE_FORMAT(FROM_UNIXTIME(0), '%H')": "00",
	} {
		var got string
		if err := db.QueryRow(text).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, want %q (%v)", text, got, want, err)
		}
	}
	var at time.Time
	if err := db.QueryRow("SELECT TIMESTAMP '2026-03-01 12:00:00'").Scan(&at); err != nil || !at.Equal(benchDay.Add(-8*time.Hour)) {
		t.Errorf("a time comes back as %v (%v)", at, err)
	}
	if _, err := db.Exec("SELECT 1; SELECT 2"); err == nil {
		t.Error("two statements ran as one")
	}
	got, err := s.Record(t.Context(), benchDay, event.Record{Events: gains(benchDay, 30)}, nil)
	if err != nil || slices.Contains(got.New, false) {
		t.Errorf("%v (%v)", got.New, err)
	}
	if got, err = s.Record(t.Context(), benchDay, event.Record{Events: gains(benchDay, 30)}, nil); err != nil || slices.Contains(got.New, true) {
		t.Errorf("again: %v (%v)", got.New, err)
	}
	var level string
	if err := db.QueryRow("SHOW VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')").Scan(new(string), &level); err != nil || level != "READ-COMMITTED" {
		t.Errorf("isolation is %q (%v)", level, err)
	}
}

// A network that swallows everything must hang nobody for ever, and what takes
// long by nature must not be taken for that.
func TestASilentServerIsGivenUpAndALongStatementIsNot(t *testing.T) {
	url := storagetest.NewMySQL(t)
	direct := strings.TrimPrefix(url, "mysql:")
	proxy := cutproxy.New(t, "tcp", direct[strings.Index(direct, "(")+1:strings.Index(direct, ")")])
	log := newRepeats()
	s := storagetest.OpenWith(t, "mysql:"+proxy.DSN(direct)+"?timeout=500ms&readTimeout=500ms", storage.Options{Log: slog.New(log)})
	put(t, s, gains(benchDay, 3))
	done := make(chan error, 2)

	proxy.Set(cutproxy.Swallow)
	go func() {
		_, err := s.Record(context.Background(), benchDay, event.Record{Events: logins(1, 6)}, nil)
		done <- err
	}()
	awaitFault(log, "lost")
	proxy.Set(cutproxy.Pass)
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	lock, err := storagetest.Raw(t, url).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec("UPDATE dirty_hours SET hour_at = hour_at"); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec("SELECT 1 FROM presence FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	log.drain()
	sums := make(chan error, 1)
	go func() {
		_, err := s.Rollup(context.Background(), benchDay.Add(24*time.Hour))
		sums <- err
	}()
	go func() {
		_, err := s.Record(context.Background(), benchDay, event.Record{Events: logins(2, 6)}, nil)
		done <- err
	}()
	awaitFault(log, "lost") // half a second has passed for what is short
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-sums; err != nil {
		t.Errorf("the roll-up did not wait: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
