package storage_test

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"

	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// Accounts are those of docs/operations.md on a database of its own, made by the
// statements there.
type accounts struct {
	*testing.T
	admin    string // URL of one who may do all
	database string
	suffix   string
	days     []string // the statements that let the account which runs make and drop days
}

// accountNames are what the page calls them.
var accountNames = regexp.MustCompile(`'(muster|muster_migrate|muster_read)'@'%'`)

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{T: t, admin: storagetest.NewMySQL(t), suffix: "_" + strings.ToLower(rand.Text()[:10])}
	a.database = a.config(a.admin).DBName
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks of SQL, want that of the accounts and that of the days", len(blocks))
	}
	t.Cleanup(func() {
		for _, name := range []string{"muster", "muster_migrate", "muster_read"} {
			a.exec("DROP USER IF EXISTS '" + name + a.suffix + "'@'%'")
		}
	})
	a.exec(a.statements(blocks[0][1])...)
	a.days = a.statements(blocks[1][1])
	return a
}

// statements returns those of the page, for this database and these accounts.
func (a *accounts) statements(block string) (list []string) {
	block = accountNames.ReplaceAllString(block, "'${1}"+a.suffix+"'@'%'")
	block = strings.ReplaceAll(block, " ON muster.", " ON "+a.database+".")
	for s := range strings.SplitSeq(strings.TrimSpace(block), ";") {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	return list
}

func (a *accounts) exec(statements ...string) {
	a.Helper()
	db := storagetest.Raw(a, a.admin)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil { // also after the test's context has ended
			a.Fatalf("%s: %v", s, err)
		}
	}
}

func (a *accounts) config(url string) *mysql.Config {
	a.Helper()
	cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql:"))
	if err != nil {
		a.Fatal(err)
	}
	return cfg
}

// url returns the database's as an account of the page opens it.
func (a *accounts) url(name string) string {
	a.Helper()
	cfg := a.config(a.admin)
	cfg.User, cfg.Passwd = name+a.suffix, "PASSWORD"
	return "mysql:" + cfg.FormatDSN()
}

// migrate has the account that may migrate do so, and grants the days.
func (a *accounts) migrate() {
	a.Helper()
	s, err := storage.Open(a.Context(), a.url("muster_migrate"), storage.Options{})
	if err != nil {
		a.Fatal(err)
	}
	if err := errors.Join(s.Migrate(a.Context()), s.Close()); err != nil {
		a.Fatal(err)
	}
	a.exec(a.days...)
}

// TestTheAccountsOfThePageAreEnough holds storage to its whole contract with the
// account that runs.
func TestTheAccountsOfThePageAreEnough(t *testing.T) {
	a := newAccounts(t)
	a.migrate()
	empty := storagetest.Emptied(t, a.admin)
	storagetest.Run(t, func(t *testing.T) string {
		empty(t)
		return a.url("muster")
	})
}

func TestThePageGrantsTheDaysOfEveryTable(t *testing.T) {
	a := newAccounts(t)
	var granted []string
	for _, s := range a.days {
		table, _, _ := strings.Cut(s[strings.Index(s, a.database+".")+len(a.database)+1:], " ")
		granted = append(granted, table)
	}
	want := storage.EventTables()
	slices.Sort(granted)
	slices.Sort(want)
	if !slices.Equal(granted, want) {
		t.Errorf("the page grants days of\n%v, want\n%v", granted, want)
	}
}

func TestAReplicaIsUsedWithTheAccountThatReads(t *testing.T) {
	a := newAccounts(t)
	a.migrate()
	open := func() (*storage.Store, *lockedLog, *prometheus.Registry) {
		log, registry := &lockedLog{}, prometheus.NewRegistry()
		return a.open(storage.Options{Replicas: []string{a.url("muster_read")}, ReplicaLag: 400 * time.Millisecond,
			Log: slog.New(slog.NewTextHandler(log, nil)), Registerer: registry}), log, registry
	}
	s, _, registry := open()
	await(t, "the replica is used", func() bool {
		used, _ := gauge(t, registry, "muster_storage_replica_used")
		return used == 1
	})
	if _, err := s.Lagging().Lookups(t.Context(), "who"); err != nil {
		t.Error(err)
	}
	a.exec(a.grant("REVOKE", "DELETE", "*"))
	_, log, registry := open()
	await(t, "the beat is refused", func() bool { return log.count("needs GRANT DELETE ON ") > 0 })
	if used, ok := gauge(t, registry, "muster_storage_replica_used"); !ok || used != 0 {
		t.Error("a replica of which nothing is known is used")
	}
}

