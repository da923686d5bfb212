package storagetest

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"muster/alert"
	"muster/event"
)

// everything gives a user something in each table that can hold it.
func (w *world) everything(u alert.UserID, own event.CharacterID) {
	w.Helper()
	ctx := w.Context()
	w.befriend(u, own, alice, carol)
	w.watch(u, carol)
	g, err := w.SaveGroup(ctx, alert.Group{User: u, Name: "Squad", Members: []event.CharacterID{alice}})
	w.ok(err)
	_, _, err = w.AddWatch(ctx, alert.Watch{User: u, Kind: alert.WatchGroup, Group: g.ID, CreatedAt: at(0)})
	w.ok(err)
	w.ok(w.SaveMute(ctx, alert.Mute{User: u, Character: carol, Until: at(1)}, at(0)))
	set := alert.DefaultSettings(u)
	set.UpdatedAt = at(1)
	w.ok(w.SaveSettings(ctx, set))
	w.ok(w.SaveRecipient(ctx, alert.Recipient{User: u, DMChannel: "77"}))
	w.ok(w.Hide(ctx, own, u, at(2)))
	w.subscribe(func(s *alert.Subscription) { s.By, s.Guild = u, alert.Snowflake(u) })
	w.ok(w.LinkGuild(ctx, alert.Snowflake(u), clan, u, at(0)))
}

// userRows returns the tables that have a column for users, each with how many
// rows are u's.
func (w *world) userRows(u alert.UserID) map[string]int {
	w.Helper()
	db := Raw(w.T, w.url)
	text := "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
	if strings.HasPrefix(w.url, "mysql:") {
		text = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
	}
	type column struct{ table, name string }
	var columns []column
	w.each(db, text, func(rows *sql.Rows) error {
		var c column
		err := rows.Scan(&c.table, &c.name)
		if strings.Contains(c.name, "user") {
			columns = append(columns, c)
		}
		return err
	})
	counts := map[string]int{}
	for _, c := range columns {
		w.each(db, "SELECT COUNT(*) FROM "+c.table+" WHERE "+c.name+" = "+u.String(), func(rows *sql.Rows) error {
			var n int
			err := rows.Scan(&n)
			counts[c.table] += n
			return err
		})
	}
	return counts
}

func (w *world) each(db *sql.DB, text string, f func(*sql.Rows) error) {
	w.Helper()
	rows, err := db.QueryContext(w.Context(), text)
	w.ok(err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		w.ok(f(rows))
	}
	w.ok(rows.Err())
}

func forgetAll(w *world) {
	w.everything(ann, bob)
	w.everything(ben, 4242)
	same(w, "alerts", w.record(3, login(2, alice)).Alerts, 2)
	w.tell(10)
	before := w.userRows(ann)
	for table, n := range before {
		if n == 0 {
			w.Errorf("the test puts nothing into %s", table)
		}
	}
	others := w.userRows(ben)
	f, err := w.Forget(w.Context(), ann)
	w.ok(err)
	if f.Links != 1 || f.Watches != 3 || f.Groups != 1 || f.Mutes != 1 || f.Settings != 1 || f.Recipients != 1 || f.Alerts != 1 || f.Messages != 1 || f.Total() != 10 {
		w.Errorf("forgotten: %+v", f)
	}
	for table, n := range w.userRows(ann) {
		if n != 0 {
			w.Errorf("%d rows are left in %s", n, table)
		}
	}
	for table, n := range w.userRows(ben) {
		same(w, "another's rows in "+table, n, others[table])
	}
	_, read, err := w.Friends(w.Context(), bob)
	w.ok(err)
	same(w, "the friends list of a character that nobody links", read.IsZero(), true)
	list, _, err := w.Friends(w.Context(), 4242)
	w.ok(err)
	same(w, "another's friends", len(list), 2)
	hidden, err := w.Hidden(w.Context(), []event.CharacterID{bob})
	w.ok(err)
	if by, ok := hidden[bob]; !ok || by != 0 {
		w.Errorf("a hidden character shows up with its owner's data gone: %v", hidden)
	}
	f, err = w.Forget(w.Context(), ann)
	w.ok(err)
	same(w, "forgotten again", f.Total(), 0)
}

func exportAll(w *world) {
	w.everything(ann, bob)
	w.record(3, login(2, alice))
	out, err := w.Export(w.Context(), ann, at(5))
	w.ok(err)
	text, err := json.Marshal(out)
	w.ok(err)
	var back map[string]any
	w.ok(json.Unmarshal(text, &back))
	for name, want := range map[string]int{"linked_characters": 1, "watches": 3, "groups": 1, "muted": 1, "hidden_characters": 1, "alerts": 1, "channel_subscriptions": 1} {
		list, _ := back[name].([]any)
		same(w, name, len(list), want)
	}
	for _, name := range []string{"settings", "direct_messages", "user", "made_at"} {
		if back[name] == nil {
			w.Errorf("%s is missing from %s", name, text)
		}
	}
	if l := out.Links[0]; l.LinkedAt != at(0) || l.FriendsRead != at(0) || !slices.Contains(l.Friends, carol) {
		w.Errorf("link: %+v", l)
	}
	other, err := w.Export(w.Context(), ben, at(5))
	w.ok(err)
	if other.Settings != nil || other.Recipient != nil || len(other.Alerts)+len(other.Watches)+len(other.Links)+len(other.Subscriptions) != 0 {
		w.Errorf("of a stranger: %+v", other)
	}
}
