package day

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"muster/event"
	"muster/storage"
)

// tables have the kinds of events that the day has.
var tables = map[event.Kind]string{
	event.Login: "event_login", event.Logout: "event_logout", event.Kill: "event_kill",
	event.VehicleKill: "event_vehicle_kill", event.Experience: "event_experience",
}

func (p *plant) one(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	if err := p.sql.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// stored returns how many events are there, as the smallest index knows it.
func (p *plant) stored(t *testing.T) (n int64) {
	t.Helper()
	for _, table := range tables {
		n += p.one(t, "SELECT COUNT(*) FROM "+table)
	}
	return n
}

// check holds the tables against the day. The dispatchers have ended.
func (p *plant) check(t *testing.T, day *traffic) {
	t.Helper()
	p.checkEvents(t, day)
	p.checkSessions(t, day)
	p.checkSums(t, day)
	dead, err := p.bus.DeadLetters(t.Context(), event.QueueDispatcher, 10)
	if err != nil || len(dead) != 0 {
		t.Errorf("dead letters: %v (%v)", dead, err)
	}
	if n, err := p.bus.Depth(t.Context(), event.QueueDispatcher); err != nil || n != 0 {
		t.Errorf("%d messages wait (%v)", n, err)
	}
}

// checkEvents compares counts, and the exclusive or of all keys: a key lost and
// another one gained would show.
func (p *plant) checkEvents(t *testing.T, day *traffic) {
	t.Helper()
	got := map[event.Kind]int64{}
	var sum [2]int64
	for kind, table := range tables {
		var half [2]int64
		err := p.sql.QueryRowContext(t.Context(), "SELECT "+
			"CAST(BIT_XOR(CAST(CONV(HEX(SUBSTRING(k, 1, 8)), 16, 10) AS UNSIGNED)) AS SIGNED), "+
			"CAST(BIT_XOR(CAST(CONV(HEX(SUBSTRING(k, 9, 8)), 16, 10) AS UNSIGNED)) AS SIGNED) FROM "+table).Scan(&half[0], &half[1])
		if err != nil {
			t.Fatal(err)
		}
		if n := p.one(t, "SELECT COUNT(*) FROM "+table); n > 0 {
			got[kind] = n
		}
		sum[0] ^= half[0]
		sum[1] ^= half[1]
	}
	t.Logf("stored: %v", got)
	if !maps.Equal(got, day.kinds) {
		t.Errorf("stored %v, want %v", got, day.kinds)
	}
	if sum != day.print {
		t.Errorf("other events are stored than were sent: %x, want %x", sum, day.print)
	}
}

// checkSessions compares every session, and who is online.
func (p *plant) checkSessions(t *testing.T, day *traffic) {
	t.Helper()
	want := day.sessions()
	rows, err := p.sql.QueryContext(t.Context(), "SELECT character_id, started_at, ended_at FROM sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n, wrong := 0, 0
	for rows.Next() {
		var s sitting
		if err := rows.Scan(&s.character, &s.from, &s.to); err != nil {
			t.Fatal(err)
		}
		n++
		if !want[s] {
			if wrong++; wrong <= 10 {
				t.Errorf("a session that was not: %+v", s)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n != len(want) || wrong > 0 {
		t.Errorf("%d sessions, %d of them wrong, want %d", n, wrong, len(want))
	}
	online := p.one(t, "SELECT COUNT(*) FROM presence WHERE online = 1")
	if online != int64(len(day.online)) {
		t.Errorf("%d are online, want %d", online, len(day.online))
	}
	t.Logf("%d sessions, %d online at the end", n, online)
}

// checkSums sums up what is still to be summed up, and compares with a recount.
func (p *plant) checkSums(t *testing.T, day *traffic) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s, err := storage.Open(ctx, p.url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Rollup(ctx, time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	const recount = "SELECT character_id, at - at % 3600 AS hour_at, experience_id, COUNT(*) AS n, SUM(amount) AS amount " +
		"FROM event_experience GROUP BY character_id, hour_at, experience_id"
	groups := p.one(t, "SELECT COUNT(*) FROM ("+recount+") r")
	alike := p.one(t, "SELECT COUNT(*) FROM ("+recount+") r JOIN experience_hourly h USING (character_id, hour_at, experience_id, n, amount)")
	sums := p.one(t, "SELECT COUNT(*) FROM experience_hourly")
	n, amount := p.one(t, "SELECT SUM(n) FROM experience_hourly"), p.one(t, "SELECT SUM(amount) FROM experience_hourly")
	t.Logf("%d sums by hour, character and reason, of %d events and %d points", sums, n, amount)
	if groups != alike || groups != sums || n != day.kinds[event.Experience] || amount != day.amount {
		t.Errorf("%s", fmt.Sprintf("%d sums, %d of them right, of %d events and %d points; want %d of %d and %d",
			sums, alike, n, amount, groups, day.kinds[event.Experience], day.amount))
	}
}
