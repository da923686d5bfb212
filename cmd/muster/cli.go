package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"muster/configs"
)

// Exit statuses. 2 means that nothing was started: mend the setting and try again. 3
// means that nothing was started because database, bus or lease service did not answer
// for long enough: another try may succeed.
const (
	exitOK          = 0
	exitFailed      = 1
	exitSetting     = 2
	exitUnreachable = 3
)

// errSetting marks an error of what the operator asked for, found before
// anything started.
var errSetting = errors.New("setting")

// grammar is the command line.
type grammar struct {
	All        struct{}    `cmd:"" default:"1" help:"Run every role in this process (the default)."`
	Demo       demoArgs    `cmd:"" help:"Run every role against a simulated game and a stand-in Discord: no account, no server, no network. What it stores goes when it ends, unless --database-url is given."`
	Listener   struct{}    `cmd:"" help:"Run the listener: the game's stream to the bus."`
	Roster     struct{}    `cmd:"" help:"Run the roster: names, friends lists and outfits kept fresh."`
	Dispatcher struct{}    `cmd:"" help:"Run a dispatcher: the bus to storage, feed and alerts."`
	Notifier   struct{}    `cmd:"" help:"Run a notifier: pages, live feed and API."`
	Bot        struct{}    `cmd:"" help:"Run the Discord bot."`
	Migrate    struct{}    `cmd:"" help:"Bring the database's schema up to this version, and end."`
	Dlq        dlqCommands `cmd:"" help:"Look at dead letters: messages that could not be processed."`
	Sim        struct {
		Game    simGameArgs    `cmd:"" help:"Run the simulated game alone."`
		Discord simDiscordArgs `cmd:"" help:"Run the stand-in Discord alone."`
	} `cmd:"" help:"Run a simulator of the outside world."`
	ConfigCommand struct {
		Check struct{} `cmd:"" help:"Say whether the settings are right, and what they are, without starting anything."`
	} `cmd:"" name:"config" help:"Look at the settings."`
	Version struct{} `cmd:"" help:"Print the version."`

	Config string `help:"Settings file (YAML)." default:"" placeholder:"FILE"`
}

// program is one run of the command line, with everything it may touch outside.
type program struct {
	args           []string
	environ        []string
	stdout, stderr io.Writer
	cli            grammar
	flags          map[string]string // setting name → value given as a flag
}

// run is main without the process: it returns the exit status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{args: args, environ: environ, stdout: stdout, stderr: stderr}
	command, done, err := p.parse()
	if done {
		return exitOK
	}
	if err == nil {
		err = p.command(ctx, command)
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSetting):
		fmt.Fprintln(stderr, "muster:", oneLine(err))
		return exitSetting
	case errors.As(err, &unreachableError{}):
		fmt.Fprintln(stderr, "muster:", oneLine(err))
		return exitUnreachable
	}
	fmt.Fprintln(stderr, "muster:", oneLine(err))
	return exitFailed
}

// parse reads the command line. done says that kong has answered already: help.
func (p *program) parse() (command string, done bool, err error) {
	settings, read := settingFlags()
	parser, err := kong.New(&p.cli,
		kong.Name("muster"),
		kong.Description("Muster tells PlanetSide 2 players who has come online and what happens."),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { done = true }),
		kong.Embed(settings),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return "", false, err
	}
	parsed, err := parser.Parse(p.args)
	if done {
		return "", true, nil
	}
	if err != nil {
		return "", false, asSetting(fmt.Errorf("%w (see muster --help)", err))
	}
	p.flags = read()
	return parsed.Command(), false, nil
}

// command runs what was asked for.
func (p *program) command(ctx context.Context, command string) error {
	switch command {
	case "version":
		_, err := fmt.Fprintln(p.stdout, version())
		return err
	case "sim game":
		return p.simGame(ctx)
	case "sim discord":
		return p.simDiscord(ctx)
	case "demo":
		return p.demo(ctx)
	case "migrate":
		return p.migrate(ctx)
	}
	cfg, err := p.settings(configs.Load)
	if err != nil {
		return err
	}
	if verb, ok := strings.CutPrefix(command, "dlq "); ok {
		verb, _, _ = strings.Cut(verb, " ")
		return p.dlq(ctx, cfg, verb)
	}
	switch command {
	case "config check":
		return p.configCheck(ctx, cfg)
	case "all":
		return p.roles(ctx, cfg, roles())
	}
	return p.oneRole(ctx, cfg, command)
}

// A loader reads settings and checks what of them is needed.
type loader func(path string, explicit bool, environ []string, flags map[string]string) (configs.Config, error)

// settings reads file, environment and flags, and checks them.
func (p *program) settings(load loader) (configs.Config, error) {
	path, explicit := p.cli.Config, p.cli.Config != ""
	if !explicit {
		path = configs.DefaultPath
	}
	cfg, err := load(path, explicit, p.environ, p.flags)
	return cfg, asSetting(err)
}

// logger returns the log that cfg asks for, on stderr.
func (p *program) logger(cfg configs.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Log.Level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}

// version returns the module's version, the commit and the compiler.
func version() string {
	v, revision := "devel", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				revision = " " + s.Value[:12]
			}
		}
	}
	return fmt.Sprintf("muster %s%s %s %s/%s", v, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// A settingError is one of what the operator asked for.
type settingError struct{ error }

func (settingError) Is(target error) bool { return target == errSetting }
func (e settingError) Unwrap() error      { return e.error }

// An unreachableError is of what did not answer before anything started.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

// asSetting marks err as found before anything started; nil stays nil.
func asSetting(err error) error {
	if err == nil {
		return nil
	}
	return settingError{err}
}
