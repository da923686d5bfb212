package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"muster/event"
	"muster/internal/cutproxy"
)

// patient makes a store wait an hour for an answer.
const patient = "?readTimeout=1h"

func TestWhoHasGoneWaitsForNoCommit(t *testing.T) {
	s, proxy, db := throughProxy(t, patient)
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
	s, proxy, _ := throughProxy(t, patient)
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
