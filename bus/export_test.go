package bus

import "database/sql"

// DBOf returns the handle under a Spool.
func DBOf(b Bus) *sql.DB { return b.(*Spool).db }

// Keep bounds what waits in memory, in bytes.
func (s *Spool) Keep(bytes int) { s.keep = bytes }

// Kept returns how many bytes wait in memory.
func (s *Spool) Kept() int {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	return s.kept
}

// DecodeChunk and EncodeChunk are for the fuzz test.
var (
	DecodeChunk = decodeChunk
	EncodeChunk = encodeChunk
)
