package census

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/event"
)

// A queryServer answers each request with what a test says, and keeps the requests.
type queryServer struct {
	srv *httptest.Server

	mu       sync.Mutex
	answer   func(w http.ResponseWriter, r *http.Request)
	requests []*url.URL
	now, max int // requests at once
}

func newQueryServer(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *queryServer {
	t.Helper()
	s := &queryServer{answer: answer}
	s.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.URL)
		s.now++
		s.max = max(s.max, s.now)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}))
	t.Cleanup(s.srv.Close)
	return s
}

// says returns an answer of one body.
func says(body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain;charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
}

func (s *queryServer) asked() []*url.URL {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *queryServer) client(t *testing.T, change ...func(*QueryConfig)) *Query {
	t.Helper()
	cfg := QueryConfig{URL: s.srv.URL, ServiceID: "secret", Rate: 10000, Burst: 100, Backoff: time.Millisecond,
		Timeout: 5 * time.Second, BreakerFailures: 100}
	for _, c := range change {
		c(&cfg)
	}
	q, err := NewQuery(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

const higby event.CharacterID = 5428010618015189601

// TestEachErrorIsRecognised has a row for each file in rest/errors and each line
// of census section 6.
func TestEachErrorIsRecognised(t *testing.T) {
	body := says
	status := func(code int, location, text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
		}
	}
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   error
		tries  int
	}{
		{"bad-request-syntax", body(`{"error":"Bad request syntax."}`), ErrBadQuery, 1},
		{"empty-url", body(`{"errorCode":"SERVER_ERROR"}`), ErrUnavailable, 4},
		{"fallback", body(`{"errorCode":"BOGUS"}`), ErrUnavailable, 4},
		{"invalid-field_show", body(`{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: c:show or c:hide resulted in no valid terms."}`), ErrBadQuery, 1},
		{"invalid-field_term", body(`{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search term. Valid search terms: [...]"}`), ErrBadQuery, 1},
		{"invalid-namespace", body(`{"error":"No data found."}`), ErrUnavailable, 4},
		{"invalid-value_limit", body(`{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search term: c:limit. Value must be a whole number."}`), ErrBadQuery, 1},
		{"invalid-value_regex", body(`{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search value for term: name.en. Regex query must have at least 3 characters."}`), ErrBadQuery, 1},
		{"invalid-value_term", body(`{"errorCode":"SERVER_ERROR","errorMessage":"INVALID_SEARCH_TERM: Invalid search term: item_id. Value must be a number."}`), ErrBadQuery, 1},
		{"server-error_generic", body(`{"errorCode":"SERVER_ERROR"}`), ErrUnavailable, 4},
		{"server-error_specific", body(`{"errorCode":"SERVER_ERROR","errorMessage":"Bogus"}`), ErrUnavailable, 4},
		{"service-id_invalid", body(`{"error":"Provided Service ID is not registered.  A valid Service ID is required for continued api use."}`), ErrServiceID, 1},
		{"service-id_missing", body(`{"error":"Missing Service ID.  A valid Service ID is required for continued api use."}`), ErrServiceID, 1},
		{"service-unavailable", body(`{"error":"service_unavailable"}`), ErrUnavailable, 4},
		{"unknown-collection", body(`{"error":"No data found."}`), ErrUnavailable, 4},
		{"an error of no known text", body(`{"error":"The dog ate it."}`), ErrUnavailable, 4},
		{"redirect home", status(302, "https://www.daybreakgames.com/home", ""), ErrUnavailable, 4},
		{"redirect to the page for bad requests", status(302, "https://census.daybreakgames.com/badrequest", ""), ErrBadQuery, 1},
		{"a web page", body("\n<!DOCTYPE html><html>maintenance</html>"), ErrUnavailable, 4},
		{"an empty answer", body(""), ErrUnavailable, 4},
		{"a cut answer", body(`{"characters_friend_list":[{"character_id":"54`), ErrUnavailable, 4},
		{"a cut connection", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write([]byte(`{"characters_friend_list":`))
		}, ErrUnavailable, 4},
		{"no list", body(`{"returned":0}`), ErrUnavailable, 4},
		{"a list of another kind", body(`{"characters_friend_list":{"a":1},"returned":0}`), ErrUnavailable, 4},
		{"status 500", status(500, "", "oops"), ErrUnavailable, 4},
		{"status 400", status(400, "", "oops"), ErrBadQuery, 1},
		{"too large", body(`{"x":"` + strings.Repeat("x", maxAnswer) + `"}`), ErrUnavailable, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newQueryServer(t, tt.answer)
			_, err := s.client(t).Friends(t.Context(), event.PC, higby)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := len(s.asked()); n != tt.tries {
				t.Errorf("%d tries, want %d", n, tt.tries)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the service id: %v", err)
			}
		})
	}
}