func TestWhatAnAccountMayNotDoIsNamed(t *testing.T) {
	a := newAccounts(t)
	empty := storagetest.Emptied(t, a.admin)
	s := a.open(storage.Options{})
	err := s.Migrate(t.Context())
	a.refused(err, "CREATE", "goose_db_version")
	if err != nil && !strings.Contains(err.Error(), "muster migrate") {
		t.Errorf("got %v, want an error that names muster migrate", err)
	}
	a.migrate()

	now := time.Now().UTC()
	login := func(s *storage.Store, at time.Time) error {
		e := event.Event{Kind: event.Login, World: 10, At: at.Truncate(time.Second), ReceivedAt: at, Detail: event.Presence{Character: 5428010618015189601}}
		gain := event.Event{Kind: event.Experience, World: 10, At: e.At, ReceivedAt: at, Detail: event.Gain{Character: 5428010618015189601, ID: 1, Amount: 1}}
		_, err := s.Record(t.Context(), now, event.Record{Events: []event.Event{e, gain}}, nil)
		return err
	}
	for _, test := range []struct {
		missing, on, names string
		do                 func(s *storage.Store) error
	}{
		{"INSERT", "*", "event_", func(s *storage.Store) error { return login(s, now) }},
		{"UPDATE", "*", "event_", func(s *storage.Store) error { return login(s, now) }},
		{"DELETE", "*", "dirty_hours", func(s *storage.Store) error { _, err := s.Rollup(t.Context(), now); return err }},
		{"SELECT", "*", "lookups", func(s *storage.Store) error { _, err := s.Lookups(t.Context(), "who"); return err }},
		{"DROP", "event_experience", "event_experience", func(s *storage.Store) error { return s.Retain(t.Context(), now) }},
		{"ALTER", "event_experience", "event_experience", func(s *storage.Store) error { return s.Retain(t.Context(), now) }},
	} {
		t.Run(test.missing, func(t *testing.T) {
			empty(t)
			a.exec("ALTER TABLE " + a.database + ".event_experience PARTITION BY RANGE (at) " +
				"(PARTITION p20200101 VALUES LESS THAN (1577923200), PARTITION pmax VALUES LESS THAN MAXVALUE)")
			full := a.open(storage.Options{})
			for _, age := range []time.Duration{0, 30 * 24 * time.Hour} {
				if err := login(full, now.Add(-age)); err != nil {
					t.Fatal(err)
				}
			}
			a.exec(a.grant("REVOKE", test.missing, test.on))
			s := a.open(storage.Options{Retention: 20 * 24 * time.Hour})
			err := test.do(s)
			a.refused(err, test.missing, test.names)
			a.exec(a.grant("GRANT", test.missing, test.on))
			if err := test.do(a.open(storage.Options{Retention: 20 * 24 * time.Hour})); err != nil {
				t.Errorf("with the grant: %v", err)
			}
		})
	}
}

// open opens the database with the account that runs.
func (a *accounts) open(o storage.Options) *storage.Store {
	a.Helper()
	s, err := storage.Open(a.Context(), a.url("muster"), o)
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() {
		if err := s.Close(); err != nil {
			a.Errorf("close: %v", err)
		}
	})
	return s
}

// refused fails unless err says that a privilege on a table is missing. MySQL does
// not say in which database.
func (a *accounts) refused(err error, privilege, table string) {
	a.Helper()
	want := regexp.MustCompile("this account needs GRANT " + privilege + " ON (" + a.database + `\.)?` + table)
	if !errors.Is(err, storage.ErrRefused) || !want.MatchString(err.Error()) {
		a.Errorf("got %v, want ErrRefused that says %q", err, want)
	}
}

// grant returns the statement that gives the account which runs one privilege, or
// takes it away.
func (a *accounts) grant(verb, privilege, table string) string {
	to := map[string]string{"GRANT": "TO", "REVOKE": "FROM"}[verb]
	return verb + " " + privilege + " ON " + a.database + "." + table + " " + to + " 'muster" + a.suffix + "'@'%'"
}
