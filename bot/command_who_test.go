package bot

import (
	"strings"
	"testing"

	"muster/sim/discord"
)

func TestWhoSomebodyIsInTheGameIsToldIfTheyLetOthersKnow(t *testing.T) {
	b, s := newRealBench(t)
	ask := func(by, about string) string {
		t.Helper()
		a, err := b.sim.OnPerson(b.ctx(), discord.PersonInput{User: by, Channel: "general", Name: whoIsThis, Target: about})
		if err != nil || a.Message == nil || !a.Ephemeral {
			t.Fatalf("%s about %s: %+v, %v\n%s", by, about, a, err, b.logs)
		}
		return readable(*a.Message)
	}
	const silent = "They have not said"
	wants(t, ask("ben", "ana"), silent)
	wants(t, ask("ana", "ana"), "You have linked no character")
	b.run("/link player:Wren")
	if text := ask("ben", "ana"); !strings.Contains(text, silent) || strings.Contains(text, "Wren") {
		t.Errorf("told though nobody has allowed it: %s", text)
	}
	wants(t, ask("ana", "ana"), "Wren", "Others are not told")
	c := b.talk("/settings")
	c.press("Change one of these", "shown")
	wants(t, c.press("Tell them"), "others may ask")
	wants(t, ask("ben", "ana"), "<@"+ana.String()+"> in the game:", "**[MUST] Wren** · 🟢 On: Wainwright")
	if a, err := b.sim.OnPerson(b.ctx(), discord.PersonInput{User: "ben", Channel: "general", Name: whoIsThis, Target: "ana"}); err != nil || len(a.Message.Mentions) != 0 {
		t.Errorf("Ana is pinged: %+v, %v", a.Message, err)
	}
	if err := s.Hide(b.ctx(), friend, ana, b.bot.now()); err != nil {
		t.Fatal(err)
	}
	if text := ask("ben", "ana"); strings.Contains(text, "Wren") {
		t.Errorf("a hidden character is named: %s", text)
	}
	wants(t, ask("ben", "chris"), silent)
}
