// Package listener is the role that keeps a connection to the game's stream,
// watches its health, and publishes what happens on the bus's events topic.
//
// Every listener of an environment is connected; the one that holds the lease
// leads. It queues events in memory and publishes them in batches that clock
// themselves: what came while the last batch was on its way. What the bus does not
// take for a second goes to a spool on disk, oldest first, and is published from
// there, by this process or the next. Nothing that was read is dropped while spool or
// queue have room; beyond it the newest are dropped, counted, and shown as a hole:
// the world's stream is down, "buffer full".
//
// The others stand by. They keep what they see of the last two minutes in a ring,
// and whoever takes over publishes it before anything new. Events have natural
// keys, so what was published before does no harm.
package listener
