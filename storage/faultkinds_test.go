package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestFaultsOfTheServerAreToldFromThoseOfTheCaller(t *testing.T) {
	number := func(n uint16) error { return fmt.Errorf("insert: %w", &mysql.MySQLError{Number: n}) }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want fault
	}{
		{"nothing", t.Context(), nil, noFault},
		{"deadlock", t.Context(), number(1213), conflict},
		{"lock wait timeout", t.Context(), number(1205), conflict},
		{"too many connections", t.Context(), number(1040), lost},
		{"shutdown", t.Context(), number(1053), lost},
		{"killed", t.Context(), number(1927), lost},
		{"gone away", t.Context(), number(2006), lost},
		{"lost in a query", t.Context(), number(2013), lost},
		{"network error while writing", t.Context(), number(1160), lost},
		{"read-only", t.Context(), number(1290), readOnly},
		{"read-only mode", t.Context(), number(1836), readOnly},
		{"duplicate key", t.Context(), number(1062), noFault},
		{"value out of range", t.Context(), number(1264), noFault},
		{"no partition for a value", t.Context(), number(1526), noFault},
		{"access denied", t.Context(), number(1045), noFault},
		{"bad connection", t.Context(), driver.ErrBadConn, lost},
		{"invalid connection", t.Context(), fmt.Errorf("commit: %w", mysql.ErrInvalidConn), lost},
		{"connection refused", t.Context(), &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, lost},
		{"name not found", t.Context(), &net.DNSError{IsNotFound: true}, lost},
		{"end of file", t.Context(), io.ErrUnexpectedEOF, lost},
		{"the attempt's own deadline", t.Context(), context.DeadlineExceeded, lost},
		{"the caller has gone", ended, driver.ErrBadConn, noFault},
		{"something else", t.Context(), errors.New("no"), noFault},
	} {
		if got := (dialect{mysql: true}).fault(tt.ctx, tt.err); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got := (dialect{}).fault(tt.ctx, tt.err); got != noFault {
			t.Errorf("%s on SQLite: got %s", tt.name, got)
		}
	}
}

func TestPausesGrowToABoundAndDiffer(t *testing.T) {
	for _, kind := range []fault{conflict, lost, readOnly} {
		most := lostPause
		if kind == conflict {
			most = conflictPause
		}
		seen := map[time.Duration]bool{}
		for attempt := 1; attempt < 100; attempt++ {
			p := pause(kind, attempt)
			if p <= 0 || p > most || attempt == 1 && p > most/2 || attempt > 16 && p < most/2 {
				t.Errorf("%s, attempt %d: %s", kind, attempt, p)
			}
			seen[p] = true
		}
		if len(seen) < 50 {
			t.Errorf("%s: %d different pauses", kind, len(seen))
		}
	}
}
