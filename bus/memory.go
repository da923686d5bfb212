package bus

import (
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"time"
)

// Memory is a bus that keeps everything in memory: for tests, and for whoever
// can bear to lose what is in flight. It holds DefaultMaxMessages messages of
// DefaultMaxBytes together.
type Memory struct {
	*core
	dead deadLetters
}

// NewMemory returns an empty bus. It starts no goroutine.
func NewMemory(t Topology) *Memory {
	return &Memory{core: newCore(t, slog.New(slog.DiscardHandler))}
}

// Publish implements Bus. It does not block.
func (m *Memory) Publish(ctx context.Context, topic string, messages ...Message) error {
	if err := m.enter(); err != nil {
		return err
	}
	defer m.running.Done()
	queues, err := m.route(ctx, topic, messages)
	if err != nil || len(queues) == 0 {
		return err
	}
	if err := m.reserve(len(messages)*len(queues), sizeAll(messages)*len(queues)); err != nil {
		return err
	}
	now := time.Now().UTC()
	messages = slices.Clone(messages) // the caller may use its slice again
	for _, q := range queues {
		q.add(pack(messages, now)...)
	}
	return nil
}

// Consume implements Bus.
func (m *Memory) Consume(ctx context.Context, queue string, h Handler) error {
	return m.consume(ctx, queue, h, memoryBackend{&m.dead})
}

// Close implements Bus. It must not be called from a handler.
func (m *Memory) Close() error {
	if !m.shut() {
		return ErrClosed
	}
	return nil
}

var _ Transport = (*Memory)(nil)

type memoryBackend struct{ dead *deadLetters }

func (memoryBackend) shared() bool { return false }

func (memoryBackend) load(context.Context, *queue, []*chunk) ([]DeadLetter, error) { return nil, nil }

func (b memoryBackend) settle(_ context.Context, _ *queue, _ []*chunk, dead []DeadLetter) error {
	b.dead.add(dead)
	return nil
}

func (b memoryBackend) settleIn(context.Context, *sql.Tx, *queue, []*chunk, []DeadLetter) error {
	return nil
}
