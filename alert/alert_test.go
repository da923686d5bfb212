package alert_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// came is a change from off (since the given time, never if zero) to on at noon.
func came(loggedOut time.Time) event.PresenceChange {
	before := event.Online{Character: 1, Since: loggedOut, LoggedOut: loggedOut}
	return event.PresenceChange{Before: before, After: event.Online{Character: 1, Online: true, Since: noon}, ByLogin: true}
}

func TestDueTellsNewsAndNothingElse(t *testing.T) {
	seen := func(c event.PresenceChange) event.PresenceChange { c.ByLogin = false; return c }
	wasOn := came(noon.Add(-time.Hour))
	wasOn.Before.Online = true
	gone := came(noon.Add(-time.Hour))
	gone.Before, gone.After = gone.After, gone.Before
	tests := []struct {
		name  string
		c     event.PresenceChange
		known bool
		now   time.Time
		want  bool
	}{
		{"a login after an hour", came(noon.Add(-time.Hour)), true, noon, true},
		{"the first login ever seen", came(time.Time{}), false, noon, true},
		{"a login although the record has a hole", came(noon.Add(-time.Hour)), false, noon, true},
		{"a relog after 60 s", came(noon.Add(-time.Minute)), true, noon, false},
		{"a relog after 179 s", came(noon.Add(-179 * time.Second)), true, noon, false},
		{"a return after 180 s", came(noon.Add(-180 * time.Second)), true, noon, true},
		{"news of five minutes ago", came(noon.Add(-time.Hour)), true, noon.Add(5 * time.Minute), true},
		{"news older than that", came(noon.Add(-time.Hour)), true, noon.Add(5*time.Minute + time.Second), false},
		{"a login lost, the record whole", seen(came(noon.Add(-time.Hour))), true, noon, true},
		{"a sign of life after a hole", seen(came(noon.Add(-time.Hour))), false, noon, false},
		{"a sign of life of somebody never seen before", seen(came(time.Time{})), true, noon, false},
		{"who was on already", wasOn, true, noon, false},
		{"who has gone", gone, true, noon, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := alert.Due(tt.c, tt.known, alert.DefaultLifetime, tt.now); got != tt.want {
				t.Errorf("due: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAKeyIsOneSittingOfOneCharacterForOneUser(t *testing.T) {
	key := alert.NewKey(1, 2, noon)
	if again := alert.NewKey(1, 2, noon.In(time.FixedZone("elsewhere", 3600)).Add(999*time.Millisecond)); again != key {
		t.Error("the same sitting has two keys")
	}
	for name, other := range map[string]alert.Key{
		"user": alert.NewKey(3, 2, noon), "character": alert.NewKey(1, 3, noon), "start": alert.NewKey(1, 2, noon.Add(time.Second)),
		"user and character swapped": alert.NewKey(2, 1, noon),
	} {
		if other == key {
			t.Errorf("another %s has the same key", name)
		}
	}
	if n := len(key.Nonce()); n != 24 {
		t.Errorf("the nonce %q has %d characters, Discord takes 25 at most", key.Nonce(), n)
	}
}

func TestUserIDsAreDiscordsOrRefused(t *testing.T) {
	for _, bad := range []string{"", "0", "-5", "ana", "9223372036854775808", "1e18", " 12"} {
		if id, err := alert.ParseUserID(bad); !errors.Is(err, alert.ErrUserID) {
			t.Errorf("%q is taken for user %d", bad, id)
		}
	}
	id, err := alert.ParseUserID("1200000000000000001")
	if err != nil || id.String() != "1200000000000000001" {
		t.Fatalf("got %s: %v", id, err)
	}
	text, err := json.Marshal(map[string]any{"user": id})
	if err != nil || string(text) != `{"user":"1200000000000000001"}` {
		t.Errorf("in JSON it is %s: %v", text, err)
	}
	var back struct{ User alert.UserID }
	if err := json.Unmarshal(text, &back); err != nil || back.User != id {
		t.Errorf("read back as %s: %v", back.User, err)
	}
	if err := json.Unmarshal([]byte(`{"user":"x"}`), &back); !errors.Is(err, alert.ErrUserID) {
		t.Errorf("a bad id in JSON: %v", err)
	}
}
