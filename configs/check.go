package configs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// warn adds a line to Warnings once.
func (c *Config) warn(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	for _, w := range c.Warnings {
		if w == line {
			return
		}
	}
	c.Warnings = append(c.Warnings, line)
}

// NeedGame returns what a process lacks that talks to the game (listener and
// roster): a service id, where the public services are used. Servers of one's
// own take any.
func (c Config) NeedGame() error {
	if c.Game.ServiceID != "" {
		return nil
	}
	if strings.HasPrefix(c.Game.StreamURL, PublicStreamURL) || strings.HasPrefix(c.Game.QueryURL, PublicQueryURL) {
		s, _ := lookup("game.service_id")
		return fmt.Errorf("%s: not set: the game's public services ask for an id, free at https://census.daybreakgames.com; "+
			"to look around without one, run muster demo", s.Env)
	}
	return nil
}

// Check looks at what Validate cannot see: that the directories of SQLite files
// are there and can be written to. It leaves nothing behind. Whether servers
// answer and ports are free shows when they are opened.
func (c Config) Check(ctx context.Context) error {
	if err := c.CheckDatabase(ctx); err != nil {
		return err
	}
	if path := c.Bus.SpoolPath(); path != "" {
		if err := writable(path); err != nil {
			return c.wrong("bus.url", "%w", err)
		}
	}
	return nil
}

// CheckDatabase is the part of Check that is about the database.
func (c Config) CheckDatabase(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Database.URL.Scheme() == "sqlite" {
		if err := writable(c.Database.URL.Rest()); err != nil {
			return c.wrong("database.url", "%w", err)
		}
	}
	return nil
}

// writable returns why a database file at path could not be written. SQLite
// makes further files beside it, so the directory must be writable too.
func writable(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %s is missing: create it, or name another file", dir)
	case err != nil:
		return fmt.Errorf("directory %s: %w", dir, reason(err))
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory: name another file", dir)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("that is not a plain file: name another one")
	}
	probe, err := os.CreateTemp(dir, ".muster-check-*")
	if err != nil {
		return fmt.Errorf("directory %s cannot be written to: %w", dir, reason(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
