package census

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/event"
)

// sharedDir returns the directory of the samples, empty where there is none.
func sharedDir() string {
	if dir := os.Getenv("MUSTER_SHARED"); dir != "" {
		return filepath.Join(dir, "census-samples")
	}
	return ""
}

// lines returns the messages of a file, unwrapped.
func lines(t testing.TB, path string) (out [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var wrapped struct {
			Message json.RawMessage `json:"message"`
		}
		line := append([]byte(nil), sc.Bytes()...)
		if json.Unmarshal(line, &wrapped) == nil && wrapped.Message != nil {
			line = wrapped.Message
		}
		out = append(out, line)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEachMessageIsOfItsKind(t *testing.T) {
	tests := []struct {
		name, frame string
		want        FrameKind
	}{
		{"connection", `{"connected":"true","service":"push","type":"connectionStateChanged"}`, FrameConnection},
		{"world", `{"detail":"EventServerEndpoint_Cobalt_13","online":"true","service":"event","type":"serviceStateChanged"}`, FrameWorld},
		{"heartbeat", `{"online":{},"service":"event","type":"heartbeat"}`, FrameHeartbeat},
		{"event", gain(1, 1), FrameEvent},
		{"event with other spacing", `{ "type":"serviceMessage", "service":"event", "payload":{"event_name":"Death"} }`, FrameEvent},
		{"recent characters", `{"payload":{"recent_character_id_count":2,"recent_character_id_list":["5428","5429"]},"service":"event","type":"serviceMessage"}`, FrameRecent},
		{"recent characters' count", `{"payload":{"recent_character_id_count":"2"},"service":"event","type":"serviceMessage"}`, FrameRecent},
		{"echo", `{"subscription":{"characters":["all"]}}`, FrameEcho},
		{"greeting", `{"send this for help":{"service":"event","action":"help"}}`, FrameGreeting},
		{"an answer to echo", `{"test":"test"}`, FrameOther},
		{"a new type", `{"service":"event","type":"serverMoved"}`, FrameOther},
		{"a service message about nothing", `{"payload":{},"service":"event","type":"serviceMessage"}`, FrameOther},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := DecodeFrame([]byte(tt.frame))
			if err != nil || f.Kind != tt.want {
				t.Errorf("got %v, %v; want %v", f.Kind, err, tt.want)
			}
		})
	}
	for _, bad := range []string{``, `{`, `[]`, `7`, `"x"`, "\xff", `{"type":7}`} {
		if f, err := DecodeFrame([]byte(bad)); !errors.Is(err, ErrFrame) {
			t.Errorf("%q: got %v, %v; want ErrFrame", bad, f.Kind, err)
		}
	}
}

func TestAHeartbeatTellsItsNode(t *testing.T) {
	f, err := DecodeFrame([]byte(`{"online":{"EventServerEndpoint_Osprey_1":"true","EventServerEndpoint_Miller_10":"false",` +
		`"EventServerEndpoint_New_999":"true"},"timestamp":"1730180181","service":"event","type":"heartbeat"}`))
	if err != nil {
		t.Fatal(err)
	}
	if phase, ok := f.Heartbeat.Phase(); phase != 21 || !ok {
		t.Errorf("phase %d, %v; want 21", phase, ok)
	}
	if on := f.Heartbeat.Online; len(on) != 2 || !on[1] || on[10] {
		t.Errorf("online %v, want world 1 only, and 10 not", on)
	}
	f, err = DecodeFrame([]byte(`{"online":{},"service":"event","type":"heartbeat"}`))
	if _, ok := f.Heartbeat.Phase(); ok || err != nil {
		t.Errorf("a heartbeat without time has a phase (%v)", err)
	}
}

func TestWorldsAreFoundInTheNamesOfEndpoints(t *testing.T) {
	tests := []struct {
		name string
		want event.World
	}{
		{"EventServerEndpoint_Connery_1", 1}, {"EventServerEndpoint_Osprey_1", 1}, {"EventServerEndpoint_Miller_10", 10},
		{"EventServerEndpoint_Briggs_25", 25}, {"EventServerEndpoint_Genudine_1000", 1000},
		{"EventServerEndpoint_1000_Genudine_1001_Palos_1002_Crux_1003_Searhus_1004_Xelas", 1000},
		{"EventServerEndpoint_2000_Ceres", 2000}, {"EventServerEndpoint_2001_Lithcorp", 0}, {"EventServerEndpoint_2002_Rashnu", 0},
		{"EventServerEndpoint_Nowhere_77", 0}, {"EventServerEndpoint_Connery", 0}, {"", 0}, {"_", 0}, {"1", 1},
		{"EventServerEndpoint_X_99999999999999999999", 0}, {"EventServerEndpoint_X_-1", 0}, {"EventServerEndpoint_Two_Words_40", 40},
	}
	for _, tt := range tests {
		if w, ok := ParseEndpoint(tt.name); w != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: got %d, %v; want %d", tt.name, w, ok, tt.want)
		}
	}
}

