package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/alert"
	"muster/event"
)

// pendingMost is how many alerts of one person are looked at in one turn.
const pendingMost = 1000

// namedOn is how many of those who are on a summary can show, with names.
const namedOn = alert.MaxLines

// A turnLoader reads what decides the turns of some users, all in a few queries.
type turnLoader struct {
	t       *tx
	now     time.Time
	turns   map[alert.UserID]*alert.Turn
	users   []alert.UserID
	saved   map[alert.UserID]bool // has something stored that only a person makes
	posts   map[alert.Key]*alert.Post
	since   time.Time // alerts from then on are of interest
	pending map[event.CharacterID]bool
}

func newTurnLoader(t *tx, now time.Time, turns []alert.Turn) *turnLoader {
	l := &turnLoader{t: t, now: now, turns: map[alert.UserID]*alert.Turn{}, saved: map[alert.UserID]bool{},
		posts: map[alert.Key]*alert.Post{}, pending: map[event.CharacterID]bool{}}
	for i := range turns {
		turn := &turns[i]
		turn.Settings, turn.Recipient.User = alert.DefaultSettings(turn.User), turn.User
		turn.Presence, turn.Muted = map[event.CharacterID]event.Online{}, map[event.CharacterID]bool{}
		turn.Linked, turn.Told = map[event.CharacterID]bool{}, map[event.CharacterID]time.Time{}
		l.turns[turn.User] = turn
		l.users = append(l.users, turn.User)
	}
	slices.Sort(l.users)
	return l
}

