package discord

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timestampForm is how Discord writes times.
const timestampForm = "2006-01-02T15:04:05.000000-07:00"

// botChannel returns the channel of c if the bot may see it. It needs s.mu.
func (s *Server) botChannel(c *call) (*Channel, *apiError) {
	ch := s.world.channels[c.vars["channel_id"]]
	if ch == nil {
		return nil, fail(10003)
	}
	if ch.Hidden {
		return nil, fail(50001)
	}
	if g := s.world.guild(ch.GuildID); g != nil && g.UserInstalledOnly {
		return nil, fail(50001)
	}
	return ch, nil
}

func (s *Server) getChannel(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, e := s.botChannel(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: *ch}, nil
}

// patchChannel renames a guild's channel.
func (s *Server) patchChannel(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, e := s.botChannel(c)
	if e == nil && (ch.ReadOnly || ch.Type == channelDM) {
		e = fail(50013)
	}
	if e != nil {
		return reply{}, e
	}
	ch.Name = convert[Channel](c.doc).Name
	s.hub.publish("world", map[string]any{"channel": ch.ID})
	return reply{body: *ch}, nil
}

func (s *Server) postTyping(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, e := s.botChannel(c)
	if e == nil {
		e = s.mayWrite(ch)
	}
	if e != nil {
		return reply{}, e
	}
	return reply{status: http.StatusNoContent}, nil
}

// mayWrite says why the bot cannot write in ch. It needs s.mu.
func (s *Server) mayWrite(ch *Channel) *apiError {
	if ch.ReadOnly {
		return fail(50013)
	}
	for _, r := range ch.Recipients {
		u := s.world.user(r.ID)
		switch {
		case u == nil:
			return fail(10013)
		case u.ClosedDMs:
			return fail(50007)
		case u.NoMutual:
			return fail(50278)
		}
	}
	return nil
}

func (s *Server) postMessage(c *call) (reply, *apiError) {
	m, fresh, e := s.create(c)
	if e != nil {
		return reply{}, e
	}
	if fresh {
		s.announce("MESSAGE_CREATE", m)
	}
	return reply{body: m}, nil
}

// create stores a message of the bot, unless its nonce was seen, and returns
// it and whether it is new.
func (s *Server) create(c *call) (Message, bool, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, e := s.botChannel(c)
	if e == nil {
		e = s.mayWrite(ch)
	}
	if e != nil {
		return Message{}, false, e
	}
	body := c.object()
	key := ch.ID + " " + fmt.Sprint(body["nonce"])
	seen := s.world.sawNonce(key, c.at, s.cfg.NonceLife)
	if old := s.world.message(ch.ID, seen); old != nil && isTrue(body, "enforce_nonce") {
		s.stats.Deduplicated++
		return *old, false, nil
	}
	m := s.blank(ch.ID, c.at)
	m.Nonce = body["nonce"]
	s.fill(m, c)
	if m.empty() {
		return Message{}, false, fail(50006)
	}
	s.world.store(m)
	if m.Nonce != nil {
		s.world.nonces[key] = nonceEntry{messageID: m.ID, at: c.at}
	}
	return *m, true, nil
}

// blank returns a new message of the bot, not stored. It needs s.mu.
func (s *Server) blank(channelID string, now time.Time) *Message {
	return &Message{
		ID: s.ids.next(now), ChannelID: channelID, Author: s.world.bot, Timestamp: now.UTC().Format(timestampForm),
		Mentions: []User{}, MentionRoles: []string{}, Attachments: []Attachment{}, Embeds: []Embed{}, Components: []Component{},
		ReceivedAt: now,
	}
}

func (m *Message) empty() bool {
	return strings.TrimSpace(m.Content) == "" && len(m.Embeds) == 0 && len(m.Attachments) == 0 && len(m.Components) == 0
}

// fill sets what the body of c has; what it leaves out stays. It needs s.mu.
func (s *Server) fill(m *Message, c *call) {
	body := c.object()
	if v, ok := body["content"]; ok {
		m.Content, _ = v.(string)
	}
	if list, ok := body["embeds"].([]any); ok {
		m.Embeds = convert[[]Embed](list)
		for i := range m.Embeds {
			m.Embeds[i].Type = "rich"
		}
	}
	if list, ok := body["components"].([]any); ok {
		m.Components = convert[[]Component](list)
	}
	if n, ok := body["flags"].(json.Number); ok {
		flags, _ := n.Int64()
		m.Flags = m.Flags&FlagEphemeral | int(flags)
	}
	if ref, ok := body["message_reference"].(map[string]any); ok {
		m.Reference = ref
	}
	m.TTS = isTrue(body, "tts")
	s.attach(m, c)
	s.ping(m, body["allowed_mentions"])
}

// attach adds the files of c to m. Where the body lists attachments, those it
// had and that are not listed go. An embed may show a file by its name.
func (s *Server) attach(m *Message, c *call) {
	if list, ok := c.object()["attachments"].([]any); ok {
		keep := map[string]bool{}
		for _, v := range list {
			o, _ := v.(map[string]any)
			keep[fmt.Sprint(o["id"])] = true
		}
		m.Attachments = slices.DeleteFunc(m.Attachments, func(a Attachment) bool { return !keep[a.ID] })
	}
	for _, f := range c.files {
		f.ID = s.ids.next(c.at)
		f.URL = "/sim/files/" + m.ChannelID + "/" + f.ID
		f.ProxyURL = f.URL
		m.Attachments = append(m.Attachments, f)
	}
	for i := range m.Embeds {
		for _, img := range []*EmbedImage{m.Embeds[i].Image, m.Embeds[i].Thumbnail} {
			if img != nil {
				img.URL = m.fileURL(img.URL)
			}
		}
	}
}

