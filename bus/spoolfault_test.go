package bus_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/bus"
	"muster/bus/bustest"
)

func msg(n int) bus.Message {
	return bus.Message{ID: fmt.Sprintf("m-%d", n), Key: "k", Body: fmt.Appendf(nil, "%d", n)}
}

// drain consumes Only until nothing waits and returns the ids in order.
func drain(t *testing.T, b bus.Bus) (ids []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := b.Depth(ctx, bustest.Only)
	if err != nil || n == 0 {
		return nil
	}
	err = b.Consume(ctx, bustest.Only, func(_ context.Context, batch bus.Batch) error {
		for _, d := range batch.Deliveries {
			ids = append(ids, d.ID)
		}
		if len(ids) >= n {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("consume: %v", err)
	}
	return ids
}

func wantDrained(t *testing.T, b bus.Bus, want int) {
	t.Helper()
	got := drain(t, b)
	if len(got) != want {
		t.Fatalf("%d messages came, want %d", len(got), want)
	}
	for i, id := range got {
		if id != msg(i).ID {
			t.Fatalf("message %d is %s, want %s", i, id, msg(i).ID)
		}
	}
}

func TestAFullSpoolTakesNothing(t *testing.T) {
	for name, cfg := range map[string]bus.SpoolConfig{
		"by messages": {MaxMessages: 10},
		"by bytes":    {MaxBytes: 150},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustSpool(t, mustDB(t, filepath.Join(t.TempDir(), "s.db")), cfg)
			taken := 0
			var err error
			for err == nil {
				if err = s.Publish(t.Context(), bustest.Solo, msg(taken), msg(taken+1)); err == nil {
					taken += 2
				}
			}
			if !errors.Is(err, bus.ErrFull) || taken < 4 || taken > 10 {
				t.Fatalf("after %d messages: got %v, want ErrFull", taken, err)
			}
			wantDrained(t, s, taken)
			if err := s.Publish(t.Context(), bustest.Solo, msg(0), msg(1)); err != nil {
				t.Errorf("after draining: %v", err)
			}
		})
	}
}

func TestWhatIsAboveTheMemoryBoundIsReadBack(t *testing.T) {
	s := mustSpool(t, mustDB(t, filepath.Join(t.TempDir(), "s.db")), bus.SpoolConfig{})
	s.Keep(200)
	const total = 5000
	for n := 0; n < total; {
		var some []bus.Message
		for len(some) < 7 && n < total {
			some = append(some, msg(n))
			n++
		}
		if err := s.Publish(t.Context(), bustest.Solo, some...); err != nil {
			t.Fatal(err)
		}
	}
	if kept := s.Kept(); kept > 200 || kept == 0 {
		t.Errorf("%d bytes kept in memory, want at most 200 and some", kept)
	}
	wantDrained(t, s, total)
	if kept := s.Kept(); kept != 0 {
		t.Errorf("%d bytes still counted after draining", kept)
	}
}

func TestAFullDiskRefusesThePublishAndKeepsTheRest(t *testing.T) {
	db := mustDB(t, filepath.Join(t.TempDir(), "s.db"))
	s := mustSpool(t, db, bus.SpoolConfig{})
	var pages int
	if err := db.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+20)); err != nil {
		t.Fatal(err)
	}
	taken := 0
	var err error
	for err == nil && taken < 10_000 {
		m := msg(taken)
		m.Body = append(m.Body, make([]byte, 5000)...)
		if err = s.Publish(t.Context(), bustest.Solo, m); err == nil {
			taken++
		}
	}
	if err == nil || errors.Is(err, bus.ErrFull) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("after %d messages: got %v, want the database's own error", taken, err)
	}
	if n, _ := s.Depth(t.Context(), bustest.Only); n != taken {
		t.Errorf("depth %d, want the %d that were taken", n, taken)
	}
	wantDrained(t, s, taken) // settling must work on a full disk
	if err := s.Publish(t.Context(), bustest.Solo, msg(0)); err != nil {
		t.Errorf("publish after making room: %v", err)
	}
}

func TestAClosedDatabaseIsAnErrorNotAHang(t *testing.T) {
	db := mustDB(t, filepath.Join(t.TempDir(), "s.db"))
	s := mustSpool(t, db, bus.SpoolConfig{})
	if err := s.Publish(t.Context(), bustest.Solo, msg(0)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), bustest.Solo, msg(1)); err == nil {
		t.Error("publish on a closed database: got nil, want an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Consume(ctx, bustest.Only, func(context.Context, bus.Batch) error {
		cancel() // settling fails, and the end of ctx must end the tries
		return nil
	})
	if err != nil {
		t.Errorf("consume: got %v, want nil", err)
	}
	if n, _ := s.Depth(t.Context(), bustest.Only); n != 1 {
		t.Errorf("depth %d, want 1: it could not be settled", n)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := bus.OpenSpool(t.Context(), db, bus.SpoolConfig{Topology: bustest.Topology()}); err == nil {
		t.Error("open on a closed database: got nil, want an error")
	}
}

func TestAReadOnlyFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db := mustDB(t, path)
	if err := mustSpool(t, db, bus.SpoolConfig{}).Publish(t.Context(), bustest.Solo, msg(0)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// By pragma, for a test that runs as root can write to any file.
	db = mustDB(t, path)
	if _, err := db.Exec(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	s, err := bus.OpenSpool(t.Context(), db, bus.SpoolConfig{Topology: bustest.Topology()})
	if err != nil {
		return // refused at once is as good
	}
	defer s.Close()
	if err := s.Publish(t.Context(), bustest.Solo, msg(1)); err == nil {
		t.Error("publish into a read-only file: got nil, want an error")
	}
	if n, _ := s.Depth(t.Context(), bustest.Only); n != 1 {
		t.Errorf("depth %d, want 1", n)
	}
}

func TestAHandleWithSeveralConnectionsIsRefused(t *testing.T) {
	db := mustDB(t, filepath.Join(t.TempDir(), "s.db"))
	db.SetMaxOpenConns(2)
	if _, err := bus.OpenSpool(t.Context(), db, bus.SpoolConfig{}); err == nil {
		t.Error("got nil, want an error")
	}
}

func TestADamagedRowBecomesADeadLetter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db := mustDB(t, path)
	s := mustSpool(t, db, bus.SpoolConfig{})
	for n := range 3 {
		if err := s.Publish(t.Context(), bustest.Solo, msg(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE bus_spool SET data = x'01ff' WHERE id = 2`); err != nil {
		t.Fatal(err)
	}
	s = mustSpool(t, db, bus.SpoolConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	err := s.Consume(ctx, bustest.Only, func(_ context.Context, b bus.Batch) error {
		for _, d := range b.Deliveries {
			got = append(got, d.ID)
		}
		if len(got) == 2 {
			cancel()
		}
		return nil
	})
	if err != nil || strings.Join(got, " ") != "m-0 m-2" {
		t.Errorf("got %v (%v), want what can be read", got, err)
	}
	dead, err := s.DeadLetters(t.Context(), bustest.Only, 10)
	if err != nil || len(dead) != 1 || string(dead[0].Body) != "\x01\xff" {
		t.Errorf("dead letters: got %+v (%v), want the damaged row", dead, err)
	}
}

func TestDeadLettersAreBoundedAndTheOldestGo(t *testing.T) {
	s := mustSpool(t, mustDB(t, filepath.Join(t.TempDir(), "s.db")), bus.SpoolConfig{})
	const extra = 500
	for n := 0; n < bus.MaxDeadLetters+extra; n += 500 {
		var some []bus.Message
		for i := range 500 {
			some = append(some, msg(n+i))
		}
		if err := s.Publish(t.Context(), bustest.Solo, some...); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	err := s.Consume(ctx, bustest.Only, func(_ context.Context, b bus.Batch) error {
		reasons := map[int]error{}
		for i := range b.Deliveries {
			reasons[i] = errors.New("poison")
		}
		if seen += len(b.Deliveries); seen == bus.MaxDeadLetters+extra {
			cancel()
		}
		return &bus.Rejected{Reasons: reasons}
	})
	if err != nil {
		t.Fatal(err)
	}
	dead, err := s.DeadLetters(t.Context(), bustest.Only, 2*bus.MaxDeadLetters)
	if err != nil || len(dead) != bus.MaxDeadLetters || s.Dropped() != extra {
		t.Fatalf("%d kept, %d dropped (%v), want %d and %d", len(dead), s.Dropped(), err, bus.MaxDeadLetters, extra)
	}
	if last := dead[len(dead)-1].ID; last != msg(extra).ID {
		t.Errorf("oldest kept is %s, want %s", last, msg(extra).ID)
	}
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add(bus.EncodeChunk(nil, []bus.Message{msg(1), {}, msg(2)}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		messages, err := bus.DecodeChunk(data)
		if err != nil {
			return
		}
		again, err := bus.DecodeChunk(bus.EncodeChunk(nil, messages))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(messages) {
			t.Errorf("%v (%v) after a round trip, want %v", again, err, messages)
		}
	})
}