func TestEverySampleOfAnErrorHasItsRow(t *testing.T) {
	dir := sharedDir()
	if dir == "" {
		t.Skip("MUSTER_SHARED does not say where the recorded samples are")
	}
	want := map[string]error{
		"bad-request-syntax": ErrBadQuery, "empty-url": ErrUnavailable, "fallback": ErrUnavailable,
		"invalid-field_show": ErrBadQuery, "invalid-field_term": ErrBadQuery, "invalid-namespace": ErrUnavailable,
		"invalid-value_limit": ErrBadQuery, "invalid-value_regex": ErrBadQuery, "invalid-value_term": ErrBadQuery,
		"server-error_generic": ErrUnavailable, "server-error_specific": ErrUnavailable, "service-id_invalid": ErrServiceID,
		"service-id_missing": ErrServiceID, "service-unavailable": ErrUnavailable, "unknown-collection": ErrUnavailable,
	}
	files, err := filepath.Glob(filepath.Join(dir, "rest", "errors", "*.json"))
	if err != nil || len(files) < len(want) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := answerError(200, "", b); want[name] == nil || !errors.Is(got, want[name]) {
			t.Errorf("%s: got %v, want %v", name, got, want[name])
		}
	}
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	s := newQueryServer(t, says(""))
	s.srv.Close()
	_, err := s.client(t).Characters(t.Context(), event.PC, []event.CharacterID{higby})
	if !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "/s:") {
		t.Errorf("got %v", err)
	}
}

func TestASlowServerIsUnavailableAndAnEndedCallerIsNot(t *testing.T) {
	hold := make(chan struct{})
	s := newQueryServer(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	defer close(hold)
	q := s.client(t, func(c *QueryConfig) { c.Timeout, c.Retries = 30*time.Millisecond, -1 })
	if _, err := q.Friends(t.Context(), event.PC, higby); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	q = s.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := q.Friends(ctx, event.PC, higby); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestWhatIsTemporaryIsTriedAgain(t *testing.T) {
	n := 0
	s := newQueryServer(t, nil)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 4 {
			says(`{"error":"service_unavailable"}`)(w, r)
			return
		}
		says(`{"characters_friend_list":[],"returned":0}`)(w, r)
	}
	if _, err := s.client(t).Friends(t.Context(), event.PC, higby); err != nil {
		t.Error(err)
	}
}

func TestOneCollectionsBreakerLeavesTheOthersAlone(t *testing.T) {
	s := newQueryServer(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "characters_friend") {
			says(`{"error":"service_unavailable"}`)(w, r)
			return
		}
		says(`{"character_list":[],"returned":0}`)(w, r)
	})
	q := s.client(t, func(c *QueryConfig) { c.BreakerFailures, c.BreakerPause = 3, 50*time.Millisecond })
	for range 5 {
		if _, err := q.Friends(t.Context(), event.PC, higby); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	}
	if n := len(s.asked()); n != 3 {
		t.Errorf("%d requests, want 3 before the breaker opens", n)
	}
	if _, err := q.Characters(t.Context(), event.PC, []event.CharacterID{higby}); err != nil {
		t.Errorf("another collection: %v", err)
	}
	if _, err := q.Friends(t.Context(), event.PS4EU, higby); !errors.Is(err, ErrUnavailable) || len(s.asked()) != 7 {
		t.Errorf("another environment was not asked: %v, %d requests", err, len(s.asked()))
	}
	s.mu.Lock()
	s.answer = says(`{"characters_friend_list":[],"returned":0}`)
	s.mu.Unlock()
	waitFor(t, "the breaker to close", func() bool {
		_, err := q.Friends(t.Context(), event.PC, higby)
		return err == nil
	})
}

func TestABadQueryDoesNotOpenTheBreaker(t *testing.T) {
	s := newQueryServer(t, says(`{"error":"Bad request syntax."}`))
	q := s.client(t, func(c *QueryConfig) { c.BreakerFailures = 2 })
	for range 5 {
		_, _ = q.Friends(t.Context(), event.PC, higby)
	}
	if n := len(s.asked()); n != 5 {
		t.Errorf("%d requests, want 5", n)
	}
}