func TestASubscriptionIsSplitToFit(t *testing.T) {
	var names []string
	for i := range 2000 {
		names = append(names, "GainExperience_experience_id_"+strings.Repeat("1", i%4+1)+"x"[:i%2])
	}
	want := everything([]event.World{1, 10, 40}, names)
	var got Subscription
	for _, m := range want.messages() {
		if len(m) > maxMessage {
			t.Errorf("a message of %d bytes", len(m))
		}
		var sub subscribeMessage
		if err := json.Unmarshal(m, &sub); err != nil {
			t.Fatal(err)
		}
		if n := len(sub.Worlds) + len(sub.Characters) + len(sub.EventNames); n > maxEntries || n == 0 {
			t.Errorf("a message of %d entries", n)
		}
		if !sub.And || sub.Action != "subscribe" || sub.Service != "event" {
			t.Errorf("message %+v", sub)
		}
		got.Worlds = append(got.Worlds, sub.Worlds...)
		got.Characters = append(got.Characters, sub.Characters...)
		got.EventNames = append(got.EventNames, sub.EventNames...)
		got.And = sub.And
	}
	if rest, complete := want.missing(got); !complete || len(got.EventNames) != 2000 {
		t.Errorf("%d names arrive, missing %+v", len(got.EventNames), rest)
	}
}

func TestEchoesAreCompared(t *testing.T) {
	want := everything([]event.World{1, 10}, []string{"Death", "PlayerLogin"})
	tests := []struct {
		name, echo string
		complete   bool
		worlds     int
		names      int
		characters int
	}{
		{"complete, in another order", `{"characters":["all"],"eventNames":["PlayerLogin","Death"],"logicalAndCharactersWithWorlds":true,"worlds":["10","1"]}`, true, 0, 0, 0},
		{"all worlds", `{"characters":["all"],"eventNames":["all"],"logicalAndCharactersWithWorlds":"true","worlds":["all"]}`, true, 0, 0, 0},
		{"a world lost", `{"characters":["all"],"eventNames":["PlayerLogin","Death"],"logicalAndCharactersWithWorlds":true,"worlds":["1"]}`, false, 1, 0, 0},
		{"a name lost", `{"characters":["all"],"eventNames":["Death"],"logicalAndCharactersWithWorlds":true,"worlds":["1","10"]}`, false, 0, 1, 0},
		{"the characters lost", `{"characterCount":0,"eventNames":["PlayerLogin","Death"],"logicalAndCharactersWithWorlds":true,"worlds":["1","10"]}`, false, 0, 0, 1},
		{"the flag lost", `{"characters":["all"],"eventNames":["PlayerLogin","Death"],"logicalAndCharactersWithWorlds":false,"worlds":["1","10"]}`, false, 0, 0, 0},
		{"everything lost", `{}`, false, 2, 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := DecodeFrame([]byte(`{"subscription":` + tt.echo + `}`))
			if err != nil || f.Kind != FrameEcho {
				t.Fatalf("%v, %v", f.Kind, err)
			}
			rest, complete := want.missing(f.Subscription)
			if complete != tt.complete || len(rest.Worlds) != tt.worlds || len(rest.EventNames) != tt.names || len(rest.Characters) != tt.characters {
				t.Errorf("missing %+v, complete %v", rest, complete)
			}
			if !complete && len(rest.messages()) == 0 {
				t.Error("nothing is asked for again")
			}
		})
	}
}

func TestARepairThatNeverHelpsReconnectsMoreAndMoreSeldom(t *testing.T) {
	c := subscriptionCheck{want: everything([]event.World{1, 10}, []string{"Death"}), limit: 3}
	lost := Subscription{Worlds: []string{"1"}, EventNames: []string{"Death"}, Characters: []string{"all"}, And: true}
	var reconnects int
	for range 1000 {
		hopeless := c.ask()
		if !hopeless {
			_, hopeless = c.echo(lost)
		}
		if hopeless {
			reconnects++
			c.opened()
		}
	}
	if reconnects < 3 || reconnects > 15 {
		t.Errorf("%d reconnects in 1000 checks", reconnects)
	}
	if _, hopeless := c.echo(c.want); hopeless || c.lapses != 0 {
		t.Error("a complete echo does not reset the check")
	}
}

