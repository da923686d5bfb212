package game

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSubscriptionsMatchAsTheTableSays(t *testing.T) {
	const (
		login   = `{"character_id":"5","event_name":"PlayerLogin","timestamp":"1","world_id":"10"}`
		death   = `{"attacker_character_id":"6","character_id":"5","event_name":"Death","timestamp":"1","world_id":"10","zone_id":"2"}`
		gain    = `{"character_id":"5","event_name":"GainExperience","experience_id":"55","other_id":"6","timestamp":"1","world_id":"10"}`
		control = `{"event_name":"FacilityControl","facility_id":"1","timestamp":"1","world_id":"10","zone_id":"2"}`
	)
	tests := []struct {
		name, payload              string
		worlds, characters, events []string
		both, want                 bool
	}{
		{"a login by world", login, []string{"10"}, nil, []string{"PlayerLogin"}, false, true},
		{"a login by character on any world", login, nil, []string{"5"}, []string{"PlayerLogin"}, false, true},
		{"a login needs both with the flag", login, []string{"1"}, []string{"5"}, []string{"PlayerLogin"}, true, false},
		{"a login is not matched by another world", login, []string{"1"}, nil, []string{"PlayerLogin"}, false, false},
		{"a death by its victim", death, nil, []string{"5"}, []string{"Death"}, false, true},
		{"a death by its attacker", death, nil, []string{"6"}, []string{"Death"}, false, true},
		{"a death is not matched by world alone", death, []string{"10"}, nil, []string{"Death"}, false, false},
		{"all characters bring all worlds without the flag", death, []string{"1"}, []string{"all"}, []string{"Death"}, false, true},
		{"the flag keeps other worlds out", death, []string{"1"}, []string{"all"}, []string{"Death"}, true, false},
		{"experience by its character", gain, nil, []string{"5"}, []string{"GainExperience"}, false, true},
		{"experience not by the other", gain, nil, []string{"6"}, []string{"GainExperience"}, false, false},
		{"experience by its id", gain, nil, []string{"5"}, []string{"GainExperience_experience_id_55"}, false, true},
		{"experience of another id", gain, nil, []string{"5"}, []string{"GainExperience_experience_id_1"}, false, false},
		{"a capture by world, whatever the characters", control, []string{"10"}, []string{"5"}, []string{"all"}, true, true},
		{"a capture never by character", control, nil, []string{"all"}, []string{"all"}, false, false},
		{"an event not asked for", death, []string{"all"}, []string{"all"}, []string{"PlayerLogin"}, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := parsePayload([]byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			sub := newSubscription()
			sub.add(&clientMessage{Worlds: tt.worlds, Characters: tt.characters, EventNames: tt.events, Both: tt.both})
			if got := sub.matches(e); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSubscribingAddsAndClearingRemoves(t *testing.T) {
	c := mustDial(t, mustStart(t, quiet()), "ps2")
	names := func(v any) []string {
		var out []string
		for _, n := range v.([]any) {
			out = append(out, n.(string))
		}
		slices.Sort(out)
		return out
	}
	c.send(`{"service":"event","action":"subscribe","worlds":["1"],"eventNames":["Death"],"characters":["5428010618015189601","5428010618014254785"]}`)
	c.send(`{"service":"event","action":"subscribe","worlds":["10"],"eventNames":["PlayerLogin"],"logicalAndCharactersWithWorlds":"true"}`)
	first, second := c.echo(), c.echo()
	if first["characterCount"] != 2.0 || first["characters"] != nil || first["logicalAndCharactersWithWorlds"] != false {
		t.Errorf("first echo: %v", first)
	}
	if got := names(second["eventNames"]); fmt.Sprint(got) != "[Death PlayerLogin]" {
		t.Errorf("got names %v", got)
	}
	if got := names(second["worlds"]); fmt.Sprint(got) != "[1 10]" || second["logicalAndCharactersWithWorlds"] != true {
		t.Errorf("second echo: %v", second)
	}
	c.send(`{"service":"event","action":"subscribe","list_characters":true}`)
	if got := c.echo(); len(got["characters"].([]any)) != 2 || got["characterCount"] != nil {
		t.Errorf("list_characters: %v", got)
	}
	c.send(`{"service":"event","action":"clearSubscribe","worlds":["1"],"eventNames":["Death"]}`)
	if got := c.echo(); fmt.Sprint(names(got["worlds"]), names(got["eventNames"])) != "[10] [PlayerLogin]" {
		t.Errorf("after clearing some: %v", got)
	}
	c.send(`{"service":"event","action":"clearSubscribe","all":"true"}`)
	if got := c.echo(); len(got["worlds"].([]any)) != 0 || got["characterCount"] != 0.0 {
		t.Errorf("after clearing all: %v", got)
	}
}

func TestBrokenMessagesAreIgnoredInSilence(t *testing.T) {
	c := mustDial(t, mustStart(t, quiet()), "ps2")
	c.mark()
	for _, text := range []string{"{", "[]", "7", `{"action":"subscribe"}`, `{"service":"event","action":"dance"}`, `{"service":"event","action":"subscribe","worlds":7}`} {
		c.send(text)
	}
	if got := c.mark(); len(got) != 0 {
		t.Errorf("answered with %v", got)
	}
}

func TestHelpEchoAndRecentCharactersAnswer(t *testing.T) {
	s := mustStart(t, quiet())
	c := mustDial(t, s, "ps2")
	c.mark()
	c.send(`{"service":"event","action":"help"}`)
	if m := c.message(); m["example messages to event service"] == nil || m["example event service message payloads"] == nil {
		t.Errorf("help: %v", m)
	}
	if err := s.Login("Ravenholt"); err != nil {
		t.Fatal(err)
	}
	c.send(`{"service":"event","action":"recentCharacterIds"}`)
	p := c.message()["payload"].(map[string]any)
	if p["recent_character_id_count"] != 1.0 || p["recent_character_id_list"].([]any)[0] != s.Characters("ravenholt")[0].ID {
		t.Errorf("recent: %v", p)
	}
	c.send(`{"service":"event","action":"recentCharacterIdsCount"}`)
	if p := c.message()["payload"].(map[string]any); p["recent_character_id_list"] != nil || p["event_name"] != nil {
		t.Errorf("count: %v", p)
	}
}

func TestPayloadsAreSortedStringsAndPS4LacksItsFields(t *testing.T) {
	s := mustStart(t, quiet())
	s.Step(1500)
	ps4 := 0
	for _, e := range s.Journal(0, 1<<20) {
		var fields map[string]string
		if err := json.Unmarshal(e.Payload, &fields); err != nil {
			t.Fatalf("not all strings: %s", e.Payload)
		}
		sorted, _ := json.Marshal(fields)
		if string(sorted) != string(e.Payload) {
			t.Fatalf("keys not sorted: %s", e.Payload)
		}
		field := map[string]string{"GainExperience": "team_id", "VehicleDestroy": "attacker_team_id"}[fields["event_name"]]
		if _, has := fields[field]; field != "" && has == isPS4(fields["world_id"]) {
			t.Fatalf("field %s wrong for its platform: %s", field, e.Payload)
		}
		if field != "" && isPS4(fields["world_id"]) {
			ps4++
		}
		if _, has := fields["zone_id"]; has == (fields["event_name"] == "PlayerLogin" || fields["event_name"] == "PlayerLogout") {
			t.Fatalf("zone wrong: %s", e.Payload)
		}
	}
	if ps4 == 0 {
		t.Fatal("nothing happened on PS4")
	}
}

// TestGeneratedLifeMakesSense walks the journal and checks what a client
// would rely on.
func TestGeneratedLifeMakesSense(t *testing.T) {
	cfg := quiet()
	cfg.AlertEvery, cfg.AlertLasts, cfg.LockEvery = 40*time.Second, 20*time.Second, 90*time.Second
	s := mustStart(t, cfg)
	s.Step(2400)
	seen, keys := map[string]int{}, map[string]bool{}
	online := map[string]bool{}
	started, captured, bursts := map[string]bool{}, map[string]string{}, map[string]int{}
	for _, e := range s.Journal(0, 1<<20) {
		var f map[string]string
		if err := json.Unmarshal(e.Payload, &f); err != nil {
			t.Fatal(err)
		}
		seen[f["event_name"]]++
		if keys[string(e.Payload)] {
			t.Fatalf("the same event twice: %s", e.Payload)
		}
		keys[string(e.Payload)] = true
		switch f["event_name"] {
		case "PlayerLogin":
			if online[f["character_id"]] {
				t.Fatalf("a second login without a logout: %s", e.Payload)
			}
			online[f["character_id"]] = true
		case "PlayerLogout":
			online[f["character_id"]] = false
		case "FacilityControl":
			captured[f["world_id"]+f["facility_id"]] = f["timestamp"]
			bursts[f["world_id"]+f["zone_id"]+f["timestamp"]]++
		case "PlayerFacilityCapture", "PlayerFacilityDefend":
			if captured[f["world_id"]+f["facility_id"]] != f["timestamp"] {
				t.Fatalf("a player row without its facility: %s", e.Payload)
			}
		case "MetagameEvent":
			key := f["world_id"] + "/" + f["instance_id"]
			if f["metagame_event_state"] == "138" && !started[key] {
				t.Fatalf("an end without a start: %s", e.Payload)
			}
			started[key] = true
		}
	}
	for _, name := range eventNames {
		if seen[name] == 0 {
			t.Errorf("no %s in %v", name, seen)
		}
	}
	if most := slices.Max(mapsValues(bursts)); most < 50 || most > 75 {
		t.Errorf("the biggest burst has %d rows, want 50 to 70", most)
	}
}

func mapsValues(m map[string]int) []int {
	var out []int
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestTheSameSeedGivesTheSameWorldAndTheSameEvents(t *testing.T) {
	run := func(seed int64) string {
		cfg := quiet()
		cfg.Seed = seed
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		s.Step(300)
		people, _ := json.Marshal(s.Characters(""))
		events, _ := json.Marshal(s.Journal(0, 1<<20))
		return string(people) + string(events)
	}
	if run(7) != run(7) {
		t.Error("the same seed gave two worlds")
	}
	if run(7) == run(8) {
		t.Error("two seeds gave the same world")
	}
}

func TestKestrelsFriendsComeOnWithinTwentySeconds(t *testing.T) {
	s := mustStart(t, quiet())
	kestrel := s.Characters("kestrel")[0]
	if !kestrel.Online || kestrel.World != "10" || len(kestrel.Friends) != len(demoCast)-1 {
		t.Fatalf("got %+v", kestrel)
	}
	s.Step(200)
	logins := map[string]bool{}
	for _, e := range s.Journal(0, 1<<20) {
		if e.event.name == "PlayerLogin" {
			logins[e.event.character] = true
		}
	}
	for _, id := range kestrel.Friends {
		if !logins[id] {
			t.Errorf("friend %s has not come on", id)
		}
	}
	s.Step(6000)
	logouts := 0
	for _, e := range s.Journal(0, 1<<20) {
		if e.event.name == "PlayerLogout" && slices.Contains(kestrel.Friends, e.event.character) {
			logouts++
		}
	}
	if logouts < 3 {
		t.Errorf("the friends went off %d times in ten minutes", logouts)
	}
}

func TestHeartbeatsTellNodesApart(t *testing.T) {
	cfg := quiet()
	cfg.HeartbeatEvery, cfg.FirstHeartbeatAfter = 200*time.Millisecond, time.Millisecond
	s := mustStart(t, cfg)
	for range 2 {
		c := mustDial(t, s, "ps2")
		beats := 0
		for beats < 3 {
			m := c.message()
			if m["type"] != "heartbeat" {
				continue
			}
			beats++
			online := m["online"].(map[string]any)
			if online["EventServerEndpoint_Miller_10"] != "true" || m["timestamp"] == nil || m["service"] != "event" {
				t.Errorf("got %v", m)
			}
		}
	}
	a, b := &conn{node: 1, env: "ps2"}, &conn{node: 2, env: "ps2"}
	_, toA := s.heartbeat(a)
	_, toB := s.heartbeat(b)
	apart := (toA - toB + 2*cfg.HeartbeatEvery) % cfg.HeartbeatEvery
	if apart < 50*time.Millisecond || apart > 150*time.Millisecond {
		t.Errorf("the phases of two nodes are %s apart, want about half the interval", apart)
	}
}

func TestARecordingReachesASubscriberLineForLine(t *testing.T) {
	shared := os.Getenv("MUSTER_SHARED")
	if shared == "" {
		t.Skip("MUSTER_SHARED is not set: no recordings at hand")
	}
	f, err := os.Open(filepath.Join(shared, "census-samples/ess/session-2024-10-29-a.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines, err := ReadLines(f)
	if err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, quiet())
	c := mustDial(t, s, "ps2")
	c.send(`{"service":"event","action":"subscribe","worlds":["all"],"characters":["all"],"eventNames":["all"],"logicalAndCharactersWithWorlds":true}`)
	c.mark()
	n, err := s.Replay(t.Context(), lines, ReplayOptions{})
	if err != nil || n != 464 {
		t.Fatalf("sent %d, %v; want 464", n, err)
	}
	var want []string
	for _, l := range lines {
		if strings.Contains(string(l), `"serviceMessage"`) {
			want = append(want, string(l))
		}
	}
	if got := c.mark(); !slices.Equal(got, want) {
		t.Errorf("got %d lines, want the %d recorded ones", len(got), len(want))
	}
	if got := s.Journal(0, 1000); len(got) != 464 {
		t.Errorf("the journal has %d", len(got))
	}
}

func TestAReplayShiftsTimestampsAndKeepsPace(t *testing.T) {
	cfg := quiet()
	cfg.Manual, cfg.EventsPerSecond, cfg.Now = false, 0, nil
	s := mustStart(t, cfg)
	line := func(ts int) []byte {
		return fmt.Appendf(nil, `{"payload":{"character_id":"5428010618015189601","event_name":"PlayerLogin","timestamp":"%d","world_id":"10"},"service":"event","type":"serviceMessage"}`, ts)
	}
	began := time.Now()
	lines := [][]byte{line(1000), []byte(`{"connected":"true","service":"push","type":"connectionStateChanged"}`), line(1002), line(1001), line(1004)}
	n, err := s.Replay(t.Context(), lines, ReplayOptions{Speed: 40, Shift: true})
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
	if took := time.Since(began); took < 90*time.Millisecond {
		t.Errorf("four seconds at speed 40 took %s", took)
	}
	for _, e := range s.Journal(0, 10) {
		if d := e.event.unix - began.Unix(); d < 0 || d > 60 {
			t.Errorf("timestamp %d is not now", e.event.unix)
		}
	}
}

func TestASlowReaderIsCutAtTheBound(t *testing.T) {
	cfg := quiet()
	cfg.QueueLen = 64
	s := mustStart(t, cfg)
	c := mustDial(t, s, "ps2")
	c.subscribe()
	eventually(t, "the silent reader is cut", func() bool {
		for i := range 2000 {
			_ = s.Emit(fmt.Appendf(nil, `{"event_name":"Death","world_id":"10","character_id":"5","timestamp":"1","pad":"%d%s"}`, i, strings.Repeat("x", 2000)))
		}
		return len(s.State().Clients) == 0
	})
}

func TestTheJournalForgetsTheOldestAndNumbersOn(t *testing.T) {
	j := journal{maxCount: 1500, maxBytes: 1 << 30}
	for range 4000 {
		j.add(Entry{Payload: []byte("{}")})
	}
	got := j.after(0, 10_000)
	if len(got) != 1500 || got[0].N != 2501 || got[1499].N != 4000 {
		t.Errorf("got %d entries from %d", len(got), got[0].N)
	}
	if got := j.after(3998, 10); len(got) != 2 || got[0].N != 3999 {
		t.Errorf("got %v", got)
	}
	small := journal{maxCount: 100, maxBytes: 5 * (entryOverhead + 2)}
	for range 50 {
		small.add(Entry{Payload: []byte("{}")})
	}
	if small.count != 5 {
		t.Errorf("%d entries, want 5 by bytes", small.count)
	}
}

func FuzzClientMessagesNeverBreakTheServer(f *testing.F) {
	for _, seed := range []string{`{"service":"event","action":"subscribe","worlds":["all"]}`, `{"service":"event","action":"clearSubscribe","all":"true"}`, `{`, `{"service":"event","action":"echo","payload":null}`} {
		f.Add([]byte(seed))
	}
	s, err := New(quiet())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		c := &conn{env: "ps2", sub: newSubscription()}
		if out := s.answer(c, msg); out != nil && !json.Valid(out) {
			t.Errorf("answer is no JSON: %q", out)
		}
	})
}
