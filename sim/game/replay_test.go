package game

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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

func FuzzRecordedLinesKeepTheirBytes(f *testing.F) {
	f.Add([]byte(`{"payload":{"event_name":"Death","world_id":"1"},"service":"event","type":"serviceMessage"}`))
	f.Add([]byte(`{"payload":{},"type":"serviceMessage"}`))
	f.Add([]byte(`{"payload":7,"type":"serviceMessage"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseLine(line)
		if err != nil {
			return
		}
		if string(e.line) != string(line) || e.name == "" {
			t.Errorf("changed to %s", e.line)
		}
		if moved := e.atTime(5); moved.unix != 5 {
			t.Errorf("not moved: %s", moved.line)
		}
	})
}
