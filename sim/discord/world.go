package discord

import (
	"slices"
	"time"
)

// maxMessages is how many a channel remembers; the oldest go first.
const maxMessages = 1000

// A world is everything users see. Server.mu guards it.
type world struct {
	bot      User
	users    []User
	guilds   []Guild
	channels map[string]*Channel
	dms      map[string]string // user id → DM channel id
	messages map[string][]*Message
	nonces   map[string]nonceEntry
}

type nonceEntry struct {
	messageID string
	at        time.Time
}

func newWorld(cfg Config, ids *snowflakes) world {
	w := world{
		bot:      User{ID: cfg.AppID, Username: cfg.BotName, Discriminator: "0", Bot: true},
		channels: map[string]*Channel{},
		dms:      map[string]string{},
		messages: map[string][]*Message{},
		nonces:   map[string]nonceEntry{},
	}
	for _, u := range cfg.Users {
		w.addUser(u, ids.next(cfg.Now()))
	}
	for _, g := range cfg.Guilds {
		for _, ch := range g.Channels {
			ch.Type, ch.GuildID = channelText, g.ID
			w.channels[ch.ID] = &ch
		}
		w.guilds = append(w.guilds, g)
	}
	return w
}

func (w *world) addUser(u User, dm string) {
	u.Discriminator = "0"
	w.users = append(w.users, u)
	w.openDM(u, dm)
}

func (w *world) openDM(u User, id string) *Channel {
	ch := &Channel{ID: id, Type: channelDM, Recipients: []User{u}}
	w.channels[id] = ch
	w.dms[u.ID] = id
	return ch
}

// user returns the user called id, or nil.
func (w *world) user(id string) *User {
	i := slices.IndexFunc(w.users, func(u User) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return &w.users[i]
}

// guild returns the guild called id, or nil.
func (w *world) guild(id string) *Guild {
	i := slices.IndexFunc(w.guilds, func(g Guild) bool { return g.ID == id })
	if i < 0 {
		return nil
	}
	return &w.guilds[i]
}

// message returns a message of a channel, or nil.
func (w *world) message(channelID, id string) *Message {
	list := w.messages[channelID]
	i := slices.IndexFunc(list, func(m *Message) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return list[i]
}

// store appends m to its channel.
func (w *world) store(m *Message) {
	list := append(w.messages[m.ChannelID], m)
	if len(list) > maxMessages {
		list = slices.Delete(list, 0, len(list)-maxMessages)
	}
	w.messages[m.ChannelID] = list
	if m.OnlyFor == "" {
		w.channels[m.ChannelID].LastID = m.ID
	}
}

// remove deletes a message and reports whether it was there.
func (w *world) remove(channelID, id string) bool {
	list := w.messages[channelID]
	n := len(list)
	w.messages[channelID] = slices.DeleteFunc(list, func(m *Message) bool { return m.ID == id })
	return len(w.messages[channelID]) < n
}

// sawNonce returns the message made with key within life, if any.
func (w *world) sawNonce(key string, now time.Time, life time.Duration) string {
	for k, e := range w.nonces {
		if now.Sub(e.at) > life {
			delete(w.nonces, k)
		}
	}
	return w.nonces[key].messageID
}
