package game

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestTheGreetingComesInOrder(t *testing.T) {
	c := mustDial(t, mustStart(t, quiet()), "ps2")
	want := []string{
		`{"connected":"true","service":"push","type":"connectionStateChanged"}`,
		`{"send this for help":{"service":"event","action":"help"}}`,
		`{"detail":"EventServerEndpoint_Connery_1","online":"true","service":"event","type":"serviceStateChanged"}`,
		`{"detail":"EventServerEndpoint_Miller_10","online":"true","service":"event","type":"serviceStateChanged"}`,
		`{"detail":"EventServerEndpoint_Jaeger_19","online":"true","service":"event","type":"serviceStateChanged"}`,
		`{"detail":"EventServerEndpoint_Soltech_40","online":"true","service":"event","type":"serviceStateChanged"}`,
	}
	for i, w := range want {
		if got := c.line(); got != w {
			t.Errorf("line %d: got %s, want %s", i, got, w)
		}
	}
}

func TestAWrongServiceIDOrEnvironmentIsForbidden(t *testing.T) {
	cfg := quiet()
	cfg.ServiceIDs = []string{"good"}
	cfg.Environments = []string{"ps2"}
	s := mustStart(t, cfg)
	for _, tt := range []struct {
		env, id string
		want    int
	}{
		{"ps2", "s:good", http.StatusSwitchingProtocols}, {"ps2", "s:bad", 403}, {"ps2", "good", 403}, {"ps2", "", 403},
		{"ps2ps4us", "s:good", 403}, {"nowhere", "s:good", 403},
	} {
		ws, resp, err := dial(s, tt.env, tt.id)
		if err == nil {
			_ = ws.Close()
		}
		if resp == nil || resp.StatusCode != tt.want {
			t.Errorf("%s %s: got %v %v, want %d", tt.env, tt.id, resp, err, tt.want)
		}
	}
}

func TestAGeneratedSessionReachesASubscriber(t *testing.T) {
	s := mustStart(t, quiet())
	c := mustDial(t, s, "ps2")
	c.subscribe()
	s.Step(600)
	seen := map[string]int{}
	for _, p := range c.events() {
		seen[p["event_name"].(string)]++
	}
	for _, name := range []string{"PlayerLogin", "PlayerLogout", "Death", "GainExperience", "VehicleDestroy", "FacilityControl"} {
		if seen[name] == 0 {
			t.Errorf("no %s among %v", name, seen)
		}
	}
}

func TestTheQueryServiceKnowsWhoLoggedIn(t *testing.T) {
	s := mustStart(t, quiet())
	if err := s.Login("Ravenholt"); err != nil {
		t.Fatal(err)
	}
	rows := mustQuery(t, s, "character?name.first_lower=ravenholt&c:resolve=online_status,world,outfit&c:show=character_id,name.first")
	if len(rows) != 1 || rows[0]["online_status"] != "10" || rows[0]["world_id"] != "10" || rows[0]["faction_id"] != nil {
		t.Fatalf("got %v", rows)
	}
	if o, _ := rows[0]["outfit"].(map[string]any); o["alias"] != "HNW" {
		t.Errorf("got outfit %v", rows[0]["outfit"])
	}
	body, _ := mustGet(t, s, "/s:test/get/ps2/nothing")
	if !strings.Contains(body, "No data found.") {
		t.Errorf("got %s", body)
	}
}

func TestWhatWentOverEachConnectionIsKept(t *testing.T) {
	cfg := quiet()
	cfg.Deliveries = true
	s := mustStart(t, cfg)
	first, second := mustDialAs(t, s, "ps2", "s:first"), mustDialAs(t, s, "ps2", "s:second")
	first.subscribe()
	second.subscribe("PlayerLogin")
	for _, name := range []string{"Ravenholt", "Marlowe"} {
		if err := s.Login(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Logout("Marlowe"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		first.event()
	}
	for range 2 {
		second.event()
	}
	_ = second.ws.Close()
	eventually(t, "both are told of", func() bool {
		all := s.Deliveries()
		return len(all) == 2 && len(all[0].Events) == 3 && !all[1].ClosedAt.IsZero()
	})
	for i, want := range []Delivery{{ServiceID: "first", Node: 1, Events: []int64{1, 2, 3}}, {ServiceID: "second", Node: 2, Events: []int64{1, 2}}} {
		got := s.Deliveries()[i]
		if got.ServiceID != want.ServiceID || got.Node != want.Node || !slices.Equal(got.Events, want.Events) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if !s.Deliveries()[0].ClosedAt.IsZero() {
		t.Error("the open one is said to be closed")
	}
}