// fileURL returns the address that "attachment://name" stands for.
func (m *Message) fileURL(url string) string {
	name, ok := strings.CutPrefix(url, "attachment://")
	if i := slices.IndexFunc(m.Attachments, func(a Attachment) bool { return a.Filename == name }); ok && i >= 0 {
		return m.Attachments[i].URL
	}
	return url
}

// ping works out whom m calls: everybody it names, unless allowed_mentions
// says otherwise (notes 3.14).
func (s *Server) ping(m *Message, allowed any) {
	am, limited := allowed.(map[string]any)
	parse, _ := am["parse"].([]any)
	ids, _ := am["users"].([]any)
	may := func(kind string) bool { return !limited || slices.Contains(parse, any(kind)) }
	m.MentionEveryone = may("everyone") && (strings.Contains(m.Content, "@everyone") || strings.Contains(m.Content, "@here"))
	m.Mentions = []User{}
	for _, u := range s.world.users {
		named := strings.Contains(m.Content, "<@"+u.ID+">") || strings.Contains(m.Content, "<@!"+u.ID+">")
		if named && (may("users") || slices.Contains(ids, any(u.ID))) {
			m.Mentions = append(m.Mentions, u)
		}
	}
	m.MentionRoles = []string{}
	roles, _ := am["roles"].([]any)
	for _, g := range s.world.guilds {
		for _, r := range g.Roles {
			if strings.Contains(m.Content, "<@&"+r.ID+">") && (may("roles") || slices.Contains(roles, any(r.ID))) {
				m.MentionRoles = append(m.MentionRoles, r.ID)
			}
		}
	}
}

// convert turns a checked document into a typed value.
func convert[T any](doc any) T {
	var out T
	b, err := json.Marshal(doc)
	if err == nil {
		_ = json.Unmarshal(b, &out) // the checks before left what fits
	}
	return out
}

func (s *Server) getMessages(c *call) (reply, *apiError) {
	q := c.r.URL.Query()
	limit, err := strconv.Atoi(orElse(q.Get("limit"), "50"))
	if err != nil || limit < 1 || limit > 100 {
		return reply{}, invalid(problem{path: []string{"limit"}, code: "NUMBER_TYPE_MAX", message: "int value should be between 1 and 100."})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, e := s.botChannel(c)
	if e != nil {
		return reply{}, e
	}
	out := []Message{}
	for _, m := range s.world.messages[ch.ID] {
		before, since := q.Get("before"), q.Get("after")
		if m.OnlyFor == "" && (before == "" || after(before, m.ID)) && (since == "" || after(m.ID, since)) {
			out = append(out, *m)
		}
	}
	slices.Reverse(out)
	if q.Get("after") != "" && len(out) > limit {
		out = out[len(out)-limit:]
	}
	return reply{body: out[:min(limit, len(out))]}, nil
}

// botMessage returns the message of c. Ephemeral ones are out of reach here.
// It needs s.mu.
func (s *Server) botMessage(c *call) (*Message, *apiError) {
	ch, e := s.botChannel(c)
	if e != nil {
		return nil, e
	}
	m := s.world.message(ch.ID, c.vars["message_id"])
	if m == nil || m.OnlyFor != "" {
		return nil, fail(10008)
	}
	return m, nil
}

func (s *Server) getMessage(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, e := s.botMessage(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: *m}, nil
}

func (s *Server) patchMessage(c *call) (reply, *apiError) {
	m, e := s.editMessage(c)
	if e != nil {
		return reply{}, e
	}
	s.announce("MESSAGE_UPDATE", m)
	return reply{body: m}, nil
}

func (s *Server) editMessage(c *call) (Message, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, e := s.botMessage(c)
	if e != nil {
		return Message{}, e
	}
	if m.Author.ID != s.world.bot.ID {
		return Message{}, fail(50005)
	}
	return s.edit(m, c)
}

// edit changes m as the body of c says. It needs s.mu.
func (s *Server) edit(m *Message, c *call) (Message, *apiError) {
	next := *m
	next.Attachments = slices.Clone(m.Attachments)
	s.fill(&next, c)
	next.Flags &^= FlagLoading
	if next.empty() {
		return Message{}, fail(50006)
	}
	edited := c.at.UTC().Format(timestampForm)
	next.EditedTimestamp, next.EditedAt = &edited, c.at
	*m = next
	return next, nil
}

func (s *Server) deleteMessage(c *call) (reply, *apiError) {
	s.mu.Lock()
	m, e := s.botMessage(c)
	if e == nil && m.Author.ID != s.world.bot.ID {
		e = fail(50013)
	}
	if e != nil {
		s.mu.Unlock()
		return reply{}, e
	}
	gone := *m
	s.world.remove(m.ChannelID, m.ID)
	s.mu.Unlock()
	s.announce("MESSAGE_DELETE", gone)
	return reply{status: http.StatusNoContent}, nil
}

// announce tells the console and the gateway of a change to m.
func (s *Server) announce(event string, m Message) {
	s.hub.publish(strings.ToLower(event), s.view(m))
	if m.OnlyFor != "" {
		return
	}
	s.mu.Lock()
	var guildID string
	if ch := s.world.channels[m.ChannelID]; ch != nil {
		guildID = ch.GuildID
	}
	s.mu.Unlock()
	s.gate.dispatchMessage(event, guildID, m)
}