func TestFewRequestsRunAtOnce(t *testing.T) {
	s := newQueryServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(5 * time.Millisecond)
		says(`{"characters_friend_list":[],"returned":0}`)(w, r)
	})
	q := s.client(t, func(c *QueryConfig) { c.Parallel = 3 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := q.Friends(context.Background(), event.PC, higby); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if s.max > 3 {
		t.Errorf("%d requests at once, limit 3", s.max)
	}
}

func TestTheRateIsKept(t *testing.T) {
	s := newQueryServer(t, says(`{"characters_friend_list":[],"returned":0}`))
	q := s.client(t, func(c *QueryConfig) { c.Rate, c.Burst = 0.001, 2 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 3 {
		_, err := q.Friends(ctx, event.PC, higby)
		if (i < 2) != (err == nil) {
			t.Errorf("request %d: %v", i, err)
		}
		if i == 2 && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline's error at once", err)
		}
	}
}

func TestCharactersAreAskedForInBatches(t *testing.T) {
	s := newQueryServer(t, nil)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		ids := strings.Split(r.URL.Query().Get("character_id"), ",")
		if got := r.URL.Query().Get("c:limit"); got != fmt.Sprint(len(ids)) || len(ids) > 50 {
			t.Errorf("c:limit %s for %d ids", got, len(ids))
		}
		var list []string
		for _, id := range ids {
			list = append(list, `{"character_id":"`+id+`","name":{"first":"N`+id[14:]+`"},"faction_id":"2"}`)
		}
		says(`{"character_list":[`+strings.Join(list, ",")+`],"returned":1}`)(w, r)
	}
	var ids []event.CharacterID
	for i := range 120 {
		ids = append(ids, higby+event.CharacterID(i))
	}
	got, err := s.client(t).Characters(t.Context(), event.PS4US, ids)
	if err != nil || len(got) != 120 {
		t.Errorf("%d characters, %v", len(got), err)
	}
	asked := s.asked()
	if len(asked) != 3 {
		t.Errorf("%d requests, want 3", len(asked))
	}
	for _, u := range asked {
		if !strings.HasPrefix(u.Path, "/s:secret/get/ps2ps4us:v2/character") || len(u.String()) > 8<<10 {
			t.Errorf("asked %s", u)
		}
	}
}

func TestACharacterIsReadFromWhateverIsThere(t *testing.T) {
	tests := []struct {
		name, row string
		want      event.Character
		absent    bool
	}{
		{"everything", `{"character_id":"5428010618015189601","name":{"first":"Higby","first_lower":"higby"},"faction_id":"2",` +
			`"battle_rank":{"percent_to_next":"2","value":"101"},"world_id":"1","outfit":{"outfit_id":"37525047953333155",` +
			`"name":"Friday Night Ops","alias":"FNO","leader_character_id":"5428010618015197505","member_count":"5"}}`,
			event.Character{ID: higby, Name: "Higby", Faction: event.NC, Rank: 101, World: 1, Outfit: event.Outfit{
				ID: 37525047953333155, Tag: "FNO", Name: "Friday Night Ops", Faction: event.NC, Leader: 5428010618015197505, Members: 5}}, false},
		{"sub-collections down", `{"character_id":"5428010618015189601","name":{"first":"Higby"},"faction_id":"2",` +
			`"world_id":"service_unavailable","outfit":"service_unavailable","battle_rank":"service_unavailable"}`,
			event.Character{ID: higby, Name: "Higby", Faction: event.NC}, false},
		{"NULL, null and numbers", `{"character_id":5428010618015189601,"name":{"first":"Higby"},"faction_id":null,"world_id":"NULL",` +
			`"outfit":null}`, event.Character{ID: higby, Name: "Higby"}, false},
		{"values out of range", `{"character_id":"5428010618015189601","name":{"first":"Higby"},"faction_id":"4000","world_id":"99999999999",` +
			`"battle_rank":{"value":"-1"},"outfit":{"outfit_id":"99999999999999999999","alias":"X"}}`,
			event.Character{ID: higby, Name: "Higby", Outfit: event.Outfit{Tag: "X"}}, false},
		{"an id that is too large", `{"character_id":"99999999999999999999","name":{"first":"Higby"}}`, event.Character{}, true},
		{"no name", `{"character_id":"5428010618015189601"}`, event.Character{}, true},
		{"no row at all", `"service_unavailable"`, event.Character{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newQueryServer(t, says(`{"character_list":[`+tt.row+`],"returned":1}`))
			got, err := s.client(t).Characters(t.Context(), event.PC, []event.CharacterID{higby})
			if err != nil || (len(got) == 0) != tt.absent {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.absent {
				return
			}
			if got[0].ResolvedAt.IsZero() {
				t.Error("not resolved")
			}
			got[0].ResolvedAt = time.Time{}
			if got[0] != tt.want {
				t.Errorf("got  %+v\nwant %+v", got[0], tt.want)
			}
		})
	}
}

func TestNamesAreAskedForInLowerCaseAndCannotBeQueries(t *testing.T) {
	s := newQueryServer(t, says(`{"character_list":[{"character_id":"5428010618015189601","name":{"first":"Higby"}}],`+
		`"character_name_list":[],"outfit_list":[],"returned":1}`))
	q := s.client(t)
	if c, err := q.CharacterByName(t.Context(), event.PC, " HigBY "); err != nil || c.Name != "Higby" {
		t.Errorf("got %+v, %v", c, err)
	}
	if got := s.asked()[0].Query().Get("name.first_lower"); got != "higby" {
		t.Errorf("asked for %q", got)
	}
	for _, name := range []string{"", "a,b", "^hig", "*", "x&c:limit=1", "x?y", "x#y", "a\x00b", "\xff", strings.Repeat("x", 65), "]5"} {
		if _, err := q.CharacterByName(t.Context(), event.PC, name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: got %v, want ErrNotFound", name, err)
		}
		if got, err := q.OutfitsByTag(t.Context(), event.PC, name); err != nil || got != nil {
			t.Errorf("%q: got %v, %v", name, got, err)
		}
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if _, err := q.FindCharacters(t.Context(), event.PC, "Ünï ö+%", 5); err != nil {
		t.Error(err)
	}
	if got := s.asked()[1]; got.Query().Get("name.first_lower") != "^ünï ö+%" || strings.Contains(got.RawQuery, "+") {
		t.Errorf("asked %s", got.RawQuery)
	}
}

func TestASearchNeedsThreeCharacters(t *testing.T) {
	s := newQueryServer(t, says(`{"character_name_list":[{"character_id":"2","name":{"first":"higZ"}},{"character_id":"1","name":{"first":"HigA"}},`+
		`{"character_id":"3","name":{"first":"higz2"}}],"returned":3}`))
	q := s.client(t)
	for _, p := range []string{"", "hi", " hi ", "üö"} {
		if _, err := q.FindCharacters(t.Context(), event.PC, p, 5); !errors.Is(err, ErrBadQuery) || !strings.Contains(err.Error(), "3 characters") {
			t.Errorf("%q: got %v", p, err)
		}
	}
	got, err := q.FindCharacters(t.Context(), event.PC, "HIG", 2)
	if err != nil || len(got) != 2 || got[0].Name != "HigA" || got[1].Name != "higZ" {
		t.Errorf("got %+v, %v", got, err)
	}
	if asked := s.asked()[0].Query(); asked.Get("name.first_lower") != "^hig" || asked.Get("c:limit") != "2" {
		t.Errorf("asked %v", asked)
	}
}

func TestFriendsAreEachThereOnce(t *testing.T) {
	s := newQueryServer(t, says(`{"characters_friend_list":[{"character_id":"5428010618015189601","name":null,"friend_list":[`+
		`{"character_id":"5428010618014254785","last_login_time":"1679721693","online":"0"},`+
		`{"character_id":"5428010618014254785","last_login_time":"1679721693","online":"0"},`+
		`{"character_id":"5428010618015193969","online":"10"},{"character_id":"0"},{"character_id":"x"},{}]}],"returned":1}`))
	got, err := s.client(t).Friends(t.Context(), event.PC, higby)
	want := []event.Friend{{Character: 5428010618014254785, LastLogin: time.Unix(1679721693, 0).UTC()},
		{Character: 5428010618015193969, Online: 10}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if asked := s.asked()[0].RawQuery; asked != "character_id=5428010618015189601" {
		t.Errorf("asked %s: no c: command works here", asked)
	}
	for _, body := range []string{`{"characters_friend_list":[],"returned":0}`,
		`{"characters_friend_list":[{"character_id":"5428010618015189601","friend_list":[]}],"returned":1}`,
		`{"characters_friend_list":[{"character_id":"5428010618015189601"}],"returned":1}`} {
		s.mu.Lock()
		s.answer = says(body)
		s.mu.Unlock()
		if got, err := s.client(t).Friends(t.Context(), event.PC, higby); err != nil || len(got) != 0 {
			t.Errorf("%s: got %v, %v", body, got, err)
		}
	}
}

func TestUnknownPresenceIsNotOffline(t *testing.T) {
	s := newQueryServer(t, says(`{"characters_online_status_list":[{"character_id":"1","online_status":"0"},`+
		`{"character_id":"2","online_status":"10"},{"character_id":"3","online_status":"service_unavailable"},`+
		`{"character_id":"4"},{"character_id":"5","online_status":null}],"returned":5}`))
	got, err := s.client(t).OnlineStatus(t.Context(), event.PC, []event.CharacterID{1, 2, 3, 4, 5, 6})
	if err != nil || len(got) != 2 || got[1] != 0 || got[2] != 10 {
		t.Errorf("got %v, %v; want 1 offline, 2 on world 10, nothing else", got, err)
	}
}

func TestOutfitsOfATagComeLargestFirst(t *testing.T) {
	s := newQueryServer(t, says(`{"outfit_list":[{"outfit_id":"1","alias":"FNO","name":"Old","member_count":"0"},`+
		`{"outfit_id":"37525047953333155","alias":"FNO","name":"Friday Night Ops","member_count":"5","leader_character_id":"7",`+
		`"leader":{"character_id":"7","faction_id":"3"}},{"outfit_id":"0","alias":"FNO"}],"returned":3}`))
	got, err := s.client(t).OutfitsByTag(t.Context(), event.PC, "Fno")
	if err != nil || len(got) != 2 || got[0].Name != "Friday Night Ops" || got[0].Faction != event.TR || got[1].ID != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if asked := s.asked()[0].Query(); asked.Get("alias_lower") != "fno" {
		t.Errorf("asked %v", asked)
	}
}

func TestALargeRosterIsReadPageByPage(t *testing.T) {
	const total = 12_001
	s := newQueryServer(t, nil)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		var start, limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("c:start"), &start)
		_, _ = fmt.Sscan(r.URL.Query().Get("c:limit"), &limit)
		var list []map[string]string
		for i := start; i < min(start+limit, total); i++ {
			list = append(list, map[string]string{"outfit_id": "5", "character_id": fmt.Sprint(i + 1), "rank": "Soldier",
				"rank_ordinal": "8", "member_since": "1413001215"})
		}
		b, err := json.Marshal(map[string]any{"outfit_member_list": list, "returned": len(list)})
		if err != nil {
			t.Error(err)
		}
		says(string(b))(w, r)
	}
	got, err := s.client(t).Members(t.Context(), event.PC, 5)
	if err != nil || len(got) != total || len(s.asked()) != 3 {
		t.Fatalf("%d members in %d requests, %v", len(got), len(s.asked()), err)
	}
	want := event.Member{Outfit: 5, Character: total, Rank: "Soldier", Ordinal: 8, Since: time.Unix(1413001215, 0).UTC()}
	if got[total-1] != want {
		t.Errorf("got %+v, want %+v", got[total-1], want)
	}
}

func TestEachTableOfNamesIsRead(t *testing.T) {
	tests := []struct {
		category, body string
		want           []event.Lookup
	}{
		{event.LookupItem, `{"item_list":[{"item_id":"4","item_category_id":"7","name":{"en":"NC1 Gauss Rifle"}},{"item_id":"5"},` +
			`{"item_id":"6","name":"Plain"}],"item_category_list":[{"item_category_id":"7","name":{"en":"Assault Rifle"}}]}`,
			[]event.Lookup{{Category: "item", ID: 4, Name: "NC1 Gauss Rifle", Extra: "Assault Rifle"}, {Category: "item", ID: 6, Name: "Plain"}}},
		{event.LookupFacility, `{"map_region_list":[{"map_region_id":"2102","zone_id":"2","facility_id":"4401","facility_name":"Mao",` +
			`"facility_type":"Tech Plant"},{"map_region_id":"9"}]}`,
			[]event.Lookup{{Category: "map_region", ID: 4401, Name: "Mao", Extra: "Tech Plant"}}},
		{event.LookupMetagame, `{"metagame_event_list":[{"metagame_event_id":"224","name":{"en":"Oshur Enlightenment"},"duration_minutes":"90"}]}`,
			[]event.Lookup{{Category: "metagame_event", ID: 224, Name: "Oshur Enlightenment", Extra: "90"}}},
		{event.LookupExperience, `{"experience_list":[{"experience_id":"4","description":"Heal Player","xp":"10"}]}`,
			[]event.Lookup{{Category: "experience", ID: 4, Name: "Heal Player"}}},
		{event.LookupAchievement, `{"achievement_list":[{"achievement_id":"2554","name":{"en":"Healing"},"description":{"en":"x"}}]}`,
			[]event.Lookup{{Category: "achievement", ID: 2554, Name: "Healing"}}},
	}
	for _, tt := range tests {
		s := newQueryServer(t, says(tt.body))
		got, err := s.client(t).Lookups(t.Context(), event.PC, tt.category)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tt.category, got, err, tt.want)
		}
	}
	s := newQueryServer(t, says(`{}`))
	if _, err := s.client(t).Lookups(t.Context(), event.PC, "character"); !errors.Is(err, ErrBadQuery) {
		t.Errorf("got %v, want ErrBadQuery", err)
	}
}

