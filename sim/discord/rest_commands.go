package discord

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxCommands is how many chat commands a guild, or the whole app, may have.
const maxCommands = 100

// A registry holds the registered commands by guild id; "" is global.
type registry struct {
	byGuild map[string][]Command
	created map[string][]time.Time
}

// owned reports an application id that is not the bot's.
func (s *Server) owned(c *call) *apiError {
	if c.vars["application_id"] != s.cfg.AppID {
		return fail(20012)
	}
	if id := c.vars["guild_id"]; id != "" && s.world.guild(id) == nil {
		return fail(50001)
	}
	return nil
}

func (s *Server) getCommands(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.owned(c); e != nil {
		return reply{}, e
	}
	list := append([]Command{}, s.registry.byGuild[c.vars["guild_id"]]...)
	if asked, _ := strconv.ParseBool(c.r.URL.Query().Get("with_localizations")); !asked {
		for i := range list {
			list[i] = list[i].bare()
		}
	}
	return reply{body: list}, nil
}

// putCommands overwrites all commands. Those whose name stays keep their id
// and cost nothing; new ones count against the day's creates.
func (s *Server) putCommands(c *call) (reply, *apiError) {
	list, _ := c.doc.([]any)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.owned(c); e != nil {
		return reply{}, e
	}
	guildID := c.vars["guild_id"]
	out := []Command{}
	fresh := 0
	for _, doc := range list {
		cmd := convert[Command](doc)
		if s.adopt(&cmd, guildID, c.at) {
			fresh++
		}
		out = append(out, cmd)
	}
	if e := s.mayRegister(guildID, out, fresh, c.at); e != nil {
		return reply{}, e
	}
	s.register(guildID, out)
	return reply{body: out}, nil
}

// adopt fills in what the server decides and reports whether cmd is new.
func (s *Server) adopt(cmd *Command, guildID string, now time.Time) bool {
	cmd.Type = orElse(cmd.Type, 1)
	cmd.ApplicationID, cmd.GuildID = s.cfg.AppID, guildID
	cmd.Version = s.ids.next(now)
	if cmd.IntegrationTypes == nil {
		cmd.IntegrationTypes = []int{0}
	}
	if i := s.commandIndex(guildID, func(c Command) bool { return c.Name == cmd.Name && c.Type == cmd.Type }); i >= 0 {
		cmd.ID = s.registry.byGuild[guildID][i].ID
		return false
	}
	cmd.ID = s.ids.next(now)
	return true
}

func (s *Server) commandIndex(guildID string, is func(Command) bool) int {
	return slices.IndexFunc(s.registry.byGuild[guildID], is)
}

// mayRegister holds the limits on numbers of commands and of creates a day.
func (s *Server) mayRegister(guildID string, all []Command, fresh int, now time.Time) *apiError {
	chat := 0
	for _, cmd := range all {
		if cmd.Type == 1 {
			chat++
		}
	}
	if chat > maxCommands {
		return fail(30032)
	}
	recent := slices.DeleteFunc(s.registry.created[guildID], func(t time.Time) bool { return now.Sub(t) > 24*time.Hour })
	if fresh > 0 && len(recent)+fresh > s.cfg.CommandCreatesADay {
		return fail(30034)
	}
	for range fresh {
		recent = append(recent, now)
	}
	s.registry.created[guildID] = recent
	return nil
}

// register replaces the commands of a guild and tells the console.
func (s *Server) register(guildID string, all []Command) {
	s.registry.byGuild[guildID] = all
	s.hub.publish("commands", map[string]any{"guild_id": guildID, "count": len(all)})
}

func (s *Server) postCommand(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.owned(c); e != nil {
		return reply{}, e
	}
	guildID := c.vars["guild_id"]
	cmd := convert[Command](c.doc)
	all := slices.Clone(s.registry.byGuild[guildID])
	status, fresh := http.StatusCreated, 1
	if s.adopt(&cmd, guildID, c.at) {
		all = append(all, cmd)
	} else {
		status, fresh = http.StatusOK, 0
		all[slices.IndexFunc(all, func(o Command) bool { return o.ID == cmd.ID })] = cmd
	}
	if e := s.mayRegister(guildID, all, fresh, c.at); e != nil {
		return reply{}, e
	}
	s.register(guildID, all)
	return reply{status: status, body: cmd}, nil
}

// theCommand returns where the command of c is. It needs s.mu.
func (s *Server) theCommand(c *call) (int, *apiError) {
	if e := s.owned(c); e != nil {
		return 0, e
	}
	i := s.commandIndex(c.vars["guild_id"], func(cmd Command) bool { return cmd.ID == c.vars["command_id"] })
	if i < 0 {
		return 0, fail(10063)
	}
	return i, nil
}

func (s *Server) getCommand(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, e := s.theCommand(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: s.registry.byGuild[c.vars["guild_id"]][i]}, nil
}

func (s *Server) patchCommand(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, e := s.theCommand(c)
	if e != nil {
		return reply{}, e
	}
	guildID := c.vars["guild_id"]
	all := slices.Clone(s.registry.byGuild[guildID])
	merged := convert[map[string]any](all[i])
	for k, v := range c.object() {
		merged[k] = v
	}
	cmd := convert[Command](merged)
	cmd.ID, cmd.Type, cmd.Version = all[i].ID, all[i].Type, s.ids.next(c.at)
	all[i] = cmd
	s.register(guildID, all)
	return reply{body: cmd}, nil
}

func (s *Server) deleteCommand(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, e := s.theCommand(c)
	if e != nil {
		return reply{}, e
	}
	guildID := c.vars["guild_id"]
	s.register(guildID, slices.Delete(slices.Clone(s.registry.byGuild[guildID]), i, i+1))
	return reply{status: http.StatusNoContent}, nil
}
