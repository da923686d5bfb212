package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"muster/bus"
	"muster/bus/metered"
	"muster/bus/rabbit"
	"muster/event"
	"muster/lease"
	"muster/lease/redis"
	"muster/storage"
)

// openBus opens the bus that the settings ask for.
func (d *deps) openBus(ctx context.Context) error {
	switch {
	case d.cfg.Bus.InMemory():
		return d.useBus(bus.NewMemory(topology()))
	case d.cfg.Bus.Shared():
		return d.openBroker(ctx)
	}
	return d.openSpool(ctx)
}

// useBus hands the roles a bus that counts what goes through it.
func (d *deps) useBus(b bus.Transport) error {
	counting, err := metered.New(metered.Config{
		Transport: b, Topology: topology(), Registerer: d.registry, Log: d.log.With("part", "bus"),
	})
	if err != nil {
		return errors.Join(err, b.Close())
	}
	d.bus = counting
	d.busReady = func(ctx context.Context) error {
		_, err := counting.Depth(ctx, event.QueueDispatcher)
		return err
	}
	d.closers = append(d.closers, counting.Close)
	return nil
}

// openBroker opens the bus over RabbitMQ, which waits a while for a broker that
// does not answer.
func (d *deps) openBroker(ctx context.Context) error {
	b, err := rabbit.Open(ctx, rabbit.Config{
		URL: string(d.cfg.Bus.URL), Topology: topology(), Lasting: lasting(), Namespace: d.cfg.Bus.Namespace,
		Prefetch: brokerPrefetch, OpenTimeout: d.patienceLeft(), Log: d.log.With("part", "bus"), Registerer: d.registry,
	})
	if errors.Is(err, rabbit.ErrUnreachable) {
		return unreachable(d.cfg, "bus.url", err)
	}
	if err != nil {
		return wrongSetting(d.cfg, "bus.url", err)
	}
	if err := d.useBus(b); err != nil {
		return err
	}
	d.busReady = b.Ready
	return nil
}

// brokerPrefetch is how many messages of the broker's may be here. Full bundles of
// events are some 10 KB each, and a few batches are enough to have in hand: what is here
// waits for this process alone.
const brokerPrefetch = 256

// brokerLinger is how long an event waits for others to travel with to a broker: less
// than one journey takes, and far less than anybody notices.
const brokerLinger = time.Millisecond

// linger is for listener.Config.
func (d *deps) linger() time.Duration {
	if d.cfg.Bus.InMemory() || !d.cfg.Bus.Shared() {
		return 0
	}
	return brokerLinger
}

// openLease opens the lease service that the settings ask for.
func (d *deps) openLease(ctx context.Context) error {
	if d.cfg.Lease.InMemory() {
		locker := lease.WithTerms(lease.NewMemory(), d.store, d.log.With("part", "lease"))
		d.locker = locker
		d.closers = append(d.closers, locker.Close)
		return nil
	}
	var urls []string
	for _, u := range d.cfg.Lease.URLs {
		urls = append(urls, string(u))
	}
	locker, err := redis.Open(ctx, redis.Config{
		URLs: urls, Terms: d.store, Prefix: d.cfg.Bus.Namespace + ":lease:", Log: d.log.With("part", "lease"),
		StartWithin: d.patienceLeft(),
	})
	if errors.Is(err, redis.ErrUnreachable) {
		return unreachable(d.cfg, "lease.urls", err)
	}
	if err != nil {
		return wrongSetting(d.cfg, "lease.urls", err)
	}
	d.locker, d.leadReady, d.lockerReady = locker, locker.Ready, locker.Ready
	d.closers = append(d.closers, locker.Close)
	return nil
}

// leads adds to readiness what a role needs that leads by a lease.
func (d *deps) leads() {
	if d.leadReady != nil {
		d.ready = append(d.ready, check{name: "lease", ask: d.leadReady})
		d.leadReady = nil // once is enough
	}
}

func (d *deps) openSpool(ctx context.Context) error {
	db, shared, err := d.spoolFile(ctx)
	if err != nil {
		return wrongSetting(d.cfg, "bus.url", err)
	}
	b, err := bus.OpenSpool(ctx, db, bus.SpoolConfig{Topology: topology(), Log: d.log.With("part", "bus"), Shared: shared})
	if err != nil {
		return wrongSetting(d.cfg, "bus.url", err)
	}
	return d.useBus(b)
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
