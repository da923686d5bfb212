package game

import "testing"

func TestTheLargestWorldsHaveAsManyOutfitsAsTheyNeed(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Players, cfg.EventsPerSecond = 5000, 0
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	names := map[string]bool{}
	for _, o := range s.model.outfits {
		if names[o.name] {
			t.Errorf("two outfits are called %s", o.name)
		}
		names[o.name] = true
	}
	if len(names) < 500 {
		t.Errorf("%d outfits only", len(names))
	}
}
