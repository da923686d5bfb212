package event

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// seeds are shapes that the two paths of the decoder could read differently.
func seeds() []string {
	const tail = `"timestamp":"1730180202","world_id":"40","zone_id":"6"}`
	return []string{
		`{"character_id":"5429550526394041409","event_name":"Death",` + tail,
		`{"character_id":5429550526394041409,"event_name":"Death",` + tail,
		`{"amount":"15","character_id":"5429585904317827249","event_name":"GainExperience","experience_id":"55","other_id":"17199964770",` + tail,
		`{"event_name":"Death","event_name":"PlayerLogin","character_id":"7",` + tail,
		`{"Event_Name":"Death","character_id":"7",` + tail,
		`{"event_name":"Nova\"","x":"\u00e9",` + tail,
		`{"event_name":"ItemAdded","item_id":"1","context":"é","character_id":"7",` + tail,
		`{"event_name":"MetagameEvent","instance_id":"1","metagame_event_state":"135","faction_vs":"33.333332",` + tail,
		`{"event_name":"VehicleDestroy","vehicle_id":"2","character_id":"0",` + tail,
		`{}`, `{"":""}`, `{"event_name":""}`, `{"event_name":"x"}}`, `{"event_name":"x",}`, "{\"event_name\":\"x\x7f\"}", ``,
	}
}

// recorded returns the payloads of the recorded session, none where it is not.
func recorded(f *testing.F) (out []string) {
	dir := os.Getenv("MUSTER_SHARED")
	if dir == "" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "census-samples", "ess", "session-2024-10-29-a.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if _, rest, ok := strings.Cut(line, `{"payload":`); ok {
			payload, _, _ := strings.Cut(rest, `,"service"`)
			out = append(out, payload)
		}
	}
	return out
}

// FuzzDecode holds the fast path to what the tolerant one reads.
func FuzzDecode(f *testing.F) {
	for _, s := range append(seeds(), recorded(f)...) {
		f.Add([]byte(s), int64(1730180203))
	}
	f.Fuzz(func(t *testing.T, payload []byte, received int64) {
		at := time.Unix(received%maxUnix, 0)
		got, err := Decode(payload, at)
		want, wantErr := decodeLoose(payload, at)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("fast %+v, %v\nslow %+v, %v", got, err, want, wantErr)
		}
		if err != nil {
			return
		}
		if got.Detail == nil {
			t.Fatal("no detail")
		}
		if again, err := Decode(payload, at); err != nil || again.Key() != got.Key() {
			t.Fatalf("the key is not stable: %v", err)
		}
		if y := got.At.Year(); y > 2199 {
			t.Fatalf("at %v", got.At)
		}
	})
}

// FuzzDecodeMessage does the same for the envelope.
func FuzzDecodeMessage(f *testing.F) {
	for _, s := range append(seeds(), recorded(f)...) {
		f.Add(EncodeSighting([]byte(s), time.Unix(1730180203, 5), 0))
		f.Add(EncodeSighting([]byte(s), time.Unix(1730180203, 5), 2))
	}
	f.Add([]byte(`{"v":1,"stream":{"world":1,"health":"live","since":"2024-10-29T05:36:45Z"}}`))
	f.Add([]byte(`{"v":1,"observation":{"character":"5","observed_at":"2024-10-29T05:36:45Z"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := DecodeMessage(body)
		want, wantErr := decodeMessageLoose(body)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("fast %+v, %v\nslow %+v, %v", got, err, want, wantErr)
		}
		set := 0
		for _, is := range []bool{got.Event != nil, got.Observation != nil, got.Stream != nil} {
			if is {
				set++
			}
		}
		if (err == nil) != (set == 1) {
			t.Fatalf("%d fields set, error %v", set, err)
		}
	})
}
