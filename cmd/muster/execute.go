package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"muster/configs"
)

// roles runs the given lines of the table until ctx ends.
func (p *program) roles(ctx context.Context, cfg configs.Config, table []role) error {
	if slices.ContainsFunc(table, func(r role) bool { return r.game }) {
		if err := cfg.NeedGame(); err != nil {
			return asSetting(err)
		}
	}
	log := p.logger(cfg)
	d, err := open(ctx, cfg, log, needs{page: slices.ContainsFunc(table, func(r role) bool { return r.page })})
	if err != nil && ctx.Err() != nil {
		log.InfoContext(ctx, "stopped before anything ran", "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(runRoles(ctx, d, table, nil), d.close())
}

// runRoles builds every role of the table, then runs them and the operator's
// address until ctx ends. started, if not nil, is called before they run.
func runRoles(ctx context.Context, d *deps, table []role, started func()) error {
	for _, warning := range d.cfg.Warnings {
		d.log.Warn(warning)
	}
	var parts []part
	d.alone = len(table) == 1
	for _, r := range table {
		p, off, err := r.build(d)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", r.name, err)
		case off != "":
			d.log.Warn(r.name + " is off: " + off)
		default:
			parts = append(parts, p)
		}
	}
	// The operator's address outlives the roles, so that a drain can be watched.
	parts = append(parts, part{name: "admin", run: d.admin.run})
	d.admin.ask(d.checks())
	facts := []any{"version", version(), "roles", names(parts), "environments", d.cfg.Game.Environments}
	if d.public != nil {
		facts = append(facts, "page", "http://"+d.public.Addr().String())
	}
	d.log.Info("muster runs", append(facts, "admin", "http://"+d.adminAddr)...)
	if started != nil {
		started()
	}
	return supervise(ctx, parts, drainLimit, d.log)
}

func names(parts []part) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return all
}

// oneRole runs one line of the table. It needs a bus that reaches the other
// roles: on one that stays inside the process it would hear and tell nobody.
func (p *program) oneRole(ctx context.Context, cfg configs.Config, name string) error {
	if !cfg.Bus.Shared() {
		return wrongSetting(cfg, "bus.url", fmt.Errorf(
			"the %s alone cannot reach the other roles, for this bus stays inside one process: run muster all, or use amqp://HOST", name))
	}
	for _, r := range roles() {
		if r.name == name {
			return p.roles(ctx, cfg, []role{r})
		}
	}
	return fmt.Errorf("no role is called %q", name)
}

// migrate brings the schema up to date. It needs the database and nothing else, so
// it can run where the roles do not.
func (p *program) migrate(ctx context.Context) error {
	cfg, err := p.settings(configs.LoadDatabase)
	if err != nil {
		return err
	}
	if err := cfg.CheckDatabase(ctx); err != nil {
		return asSetting(err)
	}
	store, err := openStore(ctx, cfg, p.logger(cfg), nil, 0)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s: the schema is up to date\n", cfg.Database.URL)
	return err
}

// configCheck prints every setting with its source, unless one keeps "muster all"
// from starting.
func (p *program) configCheck(ctx context.Context, cfg configs.Config) error {
	if err := errors.Join(cfg.NeedGame(), cfg.Check(ctx)); err != nil {
		return asSetting(err)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 4, 2, ' ', 0)
	for _, s := range configs.Settings() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Show(cfg), s.Source(cfg))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(p.stdout, "warning:", warning)
	}
	_, err := fmt.Fprintln(p.stdout, "the settings are right")
	return err
}
