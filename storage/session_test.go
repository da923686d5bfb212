package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"muster/event"
	"muster/internal/cutproxy"
	"muster/storage"
	"muster/storage/storagetest"
)

// behindHole opens a store whose server can fall silent, and which would wait an hour
// for an answer. The last result goes to the server directly.
func behindHole(t *testing.T) (*storage.Store, *cutproxy.Proxy, *sql.DB) {
	t.Helper()
	url := storagetest.NewMySQL(t)
	storagetest.Open(t, url)
	direct := strings.TrimPrefix(url, "mysql:")
	proxy := cutproxy.New(t, "tcp", direct[strings.Index(direct, "(")+1:strings.Index(direct, ")")])
	return storagetest.Open(t, "mysql:"+proxy.DSN(direct)+"?readTimeout=1h"), proxy, storagetest.Raw(t, url)
}

func TestWhoHasGoneWaitsForNoCommit(t *testing.T) {
	s, proxy, db := behindHole(t)
	ctx, leave := context.WithCancel(t.Context())
	rec := event.Record{Events: logins(0, 5)}
	_, err := s.Record(ctx, benchDay, rec, func(context.Context, *sql.Tx) error {
		proxy.Set(cutproxy.Mute)
		go func() {
			defer leave()
			for n := 0; n == 0; { // until it is committed
				if err := db.QueryRow("SELECT COUNT(*) FROM event_login").Scan(&n); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Record returns %v, want that the context was canceled", err)
	}
	proxy.Set(cutproxy.Pass)
	got, err := s.Record(t.Context(), benchDay, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.New[0] {
		t.Error("what was committed before is new")
	}
}

func TestAnErrorWaitsForNoRollback(t *testing.T) {
	s, proxy, _ := behindHole(t)
	wrong := errors.New("the queue is gone")
	_, err := s.Record(t.Context(), benchDay, event.Record{Events: logins(0, 5)}, func(context.Context, *sql.Tx) error {
		proxy.Set(cutproxy.Swallow)
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("Record returns %v, want %v", err, wrong)
	}
	proxy.Set(cutproxy.Pass)
	got, err := s.Record(t.Context(), benchDay, event.Record{Events: logins(0, 5)}, nil)
	if err != nil || !got.New[0] {
		t.Errorf("what was not stored is not new: %v (%v)", got.New, err)
	}
}
