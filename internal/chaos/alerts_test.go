package chaos

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"muster/sim/discord"
)

// relog is how soon after a logout a login is no news, in seconds (discord notes 9).
const relog = 180

// A friend is a Discord user with the character that is linked, whose friends it is told of.
type member struct {
	user    discord.User
	own     string            // the linked character
	friends map[string]string // ids and names
}

// news is what a member is due to be told: who came on, when.
func due(members []member, sent []moment, after int64) (all map[string]moment) {
	all = map[string]moment{}
	on, off := map[string]bool{}, map[string]int64{}
	for _, m := range sent {
		id := m.fields["character_id"]
		switch m.fields["event_name"] {
		case "PlayerLogout":
			on[id], off[id] = false, m.second
		case "PlayerLogin":
			again := on[id] || off[id] > 0 && m.second-off[id] < relog
			on[id] = true
			if again || m.n <= after {
				continue
			}
			for _, who := range members {
				if name, ok := who.friends[id]; ok {
					all[keyOf(&who, name, m.second)] = m
				}
			}
		}
	}
	return all
}

// keyOf names a message about somebody who came on at a second.
func keyOf(who *member, name string, second int64) string {
	return fmt.Sprintf("%s|%s|%d", who.user.Username, name, second)
}

var (
	comesOn = regexp.MustCompile(`\*\*(?:\[[^\]]*\] )?([A-Za-z0-9]+)\*\* is online`)
	since   = regexp.MustCompile(`<t:(\d+):`)
)

// told counts the messages of members' friends coming on, as due names them.
func told(t testing.TB, people *discord.Server, members []member) tally {
	t.Helper()
	all := tally{}
	for _, who := range members {
		for _, msg := range people.DMs(who.user.ID) {
			name := comesOn.FindStringSubmatch(msg.Content)
			if name == nil {
				continue
			}
			text, err := json.Marshal(msg)
			if err != nil {
				t.Fatal(err)
			}
			at := since.FindStringSubmatch(strings.ReplaceAll(string(text), `\u003c`, "<"))
			if at == nil {
				t.Fatalf("a message does not say since when: %s", text)
			}
			all[who.user.Username+"|"+name[1]+"|"+at[1]]++
		}
	}
	return all
}

// firstSign is how much later than the login itself a message may say that somebody
// came, in seconds: where the broker has kept the login back and not what came after,
// the first sign of life is told of.
const firstSign = 5

// sameComing returns the key in due of the login that key, of a message, is about; key
// itself if there is none.
func sameComing(key string, due map[string]moment) string {
	if _, is := due[key]; is {
		return key
	}
	second := secondOf(key)
	who := key[:strings.LastIndexByte(key, '|')+1]
	for before := second - 1; before >= second-firstSign; before-- {
		if login := who + strconv.FormatInt(before, 10); due[login].second == before {
			return login
		}
	}
	return key
}

// Messages about who came this long before a blow may be late because of it, and may
// be so this long after it; in seconds.
const (
	foreshadow = 5
	aftermath  = 15
)

// leftEarly returns those of due who came while something was harmed and left again
// before it was mended, or soon after: if the message was late, they are gone, and it
// is no news any more.
func (c *cluster) leftEarly(due tally, blow window) tally {
	left := map[string][]int64{} // by name
	for _, m := range c.history.read(c.t) {
		if m.fields["event_name"] == "PlayerLogout" {
			id := m.fields["character_id"]
			left[id] = append(left[id], m.second)
		}
	}
	all := tally{}
	for _, who := range c.members {
		for id, name := range who.friends {
			for _, second := range left[id] {
				if second > blow.to+aftermath {
					continue
				}
				for key, n := range due {
					came := secondOf(key)
					if strings.HasPrefix(key, who.user.Username+"|"+name+"|") && came < second && came >= blow.from-foreshadow {
						all[key] = n
					}
				}
			}
		}
	}
	return all
}

// secondOf returns the game second in a key of due and told.
func secondOf(key string) int64 {
	text := key[strings.LastIndexByte(key, '|')+1:]
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// outbox says what storage knows about the alerts in lines that begin with such keys.
func (c *cluster) outbox(lines []string) string {
	var all []string
	for _, line := range lines[:min(len(lines), 5)] {
		key, _, _ := strings.Cut(line, " ")
		parts := strings.Split(key, "|")
		for _, who := range c.members {
			for id, name := range who.friends {
				if who.user.Username != parts[0] || name != parts[1] {
					continue
				}
				all = append(all, "outbox of "+key+": "+strings.Join(texts(c.t, c.record.db,
					"SELECT CONCAT_WS(' ', login_at, cause, 'state', state, 'attempts', attempts, reason, message, 'created', created_ns, 'settled', settled_ns) FROM alerts WHERE user_id = ? AND character_id = ?",
					who.user.ID, id), "; "))
				all = append(all, "the game: "+strings.Join(c.comings(id), "; "))
				all = append(all, "sessions: "+strings.Join(texts(c.t, c.record.db,
					"SELECT CONCAT_WS(' ', started_at, ended_at, inferred, end_reason) FROM sessions WHERE character_id = ?", id), "; "))
			}
		}
	}
	return strings.Join(all, "\n")
}

// comings lists the logins and logouts of a character.
func (c *cluster) comings(id string) (all []string) {
	for _, m := range c.history.read(c.t) {
		if m.fields["character_id"] == id && strings.HasPrefix(m.fields["event_name"], "PlayerLog") {
			all = append(all, m.fields["event_name"]+" "+m.fields["timestamp"])
		}
	}
	return all
}
