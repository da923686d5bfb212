package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func asBytes(texts ...string) (all [][]byte) {
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return all
}

func TestABundleGivesBackItsMessages(t *testing.T) {
	payload := `{"event_name":"GainExperience","character_id":"1","timestamp":"1730180202","world_id":"10"}`
	state, err := EncodeStream(StreamState{World: 10, Health: StreamDown, Since: time.Unix(1730180202, 0), Reason: `"}],{\`})
	if err != nil {
		t.Fatal(err)
	}
	for name, messages := range map[string][][]byte{
		"one":             asBytes(`{"v":1}`),
		"plain":           {EncodeSighting([]byte(payload), time.Unix(1730180203, 0), 0), EncodeSighting([]byte(payload), time.Unix(1730180203, 1), 3)},
		"quotes, braces":  asBytes(`{"a":"}{\"}"}`, `{"b":"\\"}`, `{"c":"\\\""}`, `{"d":{"e":[{"f":"]}"}]}}`, `{"":""}`),
		"a state between": {EncodeSighting([]byte(payload), time.Unix(1730180203, 0), 0), state, EncodeSighting([]byte(payload), time.Unix(1730180204, 0), 0)},
		"not ASCII":       asBytes(`{"a":"éß\u00e9"}`, "{ \"b\" :\n 1 }"),
		"as many as may":  slices.Repeat(asBytes(`{"v":1}`), maxBundle),
	} {
		t.Run(name, func(t *testing.T) {
			b := EncodeBundle(messages)
			if !json.Valid(b) {
				t.Fatalf("not JSON: %s", b)
			}
			got, err := SplitBundle(b)
			if err != nil || !slices.EqualFunc(got, messages, bytes.Equal) {
				t.Errorf("got %d messages, %v; want %d: %s", len(got), err, len(messages), b)
			}
			if _, err := DecodeMessage(b); !errors.Is(err, ErrEnvelope) || !strings.Contains(err.Error(), "version 2, this build reads 1") {
				t.Errorf("a reader without bundles says %v, want the version it lacks", err)
			}
		})
	}
}

// A later version of the same schema may write fields that this one does not know.
func TestABundleOfALaterWriterIsRead(t *testing.T) {
	for _, b := range []string{
		`{"v":2,"from":"eu","messages":[{"v":1},{"v":1,"x":{}}]}`,
		`{"messages":[{"v":1},{"v":1,"x":{}}],"v":2}`,
		" {\n \"v\": 2, \"messages\": [ {\"v\":1} , {\"v\":1,\"x\":{}} ] }",
		`{"v":2,"messages":[{"v":1},{"v":1,"x":{}}],"more":1}`,
	} {
		got, err := SplitBundle([]byte(b))
		if err != nil || !slices.EqualFunc(got, asBytes(`{"v":1}`, `{"v":1,"x":{}}`), bytes.Equal) {
			t.Errorf("%s: got %q, %v", b, got, err)
		}
	}
}

func TestWhatIsNoBundleStaysWhole(t *testing.T) {
	for _, b := range []string{``, `null`, `[]`, `{`, `not JSON`, `{"v":1,"received_at":5,"payload":{}}`, `{"v":1,"messages":[{},{}]}`, `{"v":3,"messages":[{}]}`,
		`{"messages":[{}]}`, `{"v":"2","messages":[{}]}`, `{"v":99}`, `{"v":2}`, `{"v":2,"payload":{}}`, `{"v":2,"messages":[{}}`, "{\"v\":1,\n\"stream\":{}}"} {
		got, err := SplitBundle([]byte(b))
		if err != nil || len(got) != 1 || string(got[0]) != b {
			t.Errorf("%s: got %q, %v; want it whole", b, got, err)
		}
	}
}

func TestABrokenBundleIsRefused(t *testing.T) {
	tooMany := string(EncodeBundle(slices.Repeat(asBytes(`{}`), maxBundle+1)))
	for b, want := range map[string]string{
		`{"v":2,"messages":[]}`:        "empty bundle",
		`{"v":2,"messages":null}`:      "empty bundle",
		`{"v":2,"messages":{"a":{}}}`:  "broken bundle",
		`{"v":2,"messages":"[{},{}]"}`: "broken bundle",
		tooMany:                        fmt.Sprintf("bundle of %d messages, at most %d", maxBundle+1, maxBundle),
	} {
		got, err := SplitBundle([]byte(b))
		if !errors.Is(err, ErrEnvelope) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%.60s: got %d messages, %v; want %q", b, len(got), err, want)
		}
	}
}

// FuzzSplitBundle holds the fast way to what encoding/json reads, and both to their
// bounds.
func FuzzSplitBundle(f *testing.F) {
	for _, s := range append(seeds(), recorded(f)...) {
		f.Add([]byte(s))
		f.Add(EncodeBundle(asBytes(s, s)))
		f.Add([]byte(bundleOpen + s + `]`))
	}
	f.Add([]byte(`{"v":2,"messages":[{"a":"\\\""},{"b":"}"}]}`))
	f.Add([]byte(`{"v":2,"messages":[{},1,"{"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, err := SplitBundle(b)
		if err == nil && (len(parts) == 0 || len(parts) > maxBundle) || err != nil && parts != nil {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		total := 0
		for _, p := range parts {
			total += len(p)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of parts in %d", total, len(b))
		}
		fast := scanBundle(b)
		var slow struct {
			Messages []json.RawMessage `json:"messages"`
		}
		if fast == nil || json.Unmarshal(b, &slow) != nil {
			return // not taken, or broken inside: DecodeMessage finds out
		}
		if !slices.EqualFunc(fast, slow.Messages, func(a []byte, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("fast %q\nslow %q", fast, slow.Messages)
		}
	})
}
