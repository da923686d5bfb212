// Package storage keeps what Muster knows: events, presence and sessions,
// people, subscriptions, the alert outbox, the health of the streams. There is
// one concrete Store over database/sql and two dialects, SQLite and MySQL (or
// MariaDB from 10.6); nothing outside this package knows which one is behind it.
//
// Times: what the game dates is kept in whole Unix seconds, what our clocks date
// in Unix nanoseconds, both as plain integers, so that no session time zone, no
// driver and no column type can shift them. The zero time.Time is 0. All times
// returned are UTC.
//
// Ids are int64 in Go and BIGINT (INTEGER) in the database; a negative one is
// refused before anything is written.
package storage
