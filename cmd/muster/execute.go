package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"muster/configs"
)

// roles runs the given lines of the table until ctx ends.
func (p *program) roles(ctx context.Context, cfg configs.Config, table []role) error {
	if err := cfg.NeedGame(); err != nil {
		return fmt.Errorf("%w%w", err, silent{errSetting})
	}
	log := p.logger(cfg)
	d, err := open(ctx, cfg, log)
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
	parts = append(parts, part{name: "admin", run: newAdmin(d.admin, d.registry, d.checks(), d.log).run})
	d.log.Info("muster runs", "version", version(), "roles", names(parts), "environments", d.cfg.Game.Environments,
		"page", "http://"+d.public.Addr().String(), "admin", "http://"+d.admin.Addr().String())
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

// oneRole runs a single role. The transports of this version live in one
// process: alone, a role would hear and tell nobody.
func (p *program) oneRole(ctx context.Context, cfg configs.Config, name string) error {
	_ = ctx
	return wrongSetting(cfg, "bus.url", fmt.Errorf(
		"the %s alone cannot reach the other roles, for this bus stays inside one process: run muster all", name))
}

// migrate brings the schema up to date.
func (p *program) migrate(ctx context.Context, cfg configs.Config) error {
	if err := cfg.Check(ctx); err != nil {
		return fmt.Errorf("%w%w", err, silent{errSetting})
	}
	store, err := openStore(ctx, cfg, p.logger(cfg))
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
		return fmt.Errorf("%w%w", err, silent{errSetting})
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