func TestACountOfMinusOneIsAFailure(t *testing.T) {
	for body, want := range map[string]int{`{"count":14}`: 14, `{"count":-1}`: -1, `{}`: -1} {
		s := newQueryServer(t, says(body))
		n, err := s.client(t).Count(t.Context(), event.PC, "item")
		if want >= 0 && (err != nil || n != want) || want < 0 && !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got %d, %v", body, n, err)
		}
	}
}

func TestWrongEnvironmentsAndServiceIDsAreRefused(t *testing.T) {
	s := newQueryServer(t, says(`{}`))
	if _, err := s.client(t).Friends(t.Context(), "xbox", higby); !errors.Is(err, ErrBadQuery) {
		t.Errorf("got %v", err)
	}
	for _, cfg := range []QueryConfig{{}, {ServiceID: "s:x"}, {ServiceID: "x", URL: "ftp://x"}, {ServiceID: "x", URL: "nowhere"}} {
		if _, err := NewQuery(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	if len(s.asked()) != 0 {
		t.Error("something was asked")
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, s := range []string{
		`{"character_list":[{"character_id":"5428010618015189601","name":{"first":"Higby"},"outfit":"service_unavailable"}],"returned":1}`,
		`{"character_list":[null,7,"x",{"name":null}]}`, `{"error":"No data found."}`, `{"errorCode":"SERVER_ERROR","errorMessage":7}`,
		`{"character_list":{"a":1}}`, `<html>`, ``, `[]`, `null`,
	} {
		f.Add([]byte(s))
	}
	if dir := sharedDir(); dir != "" {
		files, err := filepath.Glob(filepath.Join(dir, "rest", "*", "*.json"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range append(files, filepath.Join(dir, "rest", "character_higby.json")) {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := answerError(200, "", body)
		list, raw, err := decodeRows[characterRow](body, "character")
		if len(list) > raw || (err != nil && len(list) > 0) {
			t.Fatalf("%d of %d rows with %v", len(list), raw, err)
		}
		if fault == nil && err != nil && !errors.Is(err, ErrUnavailable) {
			t.Fatalf("an error of no kind: %v", err)
		}
		for _, r := range list {
			if c := r.character(time.Unix(0, 0)); c.ID < 0 || c.World < 0 || c.Outfit.ID < 0 || c.Outfit.Members < 0 || c.Rank < 0 {
				t.Fatalf("impossible %+v", c)
			}
		}
	})
}

func TestAnAnswerThatRepeatsOurAddressDoesNotShowTheServiceID(t *testing.T) {
	const id = "canary-of-a-service-id"
	for _, body := range []string{
		`{"error":"Provided Service ID is not registered: /s:` + id + `/get"}`,
		`{"error":"service_unavailable","path":"/s:` + id + `"}`,
		`{"errorCode":"SERVER_ERROR","errorMessage":"GET /s:` + id + `/get"}`,
		`{"errorCode":"SERVER_ERROR","errorMessage":"` + strings.Repeat("x", 138) + id + `"}`,
		`{"errorCode":"SERVER_ERROR","errorMessage":"` + strings.Replace(id, "c", "\\u0063", 1) + `"}`,
	} {
		s := newQueryServer(t, says(body))
		q := s.client(t, func(c *QueryConfig) { c.ServiceID, c.Retries = id, -1 })
		_, err := q.Lookups(t.Context(), event.PC, event.LookupItem)
		if err == nil || strings.Contains(err.Error(), id[:8]) {
			t.Errorf("%s: %v", body, err)
		}
		if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrServiceID) {
			t.Errorf("%s: %v is neither ErrUnavailable nor ErrServiceID", body, err)
		}
	}
}
