package bus

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// Bounds of one commit.
const (
	commitMessages = 10_000
	commitBytes    = 8 << 20
)

// A spoolOp is one thing for the writer to do: publish, settle, or take what was
// replayed.
type spoolOp struct {
	queues   []*queue
	messages []Message
	bytes    int // of messages

	settleQueue *queue
	settle      []*chunk
	dead        []DeadLetter

	replays bool

	done chan error // holds one
}

// count and total are what a publish reserves.
func (o *spoolOp) count() int { return len(o.messages) * len(o.queues) }
func (o *spoolOp) total() int { return o.bytes * len(o.queues) }

// write commits what has come while the last commit ran, until ops is closed. It
// never waits to fill a batch (storage notes 1).
func (s *Spool) write() {
	defer close(s.ended)
	for op := range s.ops {
		publishes, settles, replays := s.gather(op)
		if len(publishes)+len(settles) > 0 {
			s.commit(publishes, settles)
		}
		if len(replays) > 0 {
			answer(replays, s.adopt())
		}
	}
}

func (s *Spool) gather(op *spoolOp) (publishes, settles, replays []*spoolOp) {
	messages, bytes := 0, 0
	for {
		switch {
		case op.replays:
			replays = append(replays, op)
		case op.settleQueue != nil:
			settles = append(settles, op)
		default:
			publishes = append(publishes, op)
			messages, bytes = messages+op.count(), bytes+op.total()
		}
		if messages >= commitMessages || bytes >= commitBytes {
			return publishes, settles, replays
		}
		select {
		case next, ok := <-s.ops:
			if !ok {
				return publishes, settles, replays
			}
			op = next
		default:
			return publishes, settles, replays
		}
	}
}

// commit does all in one transaction. Should that fail, settling is tried by
// itself: on a full disk it is what makes room.
func (s *Spool) commit(publishes, settles []*spoolOp) {
	fresh := collect(publishes)
	err := s.transact(fresh, settles)
	if err != nil && len(publishes) > 0 && len(settles) > 0 {
		answer(settles, s.transact(nil, settles))
	} else {
		answer(settles, err)
	}
	if err != nil {
		for _, op := range publishes {
			s.release(op.count(), op.total())
		}
		answer(publishes, fmt.Errorf("spool: %w", err))
		return
	}
	s.hand(fresh)
	answer(publishes, nil)
}

// hand gives what was committed to the consumers.
func (s *Spool) hand(fresh []freshChunks) {
	for _, f := range fresh {
		s.retain(f.chunks)
		f.queue.add(f.chunks...)
	}
}

func answer(ops []*spoolOp, err error) {
	for _, op := range ops {
		op.done <- err
	}
}

// freshChunks are what a commit adds to one queue.
type freshChunks struct {
	queue  *queue
	chunks []*chunk
}

// collect joins the messages of all publishes for each queue, in order.
func collect(publishes []*spoolOp) []freshChunks {
	var queues []*queue
	messages := make(map[*queue][]Message)
	for _, op := range publishes {
		for _, q := range op.queues {
			if _, seen := messages[q]; !seen {
				queues = append(queues, q)
			}
			messages[q] = append(messages[q], op.messages...)
		}
	}
	now := time.Now().UTC()
	fresh := make([]freshChunks, len(queues))
	for i, q := range queues {
		fresh[i] = freshChunks{queue: q, chunks: pack(messages[q], now)}
	}
	return fresh
}

func (s *Spool) transact(fresh []freshChunks, settles []*spoolOp) error {
	ctx := context.Background() // every caller waits for the outcome
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := s.perform(ctx, tx, fresh, settles); err != nil {
		_ = tx.Rollback() // the first error is the one that matters
		return err
	}
	return tx.Commit()
}

func (s *Spool) perform(ctx context.Context, tx *sql.Tx, fresh []freshChunks, settles []*spoolOp) error {
	for _, op := range settles {
		if err := s.settleIn(ctx, tx, op.settleQueue, op.settle, op.dead); err != nil {
			return err
		}
	}
	for _, f := range fresh {
		for _, c := range f.chunks {
			if err := s.insertChunk(ctx, tx, f.queue, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// runs cuts chunks into stretches without holes, so that each is one DELETE.
func runs(chunks []*chunk) [][]*chunk {
	var all [][]*chunk
	for len(chunks) > 0 {
		n := 1
		for n < len(chunks) && chunks[n].seq == chunks[n-1].seq+1 {
			n++
		}
		all = append(all, slices.Clip(chunks[:n]))
		chunks = chunks[n:]
	}
	return all
}
