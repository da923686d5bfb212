package event_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// shared returns a path in the samples, or skips the test.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	dir := os.Getenv("MUSTER_SHARED")
	if dir == "" {
		t.Skip("MUSTER_SHARED does not say where the recorded samples are")
	}
	return filepath.Join(append([]string{dir, "census-samples"}, parts...)...)
}

// payloads returns the payload of every event in a file of one message per line;
// messages wrapped in {"_source", "message"} are unwrapped.
func payloads(t testing.TB, path string) (out []json.RawMessage) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		type message struct {
			Payload json.RawMessage `json:"payload"`
		}
		var line struct {
			message
			Message *message `json:"message"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Message != nil {
			line.message = *line.Message
		}
		if line.Payload != nil {
			out = append(out, line.Payload)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// templates returns the payloads that nobody recorded.
func templates(t testing.TB) (out []json.RawMessage) {
	t.Helper()
	b, err := os.ReadFile(shared(t, "ess", "templates-not-recorded.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Events []struct {
			Payload json.RawMessage `json:"payload"`
		} `json:"events"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, e := range file.Events {
		out = append(out, e.Payload)
	}
	return out
}
