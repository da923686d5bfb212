package event_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"muster/event"
)

func someBeacon() event.Beacon {
	return event.Beacon{Environment: event.PC, Instance: "abc", Seq: 12, Term: 7, Up: true, UpFor: 61 * time.Second,
		Phase: 21, Queue: 3, More: true, Again: true,
		Worlds: []event.BeaconWorld{
			{World: 1, Health: event.StreamLive, For: time.Minute, Told: event.StreamLate, Recent: 40, Idle: 20 * time.Millisecond},
			{World: 19, Health: event.StreamReconciling, Idle: -1},
		},
		Keys: []event.Key{{1, 2, 3}, {4}, {15: 9}}}
}

func TestABeaconTravelsUnchanged(t *testing.T) {
	standby := event.Beacon{Environment: event.PS4EU, Instance: "x", Phase: -1, Cooling: true, Left: true}
	for _, want := range []event.Beacon{someBeacon(), standby} {
		b, err := event.EncodeBeacon(want)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{string(b), `{"new":{"a":[1]},` + string(b[1:])} {
			got, err := event.DecodeBeacon([]byte(body))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s\ngot  %+v, %v\nwant %+v", body, got, err, want)
			}
		}
	}
}

func TestTheLargestBeaconFitsABusMessage(t *testing.T) {
	b := someBeacon()
	b.Keys = make([]event.Key, event.BeaconKeys)
	for len(b.Worlds) < 64 {
		b.Worlds = append(b.Worlds, b.Worlds[0])
	}
	body, err := event.EncodeBeacon(b)
	if err != nil || len(body) > 128<<10 { // a bus takes twice that
		t.Errorf("%d bytes, %v", len(body), err)
	}
	b.Keys = append(b.Keys, event.Key{})
	if _, err := event.EncodeBeacon(b); !errors.Is(err, event.ErrBeacon) {
		t.Errorf("a key too many: %v, want ErrBeacon", err)
	}
}

func TestBeaconsThatCannotBeReadAreErrors(t *testing.T) {
	good := `{"v":1,"environment":"ps2","instance":"x","up":true,"up_ms":1,"queue":0`
	if _, err := event.DecodeBeacon([]byte(good + `}`)); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, body string }{
		{"nothing", ``}, {"no object", `[]`}, {"empty", `{}`},
		{"another version", strings.Replace(good, `"v":1`, `"v":2`, 1) + `}`},
		{"another game", strings.Replace(good, `ps2`, `ps3`, 1) + `}`},
		{"nobody", strings.Replace(good, `"x"`, `""`, 1) + `}`},
		{"a long name", strings.Replace(good, `"x"`, `"`+strings.Repeat("x", 65)+`"`, 1) + `}`},
		{"a negative term", good + `,"term":-1}`},
		{"a negative queue", strings.Replace(good, `"queue":0`, `"queue":-1`, 1) + `}`},
		{"a phase that is none", good + `,"phase":30}`},
		{"half a key", good + `,"keys":"AAAA"}`},
		{"keys that are not base64", good + `,"keys":"!"}`},
		{"keys without end", good + `,"keys":"` + strings.Repeat("AAAA", 16*event.BeaconKeys) + `"}`},
		{"worlds without end", good + `,"worlds":[{}` + strings.Repeat(`,{}`, 64) + `]}`},
		{"a negative time", good + `,"worlds":[{"world":1,"for_ms":-1}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if b, err := event.DecodeBeacon([]byte(tt.body)); !errors.Is(err, event.ErrBeacon) {
				t.Errorf("got %+v, %v; want ErrBeacon", b, err)
			}
		})
	}
}

func FuzzDecodeBeacon(f *testing.F) {
	seed, err := event.EncodeBeacon(someBeacon())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"v":1,"environment":"ps2","instance":"x","up_ms":9223372036854775807,"worlds":[{"idle_ms":0}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := event.DecodeBeacon(body)
		if err != nil {
			if !errors.Is(err, event.ErrBeacon) {
				t.Fatalf("%v does not wrap ErrBeacon", err)
			}
			return
		}
		again, err := event.EncodeBeacon(b)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if got, err := event.DecodeBeacon(again); err != nil || !reflect.DeepEqual(got, b) {
			t.Fatalf("read again it is %+v, %v; was %+v", got, err, b)
		}
	})
}
