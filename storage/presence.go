package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"muster/event"
)

// A sign is one piece of evidence on its way to the presence table.
type sign struct {
	id event.CharacterID
	// known says that an earlier Record stored its event: only the table does not
	// know of it yet, and it comes before what this Record brings.
	known bool
	event.Evidence
}

// news is a character that came on, or whose login came after the fact.
type news struct {
	change event.PresenceChange
	// before says how the previous session ended.
	before event.EndReason
	// replaced is the session's earlier start, zero if it had none.
	replaced time.Time
}

// gather sorts what the new events and the observations say of presence into
// what the table must learn and what the cache can absorb.
func (r *recording) gather(rec event.Record) {
	s := r.t.s
	s.cache.mu.Lock()
	s.known.mu.Lock()
	for i := range rec.Events {
		if r.out.New[i] {
			r.gatherEvent(&rec.Events[i])
		}
	}
	r.takeLate()
	s.known.mu.Unlock()
	s.cache.mu.Unlock()
	for _, o := range rec.Observations {
		kind := event.SignObservedOff
		if o.Online {
			kind = event.SignObservedOn
		}
		at := o.ObservedAt.Truncate(time.Second).UTC()
		r.signs = append(r.signs, sign{o.Character, false, event.Evidence{Sign: kind, At: at, World: o.World}})
		r.ids = append(r.ids, o.Character) // its row is looked up again: observations are few
	}
}

// takeLate takes what the table does not know and must. It needs the cache's mutex.
func (r *recording) takeLate() {
	c := r.t.s.cache
	if !c.shared {
		r.lagging = c.takeDue(r.now)
		return
	}
	for _, s := range c.strange { // until it is committed
		r.signs = append(r.signs, s)
	}
}

func (r *recording) gatherEvent(e *event.Event) {
	a, b := e.Characters()
	r.person(a)
	r.person(b)
	kind := event.SignActivity
	switch e.Kind {
	case event.Login:
		kind = event.SignLogin
	case event.Logout:
		r.signs = append(r.signs, sign{a, false, event.Evidence{Sign: event.SignLogout, At: e.EvidenceAt(), World: e.World}})
		return
	}
	a, b = e.Present()
	r.present(e, kind, a)
	r.present(e, kind, b)
}

func (r *recording) person(id event.CharacterID) {
	if id != 0 && !r.t.s.known.has(id) {
		r.ids = append(r.ids, id)
	}
}

func (r *recording) present(e *event.Event, kind event.Sign, id event.CharacterID) {
	if id == 0 {
		return
	}
	at := e.EvidenceAt()
	if kind == event.SignActivity {
		h := r.t.s.cache.get(id)
		if second := at.Unix(); h.ordinary(second, e.World, e.Zone) {
			t := touch{h, id, second}
			r.touched = append(r.touched, t)
			if h.lags(second) {
				r.t.s.cache.note(t)
			}
			return
		}
	}
	r.signs = append(r.signs, sign{id, false, event.Evidence{Sign: kind, At: at, World: e.World, Zone: e.Zone}})
}

// refresh tells the table of ordinary activity, without reading it first. Where
// a row is not as the cache has it, all of that second are folded in full. On MySQL
// this is lookAfter's, for there locking rows twice in different orders is a
// deadlock.
func (r *recording) refresh(ctx context.Context) error {
	bySecond := map[int64][]touch{}
	for _, t := range r.lagging {
		bySecond[t.at] = append(bySecond[t.at], t)
	}
	for second, list := range bySecond {
		ok, err := r.refreshSecond(ctx, second, list)
		if err != nil {
			return err
		}
		if ok {
			r.refreshed = append(r.refreshed, list...)
			continue
		}
		for _, t := range list {
			r.signs = append(r.signs, t.sign())
		}
	}
	return nil
}

// sign is what t says, as evidence of before.
func (t touch) sign() sign {
	return sign{t.id, true, event.Evidence{Sign: event.SignActivity, At: fromSec(t.at), World: t.h.world, Zone: t.h.zone}}
}

// The plus keeps SQLite from going through everybody online by the index.
func (r *recording) refreshSecond(ctx context.Context, second int64, list []touch) (ok bool, err error) {
	ids := make([]event.CharacterID, len(list))
	for i, t := range list {
		ids[i] = t.id
	}
	var changed int64
	err = eachIn(ids, func(marks string, args []any) error {
		n, err := r.t.exec(ctx, "UPDATE presence SET last_seen_at = MAX(last_seen_at, ?) WHERE +online = 1 AND character_id IN ("+marks+")",
			slices.Concat([]any{second}, args)...)
		changed += n
		return err
	})
	return changed == int64(len(ids)), err
}

