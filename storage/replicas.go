package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/outage"
)

// DefaultReplicaLag is how old an answer of a read replica may be.
const DefaultReplicaLag = 10 * time.Second

// Whether a replica keeps up is measured with beats: this process counts up a row
// of its own in the primary, remembers when each count was committed, and looks for
// it in the replicas. That needs no privilege, works with every kind of
// replication, and no clock but our own.

// replicas are the read replicas and what is known of them. The zero value has
// none.
type replicas struct {
	list []*replica
	next atomic.Uint32

	stop context.CancelFunc
	done sync.WaitGroup
}

// A replica is one server that follows the primary.
type replica struct {
	db   *sql.DB
	name string // host and port
	lost *outage.Outage
	// everUsed says that it was judged for good once. Only the beat knows it.
	everUsed bool

	mu   sync.Mutex
	used context.Context // ended while reads are not to go there
	end  context.CancelCauseFunc
}

// openReplicas connects to nothing. Reads go to a replica once it was seen to keep
// up.
func (s *Store) openReplicas() (*replicas, error) {
	rs := &replicas{}
	if len(s.opt.Replicas) == 0 {
		return rs, nil
	}
	conns := s.opt.Conns
	if conns <= 0 {
		conns = defaultConns
	}
	for _, url := range s.opt.Replicas {
		dsn, ok := strings.CutPrefix(url, "mysql:")
		if !ok {
			return nil, errors.Join(fmt.Errorf("%w: a replica is not mysql:DSN", ErrURL), rs.close())
		}
		db, err := openPool(dsn, conns, answerLimit)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replica: %w", err), rs.close())
		}
		rs.list = append(rs.list, newReplica(db, address(dsn), s.log))
	}
	ctx, stop := context.WithCancel(context.Background())
	rs.stop = stop
	rs.done.Go(func() { s.beat(ctx, rs.list) })
	return rs, nil
}

// errNotYet is why a replica is not used before it was seen to keep up.
var errNotYet = errors.New("not seen to keep up yet")

func newReplica(db *sql.DB, name string, log *slog.Logger) *replica {
	r := &replica{db: db, name: name, lost: outage.New(log.With("replica", name), nil,
		"a read replica is left out, the primary answers", "a read replica is used")}
	r.used, r.end = context.WithCancelCause(context.Background())
	r.end(errNotYet)
	return r
}

// close ends the measuring and all connections.
func (rs *replicas) close() error {
	if rs.stop != nil {
		rs.stop()
		rs.done.Wait()
	}
	var errs []error
	for _, r := range rs.list {
		r.end(errors.New("the store is closed"))
		errs = append(errs, r.db.Close())
	}
	return errors.Join(errs...)
}

// pick returns a replica to read from, by turns, and nil if there is none. The
// context ends when it is left out.
func (rs *replicas) pick() (*replica, context.Context) {
	n := uint32(len(rs.list))
	if n == 0 {
		return nil, nil
	}
	for first, i := rs.next.Add(1), uint32(0); i < n; i++ {
		r := rs.list[(first+i)%n]
		r.mu.Lock()
		used := r.used
		r.mu.Unlock()
		if used.Err() == nil {
			return r, used
		}
	}
	return nil, nil
}

// each has a replica answer q. It is not done if there is none, or if the one
// asked failed or was left out before it gave the first row, of which n keeps
// count: then the primary is to answer. An answer that has begun is heard to its
// end, even of a replica that was left out since: it is what was true when it was
// asked.
func (rs *replicas) each(ctx context.Context, d dialect, q question, scan func(*sql.Rows) error, n *int) (done bool, err error) {
	r, used := rs.pick()
	if r == nil {
		return false, nil
	}
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	var given atomic.Bool // whichever is first: its first row, or that it is left out
	defer context.AfterFunc(used, func() {
		if given.CompareAndSwap(false, true) {
			cancel()
		}
	})()
	err = eachOf(bounded, r.db, q, func(rows *sql.Rows) error {
		if *n == 0 && !given.CompareAndSwap(false, true) {
			return used.Err()
		}
		return scan(rows)
	})
	fault := d.fault(ctx, err)
	switch {
	case err == nil, ctx.Err() != nil:
		return true, err
	case *n == 0:
		if fault != noFault {
			r.leave(ctx, err)
		}
		return false, nil
	case fault != noFault:
		return true, fmt.Errorf("replica %s was lost in its answer: %w", r.name, err)
	}
	return true, err
}

// leave has reads go elsewhere, and ends those that wait for the first row.
func (r *replica) leave(ctx context.Context, why error) {
	r.mu.Lock()
	r.end(why)
	r.mu.Unlock()
	r.lost.Failed(ctx, why)
}

// use has reads go to the replica again.
func (r *replica) use(ctx context.Context) {
	r.mu.Lock()
	if r.used.Err() != nil {
		r.used, r.end = context.WithCancelCause(context.Background())
	}
	r.mu.Unlock()
	r.lost.Answered(ctx)
}
