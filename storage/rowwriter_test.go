package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"muster/event"
	"muster/internal/testservers"
	"muster/storage"
	"muster/storage/storagetest"
)

// unknowns are the largest rows there are.
func unknowns(n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		payload := append([]byte(fmt.Sprint(i)), bytes.Repeat([]byte{0, '\'', '\\', 0xff}, event.MaxPayload/4-2)...)
		events[i] = event.Event{Kind: event.Unknown, World: 10, At: benchDay, ReceivedAt: benchDay,
			Detail: event.Raw{Name: fmt.Sprint("Novel", i), Reason: strings.Repeat("'\\", 100), Payload: payload}}
	}
	return events
}

func TestStatementsStayBelowWhatTheServerTakes(t *testing.T) {
	server := testservers.NewMariaDB(t, testservers.MariaDBConfig{Args: []string{"--max-allowed-packet=262144"}})
	server.Start(t)
	url := storagetest.NewDatabase(t, server.DSN(""))
	s := storagetest.Open(t, url)
	events := append(unknowns(40), gains(benchDay, 5000)...)
	for _, wantNew := range []bool{true, false} {
		got, err := s.Record(t.Context(), benchDay, event.Record{Events: events}, nil)
		if err != nil || slices.Contains(got.New, !wantNew) {
			t.Fatalf("new is not %t for all (%v)", wantNew, err)
		}
	}
	var payload []byte
	if err := storagetest.Raw(t, url).QueryRow("SELECT payload FROM event_unknown WHERE name = 'Novel7'").Scan(&payload); err != nil {
		t.Fatal(err)
	}
	if want := events[7].Detail.(event.Raw).Payload; !bytes.Equal(payload, want) {
		t.Error("a payload came back otherwise than it was")
	}
	var list []event.Lookup
	for i := range 3000 {
		list = append(list, event.Lookup{Category: "long", ID: int64(i), Name: strings.Repeat("長", 255), Extra: strings.Repeat("'", 255)})
	}
	if err := s.SaveLookups(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Lookups(t.Context(), "long"); err != nil || !slices.Equal(got, list) {
		t.Errorf("%d names came back, not all as they were (%v)", len(got), err)
	}
	server.Exec(t, "SET GLOBAL max_allowed_packet = 65536")
	if s, err := storage.Open(t.Context(), url, storage.Options{}); !errors.Is(err, storage.ErrRefused) || !strings.Contains(err.Error(), "max_allowed_packet") {
		t.Errorf("opened %v, with %v", s, err)
	}
}
