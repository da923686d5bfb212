package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sync/errgroup"

	"muster/bot"
	"muster/bus"
	"muster/census"
	"muster/configs"
	"muster/dispatcher"
	"muster/event"
	"muster/lease"
	"muster/listener"
	"muster/notifier"
	"muster/roster"
)

// A role is one long-running part of the flow. "muster" runs the whole table,
// "muster <name>" one line of it: there is no second code path.
type role struct {
	name string
	// game says that the role talks to the game's services, page that it serves
	// the public address.
	game, page bool
	// build returns the role ready to run. off, when not empty, says why the role
	// has nothing to do here; then it is left out.
	build func(d *deps) (p part, off string, err error)
}

// roles returns the table, in the order of the flow, which is also the order in
// which they stop.
func roles() []role {
	return []role{
		{name: "listener", game: true, build: buildListener},
		{name: "roster", game: true, build: buildRoster},
		{name: "dispatcher", build: buildDispatcher},
		{name: "notifier", page: true, build: buildNotifier},
		{name: "bot", game: true, build: buildBot},
	}
}

// topology says who hears what: the events have a queue, the rest is broadcast.
func topology() bus.Topology {
	return bus.Topology{
		event.TopicEvents:    {event.QueueDispatcher},
		event.TopicFeed:      nil,
		event.TopicAlerts:    nil,
		event.TopicLookups:   nil,
		event.TopicNames:     nil,
		event.TopicListeners: nil,
	}
}

// lasting are the broadcast topics of which nobody who listens may miss anything
// through a lost connection. Of the others only what is new is of use.
func lasting() []string { return []string{event.TopicFeed, event.TopicNames} }

// buildListener makes one listener for each environment; they run side by side.
func buildListener(d *deps) (part, string, error) {
	d.strandedEvents()
	var all []*listener.Listener
	for _, env := range d.cfg.Game.Environments {
		stream, err := census.NewStream(census.StreamConfig{
			URL:         d.cfg.Game.StreamURL,
			ServiceID:   d.cfg.Game.ID(),
			Environment: env,
			Worlds:      worldsOf(d.cfg, env),
			Log:         d.log.With("role", "listener"),
		})
		if err != nil {
			return part{}, "", err
		}
		spool, err := d.openEventSpool(env)
		if err != nil {
			return part{}, "", err
		}
		l, err := listener.New(listener.Config{
			Stream: stream, Bus: d.bus, Locker: d.locker, Log: d.log, Registerer: d.registry, Spool: spool,
			Linger: d.linger(),
		})
		if err != nil {
			return part{}, "", err
		}
		all = append(all, l)
		d.ready = append(d.ready, check{name: "events of " + string(env), ask: l.Ready})
	}
	d.leads()
	return part{name: "listener", run: func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, l := range all {
			g.Go(func() error { return l.Run(ctx) })
		}
		return g.Wait()
	}}, "", nil
}

// worldsOf returns which of the worlds that were asked for the stream of env
// may carry, nil for all of it. A lone environment carries every world asked
// for: mirrors mix them.
func worldsOf(cfg configs.Config, env event.Environment) []event.World {
	if len(cfg.Game.Environments) == 1 {
		return cfg.Game.Worlds
	}
	return slices.DeleteFunc(slices.Clone(cfg.Game.Worlds), func(w event.World) bool {
		info, ok := w.Info()
		return !ok || info.Environment != env
	})
}

func buildRoster(d *deps) (part, string, error) {
	r, err := roster.New(roster.Config{
		Store: d.store, Query: d.query, Bus: d.bus, Locker: d.locker,
		Environments: d.cfg.Game.Environments,
		Log:          d.log.With("role", "roster"), Registerer: d.registry,
	})
	if err != nil {
		return part{}, "", err
	}
	d.leads()
	return part{name: "roster", run: r.Run}, "", nil
}

func buildDispatcher(d *deps) (part, string, error) {
	r := dispatcher.New(dispatcher.Config{
		Bus: d.bus, Store: d.store, Idle: d.cfg.Presence.Idle,
		Log: d.log, Registerer: d.registry,
	})
	return part{name: "dispatcher", run: r.Run}, "", nil
}

func buildNotifier(d *deps) (part, string, error) {
	n, err := notifier.New(notifier.Config{
		Addr: d.cfg.HTTP.Addr, Listener: d.public, TrustedProxies: d.cfg.HTTP.TrustedProxies, Bus: d.bus, Store: d.store.Lagging(), Version: version(),
		Log: d.log, Registerer: d.registry,
	})
	if err != nil {
		return part{}, "", err
	}
	d.ready = append(d.ready, check{name: "feed", ask: n.Ready})
	return part{name: "notifier", run: n.Run}, "", nil
}

// discordEndpoint takes the address for Discord's own requests, nil if there is none.
func (d *deps) discordEndpoint() (net.Listener, ed25519.PublicKey, error) {
	if d.cfg.Discord.HTTPAddr == "" {
		return nil, nil, nil
	}
	key, err := bot.ParsePublicKey(d.cfg.Discord.PublicKey)
	if err != nil {
		return nil, nil, wrongSetting(d.cfg, "discord.public_key", err)
	}
	l, err := d.bind("discord.http_addr", d.cfg.Discord.HTTPAddr)
	if err != nil {
		return nil, nil, err
	}
	d.log.Info("Discord's own requests are answered", "addr", l.Addr().String(), "path", bot.EndpointPath)
	return l, key, nil
}

// buildBot leaves the bot out when there is no token. A bot that Discord refuses
// ends alone.
func buildBot(d *deps) (part, string, error) {
	if d.cfg.Discord.Token == "" {
		return part{}, "no token is set (MUSTER_DISCORD_TOKEN)", nil
	}
	endpoint, key, err := d.discordEndpoint()
	if err != nil {
		return part{}, "", err
	}
	var locker lease.Locker // with one process there is nothing to share
	if !d.cfg.Lease.InMemory() {
		locker = d.locker
	}
	b, err := bot.New(bot.Config{
		Interactions: endpoint, PublicKey: key, Shards: d.cfg.Discord.Shards, Locker: locker, LockerReady: d.lockerReady,
		Token: string(d.cfg.Discord.Token), URL: d.cfg.Discord.URL, UserInstall: d.cfg.Discord.UserInstall,
		Store: d.store, Directory: d.directory, Bus: d.bus, PageURL: d.cfg.HTTP.PublicURL, Version: version(),
		Log: d.log, Registerer: d.registry,
	})
	if err != nil {
		return part{}, "", asSetting(fmt.Errorf("MUSTER_DISCORD_TOKEN or MUSTER_DISCORD_URL: %w", err))
	}
	// The others go on without Discord.
	d.ready = append(d.ready, check{name: "discord", ask: b.Ready, note: b.StandsBy, aside: !d.alone})
	return part{name: "bot", run: b.Run, optional: true}, "", nil
}
