// Package listener is the role that keeps a connection to the game's stream,
// watches its health, and publishes what happens on the bus's events topic.
//
// One listener per environment leads; it connects once it holds the lease.
// Events are queued in memory and published in batches that clock themselves:
// what came while the last batch was on its way. Nothing that was read is
// dropped while the queue has room; beyond it the newest are dropped, counted,
// and shown as a hole: the world's stream is down, "buffer full".
package listener
