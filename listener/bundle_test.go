package listener

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/bus"
	"muster/census"
	"muster/event"
)

// mail returns messages of keys, named by their places.
func mail(keys ...string) (all []bus.Message) {
	for i, key := range keys {
		all = append(all, bus.Message{ID: fmt.Sprint(i), Key: key, Body: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	return all
}

// inside returns what a message carries.
func inside(t *testing.T, m bus.Message) (out []string) {
	t.Helper()
	parts, err := event.SplitBundle(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		out = append(out, strings.Trim(string(p), `{"n:}`))
	}
	return out
}

func TestEventsOfOneWorldTravelTogether(t *testing.T) {
	var b bundler
	for name, test := range map[string]struct{ keys, want []string }{
		"nothing":           {nil, nil},
		"one alone":         {[]string{"ps2.10.Death"}, []string{"ps2.10.Death: 0"}},
		"of one kind":       {[]string{"ps2.10.Death", "ps2.10.Death"}, []string{"ps2.10.Death: 0 1"}},
		"of several kinds":  {[]string{"ps2.10.Death", "ps2.10.stream", "ps2.10.Death"}, []string{"ps2.10.many: 0 1 2"}},
		"of several worlds": {[]string{"ps2.10.Death", "ps2.1.Death", "ps2.10.Death", "ps2.40.Death", "ps2.1.Logout"}, []string{"ps2.10.Death: 0 2", "ps2.1.many: 1 4", "ps2.40.Death: 3"}},
		"of no world":       {[]string{"x", "x", ""}, []string{"x: 0 1", ": 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, m := range b.pack(mail(test.keys...)) { // the same bundler again
				got = append(got, m.Key+": "+strings.Join(inside(t, m), " "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestABundleHasBounds(t *testing.T) {
	var b bundler
	keys := slices.Repeat([]string{"ps2.10.Death", "ps2.1.Death"}, event.BundleMessages+1)
	var sizes []int
	for _, m := range b.pack(mail(keys...)) {
		sizes = append(sizes, len(inside(t, m)))
	}
	if want := []int{event.BundleMessages, event.BundleMessages, 1, 1}; !slices.Equal(sizes, want) {
		t.Errorf("bundles of %v, want %v", sizes, want)
	}
	large := mail("ps2.10.Death", "ps2.10.Death", "ps2.10.Death")
	for i, n := range []int{bus.MaxBody, event.BundleBytes / 2, event.BundleBytes / 2} {
		large[i].Body = fmt.Appendf(nil, `{"n":%d,"x":"%s"}`, i, strings.Repeat("x", n-20))
	}
	out := b.pack(large)
	if len(out) != 2 || out[0].Check() != nil || !bytes.Equal(out[0].Body, large[0].Body) || len(inside(t, out[1])) != 2 {
		t.Errorf("got %d messages; want the largest as it is, and the others together", len(out))
	}
}

// What a bus has been given stays as it was: it may still be on its way.
func TestABundleIsNotWrittenTwice(t *testing.T) {
	var b bundler
	first := slices.Clone(b.pack(mail("ps2.10.Death", "ps2.10.Death")))
	body := string(first[0].Body)
	b.pack(mail("ps2.1.Death", "ps2.1.Logout", "ps2.10.Death"))
	if string(first[0].Body) != body || first[0].Key != "ps2.10.Death" {
		t.Errorf("%+v, it was %s", first[0], body)
	}
}

func TestABurstIsPublishedAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		linger time.Duration
		want   []int
	}{
		"with a linger": {time.Millisecond, []int{9, 1}},
		"without":       {0, slices.Repeat([]int{1}, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &spy{}
				s := &script{run: func(ctx context.Context, h census.Handler) {
					for i := range 9 {
						h.Event(sighting(1, i))
						<-time.After(100 * time.Microsecond) // of the bubble
					}
					<-time.After(time.Second)
					h.Event(sighting(1, 9))
					<-ctx.Done()
				}}
				_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk(), Linger: test.linger})
				<-time.After(2 * time.Second)
				if !slices.Equal(b.batches, test.want) {
					t.Errorf("published %v, want %v", b.batches, test.want)
				}
				stop()
			})
		})
	}
}
