package game

import (
	"encoding/json"
	"fmt"
	"slices"
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

func TestAFastHeartbeatTellsNodesApartAsASlowOneDoes(t *testing.T) {
	for second := range 31 {
		cfg := quiet()
		cfg.HeartbeatEvery, cfg.Nodes = 20*time.Millisecond, 3
		cfg.Now = func() time.Time { return time.Date(2026, 11, 1, 20, 0, second, 0, time.UTC) }
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for node, want := range []int64{0, 10, 20} {
			got := s.beatSecond(&conn{node: node + 1, env: "ps2"})
			if age := s.now().Unix() - got; got%30 != want || age < 0 || age >= 30 {
				t.Errorf("second %d: node %d says second %d of 30, %d s ago; want %d of the last 30 s", second, node+1, got%30, age, want)
			}
		}
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
