// Package discord is a stand-in for Discord at the wire: REST v9 and v10, the
// gateway, and a small console page where a person can act as a user. It
// shares no code with the rest of the module, so what works against it was
// not made to work by a common mistake.
//
// Where a comment says "notes N" it means section N of the project's notes on
// Discord. Bodies are checked against Discord's OpenAPI document when a path
// to it is configured, and always against the rules that document leaves out
// (notes 11).
//
// Everything lives in memory, bounded: the oldest messages of a channel, the
// oldest violations and expired interactions are forgotten.
//
// # Control
//
// What the methods of Server do is also to be had over HTTP, as JSON:
//
//	POST   /sim/command       CommandInput → Answer
//	POST   /sim/autocomplete  CommandInput → []Choice
//	POST   /sim/suggest       CommandInput → Suggestion
//	POST   /sim/press         PressInput → Answer
//	POST   /sim/modal         ModalInput → Answer
//	POST   /sim/say           {user, channel, text} → Message
//	GET    /sim/messages      ?user= &channel= → messages with received_ns, edited_ns, only_for
//	DELETE /sim/messages/{id} dismisses an ephemeral message
//	GET    /sim/users         POST adds one
//	POST   /sim/dms           {user, open}
//	DELETE /sim/channels/{id} the bot gets 10003 from then on
//	GET    /sim/commands      ?guild=
//	GET    /sim/faults        POST Fault → {id}; DELETE all, or /sim/faults/{id}
//	GET    /sim/stats         Stats
//	GET    /sim/violations    []Violation
//	GET    /sim/events        Server-Sent Events of all that happens
//
// A refusal is a 422 with {"error"}, a bot that did not respond a 504.
// Requests that a browser makes for another site are refused.
package discord
