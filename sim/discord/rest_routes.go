package discord

import "unicode/utf8"

// Paths of Discord's REST API as its OpenAPI document writes them.
const (
	pathMessages      = "/channels/{channel_id}/messages"
	pathMessage       = "/channels/{channel_id}/messages/{message_id}"
	pathCommands      = "/applications/{application_id}/commands"
	pathCommand       = "/applications/{application_id}/commands/{command_id}"
	pathGuildCommands = "/applications/{application_id}/guilds/{guild_id}/commands"
	pathGuildCommand  = "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}"
	pathCallback      = "/interactions/{interaction_id}/{interaction_token}/callback"
	pathWebhook       = "/webhooks/{webhook_id}/{webhook_token}"
	pathOriginal      = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
	pathFollowup      = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
)

// restRoutes is the part of the API that the stand-in has; literal segments
// come before variables.
func restRoutes() []*route {
	return []*route{
		{method: "GET", pattern: "/gateway", interaction: true, handle: (*Server).getGateway},
		{method: "GET", pattern: "/gateway/bot", handle: (*Server).getGatewayBot},
		{method: "GET", pattern: "/users/@me", handle: (*Server).getMe},
		{method: "GET", pattern: "/users/@me/guilds", handle: (*Server).getMyGuilds},
		{method: "POST", pattern: "/users/@me/channels", check: checkOpenDM, handle: (*Server).postDM},
		{method: "GET", pattern: "/users/{user_id}", handle: (*Server).getUser},
		{method: "GET", pattern: "/applications/@me", handle: (*Server).getApplication},
		{method: "GET", pattern: "/oauth2/applications/@me", handle: (*Server).getApplication},

		{method: "GET", pattern: "/channels/{channel_id}", handle: (*Server).getChannel},
		{method: "PATCH", pattern: "/channels/{channel_id}", check: checkRename, handle: (*Server).patchChannel},
		{method: "POST", pattern: "/channels/{channel_id}/typing", handle: (*Server).postTyping},
		{method: "GET", pattern: pathMessages, handle: (*Server).getMessages},
		{method: "POST", pattern: pathMessages, check: checkChannelMessage, handle: (*Server).postMessage},
		{method: "GET", pattern: pathMessage, handle: (*Server).getMessage},
		{method: "PATCH", pattern: pathMessage, check: checkEdit, handle: (*Server).patchMessage},
		{method: "DELETE", pattern: pathMessage, handle: (*Server).deleteMessage},

		{method: "GET", pattern: "/guilds/{guild_id}", handle: (*Server).getGuild},
		{method: "GET", pattern: "/guilds/{guild_id}/channels", handle: (*Server).getGuildChannels},
		{method: "GET", pattern: "/guilds/{guild_id}/roles", handle: (*Server).getGuildRoles},
		{method: "GET", pattern: "/guilds/{guild_id}/members/{user_id}", handle: (*Server).getMember},

		{method: "GET", pattern: pathCommands, handle: (*Server).getCommands},
		{method: "PUT", pattern: pathCommands, check: checkCommands, handle: (*Server).putCommands},
		{method: "POST", pattern: pathCommands, check: checkNewCommand, handle: (*Server).postCommand},
		{method: "GET", pattern: pathCommand, handle: (*Server).getCommand},
		{method: "PATCH", pattern: pathCommand, check: checkCommandEdit, handle: (*Server).patchCommand},
		{method: "DELETE", pattern: pathCommand, handle: (*Server).deleteCommand},
		{method: "GET", pattern: pathGuildCommands, handle: (*Server).getCommands},
		{method: "PUT", pattern: pathGuildCommands, check: checkCommands, handle: (*Server).putCommands},
		{method: "POST", pattern: pathGuildCommands, check: checkNewCommand, handle: (*Server).postCommand},
		{method: "GET", pattern: pathGuildCommand, handle: (*Server).getCommand},
		{method: "PATCH", pattern: pathGuildCommand, check: checkCommandEdit, handle: (*Server).patchCommand},
		{method: "DELETE", pattern: pathGuildCommand, handle: (*Server).deleteCommand},

		{method: "POST", pattern: pathCallback, interaction: true, check: checkCallback, handle: (*Server).postCallback},
		{method: "POST", pattern: pathWebhook, interaction: true, check: checkFollowup, handle: (*Server).postFollowup},
		{method: "GET", pattern: pathOriginal, interaction: true, handle: (*Server).getFollowup},
		{method: "PATCH", pattern: pathOriginal, interaction: true, check: checkEdit, handle: (*Server).patchFollowup},
		{method: "DELETE", pattern: pathOriginal, interaction: true, handle: (*Server).deleteFollowup},
		{method: "GET", pattern: pathFollowup, interaction: true, handle: (*Server).getFollowup},
		{method: "PATCH", pattern: pathFollowup, interaction: true, check: checkEdit, handle: (*Server).patchFollowup},
		{method: "DELETE", pattern: pathFollowup, interaction: true, handle: (*Server).deleteFollowup},
	}
}

func checkOpenDM(_ *Server, c *call, ch *checker) {
	if m, ok := ch.object(nil, c.doc); ok {
		ch.known(nil, m, "recipient_id", "access_tokens", "nicks")
		if id, _ := m["recipient_id"].(string); !isSnowflake(id) {
			ch.add([]string{"recipient_id"}, "NUMBER_TYPE_COERCE", "Value %q is not snowflake.", id)
		}
	}
}

// checkRename takes a change of the name alone.
func checkRename(_ *Server, c *call, ch *checker) {
	if m, ok := ch.object(nil, c.doc); ok {
		ch.known(nil, m, "name")
		if name, _ := m["name"].(string); name == "" || utf8.RuneCountInString(name) > 100 {
			ch.add([]string{"name"}, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
		}
	}
}

func checkChannelMessage(_ *Server, c *call, ch *checker) { checkMessage(c, ch, placeChannel) }
func checkEdit(_ *Server, c *call, ch *checker)           { checkMessage(c, ch, placeEdit) }
func checkFollowup(_ *Server, c *call, ch *checker)       { checkMessage(c, ch, placeWebhook) }

func checkMessage(c *call, ch *checker, place bodyPlace) {
	if c.doc == nil {
		return // files alone
	}
	if m, ok := ch.object(nil, c.doc); ok {
		ch.message(nil, m, place)
	}
}

func checkCommands(s *Server, c *call, ch *checker) {
	list, ok := c.doc.([]any)
	if !ok && c.doc != nil {
		ch.add(nil, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
	}
	seen := map[int]*nameSet{} // by type
	for i, v := range list {
		m, ok := ch.object(at(nil, i), v)
		if !ok {
			continue
		}
		ch.command(at(nil, i), m, false, s.cfg.UserInstall)
		kind, there := ch.number(at(nil, i), m, "type")
		if !there {
			kind = 1
		}
		if seen[kind] == nil {
			seen[kind] = &nameSet{}
		}
		for _, locale := range seen[kind].taken(namesIn(m)) {
			ch.add(nameAt(at(nil, i), locale), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
		}
	}
}

func checkNewCommand(s *Server, c *call, ch *checker) {
	if m, ok := ch.object(nil, c.doc); ok {
		ch.command(nil, m, false, s.cfg.UserInstall)
	}
}

func checkCommandEdit(s *Server, c *call, ch *checker) {
	if m, ok := ch.object(nil, c.doc); ok {
		ch.command(nil, m, true, s.cfg.UserInstall)
	}
}
