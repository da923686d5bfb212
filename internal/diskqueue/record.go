package diskqueue

import (
	"encoding/binary"
	"hash/crc32"
)

// A record on disk is a head and a body. The head is the body's length, the body's
// CRC-32C, and the CRC-32C of those two, 4 bytes each, little-endian. The head has a
// sum of its own so that a file that is damaged can be searched for the next
// record without summing up a body at each byte. A length of 0 is not a record.
const headBytes = 12

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends body as a record to b.
func appendRecord(b, body []byte) []byte {
	var head [headBytes]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(len(body)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(body, castagnoli))
	binary.LittleEndian.PutUint32(head[8:], crc32.Checksum(head[:8], castagnoli))
	return append(append(b, head[:]...), body...)
}

// record returns the body of the record that b begins with, and whether there is one.
func record(b []byte) (body []byte, ok bool) {
	if len(b) <= headBytes || crc32.Checksum(b[:8], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > MaxRecord || int(n) > len(b)-headBytes {
		return nil, false
	}
	body = b[headBytes : headBytes+int(n) : headBytes+int(n)]
	return body, crc32.Checksum(body, castagnoli) == binary.LittleEndian.Uint32(b[4:])
}

// A span is a part of a file that holds no record.
type span struct{ from, to int }

// parse returns the records in b, in order, and what lies between and behind them
// that is none. The records share b's memory.
func parse(b []byte) (records [][]byte, bad []span) {
	for at := 0; at < len(b); {
		if body, ok := record(b[at:]); ok {
			records = append(records, body)
			at += headBytes + len(body)
			continue
		}
		from := at
		for at++; at < len(b); at++ {
			if _, ok := record(b[at:]); ok {
				break
			}
		}
		bad = append(bad, span{from, at})
	}
	return records, bad
}
