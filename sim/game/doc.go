// Package game is PlanetSide 2's outside world, faked at the wire: the
// streaming service, the query service, and a control surface to steer both
// and to make them misbehave (census 8).
//
// It shares no code with production: what passes against it speaks the real
// protocol over real sockets. One HTTP server carries everything:
//
//	/streaming     the WebSocket of census 1
//	/s:ID/get/...  the query service of census 4
//	/sim/...       control, JSON
//	/              a page that lists it
//
// Everything it makes up comes from a seed: the same seed and the same
// sequence of steps give the same names, ids, lists and events.
package game
