// Package census is the client of the game's two services: the streaming one,
// which sends events as they happen, and the query one, which answers questions
// about characters, outfits and names.
//
// Neither can be trusted. Stream faults are numbered as in census section 3:
//
//	S1   one world silent            health: silence timers per world; Stream reconnects
//	S2   all silent, socket open     the same timers, growing, so that maintenance is no storm
//	S3   heartbeats stop too         Stream: no frame for 75 s, or no pong, closes the connection
//	S4   subscription changed        subscriptionCheck: empty subscribe, compare, repair, reconnect
//	S5   exact duplicates            sightings: event key, 60 s; unowned vehicles are counted instead
//	S6   out of order                nothing here: readers compare Event.At, never arrival
//	S7   future timestamps           event.Decode flags them; health measures by arrival
//	S8   connection closed           Stream: backoff with full jitter, reset after good traffic
//	S9   handshake refused           403 is said once and retried in minutes; others back off
//	S10  login or logout missing     nothing here: the dispatcher's timeout and the roster
//	S11  burst at continent change   passed on whole; the frame queue holds it
//	S12  new names and fields        event.Decode keeps unknown ones raw; unknown messages are sampled
//	S13  missing fields              event.Decode: PS4 and old shapes
//	S14  unknown ids                 passed on; readers show a placeholder
//
// The query service answers most failures with status 200. Query turns each into
// one of four errors: ErrNotFound, ErrUnavailable, ErrBadQuery, ErrServiceID.
package census
