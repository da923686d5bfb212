package census

import (
	"errors"
	"strings"
	"testing"

	"muster/event"
)

func TestWhoHoldsTheContinentsIsRead(t *testing.T) {
	region := func(id, faction string) string {
		return `{"RowData":{"RegionId":"` + id + `","FactionId":"` + faction + `"}}`
	}
	zone := func(id string, rows ...string) string {
		return `{"ZoneId":"` + id + `","Regions":{"IsList":"1","Row":[` + strings.Join(rows, ",") + `]}}`
	}
	s := newQueryServer(t, says(`{"map_list":[`+strings.Join([]string{
		zone("4", region("1", "2"), region("2", "2")),
		zone("2", region("2101", "1"), region("2421", "3"), region("2421", "2"), region("7", "0"), `{"RowData":null}`, `7`, region("8", "3")),
		zone("2", region("1", "1")), // again
		zone("96", region("1", "1")), zone("x", region("1", "1")), zone("8"), `{"ZoneId":"6","Regions":{"Row":[]}}`, `{"ZoneId":"344"}`,
	}, ",")+`],"returned":8}`))
	got, err := s.client(t).Map(t.Context(), event.PC, 10)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if indar := got[0]; indar.Zone != 2 || indar.World != 10 || len(indar.Regions) != 3 || indar.Regions[event.VS] != 1 || indar.Regions[event.TR] != 2 ||
		indar.Regions[event.NoFaction] != 1 || indar.LockedBy() != event.NoFaction {
		t.Errorf("Indar: %+v", indar)
	}
	if hossin := got[1]; hossin.Zone != 4 || hossin.LockedBy() != event.NC {
		t.Errorf("Hossin: %+v", hossin)
	}
	asked := s.asked()
	if q := asked[0].Query(); len(asked) != 1 || !strings.HasSuffix(asked[0].Path, "/map") || len(q) != 2 || q.Get("world_id") != "10" || q.Get("zone_ids") != "2,4,6,8,344" {
		t.Errorf("asked %q: the collection takes these two terms alone", asked)
	}
}

func TestAMapThatIsNoneIsRefused(t *testing.T) {
	for _, body := range []string{`{}`, `{"map_list":{}}`, `[]`, `{"error":"service_unavailable"}`, `<html>`} {
		if got, err := newQueryServer(t, says(body)).client(t).Map(t.Context(), event.PC, 10); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if _, err := newQueryServer(t, says(`{"map_list":[]}`)).client(t).Map(t.Context(), event.PC, 0); !errors.Is(err, ErrBadQuery) {
		t.Errorf("no world: %v", err)
	}
}
