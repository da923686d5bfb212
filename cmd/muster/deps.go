package main

import (
	"context"
	"database/sql"
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
	"muster/event"
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
	admin     net.Listener // bound to Admin.Addr

	closers []func() error
	ready   []check // what roles add to readiness
}

// open prepares everything the roles stand on. Nothing has been started when it
// fails, and the error names the setting to mend.
func open(ctx context.Context, cfg configs.Config, log *slog.Logger) (d *deps, err error) {
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
		return d, fmt.Errorf("%w%w", err, silent{errSetting})
	}
	if d.public, err = d.bind("http.addr", cfg.HTTP.Addr); err != nil {
		return d, err
	}
	if d.admin, err = d.bind("admin.addr", cfg.Admin.Addr); err != nil {
		return d, err
	}
	if err := d.openStore(ctx); err != nil {
		return d, err
	}
	if err := d.openBus(ctx); err != nil {
		return d, err
	}
	locker := lease.NewMemory()
	d.closers = append(d.closers, locker.Close)
	d.locker = locker
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
	store, err := openStore(ctx, d.cfg, d.log)
	if err != nil {
		return err
	}
	d.store = store
	d.closers = append(d.closers, store.Close)
	return nil
}

// startLimit bounds the opening of a database, migrations included.
const startLimit = 5 * time.Minute

func openStore(ctx context.Context, cfg configs.Config, log *slog.Logger) (*storage.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	store, err := storage.Open(ctx, string(cfg.Database.URL), storage.Options{
		Log: log.With("part", "storage"), AlertLifetime: cfg.Alerts.Lifetime,
	})
	if err != nil {
		return nil, wrongSetting(cfg, "database.url", err)
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, wrongSetting(cfg, "database.url", errors.Join(fmt.Errorf("migrate: %w", err), store.Close()))
	}
	return store, nil
}

// openBus opens the in-process bus that the settings ask for.
func (d *deps) openBus(ctx context.Context) error {
	if d.cfg.Bus.InMemory() {
		b := bus.NewMemory(topology())
		d.bus = b
		d.closers = append(d.closers, b.Close)
		return nil
	}
	db, shared, err := d.spoolFile(ctx)
	if err != nil {
		return wrongSetting(d.cfg, "bus.url", err)
	}
	b, err := bus.OpenSpool(ctx, db, bus.SpoolConfig{Topology: topology(), Log: d.log.With("part", "bus"), Shared: shared})
	if err != nil {
		return wrongSetting(d.cfg, "bus.url", err)
	}
	d.bus = b
	d.closers = append(d.closers, b.Close)
	return nil
}

// spoolFile returns the database handle the spool lives in: the store's own, or
// a file of its own.
func (d *deps) spoolFile(ctx context.Context) (db *sql.DB, shared bool, err error) {
	path := d.cfg.Bus.SpoolPath()
	if path == "" {
		if d.store.SpoolDB() == nil {
			return nil, false, errors.New("spool: lives in an SQLite database; with MySQL write spool:PATH")
		}
		return d.store.SpoolDB(), true, nil
	}
	file, err := storage.Open(ctx, "sqlite:"+path, storage.Options{Log: d.log.With("part", "spool")})
	if err != nil {
		return nil, false, err
	}
	d.closers = append(d.closers, file.Close)
	return file.SpoolDB(), false, nil
}

// pageURL is how people reach the page.
func (d *deps) pageURL() string {
	return d.cfg.HTTP.PublicURL
}

// checks are what readiness asks: what all roles need, and what roles add.
func (d *deps) checks() []check {
	return append([]check{
		{"database", d.store.Ping},
		{"bus", func(ctx context.Context) error {
			_, err := d.bus.Depth(ctx, event.QueueDispatcher)
			return err
		}},
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

// wrongSetting names the setting as the operator wrote it, and marks the error
// as one found before anything started.
func wrongSetting(cfg configs.Config, name string, err error) error {
	for _, s := range configs.Settings() {
		if s.Name == name {
			source := s.Source(cfg)
			if source == "default" {
				source = s.Env + " (default)"
			}
			return fmt.Errorf("%s: %q: %w%w", source, s.Show(cfg), err, silent{errSetting})
		}
	}
	return fmt.Errorf("%s: %w%w", name, err, silent{errSetting})
}

// isSet reports whether the operator set the setting called name.
func isSet(cfg configs.Config, name string) bool {
	for _, s := range configs.Settings() {
		if s.Name == name {
			return s.Source(cfg) != "default"
		}
	}
	return false
}

// oneLine joins the lines of err: a setting's error is one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}
