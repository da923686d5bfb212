package census_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/census"
	"muster/event"
	"muster/sim/game"
)

// simulator starts a game with people on Wainwright.
func simulator(t *testing.T, change func(*game.Config)) *game.Server {
	t.Helper()
	cfg := game.DefaultConfig()
	cfg.Environments, cfg.Worlds = []string{"ps2"}, []string{"10"}
	cfg.EventsPerSecond, cfg.FirstHeartbeatAfter, cfg.HeartbeatEvery = 200, 10*time.Millisecond, 50*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	s, err := game.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustFault(t *testing.T, s *game.Server, f game.Fault) {
	t.Helper()
	if _, err := s.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// listen runs a stream on s until the test ends.
func listen(t *testing.T, s *game.Server, change func(*census.StreamConfig)) (*census.Stream, func() []census.Sighting) {
	t.Helper()
	cfg := census.StreamConfig{URL: s.StreamURL(), ServiceID: "example", Environment: event.PC, Tick: 10 * time.Millisecond,
		MinReconnect: time.Millisecond, BackoffBase: time.Millisecond, BackoffLimit: 10 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	stream, err := census.NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []census.Sighting
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- stream.Run(ctx, census.Handler{Event: func(s census.Sighting) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, s)
		}})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return stream, func() []census.Sighting {
		mu.Lock()
		defer mu.Unlock()
		return append([]census.Sighting(nil), got...)
	}
}

func wainwright(stream *census.Stream) event.StreamState {
	for _, s := range stream.States() {
		if s.World == 10 {
			return s
		}
	}
	return event.StreamState{}
}

func TestTheSimulatorsEventsAreAllUnderstood(t *testing.T) {
	s := simulator(t, nil)
	stream, got := listen(t, s, nil)
	eventually(t, "300 events", func() bool { return len(got()) >= 300 })
	for _, x := range got() {
		if x.Event.Kind == event.Unknown || x.Event.World != 10 {
			t.Errorf("got %s", x.Payload)
		}
	}
	if st := stream.Stats(); st.Counts[census.CountResubscribe]+st.Counts[census.CountUndecodable]+st.Counts[census.CountUnknown] != 0 || st.Dials != 1 {
		t.Errorf("counted %v in %d dials", st.Counts, st.Dials)
	}
	stream.Reconciled(10)
	eventually(t, "Wainwright live", func() bool { return wainwright(stream).Health == event.StreamLive })
}

func TestTheSimulatorsStreamFaultsAreSurvived(t *testing.T) {
	quick := func(c *census.StreamConfig) {
		c.Health.Limits = func(w event.World) census.Limits {
			if w != 10 {
				return census.Limits{}
			}
			return census.Limits{Experience: time.Second}
		}
		c.Health.Factor = func(int) int { return 1 }
		c.CheckEvery, c.PingEvery, c.PongTimeout = 50*time.Millisecond, 50*time.Millisecond, 300*time.Millisecond
		c.HandshakeTimeout = 200 * time.Millisecond
	}
	tests := []struct {
		fault game.Fault
		after func(st census.Stats) bool
	}{
		{game.Fault{Name: "silent_world", World: "10", DurationMS: 1500}, func(st census.Stats) bool { return st.Counts[census.CountSilence] > 0 }},
		{game.Fault{Name: "close", Code: 1001, Count: 1}, func(st census.Stats) bool { return st.Counts[census.CountReconnect] > 0 }},
		{game.Fault{Name: "reset", Count: 1}, func(st census.Stats) bool { return st.Counts[census.CountReconnect] > 0 }},
		{game.Fault{Name: "half_open", Count: 1}, func(st census.Stats) bool { return st.Counts[census.CountReconnect] > 0 }},
		{game.Fault{Name: "drop_subscription", Events: []string{"Death"}, Worlds: []string{"10"}}, func(st census.Stats) bool { return st.Counts[census.CountResubscribe] > 0 }},
		{game.Fault{Name: "duplicates", Share: 1, DurationMS: 300}, func(st census.Stats) bool { return st.Counts[census.CountDuplicate] > 0 }},
		{game.Fault{Name: "invalid_json", Share: 1, DurationMS: 300}, func(st census.Stats) bool { return st.Counts[census.CountUndecodable] > 0 }},
		{game.Fault{Name: "empty_payload", Share: 1, DurationMS: 300}, func(st census.Stats) bool { return st.Counts[census.CountUnknown] > 0 }},
		{game.Fault{Name: "clock", World: "10", OffsetS: 86400, DurationMS: 300}, func(st census.Stats) bool { return st.Counts[census.CountFuture] > 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Name, func(t *testing.T) {
			s := simulator(t, nil)
			stream, got := listen(t, s, quick)
			eventually(t, "events", func() bool { return len(got()) > 20 })
			mustFault(t, s, tt.fault)
			eventually(t, "the fault to be noticed", func() bool { return tt.after(stream.Stats()) })
			before := len(got())
			eventually(t, "events after it", func() bool { return len(got()) > before+50 })
			eventually(t, "Wainwright to flow", func() bool { return wainwright(stream).Health.Flowing() })
		})
	}
}

func TestAWorldThatIsTakenDownIsShownDown(t *testing.T) {
	s := simulator(t, nil)
	stream, got := listen(t, s, nil)
	eventually(t, "events", func() bool { return len(got()) > 20 })
	mustFault(t, s, game.Fault{Name: "world_down", World: "10"})
	eventually(t, "Wainwright down", func() bool { return wainwright(stream).Health == event.StreamDown })
	if n := stream.Stats().Dials; n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
}

func TestTheSimulatorAnswersEveryQuestion(t *testing.T) {
	s := simulator(t, func(c *game.Config) { c.EventsPerSecond = 0 })
	q, err := census.NewQuery(census.QueryConfig{URL: s.QueryURL(), ServiceID: "example", Rate: 1000, Burst: 100, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var who game.Person
	var ids []event.CharacterID
	for _, p := range s.Characters("") {
		n, err := strconv.ParseInt(p.ID, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, event.CharacterID(n))
		if p.Outfit != "" && len(p.Friends) > 2 && who.ID == "" {
			who = p
		}
	}
	if err := s.Login(who.ID); err != nil {
		t.Fatal(err)
	}
	id, err := event.ParseCharacterID(who.ID)
	if err != nil {
		t.Fatal(err)
	}

	all, err := q.Characters(ctx, event.PC, append(ids, 5400000000000000001))
	if err != nil || len(all) != len(ids) {
		t.Errorf("%d characters of %d, %v", len(all), len(ids), err)
	}
	c, err := q.CharacterByName(ctx, event.PC, strings.ToUpper(who.Name))
	if err != nil || c.ID != id || c.World != 10 || c.Outfit.Tag != who.Outfit || int(c.Faction) != who.Faction || c.Rank == 0 {
		t.Errorf("got %+v, %v; want %+v", c, err, who)
	}
	if found, err := q.FindCharacters(ctx, event.PC, who.Name[:3], 100); err != nil || len(found) == 0 {
		t.Errorf("found %v, %v", found, err)
	}
	if friends, err := q.Friends(ctx, event.PC, id); err != nil || len(friends) != len(who.Friends) {
		t.Errorf("%d friends, %v; want %d", len(friends), err, len(who.Friends))
	}
	if on, err := q.OnlineStatus(ctx, event.PC, ids); err != nil || len(on) != len(ids) || on[id] != 10 {
		t.Errorf("%d statuses of %d, %v on %v, %v", len(on), len(ids), who.Name, on[id], err)
	}
	outfits, err := q.OutfitsByTag(ctx, event.PC, who.Outfit)
	if err != nil || len(outfits) == 0 || outfits[0].Faction == 0 || outfits[0].Name == "" {
		t.Fatalf("outfits %+v, %v", outfits, err)
	}
	if same, err := q.Outfits(ctx, event.PC, []event.OutfitID{c.Outfit.ID}); err != nil || len(same) != 1 || same[0].Tag != who.Outfit {
		t.Errorf("outfits %+v, %v", same, err)
	}
	members, err := q.Members(ctx, event.PC, c.Outfit.ID)
	if err != nil || len(members) == 0 || members[0].Ordinal == 0 || members[0].Rank == "" {
		t.Errorf("%d members, %v", len(members), err)
	}
	for _, category := range []string{event.LookupItem, event.LookupFacility, event.LookupMetagame, event.LookupExperience, event.LookupAchievement} {
		if table, err := q.Lookups(ctx, event.PC, category); err != nil || len(table) == 0 {
			t.Errorf("%s: %d names, %v", category, len(table), err)
		}
	}
}

func TestTheSimulatorsQueryFaultsAreRecognised(t *testing.T) {
	for _, name := range []string{"rest_redirect", "rest_html", "rest_service_unavailable", "rest_no_data", "rest_server_error", "rest_status", "rest_hang", "rest_cut"} {
		t.Run(name, func(t *testing.T) {
			s := simulator(t, func(c *game.Config) { c.EventsPerSecond = 0 })
			q, err := census.NewQuery(census.QueryConfig{URL: s.QueryURL(), ServiceID: "example", Rate: 1000, Burst: 100,
				Backoff: time.Millisecond, Timeout: 200 * time.Millisecond, Retries: 1})
			if err != nil {
				t.Fatal(err)
			}
			mustFault(t, s, game.Fault{Name: name, Collection: "character"})
			if _, err := q.CharacterByName(t.Context(), event.PC, "nobody"); !errors.Is(err, census.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			if _, err := q.FindCharacters(t.Context(), event.PC, "abc", 5); err != nil {
				t.Errorf("another collection: %v", err)
			}
		})
	}
}
