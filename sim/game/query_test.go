package game

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQueryErrorsReadAsRecorded(t *testing.T) {
	cfg := quiet()
	cfg.ServiceIDs = []string{"test"}
	s := mustStart(t, cfg)
	tests := []struct{ name, path, want string }{
		{"bad syntax", "/get/ps2/item&field=value", `{"error":"Bad request syntax."}`},
		{"nothing asked", "/s:test/get/", `{"errorCode":"SERVER_ERROR"}`},
		{"no service id", "/get/ps2/item", `{"error":"` + textMissingID + `"}`},
		{"a wrong service id", "/s:Bogus/get/ps2/item", `{"error":"` + textUnknownID + `"}`},
		{"an unknown namespace", "/s:test/get/bogus/", `{"error":"No data found."}`},
		{"an unknown collection", "/s:test/get/ps2/bogus", `{"error":"No data found."}`},
		{"an unknown field", "/s:test/get/ps2/item_category?invalid_field=Bogus", `{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search term. Valid search terms: [item_category_id, name, name.en]"}`},
		{"nothing to show", "/s:test/get/ps2/item?c:show=invalid_field", `{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: c:show or c:hide resulted in no valid terms."}`},
		{"a limit that is no number", "/s:test/get/ps2/item?c:limit=Bogus", `{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search term: c:limit. Value must be a whole number."}`},
		{"too short a pattern", "/s:test/get/ps2/item?name.en=*VS", `{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search value for term: name.en. Regex query must have at least 3 characters."}`},
		{"an id that is no number", "/s:test/get/ps2/item?item_id=bogus", `{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search term: item_id. Value must be a number."}`},
		{"a count that fails", "/s:test/count/ps2/item?item_id=bogus", `{"count":-1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, resp := mustGet(t, s, tt.path)
			if body != tt.want || resp.StatusCode != http.StatusOK {
				t.Errorf("got %d %s\nwant %s", resp.StatusCode, body, tt.want)
			}
		})
	}
}

func TestSearchTermsSelect(t *testing.T) {
	s := mustStart(t, quiet())
	ids := func(rest string) string {
		var out []string
		for _, r := range mustQuery(t, s, rest) {
			out = append(out, r["item_id"].(string))
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct{ query, want string }{
		{"item?item_id=20", "20"},
		{"item/20,14?c:limit=5", "14 20"},
		{"item?item_id=20,14", "14"}, // the default limit is 1
		{"item?item_id=20,14&c:limit=5", "14 20"},
		{"item?item_id=20,14&c:limit=5&c:start=1", "20"},
		{"item?item_id=<4&c:limit=9", "1 2 3"},
		{"item?item_id=[3&item_id=]2&c:limit=9", "2 3"},
		{"item?item_id=>65000&c:limit=9&c:sort=item_id:-1", "804255 69999"},
		{"item?name.en=^Pulsar&c:limit=9", "20"},
		{"item?name.en=*VS1&c:limit=9", "20"},
		{"item?name.en=pulsar%20vs1", ""},
		{"item?name.en=pulsar%20vs1&c:case=false", "20"},
		{"item?item_category_id=2&item_id=!13&c:limit=9", "1 19"},
		{"item?item_category_id=2&faction_id=1,3&c:limit=9", "13 19"},
		{"item?item_id=12345678", ""},
		{"item?item_id=^3&c:limit=1&c:exactMatchFirst=true&c:sort=item_id:-1", "3"},
	} {
		if got := ids(tt.query); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
		}
	}
	if body, _ := mustGet(t, s, "/s:test/count/ps2/item?item_category_id=2"); body != `{"count":3}` {
		t.Errorf("got %s", body)
	}
	if body, _ := mustGet(t, s, "/s:test/json/get/ps2:v2/item?item_id=20&c:show=item_id,name.en"); body != `{"item_list":[{"item_id":"20","name":{"en":"Pulsar VS1"}}],"returned":1}` {
		t.Errorf("got %s", body)
	}
	if rows := mustQuery(t, s, "map_region?c:has=facility_name&c:limit=500&c:hide=zone_id"); len(rows) < 25 || rows[0]["zone_id"] != nil || rows[0]["facility_name"] == nil {
		t.Errorf("has and hide: %d rows", len(rows))
	}
	if rows := mustQuery(t, s, "zone?c:limit=9&c:tree=zone_id^prefix:z"); rows[0]["z2"].(map[string]any)["code"] != "Indar" {
		t.Errorf("tree: %v", rows)
	}
}

func TestTheJoinsOfTheProtocolWork(t *testing.T) {
	s := mustStart(t, quiet())
	for _, name := range []string{"Ravenholt", "Sundew"} {
		if err := s.Login(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Logout("Sundew"); err != nil {
		t.Fatal(err)
	}
	rows := mustQuery(t, s, "outfit?alias_lower=hnw&c:join=outfit_member^inject_at:members^show:character_id'rank^outer:0^list:1("+
		"character^show:name.first^inject_at:character^outer:0^on:character_id(characters_online_status^inject_at:online_status^show:online_status^outer:0("+
		"world^on:online_status^to:world_id^outer:0^show:world_id^inject_at:ignore_this)))")
	names := []string{}
	for _, m := range rows[0]["members"].([]any) {
		c := m.(map[string]any)["character"].(map[string]any)
		if c["online_status"].(map[string]any)["online_status"] != "10" || c["character_id"] != nil {
			t.Errorf("got %v", c)
		}
		names = append(names, c["name"].(map[string]any)["first"].(string))
	}
	if !slices.Contains(names, "Ravenholt") || !slices.Contains(names, "Kestrel") || slices.Contains(names, "Sundew") {
		t.Errorf("online members: %v", names)
	}
	rows = mustQuery(t, s, "character_name?name.first_lower=kestrel&c:join=characters_friend^on:character_id^inject_at:friends^hide:character_id'name("+
		"character_name^on:friend_list.character_id^to:character_id^inject_at:name)")
	friends := rows[0]["friends"].(map[string]any)
	list := friends["friend_list"].([]any)
	first := list[0].(map[string]any)
	if len(list) != len(demoCast)-1 || first["online"] != "10" || first["name"].(map[string]any)["name"].(map[string]any)["first"] != "Ravenholt" || friends["character_id"] != nil {
		t.Errorf("got %v", friends)
	}
	if body, _ := mustGet(t, s, "/s:test/get/ps2/item?c:join=item_category^nonsense"); !strings.Contains(body, "INVALID_SEARCH_TERM") {
		t.Errorf("a broken join: %s", body)
	}
	rows = mustQuery(t, s, "item?item_id=20&c:join=item_category^inject_at:category^terms:item_category_id=7'name.en=Pistol^outer:0")
	if len(rows) != 0 {
		t.Errorf("an inner join whose terms fail keeps its parent: %v", rows)
	}
}

func TestOutfitsResolveTheirPeople(t *testing.T) {
	s := mustStart(t, quiet())
	o := mustQuery(t, s, "outfit?alias_lower=hnw&c:resolve=member_online_status,member_character_name,leader")[0]
	if o["leader"].(map[string]any)["name"].(map[string]any)["first"] != "Kestrel" {
		t.Errorf("leader: %v", o["leader"])
	}
	m := o["members"].([]any)[0].(map[string]any)
	if m["online_status"] != "10" || m["name"].(map[string]any)["first"] != "Kestrel" || m["rank_ordinal"] != "1" || m["rank"] != "Leader" {
		t.Errorf("member: %v", m)
	}
	if got := fmt.Sprint(len(o["members"].([]any))); o["member_count"] != got {
		t.Errorf("member_count %v, members %s", o["member_count"], got)
	}
	rows := mustQuery(t, s, "character?name.first_lower=kestrel&c:resolve=outfit_member_extended(member_rank,alias),stat_history&c:show=character_id")
	if got := rows[0]["outfit_member"].(map[string]any); len(got) != 2 || got["alias"] != "HNW" || rows[0]["stats"].(map[string]any)["stat_history"] == nil {
		t.Errorf("got %v", got)
	}
}

func TestBareCollectionsTakeIDsOnly(t *testing.T) {
	s := mustStart(t, quiet())
	people := s.Characters("")
	rows := mustQuery(t, s, "characters_online_status?character_id="+people[0].ID+","+people[1].ID+",5428000000000000001")
	if len(rows) != 2 {
		t.Errorf("got %v", rows)
	}
	if body, _ := mustGet(t, s, "/s:test/get/ps2/characters_friend?c:limit=5"); body != `{"errorCode":"SERVER_ERROR"}` {
		t.Errorf("got %s", body)
	}
	if rows := mustQuery(t, s, "characters_friend/"+people[0].ID); rows[0]["name"] != nil || rows[0]["friend_list"] == nil {
		t.Errorf("got %v", rows)
	}
}

func TestQueriesTrailTheStreamByTheLag(t *testing.T) {
	cfg := quiet()
	cfg.Lag = 5 * time.Second
	cfg.EventsPerSecond, cfg.CaptureEvery = 0, time.Hour
	s := mustStart(t, cfg)
	id := s.Characters("ravenholt")[0].ID
	status := func() any {
		return mustQuery(t, s, "characters_online_status?character_id="+id)[0]["online_status"]
	}
	if err := s.Login(id); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != "0" {
		t.Errorf("at once: %v", got)
	}
	s.Step(60)
	if got := status(); got != "10" {
		t.Errorf("after the lag: %v", got)
	}
}

func TestHistoryHoldsTheStreamUnderItsOwnNames(t *testing.T) {
	s := mustStart(t, quiet())
	s.Step(1200)
	rows := mustQuery(t, s, "world_event?type=FACILITY&world_id=10&c:limit=1000")
	want := 0
	for _, e := range s.Journal(0, 1<<20) {
		if e.event.name == "FacilityControl" && e.event.world == "10" {
			want++
		}
	}
	if len(rows) != want || want == 0 {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	last := ""
	for _, r := range rows {
		for _, f := range []string{"faction_new", "faction_old", "objective_id", "event_type", "table_type"} {
			if r[f] == nil {
				t.Fatalf("no %s in %v", f, r)
			}
		}
		if last != "" && r["timestamp"].(string) > last {
			t.Fatal("not newest first")
		}
		last = r["timestamp"].(string)
	}
	middle := rows[len(rows)/2]["timestamp"].(string)
	if older := mustQuery(t, s, "world_event?type=FACILITY&world_id=10&c:limit=1000&before="+middle); len(older) == 0 || len(older) >= len(rows) {
		t.Errorf("before pages to %d of %d", len(older), len(rows))
	}
	var killer string
	for _, e := range s.Journal(0, 1<<20) {
		if e.event.name == "Death" && e.event.env == "ps2" && e.event.attacker != e.event.character {
			killer = e.event.attacker
		}
	}
	kills := mustQuery(t, s, "characters_event?type=kill&id="+killer+"&c:limit=100&c:resolve=character_name")
	if len(kills) == 0 || kills[0]["attacker_character_id"] != killer || kills[0]["event_type"] != "Death" {
		t.Errorf("kills: %v", kills)
	}
	if rows := mustQuery(t, s, "event?type=VEHICLE_DESTROY&c:limit=1"); rows[0]["vehicle_definition_id"] == nil || rows[0]["vehicle_id"] != nil {
		t.Errorf("vehicle: %v", rows)
	}
	if grouped := mustQuery(t, s, "characters_event_grouped?type=KILL&id="+killer+"&c:limit=50"); len(grouped) == 0 || grouped[0]["table_type"] != "KILL" {
		t.Errorf("grouped: %v", grouped)
	}
}

func TestStatisticsGrowWithTheRun(t *testing.T) {
	s := mustStart(t, quiet())
	kestrel := s.Characters("kestrel")[0]
	kills := func() (history, weapon string) {
		for _, r := range mustQuery(t, s, "characters_stat_history?character_id="+kestrel.ID+"&stat_name=kills&c:limit=5") {
			history = r["all_time"].(string)
		}
		for _, r := range mustQuery(t, s, "characters_weapon_stat_by_faction?character_id="+kestrel.ID+"&stat_name=weapon_kills&item_id=78&c:limit=5") {
			weapon = r["value_vs"].(string) + "/" + r["value_nc"].(string) + "/" + r["value_tr"].(string)
		}
		return history, weapon
	}
	victim := ""
	for _, p := range s.Characters("") {
		if p.World == "10" && p.Faction == 1 && p.Online {
			victim = p.Name
		}
	}
	before, _ := kills()
	if err := s.Kill(Kill{Attacker: "Kestrel", Victim: victim, Weapon: "78", Headshot: true}); err != nil {
		t.Fatal(err)
	}
	after, weapon := kills()
	if before == after || weapon == "" {
		t.Errorf("kills went from %s to %s, weapon %q", before, after, weapon)
	}
	if len(mustQuery(t, s, "leaderboard?name=Kills&period=Forever&c:limit=10")) != 10 {
		t.Error("no leaderboard")
	}
}

func TestTheMapShowsWhoHoldsWhat(t *testing.T) {
	s := mustStart(t, quiet())
	mustFault(t, s, Fault{Name: "facility_burst", World: "10", Zone: "2", Count: 3})
	rows := mustQuery(t, s, "map?world_id=10&zone_ids=2,4,6")
	if len(rows) != 3 || rows[0]["ZoneId"] != "2" || rows[0]["world_id"] != nil {
		t.Fatalf("got %d zones: %v", len(rows), rows[0]["ZoneId"])
	}
	regions := rows[0]["Regions"].(map[string]any)["Row"].([]any)
	for i, want := range []string{"1", "2", "3"} {
		if got := regions[i].(map[string]any)["RowData"].(map[string]any)["FactionId"]; got != want {
			t.Errorf("region %d is held by %v, want %s", i, got, want)
		}
	}
}

func TestEveryCollectionAnswers(t *testing.T) {
	s := mustStart(t, quiet())
	id := s.Characters("kestrel")[0].ID
	for name, def := range collections {
		rest := name + "?c:limit=3"
		if def.perCharacter != nil {
			rest = name + "?character_id=" + id + "&c:limit=3"
		}
		if rows := mustQuery(t, s, rest); len(rows) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	body, _ := mustGet(t, s, "/s:test/get/global/game_server_status?game_code=ps2&c:limit=10")
	if !strings.Contains(body, `"Wainwright"`) || strings.Contains(body, "Ceres") {
		t.Errorf("server status: %s", body)
	}
	if body, _ := mustGet(t, s, "/s:test/get/ps2ps4eu:v2/character_name?c:limit=1"); !strings.Contains(body, `"returned":1`) {
		t.Errorf("another namespace: %s", body)
	}
	if body, _ := mustGet(t, s, "/s:test/get/ps2ps4eu:v2/character?character_id="+id); !strings.Contains(body, `"returned":0`) {
		t.Errorf("a PC character on PS4: %s", body)
	}
}

func TestTablesLoadAsData(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("weapon_items.json", `[{"item_id":"99","name":"Spoon","category":"Knife","faction_id":null,"is_vehicle_weapon":"0","sanction":"none"}]`)
	write("item_category.json", `[{"item_category_id":"2","name":"Knife"}]`)
	cfg := quiet()
	cfg.StaticDir = dir
	s := mustStart(t, cfg)
	if body, _ := mustGet(t, s, "/s:test/get/ps2/item?item_id=99"); body != `{"item_list":[{"is_vehicle_weapon":"0","item_category_id":"2","item_id":"99","item_type_id":"26","name":{"en":"Spoon"}}],"returned":1}` {
		t.Errorf("got %s", body)
	}
	cfg.StaticDir = filepath.Join(dir, "nowhere")
	if _, err := New(cfg); err == nil {
		t.Error("a missing directory is accepted")
	}
	write("vehicle.json", "{")
	cfg.StaticDir = dir
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "vehicle.json") {
		t.Errorf("a broken table: %v", err)
	}
	shared := os.Getenv("MUSTER_SHARED")
	if shared == "" {
		t.Skip("MUSTER_SHARED is not set: the recorded tables are not at hand")
	}
	cfg.StaticDir = filepath.Join(shared, "census-samples/static")
	s = mustStart(t, cfg)
	if rows := mustQuery(t, s, "item?c:limit=5000&c:show=item_id,name.en"); len(rows) != 1829 {
		t.Errorf("%d items, want 1829", len(rows))
	}
	cfg.StaticDir = filepath.Join(shared, "census-samples")
	s = mustStart(t, cfg)
	if rows := mustQuery(t, s, "item?c:limit=5000&c:show=item_id,name.en"); len(rows) != 1829 {
		t.Errorf("%d items from the folder static, want 1829", len(rows))
	}
	if status, body := post(t, s, "/sim/replay", `{"path":"ess/session-2024-10-29-a.jsonl"}`); status != http.StatusOK || !strings.Contains(body, "464") {
		t.Errorf("replay by path: %d %s", status, body)
	}
}

func FuzzQueriesAlwaysAnswerJSON(f *testing.F) {
	for _, seed := range []string{"item?item_id=^2", "character?c:join=outfit_member(character)", "outfit?c:resolve=member(", "zone?c:tree=^", "event?type=KILL&c:limit=5", "map?zone_ids=2,,"} {
		f.Add(seed)
	}
	cfg := quiet()
	cfg.Players = 12
	s, err := New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	s.Step(100)
	f.Fuzz(func(t *testing.T, rest string) {
		r, err := http.NewRequest(http.MethodGet, "http://game/s:test/get/ps2:v2/"+rest, nil)
		if err != nil || r.URL.Path == "/" {
			return
		}
		q, qerr := s.parseQuery(r)
		if qerr != nil {
			return
		}
		s.mu.Lock()
		body, qerr := q.run()
		s.mu.Unlock()
		if qerr != nil {
			body = qerr.body
		}
		if !json.Valid(encode(body)) {
			t.Errorf("no JSON for %q", rest)
		}
	})
}
