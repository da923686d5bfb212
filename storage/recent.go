package storage

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"muster/alert"
)

// RecentAlerts returns a user's newest alerts, told or not, the newest first. They
// are kept for some days.
func (s *Store) RecentAlerts(ctx context.Context, u alert.UserID, limit int) ([]alert.Recent, error) {
	var out []alert.Recent
	err := s.each(ctx, ask("SELECT a.world, a.cause, a.login_at, a.created_ns, a.state, a.reason, a.settled_ns, a.left_at, "+
		characterCols+" FROM alerts a JOIN characters c ON c.id = a.character_id"+characterJoin+unlessHidden("a.character_id")+
		" AND a.user_id = ? ORDER BY a.created_ns DESC, a.k LIMIT ?", int64(u), atMost(limit)),
		func(rows *sql.Rows) error {
			r, err := scanRecent(rows)
			out = append(out, r)
			return err
		})
	return out, wrap("recent alerts", err)
}

func scanRecent(rows *sql.Rows) (alert.Recent, error) {
	var r alert.Recent
	var c characterRow
	var login, created, state, settled, left int64
	var reason string
	err := rows.Scan(append([]any{(*int32)(&r.World), (*string)(&r.Cause), &login, &created, &state, &reason, &settled, &left}, c.into()...)...)
	if err != nil {
		return r, err
	}
	r.LoginAt, r.LeftAt, r.At, r.Fate = fromSec(login), fromSec(left), fromNano(created), alert.Waiting
	if settled != 0 {
		r.At = fromNano(settled)
	}
	switch state {
	case alertSent:
		r.Fate = alert.Told
	case alertGaveUp:
		r.Fate = alert.Dropped
		r.Reason, r.Detail = splitReason(reason)
	}
	r.Who, err = c.character()
	return r, err
}

// splitReason takes a stored reason apart. One without a known word in front is what
// Discord said, from before there were words.
func splitReason(text string) (alert.Reason, string) {
	word, detail, _ := strings.Cut(text, ": ")
	if slices.Contains(alert.Reasons(), alert.Reason(word)) {
		return alert.Reason(word), detail
	}
	return alert.Refused, text
}
