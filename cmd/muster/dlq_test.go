package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
	"muster/bus/rabbit"
	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// variable returns the value of a variable in env.
func variable(t *testing.T, env []string, name string) string {
	t.Helper()
	for _, line := range env {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	t.Fatalf("no variable %s", name)
	return ""
}

// mustBroker opens a bus as the roles of env have it, and removes their queues
// from the broker when the test ends.
func mustBroker(t *testing.T, env []string) *rabbit.Bus {
	t.Helper()
	url, namespace := variable(t, env, "MUSTER_BUS_URL"), variable(t, env, "MUSTER_BUS_NAMESPACE")
	t.Cleanup(func() { removeQueues(t, url, namespace) })
	b, err := rabbit.Open(t.Context(), rabbit.Config{URL: url, Namespace: namespace, Topology: topology()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func removeQueues(t *testing.T, url, namespace string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }() // the end either way
	ch, err := conn.Channel()
	if err != nil {
		t.Error(err)
		return
	}
	for _, queue := range topology().Queues() {
		for _, name := range []string{namespace + ".v1." + queue, namespace + ".v1-dead." + queue} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("delete queue %s: %v", name, err)
			}
		}
	}
	for topic := range topology() {
		if err := ch.ExchangeDelete(namespace+".v1."+topic, false, false); err != nil {
			t.Errorf("delete exchange of %s: %v", topic, err)
		}
	}
	if err := ch.ExchangeDelete(namespace+".v1-dead", false, false); err != nil {
		t.Errorf("delete exchange: %v", err)
	}
}

// dlqJSON runs a command with --json and reads what it prints.
func dlqJSON[T any](t *testing.T, env []string, args ...string) (v T) {
	t.Helper()
	code, out, said := call(t, env, append([]string{"dlq"}, append(args, "--json")...)...)
	if code != exitOK {
		t.Fatalf("dlq %v ends with %d: %s", args, code, said)
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("dlq %v prints %s: %v", args, out, err)
	}
	return v
}

// mustLetters waits for want letters and returns them by id.
func mustLetters(t *testing.T, env []string, want int) map[string]letterJSON {
	t.Helper()
	byID := map[string]letterJSON{}
	until(t, fmt.Sprintf("%d dead letters", want), func() bool {
		clear(byID)
		for _, l := range dlqJSON[[]letterJSON](t, env, "list") {
			byID[l.ID] = l
		}
		return len(byID) == want
	})
	return byID
}

func logins(t *testing.T, db *sql.DB) (ids []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT character_id FROM event_login ORDER BY character_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func loginOf(id string) []byte {
	now := time.Now()
	payload := fmt.Sprintf(`{"event_name":"PlayerLogin","timestamp":"%d","world_id":"10","character_id":"%s"}`, now.Unix(), id)
	return event.EncodeSighting([]byte(payload), now, 0)
}

// Undecodable, of another version, refused by the database: each ends with its
// reason after one attempt, for no retry can help it; what is beside it is stored.
func TestPoisonIsPutAsideListedShownMendedReplayedAndDropped(t *testing.T) {
	env := append(servers(t), "MUSTER_ADMIN_ADDR=127.0.0.1:0")
	b := mustBroker(t, env)
	dispatcher := runHere(t, env, "dispatcher")
	dispatcher.err.find(t, "muster runs")
	db := storagetest.Raw(t, variable(t, env, "MUSTER_DATABASE_URL"))
	alter := func(stmt string) {
		if _, err := db.ExecContext(t.Context(), "ALTER TABLE event_login "+stmt); err != nil {
			t.Fatal(err)
		}
	}
	alter("ADD CONSTRAINT no_such_person CHECK (character_id <> 5428010618015189713)")
	hostile := "not JSON \x1b[2J\x9b\xff\u202e"
	err := b.Publish(t.Context(), event.TopicEvents,
		bus.Message{ID: "good-1", Body: loginOf("5428010618015189001")},
		bus.Message{ID: "undecodable", Body: []byte(hostile)},
		bus.Message{ID: "refused", Key: "ps2.10.PlayerLogin", Body: loginOf("5428010618015189713")},
		bus.Message{ID: "old", Body: []byte(`{"received_at":1,"payload":{"event_name":"PlayerLogin"}}`)},
		bus.Message{ID: "new", Body: []byte(`{"v":2,"received_at":[],"payload":{"event_name":"PlayerLogin"}}`)},
		bus.Message{ID: "good-2", Body: loginOf("5428010618015189002")})
	if err != nil {
		t.Fatal(err)
	}
	letters := mustLetters(t, env, 4)
	for id, reason := range map[string]string{
		"undecodable": "invalid character", "refused": "no_such_person", "old": "version 0, this build reads 1", "new": "version 2, this build reads 1",
	} {
		l := letters[id]
		if !strings.Contains(l.Reason, reason) || l.Queue != event.QueueDispatcher || time.Since(l.At) > time.Hour {
			t.Errorf("%s: got %+v, want a reason with %q", id, l, reason)
		}
		if shown := dlqJSON[letterJSON](t, env, "show", l.Ref); shown.Headers["muster-attempts"] != "1" || shown.Ref != l.Ref {
			t.Errorf("%s: got %+v, want it after one attempt", id, shown)
		}
	}
	if got := logins(t, db); len(got) != 2 {
		t.Errorf("stored %v, want the two good ones", got)
	}
	wantTable(t, env, letters)
	wantShown(t, env, letters, hostile)

	alter("DROP CONSTRAINT no_such_person")
	if n := dlqJSON[map[string]int](t, env, "replay", letters["refused"].Ref, letters["old"].Ref)["replayed"]; n != 2 {
		t.Errorf("%d replayed, want 2", n)
	}
	until(t, "the mended one is stored", func() bool { return len(logins(t, db)) == 3 })
	var again map[string]letterJSON
	until(t, "the hopeless one is back", func() bool {
		again = mustLetters(t, env, 3)
		return again["old"].Ref != letters["old"].Ref
	})
	if again["old"].Reason != letters["old"].Reason {
		t.Errorf("it came back for %q, was there for %q", again["old"].Reason, letters["old"].Reason)
	}
	if code, out, said := call(t, env, "dlq", "drop", "--all"); code != exitOK || out != "3 dead letters dropped from queue dispatcher\n" {
		t.Errorf("drop ends with %d, prints %q and %q", code, out, said)
	}
	if _, out, _ := call(t, env, "dlq", "list"); out != "no dead letters in queue dispatcher\n" {
		t.Errorf("list prints %q afterwards", out)
	}
	if code := dispatcher.stop(); code != exitOK {
		t.Errorf("the dispatcher ends with %d", code)
	}
}

// wantTable wants a line for each letter, and the whole of it on that line.
func wantTable(t *testing.T, env []string, letters map[string]letterJSON) {
	t.Helper()
	code, out, said := call(t, env, "dlq", "list", "--limit", "100")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if code != exitOK || len(lines) != 1+len(letters) {
		t.Fatalf("list ends with %d, prints\n%s%s", code, out, said)
	}
	if want := []string{"REF", "WHEN", "QUEUE", "REASON", "ID", "SIZE"}; !slices.Equal(strings.Fields(lines[0]), want) {
		t.Errorf("the table begins with %q, want %v", lines[0], want)
	}
	for _, l := range letters {
		i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, l.Ref+" ") })
		if i < 0 {
			t.Errorf("no line for %+v in\n%s", l, out)
			continue
		}
		words := strings.Fields(lines[i])
		if end := words[len(words)-2:]; words[1] != l.At.Format(time.DateOnly) || words[3] != l.Queue || end[0] != l.ID || end[1] != strconv.Itoa(l.Size) {
			t.Errorf("got %q for %+v", lines[i], l)
		}
	}
	if _, out, _ := call(t, env, "dlq", "list", "--limit", "1"); !strings.Contains(out, "newest 1; there may be more") {
		t.Errorf("with --limit 1 it prints\n%s", out)
	}
}

