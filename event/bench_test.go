package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"muster/event"
)

// The payloads are real ones, of 2024-10-29.
const (
	deathPayload = `{"attacker_character_id":"5429585904316728705","attacker_fire_mode_id":"7531",` +
		`"attacker_loadout_id":"6","attacker_team_id":"2","attacker_vehicle_id":"0",` +
		`"attacker_weapon_id":"7233","character_id":"5429550526394041409","character_loadout_id":"13",` +
		`"event_name":"Death","is_critical":"0","is_headshot":"0","team_id":"3",` +
		`"timestamp":"1730180202","world_id":"40","zone_id":"6"}`
	gainPayload = `{"amount":"15","character_id":"5429585904317827249","event_name":"GainExperience",` +
		`"experience_id":"55","loadout_id":"19","other_id":"5429585904317828945","team_id":"1",` +
		`"timestamp":"1730180177","world_id":"40","zone_id":"8"}`
)

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct{ name, payload string }{{"Death", deathPayload}, {"GainExperience", gainPayload}} {
		b.Run("kind="+c.name, func(b *testing.B) {
			payload, at := []byte(c.payload), time.Unix(1730180203, 0)
			b.ReportAllocs()
			for b.Loop() {
				e, err := event.Decode(payload, at)
				if err != nil || e.Kind.String() != c.name {
					b.Fatalf("got %v, %v", e.Kind, err)
				}
			}
			reportRatio(b, payload)
		})
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	for _, c := range []struct{ name, payload string }{{"Death", deathPayload}, {"GainExperience", gainPayload}} {
		b.Run("kind="+c.name, func(b *testing.B) {
			body := event.EncodeSighting([]byte(c.payload), time.Unix(1730180203, 0), 0)
			b.ReportAllocs()
			for b.Loop() {
				m, err := event.DecodeMessage(body)
				if err != nil || m.Event == nil || m.Event.Kind.String() != c.name {
					b.Fatalf("got %+v, %v", m, err)
				}
			}
			reportRatio(b, []byte(c.payload))
		})
	}
}

func BenchmarkEncodeSighting(b *testing.B) {
	payload, at := []byte(deathPayload), time.Unix(1730180203, 0)
	b.ReportAllocs()
	for b.Loop() {
		if len(event.EncodeSighting(payload, at, 0)) < len(payload) {
			b.Fatal("too short")
		}
	}
}

func BenchmarkKey(b *testing.B) {
	e, err := event.Decode([]byte(deathPayload), time.Unix(1730180203, 0))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if e.Key() == (event.Key{}) {
			b.Fatal("no key")
		}
	}
}

// reportRatio says how many times faster the measured decoding was than reading
// the same payload into a map, which is the least that any reader does.
func reportRatio(b *testing.B, payload []byte) {
	b.Helper()
	ours := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	start := time.Now()
	for range b.N {
		var m map[string]string
		if err := json.Unmarshal(payload, &m); err != nil || m["event_name"] == "" {
			b.Fatal("the baseline did no work")
		}
	}
	baseline := float64(time.Since(start).Nanoseconds()) / float64(b.N)
	b.ReportMetric(baseline/ours, "x-map")
}