func TestOnlyTheLastEchoOfASplitSubscriptionCounts(t *testing.T) {
	c := subscriptionCheck{want: everything([]event.World{1}, []string{"Death"}), limit: 1, pending: 2}
	if missing, hopeless := c.echo(Subscription{}); missing != nil || hopeless {
		t.Error("the echo of a part was taken for the whole")
	}
	if missing, _ := c.echo(Subscription{}); missing == nil {
		t.Error("the last echo was not compared")
	}
}

func TestOnlyEventsThatCanRepeatAreCounted(t *testing.T) {
	s := newSightings(time.Minute)
	now := time.Now()
	death := event.Event{Kind: event.Kill, ReceivedAt: now, At: now, Detail: event.Death{Victim: 1}}
	turret := event.Event{Kind: event.VehicleKill, ReceivedAt: now, At: now, Detail: event.VehicleDestroy{Vehicle: 101, Attacker: 5}}
	for i, want := range []bool{true, false, false} {
		if e := death; s.see(&e) != want || e.Copy != 0 {
			t.Errorf("death %d: new %v, copy %d", i, !want, e.Copy)
		}
	}
	for want := range uint8(3) {
		if e := turret; !s.see(&e) || e.Copy != want {
			t.Errorf("turret copy %d, want %d", e.Copy, want)
		}
	}
	later := event.Event{Kind: event.Kill, ReceivedAt: now, At: now.Add(2 * time.Second), Detail: event.Death{Victim: 2}}
	s.see(&later)
	if e := turret; s.see(&e) {
		t.Error("a repetition of a second that is over is new")
	}
	s.reconnected()
	if e := death; s.see(&e) {
		t.Error("a death seen on the connection before is new")
	}
	if e := turret; !s.see(&e) || e.Copy != 0 {
		t.Errorf("the first turret of a new connection is copy %d: it must meet the first of the old one", e.Copy)
	}
	late := death
	late.ReceivedAt = now.Add(3 * time.Minute)
	if !s.see(&late) {
		t.Error("a key is kept for ever")
	}
}

func TestTheMemoryOfSightingsIsBounded(t *testing.T) {
	s := newSightings(time.Hour)
	now := time.Now()
	for i := range 3 * sightingsMax {
		e := event.Event{Kind: event.Kill, ReceivedAt: now, Detail: event.Death{Victim: event.CharacterID(i + 1)}}
		s.see(&e)
	}
	if n := len(s.now) + len(s.past); n > 2*sightingsMax {
		t.Errorf("%d keys kept, bound %d", n, 2*sightingsMax)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, s := range []string{
		`{"connected":"true","service":"push","type":"connectionStateChanged"}`, `{"subscription":{"worlds":["all",7,null]}}`,
		`{"online":{"EventServerEndpoint_Connery_1":"true"},"timestamp":1730180181,"service":"event","type":"heartbeat"}`,
		`{"detail":7,"online":true,"type":"serviceStateChanged"}`, `{"payload":[],"type":"serviceMessage"}`,
		gain(1, 1), kill(10, 2), `{"payload":{"recent_character_id_count":2},"type":"serviceMessage"}`, `{`, ``,
	} {
		f.Add([]byte(s))
	}
	if dir := sharedDir(); dir != "" {
		for _, name := range []string{"session-2024-10-29-a.jsonl", "single-events.jsonl", "control-messages.jsonl"} {
			for _, l := range lines(f, filepath.Join(dir, "ess", name)) {
				f.Add(l)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := DecodeFrame(b)
		if (err == nil) != (frame.Kind != "") {
			t.Fatalf("kind %q with error %v", frame.Kind, err)
		}
		ParseEndpoint(string(b))
		payload, cut := cutPayload(b)
		if !cut {
			return
		}
		// What the shortcut takes for an event, the long way does too.
		if e, err := event.Decode(payload, time.Unix(1, 0)); err == nil {
			if frame.Kind != FrameEvent {
				t.Fatalf("the shortcut reads %v, the frame is %q", e.Kind, frame.Kind)
			}
		}
	})
}
