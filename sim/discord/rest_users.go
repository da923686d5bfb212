package discord

import (
	"net"
	"net/http"
	"strings"
)

func (s *Server) getGateway(c *call) (reply, *apiError) {
	return reply{body: map[string]any{"url": s.gatewayURL(c.r)}}, nil
}

// gatewayURL is the WebSocket address as the client of r can reach it. The
// Host header is of no use: a client that was redirected here still says
// discord.com.
func (s *Server) gatewayURL(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return "ws" + strings.TrimPrefix(strings.TrimSuffix(s.cfg.PublicURL, "/"), "http")
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return "ws://" + addr.String()
	}
	return "ws://" + r.Host
}

func (s *Server) getGatewayBot(c *call) (reply, *apiError) {
	total, remaining, reset := s.gate.startLimit()
	return reply{body: map[string]any{
		"url": s.gatewayURL(c.r), "shards": s.gate.recommended(),
		"session_start_limit": map[string]any{
			"total": total, "remaining": remaining, "reset_after": reset.Milliseconds(), "max_concurrency": s.cfg.MaxConcurrency,
		},
	}}, nil
}

func (s *Server) getMe(*call) (reply, *apiError) { return reply{body: s.world.bot}, nil }

func (s *Server) getMyGuilds(*call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []map[string]any{}
	for _, g := range s.world.guilds {
		if !g.UserInstalledOnly {
			out = append(out, map[string]any{"id": g.ID, "name": g.Name, "icon": nil, "owner": false, "permissions": memberPermissions, "features": []string{}})
		}
	}
	return reply{body: out}, nil
}

func (s *Server) getUser(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.user(c.vars["user_id"])
	if u == nil {
		return reply{}, fail(10013)
	}
	return reply{body: *u}, nil
}

func (s *Server) getApplication(*call) (reply, *apiError) {
	types := map[string]any{"0": map[string]any{}}
	if s.cfg.UserInstall {
		types["1"] = map[string]any{}
	}
	return reply{body: map[string]any{
		"id": s.cfg.AppID, "name": s.cfg.BotName, "icon": nil, "description": "", "bot_public": true, "bot_require_code_grant": false,
		"verify_key": strings.Repeat("0", 64), "flags": 0, "bot": s.world.bot, "integration_types_config": types, "hook": true,
	}}, nil
}

// postDM opens a DM channel. It succeeds even if sending will fail (notes 8).
func (s *Server) postDM(c *call) (reply, *apiError) {
	if !s.limits.openDM() {
		return reply{}, fail(40003)
	}
	id, _ := c.object()["recipient_id"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.user(id)
	if u == nil {
		return reply{}, fail(50033)
	}
	ch := s.world.channels[s.world.dms[id]]
	if ch == nil {
		ch = s.world.openDM(*u, s.ids.next(c.at))
	}
	return reply{body: *ch}, nil
}

func (s *Server) getGuild(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, e := s.botGuild(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: guildObject(g)}, nil
}

// botGuild returns the guild of c if the bot is a member. It needs s.mu.
func (s *Server) botGuild(c *call) (*Guild, *apiError) {
	g := s.world.guild(c.vars["guild_id"])
	switch {
	case g == nil:
		return nil, fail(10004)
	case g.UserInstalledOnly:
		return nil, fail(50001)
	}
	return g, nil
}

// guildObject renders what a guild says of itself over REST.
func guildObject(g *Guild) map[string]any {
	return map[string]any{
		"id": g.ID, "name": g.Name, "icon": nil, "owner_id": g.OwnerID, "features": []string{}, "emojis": []any{}, "stickers": []any{},
		"roles":       guildRoles(g),
		"afk_timeout": 300, "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0,
		"mfa_level": 0, "premium_tier": 0, "preferred_locale": g.locale(), "nsfw_level": 0, "system_channel_flags": 0,
	}
}

// guildRoles renders the roles, @everyone first.
func guildRoles(g *Guild) []map[string]any {
	var out []map[string]any
	for i, r := range append([]Role{{ID: g.ID, Name: "@everyone"}}, g.Roles...) {
		out = append(out, map[string]any{"id": r.ID, "name": r.Name, "color": 0, "hoist": false, "position": i,
			"permissions": memberPermissions, "managed": false, "mentionable": r.Mentionable})
	}
	return out
}

func (s *Server) getGuildRoles(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, e := s.botGuild(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: guildRoles(g)}, nil
}

func (s *Server) getGuildChannels(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, e := s.botGuild(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: s.guildChannels(g)}, nil
}

// guildChannels returns a guild's channels in their order. It needs s.mu.
func (s *Server) guildChannels(g *Guild) []Channel {
	out := []Channel{}
	for _, ch := range g.Channels {
		if live := s.world.channels[ch.ID]; live != nil {
			out = append(out, *live)
		}
	}
	return out
}

func (s *Server) getMember(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, e := s.botGuild(c)
	if e != nil {
		return reply{}, e
	}
	u := s.world.user(c.vars["user_id"])
	if u == nil {
		return reply{}, fail(10013)
	}
	return reply{body: member(g, *u)}, nil
}

// Permission bits of a member and of an owner.
const (
	memberPermissions = "2147863617"
	ownerPermissions  = "9007199254740991"
)

func permissions(g *Guild, userID string) string {
	if g.OwnerID == userID {
		return ownerPermissions
	}
	return memberPermissions
}

// member renders u as a member of g.
func member(g *Guild, u User) map[string]any {
	return map[string]any{
		"user": u, "nick": nil, "avatar": nil, "roles": []string{}, "joined_at": "2024-01-01T00:00:00.000000+00:00",
		"deaf": false, "mute": false, "flags": 0, "pending": false, "permissions": permissions(g, u.ID),
	}
}
