package bus

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"
)

// The tables belong to the spool. A row of bus_spool is a chunk of one queue;
// ids only grow while the process runs.
var spoolTables = []string{
	`CREATE TABLE IF NOT EXISTS bus_spool (
		id       INTEGER PRIMARY KEY,
		queue    TEXT NOT NULL,
		at       INTEGER NOT NULL, -- Unix microseconds
		messages INTEGER NOT NULL,
		bytes    INTEGER NOT NULL,
		data     BLOB NOT NULL
	) STRICT`,
	`CREATE TABLE IF NOT EXISTS bus_dead (
		id     INTEGER PRIMARY KEY,
		queue  TEXT NOT NULL,
		name   TEXT NOT NULL,
		key    TEXT NOT NULL,
		body   BLOB NOT NULL,
		reason TEXT NOT NULL,
		at     INTEGER NOT NULL -- Unix microseconds
	) STRICT`,
	`CREATE INDEX IF NOT EXISTS bus_dead_by_queue ON bus_dead (queue, id)`,
	`CREATE TABLE IF NOT EXISTS bus_replay ( -- on the way from bus_dead to bus_spool
		id    INTEGER PRIMARY KEY,
		queue TEXT NOT NULL,
		name  TEXT NOT NULL,
		key   TEXT NOT NULL,
		body  BLOB NOT NULL
	) STRICT`,
}

// prepare makes the tables and reads what waits, without the bodies.
func (s *Spool) prepare(ctx context.Context) error {
	for _, stmt := range spoolTables {
		if _, err := s.db.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	rows, err := s.db.QueryContext(ctx, `SELECT id, queue, at, messages, bytes FROM bus_spool ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close() // only reads; Err below says what matters
	strangers := 0
	for rows.Next() {
		// What is found was perhaps delivered before: the next attempt is the second.
		c := &chunk{attempts: 1}
		var name string
		var at int64
		if err := rows.Scan(&c.id, &name, &at, &c.n, &c.bytes); err != nil {
			return err
		}
		c.at = time.UnixMicro(at).UTC()
		s.nextID = c.id
		q, ok := s.queues[name]
		if !ok {
			strangers += c.n
			continue
		}
		s.messages, s.bytes = s.messages+c.n, s.bytes+c.bytes
		q.add(c)
	}
	if strangers > 0 {
		s.log.WarnContext(ctx, "the spool holds messages of queues that are not in the topology", "messages", strangers)
	}
	s.nextID++
	return rows.Err()
}

func (s *Spool) insertChunk(ctx context.Context, tx *sql.Tx, q *queue, c *chunk) error {
	s.buf = encodeChunk(s.buf[:0], c.messages)
	c.id = s.nextID
	s.nextID++
	_, err := tx.ExecContext(ctx, `INSERT INTO bus_spool (id, queue, at, messages, bytes, data) VALUES (?, ?, ?, ?, ?, ?)`,
		c.id, q.name, c.at.UnixMicro(), c.n, c.bytes, s.buf)
	return err
}

func deleteChunks(ctx context.Context, tx *sql.Tx, q *queue, chunks []*chunk) error {
	for _, run := range runs(chunks) {
		_, err := tx.ExecContext(ctx, `DELETE FROM bus_spool WHERE id BETWEEN ? AND ? AND queue = ?`,
			run[0].id, run[len(run)-1].id, q.name)
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
	}
	return nil
}

func (s *Spool) readChunk(ctx context.Context, c *chunk) ([]byte, error) {
	var data []byte
	err := s.db.QueryRowContext(ctx, `SELECT data FROM bus_spool WHERE id = ?`, c.id).Scan(&data)
	if err != nil {
		return nil, fmt.Errorf("read spooled messages: %w", err)
	}
	return data, nil
}

// chunkFormat is the first byte of a chunk's data.
const chunkFormat = 1

// encodeChunk appends messages to b: each field as its length and its bytes.
func encodeChunk(b []byte, messages []Message) []byte {
	b = append(b, chunkFormat)
	for _, m := range messages {
		b = binary.AppendUvarint(b, uint64(len(m.ID)))
		b = append(b, m.ID...)
		b = binary.AppendUvarint(b, uint64(len(m.Key)))
		b = append(b, m.Key...)
		b = binary.AppendUvarint(b, uint64(len(m.Body)))
		b = append(b, m.Body...)
	}
	return b
}

// decodeChunk reads what encodeChunk wrote; bodies point into b.
func decodeChunk(b []byte) ([]Message, error) {
	if len(b) == 0 || b[0] != chunkFormat {
		return nil, fmt.Errorf("%w: not of format %d", errChunk, chunkFormat)
	}
	b = b[1:]
	messages := []Message{}
	for len(b) > 0 {
		var fields [3][]byte
		for i := range fields {
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return nil, fmt.Errorf("%w: cut short", errChunk)
			}
			end := size + int(n)
			fields[i], b = b[size:end:end], b[end:]
		}
		messages = append(messages, Message{ID: string(fields[0]), Key: string(fields[1]), Body: fields[2]})
	}
	return messages, nil
}
