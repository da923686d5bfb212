package bot

import (
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

func TestABoardIsOneMessageThatIsKeptUpToDate(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/outfit link outfit:MUST")
	c := b.talkIn("general", "/board topic:board.online channel:operations")
	wants(t, readable(c.msg), "I keep a message up to date", "who of the outfit is on")
	first := b.post("operations", 1)
	wants(t, readable(first), "MUST", "Nobody of this outfit is on", "as of <t:")
	edits := func() int {
		return b.sim.Stats().Routes["PATCH /channels/{channel_id}/messages/{message_id}"]
	}
	b.pass(alert.RefreshPost + time.Second)
	b.looks()
	if n := edits(); n != 0 {
		t.Errorf("%d edits though nothing has changed", n)
	}
	b.happens(event.Login, event.Presence{Character: kesID})
	b.pass(alert.RefreshPost + time.Second)
	b.until("Kestrel is shown", func() bool { return strings.Contains(readable(b.posts("operations")[0]), "Kestrel") })
	before := edits()
	b.pass(alert.RefreshBoard + time.Second)
	b.until("the time is shown anew", func() bool { return edits() > before })

	// Somebody deletes it, or Discord takes no more edits: it comes again.
	b.fault(discord.Fault{Kind: discord.FaultStatus, Route: "PATCH /channels/{channel_id}/messages/{message_id}", Status: 429, Code: 30046, Count: 1})
	b.pass(alert.RefreshBoard + time.Second)
	b.until("a new one takes its place", func() bool {
		list := b.posts("operations")
		return len(list) == 1 && list[0].ID != first.ID
	})
	wants(t, c.press("Stop this"), "I no longer post in")
	b.until("it is gone", func() bool { return len(b.posts("operations")) == 0 })
	b.pass(time.Hour)
	b.looks()
	if n := len(b.posts("operations")); n != 0 {
		t.Errorf("%d messages of a board that was ended", n)
	}
}

func TestBoardsShowWhatTheirCommandsDo(t *testing.T) {
	b := newChannelBench(t)
	b.happens(event.Login, event.Presence{Character: kesID})
	for topic, want := range map[string]string{"board.worlds": "1 player on", "board.alerts": "No alert runs", "board.stream": "Does the game reach me?"} {
		b.leader("/board topic:" + topic)
		b.until(topic, func() bool {
			for _, m := range b.posts("general") {
				if strings.Contains(readable(m), want) {
					return true
				}
			}
			return false
		})
	}
}

func TestATrackerKeepsTheNameOfAChannel(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/outfit link outfit:MUST")
	b.ok(b.sim.SetChannel("operations", false, true))
	wants(t, b.leader("/tracker topic:track.online channel:operations"), "I cannot rename", "Manage Channels")
	b.ok(b.sim.SetChannel("operations", false, false))
	wants(t, b.leader("/tracker topic:track.online channel:operations"), "I keep the name")
	renames := func() int { return b.sim.Stats().Routes["PATCH /channels/{channel_id}"] }
	b.looks()
	if n := renames(); n != 2 {
		t.Errorf("%d requests to rename, want the one refused and one", n)
	}
	wants(t, b.leader("/tracker topic:track.worlds channel:operations"), "has a tracker already")
	b.happens(event.Login, event.Presence{Character: kesID})
	b.pass(alert.RefreshName + time.Second)
	b.until("the name has changed", func() bool { return b.sim.ChannelName("operations") == "MUST: 1 on" })
	b.pass(alert.RefreshName + time.Second)
	b.looks()
	if n := renames(); n != 3 {
		t.Errorf("%d requests to rename", n)
	}
	wants(t, b.leader("/subscribe topic:locks"), "I will post")
	wants(t, b.leader("/config view"), "how many of the outfit are on")
}

// What Discord offers is checked again: people can send what was never suggested.
func TestTopicsOfOneCommandAreNotThoseOfAnother(t *testing.T) {
	b := newChannelBench(t)
	for _, tt := range []struct{ text, topic, want string }{
		{"/board topic:board.alerts", "locks", "what Discord suggests"},
		{"/tracker topic:track.worlds", "board.alerts", "what Discord suggests"},
		{"/subscribe topic:locks", "board.alerts", "are for"},
		{"/subscribe topic:locks", "weather", "I do not understand"},
	} {
		a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Channel: "general", Text: tt.text, Values: map[string]any{"topic": tt.topic}})
		if err != nil || a.Message == nil {
			t.Fatalf("%s: %v", tt.text, err)
		}
		wants(t, readable(*a.Message), tt.want)
	}
	if list, err := b.store.Subscriptions(b.ctx(), 1300000000000000001); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}