func (l *turnLoader) load(ctx context.Context) error {
	for _, step := range []struct {
		what string
		f    func(context.Context) error
	}{
		{"settings", l.settings}, {"recipients", l.recipients}, {"links", l.links}, {"posts", l.readPosts},
		{"alerts", l.alerts}, {"presence", l.presence}, {"mutes", l.mutes}, {"who is on", l.on}, {"names", l.names},
	} {
		if err := step.f(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// unknown reports whether nothing is stored of a user but alerts: they were
// written while the user's data was deleted.
func (l *turnLoader) unknown(u alert.UserID) bool { return !l.saved[u] }

// each runs text for the users, whose list stands for "USERS" in it.
func (l *turnLoader) each(ctx context.Context, text string, more []any, scan func(*sql.Rows) error) error {
	return eachIn(l.users, func(marks string, args []any) error {
		var all []any
		for range strings.Count(text, "USERS") {
			all = append(all, args...)
		}
		rows, err := l.t.query(ctx, strings.ReplaceAll(text, "USERS", marks), append(all, more...)...)
		return collect(rows, err, scan)
	})
}

func (l *turnLoader) settings(ctx context.Context) error {
	cooldown := alert.DefaultSettings(1).Cooldown
	err := l.each(ctx, "SELECT "+settingsCols+" FROM alert_settings WHERE user_id IN (USERS)", nil, func(rows *sql.Rows) error {
		s, err := scanSettings(rows)
		if err != nil {
			return err
		}
		l.turns[s.User].Settings, l.saved[s.User] = s, true
		cooldown = max(cooldown, s.Cooldown)
		return nil
	})
	l.since = l.now.Add(-max(cooldown, alert.DigestLife) - l.t.s.opt.AlertLifetime)
	return err
}

func (l *turnLoader) recipients(ctx context.Context) error {
	return l.each(ctx, "SELECT user_id, dm_channel, closed, closed_ns, locale FROM recipients WHERE user_id IN (USERS)", nil, func(rows *sql.Rows) error {
		var r alert.Recipient
		var at int64
		err := rows.Scan((*int64)(&r.User), &r.DMChannel, &r.Closed, &at, &r.Locale)
		r.ClosedAt = fromNano(at)
		l.turns[r.User].Recipient, l.saved[r.User] = r, true
		return err
	})
}

// links reads the characters of the users, and whether one is in the game.
func (l *turnLoader) links(ctx context.Context) error {
	err := l.each(ctx, "SELECT l.user_id, l.character_id, COALESCE(p.online, 0) FROM links l LEFT JOIN presence p ON p.character_id = l.character_id "+
		"WHERE l.user_id IN (USERS)", nil, func(rows *sql.Rows) error {
		var u alert.UserID
		var c event.CharacterID
		var online int64
		err := rows.Scan((*int64)(&u), (*int64)(&c), &online)
		turn := l.turns[u]
		turn.Linked[c], turn.InGame, l.saved[u] = true, turn.InGame || online != 0, true
		return err
	})
	if err != nil {
		return err
	}
	return l.each(ctx, "SELECT DISTINCT user_id FROM watches WHERE user_id IN (USERS)", nil, func(rows *sql.Rows) error {
		var u alert.UserID
		err := rows.Scan((*int64)(&u))
		l.saved[u] = true
		return err
	})
}

const postCols = "k, user_id, kind, silent, state, channel, message, opened_ns, news_ns, retry_ns, attempts, changed"

// readPosts reads the messages that may matter. Alerts of the oldest one that is to
// be changed must be read too.
func (l *turnLoader) readPosts(ctx context.Context) error {
	return l.each(ctx, "SELECT "+postCols+" FROM alert_posts WHERE user_id IN (USERS) AND (state IN (0, 1) OR state IN (2, 3) AND opened_ns > ?) "+
		"ORDER BY opened_ns, k", []any{nano(l.now.Add(-alert.DigestLife))}, func(rows *sql.Rows) error {
		p, u, err := scanPost(rows)
		if err != nil {
			return err
		}
		turn := l.turns[u]
		turn.Posts = append(turn.Posts, p)
		if from := p.OpenedAt.Add(-l.t.s.opt.AlertLifetime - alert.Window); from.Before(l.since) {
			l.since = from
		}
		return nil
	})
}

func scanPost(rows *sql.Rows) (alert.Post, alert.UserID, error) {
	var p alert.Post
	var u alert.UserID
	var k []byte
	var silent, state, opened, news, retry int64
	err := rows.Scan(&k, (*int64)(&u), (*string)(&p.Kind), &silent, &state, &p.Channel, &p.Message, &opened, &news, &retry, &p.Attempts, &p.Changed)
	if err == nil && len(k) != len(p.Key) {
		err = fmt.Errorf("a message with a key of %d bytes", len(k))
	}
	if err != nil {
		return p, u, err
	}
	p.Key = alert.Key(k)
	p.Silent, p.Gone = silent != 0, state == postGone
	p.OpenedAt, p.NewsAt, p.RetryAt = fromNano(opened), fromNano(news), fromNano(retry)
	return p, u, nil
}

const alertCols = "k, user_id, character_id, world, cause, login_at, created_ns, expires_ns, attempts, state, post_k, also_k, told_ns, left_at"

// alerts reads what waits and what was told, and puts it where it belongs.
func (l *turnLoader) alerts(ctx context.Context) error {
	for _, u := range l.users {
		for i := range l.turns[u].Posts {
			p := &l.turns[u].Posts[i]
			l.posts[p.Key] = p
		}
	}
	err := l.each(ctx, "SELECT "+alertCols+" FROM (SELECT "+alertCols+", ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY created_ns, k) AS row_no FROM alerts "+
		"WHERE user_id IN (USERS) AND state = 0) x WHERE row_no <= ? ORDER BY user_id, created_ns, k", []any{pendingMost + 1}, l.take)
	if err != nil {
		return err
	}
	return l.each(ctx, "SELECT "+alertCols+" FROM alerts WHERE user_id IN (USERS) AND state IN (1, 3) AND created_ns >= ? ORDER BY told_ns, login_at, created_ns, k",
		[]any{nano(l.since)}, l.take)
}

// take puts one alert into its turn.
func (l *turnLoader) take(rows *sql.Rows) error {
	a, state, post, also, err := scanAlert(rows)
	if err != nil {
		return err
	}
	turn := l.turns[a.User]
	if state == alertPending {
		if len(turn.Pending) == pendingMost {
			turn.More = true
			return nil
		}
		turn.Pending, l.pending[a.Character] = append(turn.Pending, a), true
		return nil
	}
	a.Telling = state == alertTelling
	if a.ToldAt.After(turn.Told[a.Character]) {
		turn.Told[a.Character] = a.ToldAt
	}
	if p := l.posts[post]; p != nil {
		p.Alerts = append(p.Alerts, a)
	}
	if p := l.posts[also]; p != nil {
		again := a
		again.Telling = false // that is for its own message to show
		p.Alerts = append(p.Alerts, again)
	}
	return nil
}

func scanAlert(rows *sql.Rows) (a alert.Alert, state int, post, also alert.Key, err error) {
	var k, p, q []byte
	var login, created, expires, told, left int64
	err = rows.Scan(&k, (*int64)(&a.User), (*int64)(&a.Character), (*int32)(&a.World), (*string)(&a.Cause),
		&login, &created, &expires, &a.Attempts, &state, &p, &q, &told, &left)
	if err == nil && (len(k) != len(a.Key) || a.User <= 0 || a.Character <= 0) {
		err = fmt.Errorf("alert %x for user %d and character %d cannot be right", k, a.User, a.Character)
	}
	if err != nil {
		return a, state, post, also, err
	}
	a.Key = alert.Key(k)
	copy(post[:], p)
	copy(also[:], q)
	a.LoginAt, a.CreatedAt, a.ExpiresAt = fromSec(login), fromNano(created), fromNano(expires)
	a.ToldAt, a.LeftAt = fromNano(told), fromSec(left)
	return a, state, post, also, nil
}

func (l *turnLoader) presence(ctx context.Context) error {
	known := make(map[event.CharacterID]event.Online, len(l.pending))
	err := eachIn(sortedIDs(l.pending), func(marks string, args []any) error {
		rows, err := l.t.query(ctx, "SELECT "+trackCols+" FROM presence WHERE character_id IN ("+marks+")", args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			track, err := scanTrack(rows)
			known[track.Character] = track.Online
			return err
		})
	})
	for _, turn := range l.turns {
		for _, a := range turn.Pending {
			turn.Presence[a.Character] = known[a.Character]
		}
	}
	return err
}

func sortedIDs[V any](set map[event.CharacterID]V) []event.CharacterID {
	list := make([]event.CharacterID, 0, len(set))
	for id := range set {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func (l *turnLoader) mutes(ctx context.Context) error {
	return l.each(ctx, "SELECT DISTINCT q.user_id, q.character_id FROM mutes q JOIN alerts a ON a.user_id = q.user_id AND a.character_id = q.character_id "+
		"WHERE q.user_id IN (USERS) AND a.state = 0 AND (q.until_ns = 0 OR q.until_ns > ?)", []any{nano(l.now)}, func(rows *sql.Rows) error {
		var u alert.UserID
		var c event.CharacterID
		err := rows.Scan((*int64)(&u), (*int64)(&c))
		l.turns[u].Muted[c] = true
		return err
	})
}

// onText finds whom the users follow and who is on now. The plus keeps SQLite from
// going through everybody online by the index.
const onText = "SELECT x.user_id, x.character_id, x.worlds, x.muted, x.muted_until_ns, x.world, x.zone, x.session_at, x.last_seen_at FROM (" +
	"SELECT w.user_id AS user_id, w.target AS character_id, w.worlds AS worlds, w.muted AS muted, w.muted_until_ns AS muted_until_ns, " +
	"p.world AS world, p.zone AS zone, p.session_at AS session_at, p.last_seen_at AS last_seen_at " +
	"FROM watches w JOIN presence p ON p.character_id = w.target AND +p.online = 1 WHERE w.user_id IN (USERS) AND w.kind = 'character'" +
	" UNION ALL SELECT w.user_id, f.friend_id, w.worlds, w.muted, w.muted_until_ns, p.world, p.zone, p.session_at, p.last_seen_at " +
	"FROM watches w JOIN links l ON l.user_id = w.user_id JOIN friends f ON f.owner_id = l.character_id " +
	"JOIN presence p ON p.character_id = f.friend_id AND +p.online = 1 WHERE w.user_id IN (USERS) AND w.kind = 'friends'" +
	" UNION ALL SELECT w.user_id, g.character_id, w.worlds, w.muted, w.muted_until_ns, p.world, p.zone, p.session_at, p.last_seen_at " +
	"FROM watches w JOIN watch_group_members g ON g.group_id = w.target " +
	"JOIN presence p ON p.character_id = g.character_id AND +p.online = 1 WHERE w.user_id IN (USERS) AND w.kind = 'group'" +
	" UNION ALL SELECT w.user_id, m.character_id, w.worlds, w.muted, w.muted_until_ns, p.world, p.zone, p.session_at, p.last_seen_at " +
	"FROM watches w JOIN memberships m ON m.outfit_id = w.target JOIN presence p ON p.character_id = m.character_id AND +p.online = 1 " +
	"WHERE w.user_id IN (USERS) AND (w.kind = 'outfit' OR w.kind = 'leaders' AND m.ordinal BETWEEN 1 AND w.max_ordinal)" +
	") x WHERE NOT EXISTS (SELECT 1 FROM hidden_characters h WHERE h.character_id = x.character_id) " +
	"AND NOT EXISTS (SELECT 1 FROM links o WHERE o.user_id = x.user_id AND o.character_id = x.character_id) " +
	"AND NOT EXISTS (SELECT 1 FROM mutes q WHERE q.user_id = x.user_id AND q.character_id = x.character_id AND (q.until_ns = 0 OR q.until_ns > ?))"

func (l *turnLoader) on(ctx context.Context) error {
	seen := map[person]bool{}
	err := l.each(ctx, onText, []any{nano(l.now)}, func(rows *sql.Rows) error {
		var w alert.Watch
		var p event.Player
		var worlds string
		var muted, until, session, last int64
		o := &p.Online
		err := rows.Scan((*int64)(&w.User), (*int64)(&o.Character), &worlds, &muted, &until, (*int32)(&o.World), &o.Zone, &session, &last)
		if err != nil {
			return err
		}
		w.Muted, w.MutedUntil = muted != 0, fromNano(until)
		if w.Worlds, err = alert.ParseWorlds(worlds); err != nil {
			return err
		}
		who := person{w.User, o.Character}
		if seen[who] || w.MutedAt(l.now) || !w.Counts(o.World) {
			return nil
		}
		seen[who] = true
		o.Online, o.Session, o.Since, o.LastSeen = true, fromSec(session), fromSec(session), fromSec(last)
		p.Character.ID = o.Character
		turn := l.turns[w.User]
		turn.On = append(turn.On, p)
		return nil
	})
	for _, turn := range l.turns {
		slices.SortFunc(turn.On, func(a, b event.Player) int {
			return cmp.Or(b.Online.Since.Compare(a.Online.Since), cmp.Compare(a.Character.ID, b.Character.ID))
		})
	}
	return err
}

// names fills in who the alerts are about.
func (l *turnLoader) names(ctx context.Context) error {
	want := map[event.CharacterID]bool{}
	l.everyAlert(func(a *alert.Alert) { want[a.Character] = true })
	found, err := l.t.names(ctx, sortedIDs(want))
	l.everyAlert(func(a *alert.Alert) {
		a.Who = found[a.Character]
		a.Who.ID = a.Character
	})
	return err
}

func (l *turnLoader) everyAlert(f func(*alert.Alert)) {
	for _, turn := range l.turns {
		for i := range turn.Pending {
			f(&turn.Pending[i])
		}
		for i := range turn.Posts {
			for j := range turn.Posts[i].Alerts {
				f(&turn.Posts[i].Alerts[j])
			}
		}
	}
}

// nameOn fills in who is on, for turns that send a summary.
func (l *turnLoader) nameOn(ctx context.Context, turns []alert.Turn) error {
	want := map[event.CharacterID]bool{}
	for _, turn := range turns {
		if !slices.ContainsFunc(turn.Steps.Send, func(p alert.Post) bool { return p.Kind == alert.Summary }) {
			continue
		}
		for _, p := range turn.On[:min(len(turn.On), namedOn)] {
			want[p.Character.ID] = true
		}
	}
	found, err := l.t.names(ctx, sortedIDs(want))
	for _, turn := range turns {
		for i := range turn.On {
			if c, ok := found[turn.On[i].Character.ID]; ok {
				turn.On[i].Character = c
			}
		}
	}
	return err
}

// names is Characters within the transaction.
func (t *tx) names(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Character, error) {
	out := make(map[event.CharacterID]event.Character, len(ids))
	err := eachIn(ids, func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT "+characterCols+" FROM characters c"+characterJoin+notHidden+" AND c.id IN ("+marks+")", args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var r characterRow
			if err := rows.Scan(r.into()...); err != nil {
				return err
			}
			c, err := r.character()
			out[c.ID] = c
			return err
		})
	})
	return out, err
}
