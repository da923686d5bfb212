package configs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/event"
)

// Setters read one value. Their errors say what is wrong and what to write; the
// name and the value are put in front by the caller.

func setText(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = strings.TrimSpace(v); return nil }
}

func setURL(field func(*Config) *URL) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = URL(strings.TrimSpace(v)); return nil }
}

func setURLs(field func(*Config) *[]URL) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = nil
		for _, u := range list(v) {
			*field(c) = append(*field(c), URL(u))
		}
		return nil
	}
}

func setSecret(field func(*Config) *Secret) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = Secret(strings.TrimSpace(v)); return nil }
}

func setBool(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
		if err != nil {
			return errors.New("write true or false")
		}
		*field(c) = b
		return nil
	}
}

// setPrefixes reads addresses and networks, with commas.
func setPrefixes(field func(*Config) *[]netip.Prefix) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = nil
		for _, text := range list(v) {
			prefix, err := netip.ParsePrefix(text)
			if addr, addrErr := netip.ParseAddr(text); err != nil && addrErr == nil {
				prefix, err = addr.Prefix(addr.BitLen())
			}
			if err != nil {
				return fmt.Errorf("%.40q is neither an address nor a network: write 10.0.0.1 or 10.0.0.0/8, with commas", text)
			}
			*field(c) = append(*field(c), prefix.Masked())
		}
		return nil
	}
}

// A span is a duration with its bounds.
type span struct {
	field    func(*Config) *time.Duration
	min, max time.Duration
}

var (
	alertsLifetime = span{func(c *Config) *time.Duration { return &c.Alerts.Lifetime }, 30 * time.Second, time.Hour}
	// presenceIdle cannot be below 16 minutes: only after 15 without a sign of
	// life does the roster ask the query service about somebody.
	presenceIdle = span{func(c *Config) *time.Duration { return &c.Presence.Idle }, 16 * time.Minute, 24 * time.Hour}
)

// replicaLag is at least what four beats of a replica take.
var replicaLag = span{func(c *Config) *time.Duration { return &c.Database.ReplicaLag }, time.Second, 10 * time.Minute}

var startPatience = span{func(c *Config) *time.Duration { return &c.Start.Patience }, 0, 24 * time.Hour}

// setConnections reads how many connections a process may have. Fewer than 6 would
// leave none beside those for roll-ups and migrations.
func setConnections(c *Config, v string) error {
	n, err := strconv.Atoi(strings.TrimSpace(v))
	if err != nil || n < 6 || n > 1000 {
		return errors.New("write a number from 6 to 1000")
	}
	c.Database.Connections = n
	return nil
}

// maxShards is more than Discord gives any bot.
const maxShards = 10_000

func setShards(c *Config, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > maxShards {
		return fmt.Errorf("not a whole number from 0 to %d", maxShards)
	}
	c.Discord.Shards = n
	return nil
}

func setDuration(s span) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := time.ParseDuration(strings.TrimSpace(v))
		if err != nil {
			return fmt.Errorf("write a number with a unit, such as %s", showDuration(s.min))
		}
		if d < s.min || d > s.max {
			return fmt.Errorf("must be %s to %s", showDuration(s.min), showDuration(s.max))
		}
		*s.field(c) = d
		return nil
	}
}

// Days that events may be kept.
const minRetention, maxRetention = 2, 3650

// setRetention reads whole days: 90d, or hours as other durations are written.
func setRetention(c *Config, v string) error {
	v = strings.TrimSpace(v)
	d, err := time.ParseDuration(v)
	if number, ok := strings.CutSuffix(v, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(number, 10, 16)
		d = time.Duration(days) * day
	}
	switch {
	case err != nil:
		return errors.New("write days, such as 90d")
	case d < minRetention*day || d > maxRetention*day || d%day != 0:
		return fmt.Errorf("must be %dd to %dd, in whole days", minRetention, maxRetention)
	}
	c.Events.Retention = d
	return nil
}

const day = 24 * time.Hour

func showDays(d time.Duration) string { return fmt.Sprintf("%dd", d/day) }

func setLevel(c *Config, v string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[strings.ToLower(strings.TrimSpace(v))]
	if !ok {
		return errors.New("write debug, info, warn or error")
	}
	c.Log.Level = level
	return nil
}

func setFormat(c *Config, v string) error {
	v = strings.ToLower(strings.TrimSpace(v))
	if v != "text" && v != "json" {
		return errors.New("write text or json")
	}
	c.Log.Format = v
	return nil
}

func setEnvironments(c *Config, v string) error {
	c.Game.Environments = nil
	for _, text := range list(v) {
		e := event.Environment(strings.ToLower(text))
		if !e.Valid() {
			return fmt.Errorf("no environment is called %.40q: write ps2, ps2ps4us or ps2ps4eu, with commas", text)
		}
		if !slices.Contains(c.Game.Environments, e) {
			c.Game.Environments = append(c.Game.Environments, e)
		}
	}
	if len(c.Game.Environments) == 0 {
		return errors.New("write ps2, ps2ps4us or ps2ps4eu, with commas")
	}
	return nil
}

func setWorlds(c *Config, v string) error {
	c.Game.Worlds = nil
	for _, text := range list(v) {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%.40q is not a world's number: write numbers with commas, such as 1,10,40", text)
		}
		if _, ok := event.World(n).Info(); !ok {
			return fmt.Errorf("no world has the number %d: the game's worlds are %s", n, knownWorlds())
		}
		if !slices.Contains(c.Game.Worlds, event.World(n)) {
			c.Game.Worlds = append(c.Game.Worlds, event.World(n))
		}
	}
	return nil
}

func knownWorlds() string {
	var live []string
	for _, w := range event.Worlds() {
		if w.Live {
			live = append(live, fmt.Sprintf("%d (%s)", w.ID, w.Name))
		}
	}
	return strings.Join(live, ", ")
}

// list splits at commas and drops blanks.
func list(v string) []string {
	var parts []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func join[T any](all []T, text func(T) string) string {
	parts := make([]string, len(all))
	for i, v := range all {
		parts[i] = text(v)
	}
	return strings.Join(parts, ",")
}

func joinURLs(all []URL) string { return join(all, URL.String) }

// showDuration writes 5m rather than 5m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
