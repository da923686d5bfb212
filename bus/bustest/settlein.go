package bustest

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"muster/bus"
)

// OpenShared is Open for a transport that shares db with storage.
type OpenShared func(t *testing.T) (b bus.Bus, db *sql.DB, reopen func() (bus.Bus, *sql.DB))

// RunSettleIn holds a transport that offers Batch.SettleIn to what it promises.
func RunSettleIn(t *testing.T, open OpenShared) {
	for name, run := range map[string]func(*testing.T, OpenShared){
		"work and settlement commit together":         testSettleCommit,
		"a rollback undoes the settlement":            testSettleRollback,
		"a failure after the commit does no harm":     testSettleThenError,
		"rejected messages are set aside in the same": testSettleRejected,
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			run(t, open)
		})
	}
}

// store writes the batch's ids and settles in one transaction.
func store(ctx context.Context, db *sql.DB, batch bus.Batch, rejected map[int]error, commit bool) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	for _, d := range batch.Deliveries {
		if _, err := tx.ExecContext(ctx, `INSERT INTO stored (id) VALUES (?)`, d.ID); err != nil {
			return err
		}
	}
	if err := batch.SettleIn(ctx, tx, rejected); err != nil {
		return err
	}
	if !commit {
		return errTry
	}
	return tx.Commit()
}

func mustTable(t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := db.Exec(`CREATE TABLE stored (id TEXT NOT NULL)`); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM stored`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func testSettleCommit(t *testing.T, open OpenShared) {
	b, db, reopen := open(t)
	mustTable(t, db)
	const total = 3000
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		return store(ctx, db, batch, nil, true)
	})
	for n := 0; n < total; n += 100 {
		mustPublish(t, b, Solo, messages(n, n+100)...)
	}
	wantDepth(t, b, Only, 0)
	stop()
	b, db = reopen()
	wantDepth(t, b, Only, 0)
	if got := stored(t, db); got != total {
		t.Errorf("%d stored, want %d", got, total)
	}
}

func testSettleRollback(t *testing.T, open OpenShared) {
	b, db, reopen := open(t)
	mustTable(t, db)
	mustPublish(t, b, Solo, messages(0, 10)...)
	tried := make(chan struct{}, 100)
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		defer func() { tried <- struct{}{} }()
		return store(ctx, db, batch, map[int]error{0: errTry}, false)
	})
	within(t, tried)
	stop()
	wantDepth(t, b, Only, 10)
	mustDead(t, b, Only, 5, 0)
	b, db = reopen()
	wantDepth(t, b, Only, 10)
	s := newSink(10)
	consume(t, b, Only, s.handle) // settles by returning nil, which must do as well
	within(t, s.full)
	wantIDs(t, s.ids(), ids(messages(0, 10)))
	wantDepth(t, b, Only, 0)
	if got := stored(t, db); got != 0 {
		t.Errorf("%d stored, want none", got)
	}
}

func testSettleThenError(t *testing.T, open OpenShared) {
	b, db, reopen := open(t)
	mustTable(t, db)
	mustPublish(t, b, Solo, messages(0, 10)...)
	calls := 0
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		if calls++; calls > 1 {
			return batchAgain(ctx, db, batch)
		}
		return errors.Join(store(ctx, db, batch, nil, true), errTry)
	})
	wantDepth(t, b, Only, 0)
	stop()
	if calls != 2 {
		t.Errorf("%d attempts, want 2: an error always means again", calls)
	}
	b, _ = reopen()
	wantDepth(t, b, Only, 0)
}

// batchAgain settles what an earlier attempt has settled already.
func batchAgain(ctx context.Context, db *sql.DB, batch bus.Batch) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := batch.SettleIn(ctx, tx, nil); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func testSettleRejected(t *testing.T, open OpenShared) {
	b, db, reopen := open(t)
	mustTable(t, db)
	mustPublish(t, b, Solo, messages(0, 10)...)
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		reasons := map[int]error{4: errors.New("poison")}
		if err := store(ctx, db, batch, reasons, true); err != nil {
			return err
		}
		return &bus.Rejected{Reasons: reasons} // said twice, kept once
	})
	wantDepth(t, b, Only, 0)
	stop()
	b, _ = reopen()
	if dead := mustDead(t, b, Only, 5, 1); dead[0].ID != message(4).ID || dead[0].Reason != "poison" {
		t.Errorf("got %+v, want message 4", dead[0])
	}
	wantDepth(t, b, Only, 0)
}
