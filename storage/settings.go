package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"muster/alert"
	"muster/event"
)

const settingsCols = "user_id, zone, quiet_from, quiet_to, quiet_mode, paused_until_ns, cooldown_ns, only_when_away, at_least, " +
	"digest, summary, edit_on_leave, shown, language, updated_ns"

var (
	settingsShape = newShape("alert_settings", "user_id zone quiet_from quiet_to quiet_mode paused_until_ns cooldown_ns only_when_away "+
		"at_least digest summary edit_on_leave shown language updated_ns", "user_id", "zone", "quiet_from", "quiet_to", "quiet_mode",
		"paused_until_ns", "cooldown_ns", "only_when_away", "at_least", "digest", "summary", "edit_on_leave", "shown", "language", "updated_ns")
	muteShape = newShape("mutes", "user_id character_id until_ns", "user_id, character_id", "until_ns")
)

// Settings returns when a user wants to be told; the defaults, with a zero
// UpdatedAt, if they have never saved any.
func (s *Store) Settings(ctx context.Context, u alert.UserID) (alert.Settings, error) {
	out := alert.DefaultSettings(u)
	err := s.each(ctx, ask("SELECT "+settingsCols+" FROM alert_settings WHERE user_id = ?", int64(u)), func(rows *sql.Rows) (err error) {
		out, err = scanSettings(rows)
		return err
	})
	return out, wrap("settings", err)
}

func scanSettings(rows *sql.Rows) (alert.Settings, error) {
	var s alert.Settings
	var paused, cooldown, away, digest, summary, edit, shown, updated int64
	err := rows.Scan((*int64)(&s.User), &s.Zone, (*int16)(&s.Quiet.From), (*int16)(&s.Quiet.To), (*string)(&s.QuietMode), &paused,
		&cooldown, &away, &s.AtLeast, &digest, &summary, &edit, &shown, &s.Language, &updated)
	s.PausedUntil, s.Cooldown, s.UpdatedAt = fromNano(paused), time.Duration(cooldown), fromNano(updated)
	s.OnlyWhenAway, s.Digest, s.Summary, s.EditOnLeave, s.Shown = away != 0, digest != 0, summary != 0, edit != 0, shown != 0
	return s, err
}

// SaveSettings stores settings whole. The error wraps alert.ErrSettings when they
// are out of bounds.
func (s *Store) SaveSettings(ctx context.Context, set alert.Settings) error {
	if err := set.Validate(); err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	return wrap("save settings", s.write(ctx, func(t *tx) error {
		_, err := t.insert(ctx, settingsShape, []any{int64(set.User), set.Zone, int64(set.Quiet.From), int64(set.Quiet.To),
			string(set.QuietMode), nano(set.PausedUntil), int64(set.Cooldown), bit(set.OnlyWhenAway), set.AtLeast, bit(set.Digest),
			bit(set.Summary), bit(set.EditOnLeave), bit(set.Shown), set.Language, nano(set.UpdatedAt)})
		return err
	}))
}

// Mutes returns whom a user wants to hear nothing of, by name. Those that have
// ended by now are among them until SaveMute needs their room.
func (s *Store) Mutes(ctx context.Context, u alert.UserID) ([]alert.Mute, error) {
	var out []alert.Mute
	err := s.each(ctx, ask("SELECT m.character_id, m.until_ns, COALESCE(c.name, '') FROM mutes m "+
		"LEFT JOIN characters c ON c.id = m.character_id"+unlessHidden("m.character_id")+
		" AND m.user_id = ? ORDER BY COALESCE(c.name_lower, ''), m.character_id", int64(u)),
		func(rows *sql.Rows) error {
			m := alert.Mute{User: u}
			var until int64
			err := rows.Scan((*int64)(&m.Character), &until, &m.Name)
			m.Until = fromNano(until)
			out = append(out, m)
			return err
		})
	return out, wrap("mutes", err)
}

// SaveMute stores m, in place of an older one of the same character. Beyond
// alert.MaxMutes it fails with an *alert.LimitError; those that ended before now
// do not count.
func (s *Store) SaveMute(ctx context.Context, m alert.Mute, now time.Time) error {
	if m.User <= 0 || m.Character <= 0 {
		return fmt.Errorf("save mute: %w: user %d, character %d", ErrData, m.User, m.Character)
	}
	return wrap("save mute", s.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, "DELETE FROM mutes WHERE user_id = ? AND until_ns > 0 AND until_ns <= ?", int64(m.User), nano(now)); err != nil {
			return err
		}
		others, err := t.count(ctx, "SELECT COUNT(*) FROM mutes WHERE user_id = ? AND character_id <> ?", int64(m.User), int64(m.Character))
		if err != nil {
			return err
		}
		if others >= alert.MaxMutes {
			return &alert.LimitError{What: "mutes", Most: alert.MaxMutes}
		}
		_, err = t.insert(ctx, muteShape, []any{int64(m.User), int64(m.Character), nano(m.Until)})
		return err
	}))
}

// RemoveMute undoes SaveMute; false: there was no such mute.
func (s *Store) RemoveMute(ctx context.Context, u alert.UserID, c event.CharacterID) (removed bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM mutes WHERE user_id = ? AND character_id = ?", int64(u), int64(c))
		t.changed(&removed, n)
		return err
	})
	return removed, wrap("remove mute", err)
}
