package bot

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"muster/alert"
)

// Ids of components are not signed (docs/adr/0022): whoever sends the id of
// somebody else's button, with whatever is chosen beside it, changes and learns
// nothing of that person's.
func TestNoForgedComponentTouchesSomebodyElse(t *testing.T) {
	b, s := newRealBench(t)
	for _, line := range []string{"/link player:Kestrel", "/watch add player:Lapwing", "/watch group name:Squad add:Lapwing"} {
		b.run(line)
	}
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Second)
	set := alert.DefaultSettings(ana)
	set.Zone, set.AtLeast, set.UpdatedAt = "Europe/Berlin", 3, now
	for _, err := range []error{
		s.SaveSettings(ctx, set), s.SaveMute(ctx, alert.Mute{User: ana, Character: other}, now), s.Hide(ctx, friend, ana, now),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	export := func() (alert.PrivacyExport, string) {
		t.Helper()
		all, err := s.Export(ctx, ana, now)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return all, string(text)
	}
	all, before := export()
	if len(all.Watches) < 3 || len(all.Groups) != 1 || len(all.Hidden) != 1 || len(all.Mutes) != 1 {
		t.Fatalf("ana has not got what a stranger could touch: %s", before)
	}

	about := []string{"yes", "0", kesID.String(), friend.String(), other.String(), ana.String(), "pause:off", "least:1"}
	for _, w := range all.Watches {
		about = append(about, fmt.Sprint(w.ID), fmt.Sprintf("%d:yes", w.ID))
	}
	for _, g := range all.Groups {
		about = append(about, fmt.Sprint(g.ID), fmt.Sprintf("%d:yes", g.ID))
	}
	const stranger = ana + 1
	in := english(t)
	table := controlTable()
	for _, verb := range slices.Sorted(maps.Keys(table)) {
		for _, what := range about {
			for _, sent := range []struct{ arg, chosen string }{{what, ""}, {"", what}, {what, "yes"}} {
				i := &interaction{lang: in, by: stranger, pressed: controlVersion + verb + ":" + sent.arg, fields: map[string]string{"zone": "UTC", "from": "1", "to": "2"}}
				if sent.chosen != "" {
					i.values = []string{sent.chosen}
				}
				if table[verb].how == asks {
					_, _ = table[verb].open(b.bot, ctx, i, sent.arg) // refused or answered: only ana's data count
				} else {
					_, _ = b.bot.press(ctx, i)
				}
			}
		}
		if _, after := export(); after != before {
			t.Fatalf("%q, pressed by a stranger, changed what ana has:\n%s\nbefore:\n%s", verb, after, before)
		}
	}
}
