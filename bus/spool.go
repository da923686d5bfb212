package bus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// keepBytes is how much of what waits is kept in memory, so that consuming
// needs no read; what is above it is read back from the table.
const keepBytes = 64 << 20

// A SpoolConfig says how a Spool works. Topology is required.
type SpoolConfig struct {
	Topology Topology
	Log      *slog.Logger // nil discards
	// MaxMessages and MaxBytes bound what waits over all queues; above them
	// Publish returns ErrFull. 0 means DefaultMaxMessages and DefaultMaxBytes.
	MaxMessages int
	MaxBytes    int
	// Shared says that storage works on the same handle: then each Batch has
	// SettleIn.
	Shared bool
}

// A Spool is a bus for one process whose work topics survive a crash: messages
// lie in two tables of an SQLite file until they are settled. How much a power
// cut can take is up to the handle's "synchronous" setting; a killed process
// loses nothing.
//
// Everything found unsettled when the spool is opened comes again with Attempt 2
// or more. Only one Spool may work on a file at a time.
//
// Waiting for the handle is part of publishing to a work topic, of settling and
// of DeadLetters: do not call those inside a transaction on the same handle, but
// use Batch.SettleIn.
type Spool struct {
	*core
	db     *sql.DB
	ops    chan *spoolOp
	ended  chan struct{} // closed when the writer has returned
	watch  sync.WaitGroup
	shares bool
	keep   int // bytes

	nextID  int64 // the writer's alone
	buf     []byte
	dropped atomic.Int64

	keptMu sync.Mutex
	kept   int // bytes of messages in memory that no consumer has taken yet
}

// OpenSpool makes the tables if they are missing, reads what was not settled,
// and starts the writer. db must be an SQLite handle for writing with at most
// one connection; it stays the caller's to close, after the Spool.
func OpenSpool(ctx context.Context, db *sql.DB, cfg SpoolConfig) (*Spool, error) {
	if n := db.Stats().MaxOpenConnections; n != 1 {
		return nil, fmt.Errorf("spool: the handle allows %d connections, want 1", n)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Spool{
		core: newCore(cfg.Topology, cfg.Log), db: db, shares: cfg.Shared, keep: keepBytes,
		ops: make(chan *spoolOp), ended: make(chan struct{}),
	}
	if cfg.MaxMessages > 0 {
		s.maxMessages = cfg.MaxMessages
	}
	if cfg.MaxBytes > 0 {
		s.maxBytes = cfg.MaxBytes
	}
	if err := s.prepare(ctx); err != nil {
		s.cancel()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	go s.write()
	s.watch.Go(s.watchReplays)
	return s, nil
}

// Publish implements Bus. Concurrent calls share commits: each waits for the one
// that runs and then for its own. On an error of the database nothing of the
// call was taken, unless ctx ended first.
func (s *Spool) Publish(ctx context.Context, topic string, messages ...Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.running.Done()
	queues, err := s.route(ctx, topic, messages)
	if err != nil || len(queues) == 0 {
		return err
	}
	op := &spoolOp{queues: queues, messages: messages, bytes: sizeAll(messages), done: make(chan error, 1)}
	if err := s.reserve(op.count(), op.total()); err != nil {
		return err
	}
	select {
	case s.ops <- op:
	case <-ctx.Done():
		s.release(op.count(), op.total())
		return ctx.Err()
	}
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Consume implements Bus.
func (s *Spool) Consume(ctx context.Context, queue string, h Handler) error {
	return s.consume(ctx, queue, h, s)
}

// Dropped returns how many dead letters had to make room for newer ones since
// the spool was opened.
func (s *Spool) Dropped() int64 { return s.dropped.Load() }

// Close implements Bus. It must not be called from a handler, and leaves the
// database handle open.
func (s *Spool) Close() error {
	if !s.shut() {
		return ErrClosed
	}
	s.watch.Wait()
	close(s.ops)
	<-s.ended
	return nil
}

func (s *Spool) shared() bool { return s.shares }

// settle implements backend through the writer, so that it shares a commit with
// whatever is published at the same time.
func (s *Spool) settle(_ context.Context, q *queue, chunks []*chunk, dead []DeadLetter) error {
	op := &spoolOp{settleQueue: q, settle: chunks, dead: dead, done: make(chan error, 1)}
	s.ops <- op
	return <-op.done
}

func (s *Spool) settleIn(ctx context.Context, tx *sql.Tx, q *queue, chunks []*chunk, dead []DeadLetter) error {
	if err := deleteChunks(ctx, tx, q, chunks); err != nil {
		return err
	}
	return s.insertDead(ctx, tx, dead)
}

// load implements backend.
func (s *Spool) load(ctx context.Context, q *queue, chunks []*chunk) ([]DeadLetter, error) {
	s.unkeep(chunks)
	var dead []DeadLetter
	for _, c := range chunks {
		if c.messages != nil {
			continue
		}
		data, err := s.readChunk(ctx, c)
		if err != nil {
			return dead, err
		}
		if c.messages, err = decodeChunk(data); err != nil || len(c.messages) != c.n {
			s.log.ErrorContext(ctx, "spooled messages cannot be read", "queue", q.name, "id", c.id, "messages", c.n, "err", err)
			c.messages = []Message{}
			dead = append(dead, DeadLetter{
				Message: Message{ID: fmt.Sprintf("spool-%d", c.id), Body: data[:min(len(data), MaxBody)]},
				Queue:   q.name, Reason: "spooled messages cannot be read", At: time.Now().UTC(),
			})
		}
	}
	return dead, nil
}

// retain decides which of the chunks just written stay in memory.
func (s *Spool) retain(chunks []*chunk) {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	for _, c := range chunks {
		if s.kept+c.bytes > s.keep {
			c.messages = nil
			continue
		}
		s.kept += c.bytes
		c.kept = true
	}
}

// unkeep stops counting chunks that a consumer has taken.
func (s *Spool) unkeep(chunks []*chunk) {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	for _, c := range chunks {
		if c.kept {
			c.kept = false
			s.kept -= c.bytes
		}
	}
}

var _ Transport = (*Spool)(nil)

var errChunk = errors.New("chunk is damaged")
