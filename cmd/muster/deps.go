package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"muster/bus"
	"muster/census"
	"muster/configs"
	"muster/internal/backoff"
	"muster/lease"
	"muster/roster"
	"muster/storage"
)

// deps is what the roles of one process share.
type deps struct {
	cfg       configs.Config
	log       *slog.Logger
	registry  *prometheus.Registry
	store     *storage.Store
	bus       bus.Bus
	locker    lease.Locker
	query     *census.Query
	directory *roster.Directory
	public    net.Listener // bound to HTTP.Addr
	admin     *admin       // on Admin.Addr
	adminAddr string       // as bound
	alone     bool         // one role runs in this process

	deadline    time.Time // until when what does not answer is waited for
	busReady    func(ctx context.Context) error
	leadReady   func(ctx context.Context) error // nil if leases need no server
	lockerReady func(context.Context) error     // nil: there is no lease service

	closers []func() error
	ready   []check // what roles add to readiness
}

// needs says what the roles of a process stand on beside database, bus and lease.
type needs struct {
	page bool // the public address
}

// open prepares everything the roles stand on. Nothing has been started when it
// fails, and the error names the setting to mend.
func open(ctx context.Context, cfg configs.Config, log *slog.Logger, n needs) (d *deps, err error) {
	d = &deps{cfg: cfg, log: log, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
			d = nil
		}
	}()
	d.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := cfg.Check(ctx); err != nil {
		return d, asSetting(err)
	}
	if n.page {
		if d.public, err = d.bind("http.addr", cfg.HTTP.Addr); err != nil {
			return d, err
		}
	}
	address, err := d.bind("admin.addr", cfg.Admin.Addr)
	if err != nil {
		return d, err
	}
	d.admin, d.adminAddr = serveAdmin(address, d.registry), address.Addr().String()
	d.closers = append(d.closers, d.admin.close)
	d.deadline = time.Now().Add(cfg.Start.Patience)
	for _, step := range []struct {
		name string
		open func(context.Context) error
	}{{"database", d.openStore}, {"bus", d.openBus}, {"lease", d.openLease}} {
		d.admin.waits(step.name)
		if err := step.open(ctx); err != nil {
			return d, err
		}
	}
	if d.query, err = census.NewQuery(census.QueryConfig{
		URL: cfg.Game.QueryURL, ServiceID: cfg.Game.ID(), Log: log.With("part", "query"), Registerer: d.registry,
	}); err != nil {
		return d, wrongSetting(cfg, "game.query_url", err)
	}
	d.directory = roster.NewDirectory(roster.DirectoryConfig{
		Store: d.store, Query: d.query, Environments: cfg.Game.Environments, Bus: d.bus, Log: log.With("part", "directory"),
	})
	return d, nil
}

// bind takes an address before anything runs, so that one in use is an error of
// the setting.
func (d *deps) bind(setting, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, wrongSetting(d.cfg, setting, fmt.Errorf("%w: choose another address", err))
	}
	d.closers = append(d.closers, func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// openStore opens the database and brings its schema up to date.
func (d *deps) openStore(ctx context.Context) error {
	store, err := openStore(ctx, d.cfg, d.log, d.registry, d.cfg.Start.Patience)
	if err != nil {
		return err
	}
	d.store = store
	d.closers = append(d.closers, store.Close)
	return nil
}

// patienceLeft is how long what does not answer is still waited for: there is time for
// one try at least.
func (d *deps) patienceLeft() time.Duration { return max(time.Until(d.deadline), oneTry) }

const oneTry = 5 * time.Second

// openLimit bounds one try to open a database, migrateLimit its migrations: one may
// write a table with all its rows anew.
const openLimit, migrateLimit = time.Minute, 6 * time.Hour

// A database that does not answer is tried again each retryEvery, and said to be
// missing each sayEvery.
const (
	retryEvery = time.Second
	sayEvery   = 15 * time.Second
)

// openStore opens and migrates the database. A server that does not answer is tried
// again for as long as patience lasts; one that refuses is not, nor is a file.
func openStore(ctx context.Context, cfg configs.Config, log *slog.Logger, registry prometheus.Registerer, patience time.Duration) (*storage.Store, error) {
	options := storage.Options{Log: log.With("part", "storage"), AlertLifetime: cfg.Alerts.Lifetime, Retention: cfg.Events.Retention,
		Conns: cfg.Database.Connections, ReplicaLag: cfg.Database.ReplicaLag, Registerer: registry}
	for _, u := range cfg.Database.ReplicaURLs {
		options.Replicas = append(options.Replicas, string(u))
	}
	began, said := time.Now(), time.Time{}
	for {
		store, err := tryStore(ctx, string(cfg.Database.URL), options)
		switch {
		case err == nil:
			if !said.IsZero() {
				log.InfoContext(ctx, "the database answers")
			}
			return store, nil
		case !errors.Is(err, storage.ErrUnreachable) || cfg.Database.URL.Scheme() != "mysql":
			return nil, wrongSetting(cfg, "database.url", err)
		case time.Since(began) >= patience:
			return nil, unreachable(cfg, "database.url", err)
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			log.WarnContext(ctx, "the database does not answer, trying again", "for", patience, "err", err)
		}
		if backoff.Sleep(ctx, retryEvery) != nil {
			return nil, unreachable(cfg, "database.url", err)
		}
	}
}

// tryStore opens and migrates once.
func tryStore(ctx context.Context, url string, options storage.Options) (*storage.Store, error) {
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	store, err := storage.Open(opening, url, options)
	if err != nil {
		return nil, err
	}
	migrating, cancel := context.WithTimeout(ctx, migrateLimit)
	defer cancel()
	if err := store.Migrate(migrating); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// checks are what readiness asks: what all roles need, and what roles add.
func (d *deps) checks() []check {
	return append([]check{
		{name: "database", ask: d.store.Ping},
		{name: "bus", ask: d.busReady},
	}, d.ready...)
}

// close frees everything in the reverse order of opening.
func (d *deps) close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(errs...)
}

// wrongSetting names the setting as the operator wrote it.
func wrongSetting(cfg configs.Config, name string, err error) error {
	return asSetting(cfg.Wrong(name, err))
}

// unreachable names the setting that leads to what did not answer for long enough.
func unreachable(cfg configs.Config, name string, err error) error {
	return unreachableError{cfg.Wrong(name, err)}
}

// oneLine joins the lines of err: a setting's error is one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}