// gatherTouched adds the newest sign of life that only the cache knows for the
// characters about to be folded: a late logout must not overlook it.
func (r *recording) gatherTouched() {
	if len(r.signs) == 0 {
		return
	}
	newest := make(map[event.CharacterID]*hot, len(r.signs))
	for _, s := range r.signs {
		newest[s.id] = nil
	}
	add := func(id event.CharacterID, known bool, h *hot, at int64) {
		r.signs = append(r.signs, sign{id, known, event.Evidence{Sign: event.SignActivity,
			At: time.Unix(at, 0).UTC(), World: h.world, Zone: h.zone}})
	}
	c := r.t.s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range newest {
		if h := c.get(id); h != nil && h.lastSeen > h.storedSeen {
			add(id, true, h, h.lastSeen)
		}
	}
	for _, t := range r.touched {
		if _, ok := newest[t.id]; ok {
			add(t.id, false, t.h, t.at)
		}
	}
}

// presence folds the evidence into the stored tracks and writes what changed.
func (r *recording) presence(ctx context.Context) error {
	if err := r.refresh(ctx); err != nil {
		return err
	}
	if len(r.signs) == 0 {
		return nil
	}
	r.gatherTouched()
	slices.SortStableFunc(r.signs, func(a, b sign) int {
		return cmp.Or(cmp.Compare(a.id, b.id), -cmp.Compare(bit(a.known), bit(b.known)),
			a.At.Compare(b.At), cmp.Compare(a.Sign, b.Sign))
	})
	ids := make([]event.CharacterID, 0, len(r.signs))
	for _, s := range r.signs {
		if len(ids) == 0 || ids[len(ids)-1] != s.id {
			ids = append(ids, s.id)
		}
	}
	tracks, err := r.t.lockTracks(ctx, ids)
	if err != nil {
		return err
	}
	w := newPresenceWriter()
	for i := 0; i < len(r.signs); {
		id, before := r.signs[i].id, tracks[r.signs[i].id]
		before.Character = id
		after := before
		for ; i < len(r.signs) && r.signs[i].id == id; i++ {
			f := after.Fold(id, r.signs[i].Evidence)
			r.note(after, f, r.signs[i].Sign)
			w.sessions(id, f)
			after = f.Track
		}
		r.tracks = append(r.tracks, after)
		w.track(before, after)
	}
	if err := w.flush(ctx, r.t); err != nil {
		return err
	}
	return r.departures(ctx)
}

// note keeps what others must hear of one fold.
func (r *recording) note(before event.Track, f event.Folded, by event.Sign) {
	r.out.Changes = append(r.out.Changes, f.Changes...)
	if by == event.SignObservedOn || by == event.SignObservedOff {
		return // never announced
	}
	for _, c := range f.Changes {
		if c.After.Online {
			r.news = append(r.news, news{change: c, before: before.End})
		}
	}
	if !f.Replaced.IsZero() {
		was := f.Track.Online
		was.Online, was.Since = false, f.Track.LoggedOut
		r.news = append(r.news, news{replaced: f.Replaced,
			change: event.PresenceChange{Before: was, After: f.Track.Online, ByLogin: true}})
	}
}

const trackCols = "character_id, online, world, zone, last_seen_at, logged_out_at, session_at, inferred, end_reason"

// lockTracks reads the presence of ids, sorted, and on MySQL locks their rows
// until the transaction ends. A row that is not there cannot be locked, so
// there it is made first: else two dispatchers could both begin from nothing.
func (t *tx) lockTracks(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Track, error) {
	tracks := make(map[event.CharacterID]event.Track, len(ids))
	if err := t.readTracks(ctx, ids, tracks); err != nil || !t.s.d.mysql || len(tracks) == len(ids) {
		return tracks, err
	}
	var missing []event.CharacterID
	var args []any
	for _, id := range ids {
		if _, ok := tracks[id]; !ok {
			missing = append(missing, id)
			args = append(args, int64(id), 0, 0, 0, 0, 0, 0, 0, "")
		}
	}
	if _, err := t.insert(ctx, trackAbsent, args); err != nil {
		return nil, err
	}
	return tracks, t.readTracks(ctx, missing, tracks)
}

func (t *tx) readTracks(ctx context.Context, ids []event.CharacterID, into map[event.CharacterID]event.Track) error {
	return eachIn(ids, func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT "+trackCols+" FROM presence WHERE character_id IN ("+marks+")"+t.s.d.forUpdate(), args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			track, err := scanTrack(rows)
			into[track.Character] = track
			return err
		})
	})
}

