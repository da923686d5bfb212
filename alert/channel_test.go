package alert_test

import (
	"errors"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
)

func TestASubscriptionWantsWhatItNames(t *testing.T) {
	capture := alert.News{Topic: alert.TopicCaptures, World: 10, Zone: 2, Outfit: 7}
	for _, tt := range []struct {
		name string
		sub  alert.Subscription
		want bool
	}{
		{"the outfit", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7}, true},
		{"another outfit", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 8}, false},
		{"another topic", alert.Subscription{Topic: alert.TopicMembers, Outfit: 7}, false},
		{"the world", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7, World: 10}, true},
		{"another world", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7, World: 1}, false},
		{"the continent", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7, Zone: 2}, true},
		{"another continent", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7, Zone: 4}, false},
		{"an instance of the continent", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7, Zone: 3<<16 | 2}, true},
		{"paused", alert.Subscription{Topic: alert.TopicCaptures, Outfit: 7, Paused: "50013"}, false},
	} {
		if got := tt.sub.Wants(capture); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestTheKeyOfNewsIsTheSameForTheSameNewsOnly(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	n := alert.News{Topic: alert.TopicMembers, What: alert.CameOn, World: 10, Zone: 2, Outfit: 7, Subject: 5, At: at}
	again := n
	again.At, again.Faction, again.Who = at.Add(300*time.Millisecond), event.NC, event.Character{Name: "Kestrel"}
	if n.Key(1) != again.Key(1) {
		t.Error("what does not make it other news has changed the key")
	}
	seen := map[alert.Key]string{n.Key(1): "itself"}
	for name, change := range map[string]func(*alert.News){
		"topic": func(n *alert.News) { n.Topic = alert.TopicJoins }, "what": func(n *alert.News) { n.What = alert.WentOff },
		"world": func(n *alert.News) { n.World = 1 }, "zone": func(n *alert.News) { n.Zone = 4 }, "outfit": func(n *alert.News) { n.Outfit = 8 },
		"subject": func(n *alert.News) { n.Subject = 6 }, "second": func(n *alert.News) { n.At = at.Add(time.Second) },
		"same": func(n *alert.News) { n.Same = at.Add(time.Hour) },
	} {
		other := n
		change(&other)
		if was, ok := seen[other.Key(1)]; ok {
			t.Errorf("%s: the same key as %s", name, was)
		}
		seen[other.Key(1)] = name
	}
	if _, ok := seen[n.Key(2)]; ok {
		t.Error("another subscription has the same key")
	}
}

func TestANonceFitsAndChangesWhenAPostIsMadeAnew(t *testing.T) {
	seen := map[string]bool{}
	for again := range 36 {
		nonce := alert.ChannelPost{Key: alert.Key{1, 2, 3}, Again: again}.Nonce()
		if len(nonce) > 25 || seen[nonce] {
			t.Errorf("%d: %q", again, nonce)
		}
		seen[nonce] = true
	}
}

func TestEveryTopicIsOneOfThreeKinds(t *testing.T) {
	for _, topic := range alert.Topics() {
		if topic.Stands() || topic.Tracks() || topic.Lifetime() <= 0 {
			t.Errorf("%s: stands %v, lives %s", topic, topic.Stands(), topic.Lifetime())
		}
	}
	for _, topic := range append(alert.Boards(), alert.Trackers()...) {
		if !topic.Stands() {
			t.Errorf("%s does not stand", topic)
		}
	}
	ok := alert.Subscription{Guild: 1, Channel: 2, By: 3, Topic: alert.BoardOnline, Outfit: 7}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	ok.Outfit = 0
	if err := ok.Check(); !errors.Is(err, alert.ErrSubscription) {
		t.Errorf("a board of no outfit: %v", err)
	}
	if s, err := alert.ParseSnowflake("x"); err == nil || s.String() != "" {
		t.Errorf("a snowflake: %v %v", s, err)
	}
}
