// Package redis hands out leases by way of one Redis server, or a majority of
// three or more that know nothing of each other, with redsync's algorithm.
//
// What the algorithm leaves open is closed here (storage notes 5):
//
//   - A holder fences itself. It stops TTL/6 before the servers would let another
//     in, by the monotonic clock and by the wall clock, whichever is first, though
//     no call returns and though the process was suspended meanwhile.
//   - A waiter looks before it locks. It tries only when the key is free on a
//     majority of the servers, so that it does not take the one that a single
//     server has lost and the holder is about to set again.
//   - A server that has been up for less than a lease may have forgotten one. It
//     has no vote in a lock until then; a holder still renews on it. So a restart
//     lets no second leader in, with or without persistence. Against FLUSHALL, and
//     a replica promoted in the place of its primary, nothing can be done here.
//   - A term comes from somewhere that does not lose it, the database, for nothing
//     stops a leader between its last look at the clock and its next act.
package redis
