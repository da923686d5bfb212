package main

import (
	"context"
	"fmt"
	"log/slog"

	"muster/sim/discord"
	"muster/sim/game"
)

// simGameArgs are the flags of the simulated game.
type simGameArgs struct {
	Addr    string  `default:"127.0.0.1:8091" help:"Where to serve stream, queries and control."`
	Seed    int64   `default:"1" help:"Seed of every name, id and event."`
	Events  float64 `default:"25" help:"Events of fighting per second, over all worlds."`
	Players int     `default:"0" help:"Characters of a full world, 12 to 5000; 0 for 120. Many events a second need many players."`
	Static  string  `default:"" type:"existingdir" placeholder:"DIR" help:"Folder with the game's tables (weapon_items.json, ...) and recordings to replay."`
}

func (a simGameArgs) config(log *slog.Logger) game.Config {
	cfg := game.DefaultConfig()
	cfg.Seed, cfg.EventsPerSecond, cfg.StaticDir, cfg.Log = a.Seed, a.Events, a.Static, log
	if a.Players != 0 {
		cfg.Players = a.Players
	}
	return cfg
}

// simDiscordArgs are the flags of the stand-in Discord.
type simDiscordArgs struct {
	Addr    string `default:"127.0.0.1:8090" help:"Where to serve the API, the gateway and the console."`
	Token   string `default:"" help:"The bot token to accept; any without one. The stand-in's, never a real one."`
	OpenAPI string `name:"openapi" type:"existingfile" placeholder:"FILE" help:"Discord's OpenAPI description, to check every request against."`
}

func (a simDiscordArgs) config(log *slog.Logger) discord.Config {
	cfg := discord.DefaultConfig()
	cfg.Token, cfg.OpenAPIPath, cfg.Log = a.Token, a.OpenAPI, log
	return cfg
}

// simGame runs the simulated game until ctx ends.
func (p *program) simGame(ctx context.Context) error {
	args := p.cli.Sim.Game
	server, err := game.New(args.config(p.plainLog().With("part", "sim/game")))
	if err != nil {
		return asSetting(err)
	}
	if err := server.Start(args.Addr); err != nil {
		return asSetting(err)
	}
	fmt.Fprintf(p.stdout, `simulated game, any service id is accepted
  stream   MUSTER_GAME_STREAM_URL=%s
  queries  MUSTER_GAME_QUERY_URL=%s
  control  http://%s/
`, server.StreamURL(), server.QueryURL(), server.Addr())
	<-ctx.Done()
	return server.Close()
}

// simDiscord runs the stand-in Discord until ctx ends.
func (p *program) simDiscord(ctx context.Context) error {
	args := p.cli.Sim.Discord
	server, err := discord.New(args.config(p.plainLog().With("part", "sim/discord")))
	if err != nil {
		return asSetting(err)
	}
	if err := server.Start(args.Addr); err != nil {
		return asSetting(err)
	}
	fmt.Fprintf(p.stdout, `stand-in Discord
  console  %s/
  bot      MUSTER_DISCORD_URL=%s MUSTER_DISCORD_TOKEN=%s
`, server.URL(), server.URL(), orAny(args.Token))
	<-ctx.Done()
	return server.Close()
}

func orAny(token string) string {
	if token == "" {
		return "anything"
	}
	return "(the one given)"
}

// plainLog is the log of commands that read no settings.
func (p *program) plainLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, nil))
}
