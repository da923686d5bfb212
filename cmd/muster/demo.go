package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"

	"muster/configs"
	"muster/sim/discord"
	"muster/sim/game"
)

// demoToken is what the stand-in accepts as the bot's token.
const demoToken = "demo-token-of-the-stand-in"

// demoArgs are the flags of the demonstration besides the settings'.
type demoArgs struct {
	Discord string  `default:"127.0.0.1:8090" help:"Where the stand-in Discord serves its console; if nothing is said and this is taken, on a free port."`
	Game    string  `default:"127.0.0.1:8091" help:"Where the simulated game serves its control page; likewise."`
	Seed    int64   `default:"1" help:"Seed of every name, id and event."`
	Events  float64 `default:"25" help:"Events of fighting per second, over all worlds."`
	Static  string  `default:"" type:"existingdir" placeholder:"DIR" help:"Folder with the game's tables and recordings to replay."`
	OpenAPI string  `name:"openapi" type:"existingfile" placeholder:"FILE" help:"Discord's OpenAPI description, to check every request against."`
}

// demo runs every role against both simulators in this process. What it stores
// goes with it, unless a database was asked for.
func (p *program) demo(ctx context.Context) (err error) {
	cfg, err := p.settings(configs.Load)
	if err != nil {
		return err
	}
	world, people, err := p.startSims()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close(), world.Close()) }()
	cleanup, err := p.demoSettings(&cfg, world, people)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanup()) }()
	d, err := open(ctx, cfg, p.logger(cfg), needs{page: true})
	if err != nil {
		return err
	}
	started := func() { p.greet(d, world, people) }
	return errors.Join(runRoles(ctx, d, roles(), started), d.close())
}

// startSims starts both simulators.
func (p *program) startSims() (*game.Server, *discord.Server, error) {
	args, log := p.cli.Demo, slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	world, err := game.New(simGameArgs{Seed: args.Seed, Events: args.Events, Static: args.Static}.
		config(log.With("part", "sim/game")))
	if err != nil {
		return nil, nil, asSetting(err)
	}
	people, err := discord.New(simDiscordArgs{Token: demoToken, OpenAPI: args.OpenAPI}.
		config(log.With("part", "sim/discord")))
	if err != nil {
		return nil, nil, asSetting(err)
	}
	if err := startNear(world.Start, args.Game, p.given("game")); err != nil {
		return nil, nil, asSetting(fmt.Errorf("--game: %w", err))
	}
	if err := startNear(people.Start, args.Discord, p.given("discord")); err != nil {
		return nil, nil, asSetting(errors.Join(fmt.Errorf("--discord: %w", err), world.Close()))
	}
	return world, people, nil
}

// startNear starts at addr or, when that is taken and nobody asked for it, at a
// free port.
func startNear(start func(string) error, addr string, asked bool) error {
	err := start(addr)
	if err == nil || asked {
		return err
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return err
	}
	return start(net.JoinHostPort(host, "0"))
}

// given reports whether a flag of the demonstration was set by the caller.
func (p *program) given(name string) bool {
	return slices.ContainsFunc(p.args, func(arg string) bool {
		return arg == "--"+name || len(arg) > len(name)+2 && arg[:len(name)+3] == "--"+name+"="
	})
}

// demoSettings points cfg at the simulators, at free addresses where the default
// ones are taken, and at a database that goes when the demonstration ends.
func (p *program) demoSettings(cfg *configs.Config, world *game.Server, people *discord.Server) (cleanup func() error, err error) {
	cfg.Game.StreamURL, cfg.Game.QueryURL = world.StreamURL(), world.QueryURL()
	cfg.Game.ServiceID = "demo"
	cfg.Discord.URL, cfg.Discord.Token = people.URL(), demoToken
	cleanup = func() error { return nil }
	if !cfg.IsSet("log.level") {
		cfg.Log.Level = slog.LevelWarn // what is worth reading is what greet prints
	}
	if !cfg.IsSet("http.addr") {
		cfg.HTTP.Addr = freeIfTaken(cfg.HTTP.Addr)
	}
	if !cfg.IsSet("admin.addr") {
		cfg.Admin.Addr = freeIfTaken(cfg.Admin.Addr)
	}
	if cfg.HTTP.PublicURL == "" {
		cfg.HTTP.PublicURL = "http://" + cfg.HTTP.Addr
	}
	if !cfg.IsSet("database.url") {
		dir, err := os.MkdirTemp("", "muster-demo-")
		if err != nil {
			return nil, err
		}
		cfg.Database.URL = configs.URL("sqlite:" + filepath.Join(dir, "demo.db"))
		cleanup = func() error { return os.RemoveAll(dir) }
	}
	return cleanup, nil
}

// freeIfTaken returns addr, or one with a free port when addr is in use.
func freeIfTaken(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		host, _, splitErr := net.SplitHostPort(addr)
		if splitErr != nil {
			return addr
		}
		if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return addr
		}
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// greet tells the person at the terminal where to look.
func (p *program) greet(d *deps, world *game.Server, people *discord.Server) {
	fmt.Fprintf(p.stdout, `
Muster demo: a simulated game and a stand-in Discord, all in this process.

  page              http://%s/
  stand-in Discord  %s/
  simulated game    http://%s/
  operator          http://%s/metrics

In the stand-in, type  /link player:Kestrel  and wait for a friend to log in,
or  /watch add  and pick somebody. Ctrl-C ends it.

`, d.public.Addr(), people.URL(), world.Addr(), d.adminAddr)
}
