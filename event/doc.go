// Package event is Muster's vocabulary: what happened in the game, to whom, and
// what follows from it. Every other package speaks in these types.
//
// It depends on the standard library only, does no I/O and starts no goroutine.
// Rules that come from the game cite "census" sections, which are those of the
// protocol notes the project is built on; docs/architecture.md lists them.
package event
