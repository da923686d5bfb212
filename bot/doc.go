// Package bot is Muster's Discord role: slash commands, autocomplete, buttons,
// and the direct message when somebody came online.
//
// discordgo carries the gateway connection. Everything that its version 0.28.1
// gets wrong or lacks (discord notes 2 and 3) is done here: a supervisor that
// makes a new session for every connection, a transport with rate limits and
// two lanes, interactions read from the raw event, sends with a nonce.
package bot
