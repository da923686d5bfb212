package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"muster/bus"
	"muster/bus/rabbit"
	"muster/configs"
	"muster/storage"
)

// dlqCommands look at dead letters: messages that nobody could process.
type dlqCommands struct {
	List   dlqListArgs `cmd:"" help:"List dead letters, newest first."`
	Show   dlqShowArgs `cmd:"" help:"Show one dead letter: reason, headers and body."`
	Replay dlqRefsArgs `cmd:"" help:"Put dead letters back into their queue, oldest first. Mend what made them fail before."`
	Drop   dlqRefsArgs `cmd:"" help:"Remove dead letters for good."`
}

// dlqCommon is what all of them take.
type dlqCommon struct {
	Queue string `default:"dispatcher" help:"Queue whose dead letters are meant."`
	JSON  bool   `name:"json" help:"Print JSON, for programs."`
}

type dlqListArgs struct {
	dlqCommon
	Limit int `default:"50" help:"How many to list, 1 to 10000."`
}

type dlqShowArgs struct {
	dlqCommon
	Ref string `arg:"" help:"Reference, as dlq list prints it."`
}

type dlqRefsArgs struct {
	dlqCommon
	All  bool     `help:"Every dead letter of the queue."`
	Refs []string `arg:"" optional:"" help:"References, as dlq list prints them."`
}

// references returns what was asked for, once it makes sense.
func (a dlqRefsArgs) references() ([]string, error) {
	switch {
	case a.All && len(a.Refs) > 0:
		return nil, asSetting(errors.New("give references or --all, not both"))
	case a.All:
		return []string{bus.EveryLetter}, nil
	case len(a.Refs) == 0:
		return nil, asSetting(errors.New("which ones? Give references, as muster dlq list prints them, or --all"))
	}
	for _, ref := range a.Refs {
		if err := checkRef(ref); err != nil {
			return nil, err
		}
	}
	return a.Refs, nil
}

func checkRef(ref string) error {
	if bus.IsRef(ref) {
		return nil
	}
	return asSetting(fmt.Errorf("%q is no reference: muster dlq list prints them first on each line", ref))
}

func (c dlqCommon) check() error {
	if queues := topology().Queues(); !slices.Contains(queues, c.Queue) {
		return asSetting(fmt.Errorf("--queue: there is no queue %q; there is %s", c.Queue, strings.Join(queues, ", ")))
	}
	return nil
}

// dlq runs one of dlqCommands.
func (p *program) dlq(ctx context.Context, cfg configs.Config, verb string) error {
	args := &p.cli.Dlq
	switch verb {
	case "list":
		return p.dlqList(ctx, cfg, args.List)
	case "show":
		return p.dlqShow(ctx, cfg, args.Show)
	case "replay":
		note := ""
		if !cfg.Bus.Shared() {
			note = "; a muster that runs takes them within seconds, else the next one that starts"
		}
		return p.dlqRemove(ctx, cfg, args.Replay, removal{
			run: bus.DeadLetterBox.Replay, json: "replayed", one: "replayed into", note: note,
		})
	default:
		return p.dlqRemove(ctx, cfg, args.Drop, removal{run: bus.DeadLetterBox.Drop, json: "dropped", one: "dropped from"})
	}
}

func (p *program) dlqList(ctx context.Context, cfg configs.Config, args dlqListArgs) error {
	if err := args.check(); err != nil {
		return err
	}
	if args.Limit < 1 || args.Limit > bus.MaxDeadLetters {
		return asSetting(fmt.Errorf("--limit: must be 1 to %d", bus.MaxDeadLetters))
	}
	return p.withLetters(ctx, cfg, func(box bus.DeadLetterBox) error {
		letters, err := box.List(ctx, args.Queue, args.Limit)
		if err != nil {
			return err
		}
		if args.JSON {
			return printJSON(p.stdout, summaries(letters))
		}
		return printLetters(p.stdout, args.Queue, letters, args.Limit)
	})
}

func (p *program) dlqShow(ctx context.Context, cfg configs.Config, args dlqShowArgs) error {
	if err := errors.Join(args.check(), checkRef(args.Ref)); err != nil {
		return err
	}
	return p.withLetters(ctx, cfg, func(box bus.DeadLetterBox) error {
		l, err := box.Show(ctx, args.Queue, args.Ref)
		if err != nil {
			return err
		}
		if args.JSON {
			return printJSON(p.stdout, whole(l))
		}
		return printLetter(p.stdout, l)
	})
}

// A removal is what replaying and dropping differ in.
type removal struct {
	run             func(bus.DeadLetterBox, context.Context, string, ...string) (int, error)
	json, one, note string
}

// dlqRemove prints how many it were also when some could not be found.
func (p *program) dlqRemove(ctx context.Context, cfg configs.Config, args dlqRefsArgs, r removal) error {
	if err := args.check(); err != nil {
		return err
	}
	refs, err := args.references()
	if err != nil {
		return err
	}
	return p.withLetters(ctx, cfg, func(box bus.DeadLetterBox) error {
		n, err := r.run(box, ctx, args.Queue, refs...)
		if args.JSON {
			return errors.Join(printJSON(p.stdout, map[string]int{r.json: n}), err)
		}
		note := r.note
		if n == 0 {
			note = ""
		}
		fmt.Fprintf(p.stdout, "%s %s queue %s%s\n", counted(n, "dead letter"), r.one, args.Queue, note)
		return err
	})
}

// lettersPatience is how long the commands wait for a broker that does not answer.
const lettersPatience = 10 * time.Second

// withLetters runs f on the dead letters of the bus that the settings ask for.
// Nothing else of Muster is started, and one that runs is not disturbed.
func (p *program) withLetters(ctx context.Context, cfg configs.Config, f func(bus.DeadLetterBox) error) error {
	if cfg.Bus.InMemory() {
		return wrongSetting(cfg, "bus.url", errors.New("memory: keeps dead letters inside its process: nobody else can see them"))
	}
	if cfg.Bus.Shared() {
		b, err := rabbit.Open(ctx, rabbit.Config{
			URL: string(cfg.Bus.URL), Topology: topology(), Namespace: cfg.Bus.Namespace,
			Log: p.logger(cfg).With("part", "bus"), OpenTimeout: lettersPatience,
		})
		if err != nil {
			return wrongSetting(cfg, "bus.url", err)
		}
		return errors.Join(f(b), b.Close())
	}
	return p.withSpoolFile(ctx, cfg, f)
}

// withSpoolFile is withLetters for a spool, which may be in use by a muster that
// runs: SQLite keeps the two apart.
func (p *program) withSpoolFile(ctx context.Context, cfg configs.Config, f func(bus.DeadLetterBox) error) error {
	setting, path := "bus.url", cfg.Bus.SpoolPath()
	if path == "" {
		setting, path = "database.url", cfg.Database.URL.Rest()
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return wrongSetting(cfg, setting, fmt.Errorf("there is no file %s: nothing was ever stored there", path))
	}
	file, err := storage.Open(ctx, "sqlite:"+path, storage.Options{Log: p.logger(cfg).With("part", "spool")})
	if err != nil {
		return wrongSetting(cfg, setting, err)
	}
	box, err := bus.OpenSpoolBox(ctx, file.SpoolDB(), topology())
	if err != nil {
		return errors.Join(wrongSetting(cfg, setting, err), file.Close())
	}
	return errors.Join(f(box), file.Close())
}