// wantShown wants JSON in lines, and nothing that a terminal would obey.
func wantShown(t *testing.T, env []string, letters map[string]letterJSON, hostile string) {
	t.Helper()
	_, out, _ := call(t, env, "dlq", "show", letters["refused"].Ref)
	for _, want := range []string{"\n  \"payload\": {\n    \"event_name\": \"PlayerLogin\",\n", "reason", "no_such_person", "ps2.10.PlayerLogin", "header muster-attempts"} {
		if !strings.Contains(out, want) {
			t.Errorf("show prints no %q:\n%s", want, out)
		}
	}
	_, out, _ = call(t, env, "dlq", "show", letters["undecodable"].Ref)
	if want := `not JSON \u001b[2J\x9b\xff\u202e` + "\n"; !strings.HasSuffix(out, "\n\n"+want) {
		t.Errorf("show prints\n%q, want %q at the end", out, want)
	}
	shown := dlqJSON[letterJSON](t, env, "show", letters["undecodable"].Ref)
	if shown.Body != nil || string(shown.BodyBase64) != hostile {
		t.Errorf("got %+v, want every byte of the body", shown)
	}
}

func TestDeadLettersOfASpoolAreWorkedOnWhileItRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "muster.db")
	env := []string{"MUSTER_DATABASE_URL=sqlite:" + path}
	store, err := storage.Open(t.Context(), "sqlite:"+path, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	spool, err := bus.OpenSpool(t.Context(), store.SpoolDB(), bus.SpoolConfig{Topology: topology(), Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	if err := spool.Publish(t.Context(), event.TopicEvents, bus.Message{ID: "a", Body: []byte("{}")}, bus.Message{ID: "b"}, bus.Message{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string, 10)
	rejected := 0
	done := make(chan error, 1)
	go func() {
		done <- spool.Consume(ctx, event.QueueDispatcher, func(_ context.Context, b bus.Batch) error {
			reasons := map[int]error{}
			for i, d := range b.Deliveries {
				if rejected++; rejected <= 3 {
					reasons[i] = errors.New("poison")
					continue
				}
				got <- d.ID
			}
			return &bus.Rejected{Reasons: reasons}
		})
	}()
	letters := mustLetters(t, env, 3)
	code, out, said := call(t, env, "dlq", "replay", letters["b"].Ref)
	if code != exitOK || !strings.HasPrefix(out, "1 dead letter replayed into queue dispatcher; a muster that runs takes them") {
		t.Errorf("replay ends with %d, prints %q and %q", code, out, said)
	}
	select {
	case id := <-got:
		if id != "b" {
			t.Errorf("%s came back, want b", id)
		}
	case <-time.After(patience):
		t.Fatal("what was replayed never came")
	}
	code, out, said = call(t, env, "dlq", "drop", letters["b"].Ref, letters["a"].Ref)
	if code != exitFailed || out != "1 dead letter dropped from queue dispatcher\n" || strings.Count(said, "\n") != 1 || !strings.Contains(said, letters["b"].Ref) {
		t.Errorf("dropping one that is gone ends with %d, prints %q and %q", code, out, said)
	}
	if left := dlqJSON[[]letterJSON](t, env, "list"); len(left) != 1 || left[0].ID != "c" || left[0].Reason != "poison" {
		t.Errorf("left are %+v, want c", left)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNonsenseAboutDeadLettersIsRefusedInOneLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	there := []string{"MUSTER_DATABASE_URL=sqlite:" + file}
	tests := []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"no reference", there, []string{"show"}, "<ref>"},
		{"no such reference", there, []string{"show", "xyz"}, `"xyz"`},
		{"which ones", there, []string{"replay"}, "--all"},
		{"both", there, []string{"drop", "--all", "0123456789ab"}, "not both"},
		{"one of them is none", there, []string{"drop", "0123456789ab", "; rm"}, `"; rm"`},
		{"no such queue", there, []string{"list", "--queue", "nowhere"}, `"nowhere"`},
		{"no letters at all", there, []string{"list", "--limit", "0"}, "--limit"},
		{"too many", there, []string{"list", "--limit", "10001"}, "--limit"},
		{"not a number", there, []string{"list", "--limit", "many"}, "--limit"},
		{"a bus in memory", []string{"MUSTER_BUS_URL=memory:"}, []string{"list"}, "MUSTER_BUS_URL"},
		{"no file", []string{"MUSTER_DATABASE_URL=sqlite:" + file + "x"}, []string{"list"}, "MUSTER_DATABASE_URL"},
		{"no spool file", []string{"MUSTER_BUS_URL=spool:" + file + "x"}, []string{"list"}, "MUSTER_BUS_URL"},
		{"no broker", []string{"MUSTER_BUS_URL=amqp://u:hunter2@127.0.0.1:1"}, []string{"show", "nonsense"}, "nonsense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, said := call(t, tt.env, append([]string{"dlq"}, tt.args...)...)
			if code != exitSetting || out != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, tt.want) || strings.Contains(said, "hunter2") {
				t.Errorf("ends with %d, prints %q and %q, want status 2 and one line about %s", code, out, said, tt.want)
			}
		})
	}
	if code, _, said := call(t, there, "dlq", "show", "0123456789ab"); code != exitFailed || !strings.Contains(said, "no such dead letter") {
		t.Errorf("an unknown reference ends with %d, prints %q", code, said)
	}
	if _, err := os.Stat(file + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made a file: %v", err)
	}
}

func TestWhatPeopleReadCannotMoveTheCursorOrGrowWithoutEnd(t *testing.T) {
	for in, want := range map[string]string{
		"plain ä 漢":                "plain ä 漢",
		"bell\x07 tab\t":           `bell\u0007 tab\u0009`,
		"a\r\nb":                   `a\u000d` + "\nb",
		"bidi \u202e zero \u200b":  `bidi \u202e zero \u200b`,
		"c1 \u009b bytes \xc3\x28": `c1 \u009b bytes \xc3(`,
		"tag \U000e0001 \ufffd":    `tag \udb40\udc01 ` + "\ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	if got := readableBody([]byte(deep)); len(got) != len(deep) {
		t.Errorf("%d bytes of brackets become %d", len(deep), len(got))
	}
	if got, want := readableBody([]byte(`{"a":[1,{"b":"\u001b"}]}`)), "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"\\u001b\"\n    }\n  ]\n}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