func scanTrack(rows *sql.Rows, more ...any) (event.Track, error) {
	var t trackRow
	if err := rows.Scan(append(t.into(), more...)...); err != nil {
		return event.Track{}, err
	}
	return t.track()
}

// trackRow is a row of presence as it is stored.
type trackRow struct {
	id, online, world, zone, seen, out, session, inferred int64
	end                                                   string
}

func (t *trackRow) into() []any {
	return []any{&t.id, &t.online, &t.world, &t.zone, &t.seen, &t.out, &t.session, &t.inferred, &t.end}
}

func (t *trackRow) track() (event.Track, error) {
	if t.id < 0 || t.zone < 0 || t.zone > 1<<32-1 || t.seen < 0 || t.out < 0 || t.session < 0 {
		return event.Track{}, fmt.Errorf("presence of character %d cannot be right", t.id)
	}
	track := event.Track{Inferred: t.inferred != 0, End: event.EndReason(t.end)}
	track.Online = event.Online{
		Character: event.CharacterID(t.id), Online: t.online != 0,
		World: event.World(t.world), Zone: event.Zone(t.zone),
		LastSeen: fromSec(t.seen), LoggedOut: fromSec(t.out), Session: fromSec(t.session),
	}
	return track.Restored(), nil
}

var (
	trackWords   = "character_id online world zone last_seen_at logged_out_at session_at inferred end_reason"
	trackAbsent  = newShape("presence", trackWords, "character_id")
	trackShape   = newShape("presence", trackWords, "character_id", "online", "world", "zone", "last_seen_at", "logged_out_at", "session_at", "inferred", "end_reason")
	seenShape    = newShape("presence", trackWords, "character_id", "zone", "last_seen_at")
	sessionShape = newShape("sessions", "character_id started_at world inferred ended_at end_reason", "character_id, started_at",
		"world", "inferred", "ended_at", "end_reason")
)

// A presenceWriter collects rows, so that each table is written once.
type presenceWriter struct {
	tracks []any
	seen   []any // tracks whose row is only to learn where and when
	rows   map[sessionKey]event.Session
	gone   map[sessionKey]bool
}

type sessionKey struct {
	id    event.CharacterID
	start int64
}

func newPresenceWriter() *presenceWriter {
	return &presenceWriter{rows: map[sessionKey]event.Session{}, gone: map[sessionKey]bool{}}
}

// track writes after where it differs from before. Most differ in where and when
// somebody was last seen: then the indexed columns are left alone.
func (w *presenceWriter) track(before, after event.Track) {
	if before == after {
		return
	}
	to := &w.tracks
	before.Zone, before.LastSeen = after.Zone, after.LastSeen
	if before == after {
		to = &w.seen
	}
	*to = append(*to, int64(after.Character), bit(after.Online.Online), int64(after.World), int64(after.Zone),
		sec(after.LastSeen), sec(after.LoggedOut), sec(after.Session), bit(after.Inferred), string(after.End))
}

func (w *presenceWriter) sessions(id event.CharacterID, f event.Folded) {
	for _, start := range f.Dropped {
		k := sessionKey{id, sec(start)}
		delete(w.rows, k)
		w.gone[k] = true
	}
	for _, row := range f.Sessions {
		k := sessionKey{id, sec(row.StartedAt)}
		w.rows[k] = row
		delete(w.gone, k)
	}
}

func (w *presenceWriter) flush(ctx context.Context, t *tx) error {
	if _, err := t.insert(ctx, trackShape, w.tracks); err != nil {
		return err
	}
	if _, err := t.insert(ctx, seenShape, w.seen); err != nil {
		return err
	}
	for _, k := range sortedKeys(w.gone) {
		if _, err := t.exec(ctx, "DELETE FROM sessions WHERE character_id = ? AND started_at = ?", int64(k.id), k.start); err != nil {
			return fmt.Errorf("delete session: %w", err)
		}
	}
	args := make([]any, 0, len(w.rows)*6)
	for _, k := range sortedKeys(w.rows) {
		row := w.rows[k]
		args = append(args, int64(k.id), k.start, int64(row.World), bit(row.Inferred), sec(row.EndedAt), string(row.End))
	}
	_, err := t.insert(ctx, sessionShape, args)
	return err
}

func sortedKeys[V any](m map[sessionKey]V) []sessionKey {
	keys := make([]sessionKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b sessionKey) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.start, b.start))
	})
	return keys
}
