package event_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"muster/event"
)

func TestObservationsAndStatesTravelUnchanged(t *testing.T) {
	o := event.Observation{Character: 5429038329410828849, World: 10, Online: true, ObservedAt: arrival,
		By: event.Fence{Lease: "roster", Term: 9}}
	b, err := event.EncodeObservation(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := event.DecodeMessage(b)
	if err != nil || m.Observation == nil || !reflect.DeepEqual(*m.Observation, o) {
		t.Errorf("got %+v, %v; want %+v", m.Observation, err, o)
	}
	s := event.StreamState{World: 10, Health: event.StreamSilent, Since: arrival, ReportedAt: arrival.Add(time.Second),
		LastEventAt: arrival, Reason: "no Death for 1m0s", By: event.Fence{Lease: "listener/ps2", Term: 1 << 40}}
	if b, err = event.EncodeStream(s); err != nil {
		t.Fatal(err)
	}
	m, err = event.DecodeMessage(b)
	if err != nil || m.Stream == nil || !reflect.DeepEqual(*m.Stream, s) {
		t.Errorf("got %+v, %v; want %+v", m.Stream, err, s)
	}
}

func TestMessagesThatCannotBeReadAreErrors(t *testing.T) {
	tests := []struct{ name, body string }{
		{"nothing", ``}, {"no object", `[]`}, {"empty", `{}`}, {"empty version", `{"v":1}`},
		{"another version", `{"v":2,"received_at":1,"payload":` + deathPayload + `}`},
		{"no time of receipt", `{"v":1,"payload":` + deathPayload + `}`},
		{"time zero", `{"v":1,"received_at":0,"payload":` + deathPayload + `}`},
		{"negative time", `{"v":1,"received_at":-4,"payload":` + deathPayload + `}`},
		{"a time with a leading zero", `{"v":1,"received_at":07,"payload":` + deathPayload + `}`},
		{"a copy too many", `{"v":1,"received_at":7,"copy":256,"payload":` + deathPayload + `}`},
		{"no payload", `{"v":1,"received_at":7}`},
		{"a payload without name", `{"v":1,"received_at":7,"payload":{}}`},
		{"cut", `{"v":1,"received_at":7,"payload":` + deathPayload},
		{"an observation of nobody", `{"v":1,"observation":{"character":"0","observed_at":"2024-10-29T05:36:45Z"}}`},
		{"an observation without time", `{"v":1,"observation":{"character":"5"}}`},
		{"a state with half a fence", `{"v":1,"stream":{"world":1,"health":"live","since":"2024-10-29T05:36:45Z","by":{"term":4}}}`},
		{"a state with a negative term", `{"v":1,"stream":{"world":1,"health":"live","since":"2024-10-29T05:36:45Z","by":{"lease":"x","term":-4}}}`},
		{"an observation without a term", `{"v":1,"observation":{"character":"5","observed_at":"2024-10-29T05:36:45Z","by":{"lease":"x","term":0}}}`},
		{"a state of no world", `{"v":1,"stream":{"world":0,"health":"live","since":"2024-10-29T05:36:45Z"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := event.DecodeMessage([]byte(tt.body)); !errors.Is(err, event.ErrEnvelope) {
				t.Errorf("got %+v, %v; want ErrEnvelope", m, err)
			}
		})
	}
}

func TestMessagesOfOtherVersionsAreNamedHoweverTheyLook(t *testing.T) {
	for version, body := range map[string]string{
		"version 2,":   `{"v":2,"received_at":1,"payload":` + deathPayload + `}`,
		"version 3,":   `{"v":3,"received_at":"2030-01-01T00:00:00Z","payload":"other"}`,
		"version 4,":   `{"v":4,"observation":[1,2]}`,
		`version "2b"`: `{"v":"2b","received_at":1,"payload":` + deathPayload + `}`,
		"version 0,":   `{"received_at":1,"payload":` + deathPayload + `}`,
	} {
		m, err := event.DecodeMessage([]byte(body))
		if !errors.Is(err, event.ErrEnvelope) || !strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), "this build reads 1") {
			t.Errorf("%s: got %+v, %v; want an error that names %s", body, m, err, version)
		}
	}
}

func TestFieldsAddedLaterDoNotMatter(t *testing.T) {
	m, err := event.DecodeMessage([]byte(`{"v":1,"received_at":7,"node":3,"payload":` + deathPayload + `,"more":{"a":1}}`))
	if err != nil || m.Event == nil || m.Event.Kind != event.Kill {
		t.Errorf("got %+v, %v", m, err)
	}
}
