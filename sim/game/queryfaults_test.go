package game

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestQueriesFailInEveryWay(t *testing.T) {
	s := mustStart(t, quiet())
	const path = "/s:test/get/ps2:v2/character?name.first_lower=kestrel"
	tests := []struct {
		name, want string
		status     int
	}{
		{"rest_redirect", "daybreakgames.com/home", 302}, {"rest_html", "<html>", 200}, {"rest_no_data", `{"error":"No data found."}`, 200},
		{"rest_service_unavailable", `{"error":"service_unavailable"}`, 200}, {"rest_server_error", `{"errorCode":"SERVER_ERROR"}`, 200},
		{"rest_status", "Service Unavailable", 503}, {"rest_empty", `{"character_list":[],"returned":0}`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := mustFault(t, s, Fault{Name: tt.name, Collection: "character"})
			body, resp := mustGet(t, s, path)
			if resp.StatusCode != tt.status || !strings.Contains(body+resp.Header.Get("Location"), tt.want) {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
			if rows := mustQuery(t, s, "character_name?name.first_lower=kestrel"); len(rows) != 1 {
				t.Error("another collection suffers too")
			}
			s.ClearFault(f.ID)
			if rows := mustQuery(t, s, "character?name.first_lower=kestrel"); len(rows) != 1 {
				t.Error("the fault goes on")
			}
		})
	}
	t.Run("rest_cut", func(t *testing.T) {
		mustFault(t, s, Fault{Name: "rest_cut", Count: 1})
		resp, err := http.Get(s.QueryURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var buf [1 << 16]byte
		n, err := 0, error(nil)
		for err == nil {
			var m int
			m, err = resp.Body.Read(buf[n:])
			n += m
		}
		if n == 0 || !strings.Contains(err.Error(), "EOF") || err.Error() == "EOF" {
			t.Errorf("read %d bytes, then %v", n, err)
		}
		s.ClearFault(0)
	})
	t.Run("rest_slow", func(t *testing.T) {
		mustFault(t, s, Fault{Name: "rest_slow", DelayMS: 30, Count: 1})
		began := time.Now()
		if rows := mustQuery(t, s, "character?name.first_lower=kestrel"); len(rows) != 1 || time.Since(began) < 30*time.Millisecond {
			t.Errorf("got %d rows after %s", len(rows), time.Since(began))
		}
		s.ClearFault(0)
	})
	t.Run("rest_hang", func(t *testing.T) {
		mustFault(t, s, Fault{Name: "rest_hang"})
		impatient := &http.Client{Timeout: 50 * time.Millisecond}
		if resp, err := impatient.Get(s.QueryURL() + path); err == nil {
			_ = resp.Body.Close()
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}

func TestASubCollectionIsUnavailableInsideAJoin(t *testing.T) {
	s := mustStart(t, quiet())
	mustFault(t, s, Fault{Name: "rest_join_unavailable", Collection: "characters_online_status"})
	rows := mustQuery(t, s, "character?name.first_lower=kestrel&c:resolve=online_status,world")
	if rows[0]["online_status"] != "service_unavailable" || rows[0]["world_id"] != "10" {
		t.Errorf("resolve: %v", rows[0])
	}
	rows = mustQuery(t, s, "character_name?name.first_lower=kestrel&c:join=characters_online_status^inject_at:status")
	if st, _ := rows[0]["status"].(map[string]any); st["online_status"] != "service_unavailable" {
		t.Errorf("join: %v", rows[0])
	}
	if rows := mustQuery(t, s, "characters_online_status?character_id="+s.Characters("kestrel")[0].ID); rows[0]["online_status"] != "10" {
		t.Errorf("asked directly: %v", rows)
	}
	mustFault(t, s, Fault{Name: "rest_join_unavailable", Collection: "outfit_member"})
	rows = mustQuery(t, s, "outfit?alias_lower=hnw&c:join=outfit_member^inject_at:members^list:1")
	if rows[0]["members"] != "service_unavailable" {
		t.Errorf("list join: %v", rows[0]["members"])
	}
}

func TestFriendListsGoWrongAsTheyDo(t *testing.T) {
	s := mustStart(t, quiet())
	kestrel := s.Characters("kestrel")[0]
	friends := func() []string {
		var out []string
		for _, f := range mustQuery(t, s, "characters_friend?character_id="+kestrel.ID)[0]["friend_list"].([]any) {
			out = append(out, f.(map[string]any)["character_id"].(string))
		}
		return out
	}
	if got := friends(); fmt.Sprint(got) != fmt.Sprint(kestrel.Friends) {
		t.Errorf("got %v, want %v", got, kestrel.Friends)
	}
	mustFault(t, s, Fault{Name: "duplicate_friend", Character: "Kestrel"})
	mustFault(t, s, Fault{Name: "deleted_friend", Character: kestrel.ID})
	got := friends()
	if len(got) != len(kestrel.Friends)+2 || got[len(got)-2] != got[0] {
		t.Errorf("got %v", got)
	}
	if rows := mustQuery(t, s, "character_name?character_id="+got[len(got)-1]); len(rows) != 0 {
		t.Errorf("the deleted friend has a name: %v", rows)
	}
	mustFault(t, s, Fault{Name: "empty_friends", Character: "Kestrel"})
	if got := friends(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	mustFault(t, s, Fault{Name: "hidden_character", Character: "Kestrel"})
	if rows := mustQuery(t, s, "character?character_id="+kestrel.ID); len(rows) != 0 {
		t.Errorf("a hidden character shows: %v", rows)
	}
}

func TestAStaleRosterShowsTheOldOutfit(t *testing.T) {
	s := mustStart(t, quiet())
	halcyon := s.Characters("halcyon")[0]
	tag := func() string {
		rows := mustQuery(t, s, "outfit_member_extended?character_id="+halcyon.ID)
		if len(rows) == 0 {
			return ""
		}
		return rows[0]["alias"].(string)
	}
	f := mustFault(t, s, Fault{Name: "stale_roster", Character: "Halcyon"})
	if err := s.Move("Halcyon", ""); err != nil {
		t.Fatal(err)
	}
	if got := tag(); got != "HNW" {
		t.Errorf("the stale roster shows %q", got)
	}
	s.ClearFault(f.ID)
	if got := tag(); got != "" {
		t.Errorf("the fresh roster shows %q", got)
	}
}
