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
package discord
