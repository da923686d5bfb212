package bot

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"muster/alert"
)

func TestInteractionsAreReadWhateverSurroundsThem(t *testing.T) {
	const common = `"id":"11","application_id":"22","token":"secret-token","version":1,`
	tests := []struct {
		name, in string
		wantBy   alert.UserID
		wantPath string
		bad      bool
	}{
		{name: "in a guild the user is in the member",
			in:     `{` + common + `"type":2,"guild_id":"5","member":{"user":{"id":"7"}},"data":{"name":"friends"}}`,
			wantBy: 7, wantPath: "friends"},
		{name: "in a direct message it is outside",
			in:     `{` + common + `"type":2,"context":1,"user":{"id":"8"},"data":{"name":"watch","options":[{"name":"add","type":1,"options":[{"name":"player","type":3,"value":"K"}]}]}}`,
			wantBy: 8, wantPath: "watch add"},
		{name: "a message with components that nobody knows yet",
			in:     `{` + common + `"type":3,"user":{"id":"8"},"data":{"custom_id":"v1:who","component_type":99},"message":{"id":"1","components":[{"type":17,"components":[{"type":99,"x":{}}]}]}}`,
			wantBy: 8},
		{name: "numbers where text is expected",
			in:     `{` + common + `"type":4,"user":{"id":"8"},"data":{"name":"link","options":[{"name":"player","type":3,"value":12,"focused":true}]}}`,
			wantBy: 8, wantPath: "link"},
		{name: "nobody", in: `{` + common + `"type":2,"data":{"name":"friends"}}`, bad: true},
		{name: "a user without an id", in: `{` + common + `"type":2,"user":{"id":"x"},"data":{"name":"friends"}}`, bad: true},
		{name: "an id that is a path", in: `{"id":"../x","application_id":"22","token":"t","type":2,"user":{"id":"8"},"data":{"name":"a"}}`, bad: true},
		{name: "no data", in: `{` + common + `"type":2,"user":{"id":"8"}}`, bad: true},
		{name: "not an object", in: `[]`, bad: true},
		{name: "nothing", in: ``, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, err := decodeInteraction([]byte(tt.in))
			if tt.bad {
				if !errors.Is(err, errInteraction) || strings.Contains(err.Error(), "secret-token") {
					t.Errorf("err = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if i.by != tt.wantBy || i.command.path() != tt.wantPath {
				t.Errorf("by %v, path %q", i.by, i.command.path())
			}
		})
	}
}

func FuzzInteraction(f *testing.F) {
	f.Add([]byte(`{"id":"1","application_id":"2","token":"t","type":2,"user":{"id":"8"},"data":{"name":"watch","options":[{"name":"add","type":1,"options":[{"name":"player","value":"K","focused":true}]}]}}`))
	f.Add([]byte(`{"id":"1","application_id":"2","token":"t","type":3,"member":{"user":{"id":"8"}},"data":{"custom_id":"v1:stop:1"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		i, err := decodeInteraction(in)
		if err != nil {
			return
		}
		i.command.path()
		i.command.focused()
		if s := i.command.text("player"); len([]rune(s)) > 100 {
			t.Errorf("option of %d characters", len([]rune(s)))
		}
	})
}

func TestTooManyInteractionsAreDropped(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	for range maxServing {
		b.bot.serving <- struct{}{}
	}
	raw, _ := json.Marshal(map[string]any{"id": "1", "application_id": "2", "token": "t", "type": 2,
		"user": map[string]string{"id": "8"}, "data": map[string]string{"name": "help"}})
	if err := b.bot.take(raw, time.Now()); !errors.Is(err, errOverload) {
		t.Errorf("got %v, want errOverload", err)
	}
	wants(t, b.logs.String(), "too many interactions at once")
	for range maxServing {
		<-b.bot.serving
	}
}
