package notifier_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"muster/event"
	"muster/notifier"
)

// chromium returns the browser to test with, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("MUSTER_TEST_CHROMIUM"); path != "" {
		return path
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium in the path and MUSTER_TEST_CHROMIUM is not set")
	}
	return path
}

// complaints are what the browser says is wrong with the page.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

// open starts a browser with an empty profile of its own, and fails the test in
// the end if the page broke its Content-Security-Policy or wrote an error.
// harmless are parts of complaints that the test itself provokes.
func open(t *testing.T, harmless ...string) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(2*patience))
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	messages := chromedp.Console(ctx)
	var c complaints
	heard := make(chan struct{})
	go func() { defer close(heard); c.hear(messages) }()
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits for it
		cancel()
		cancelAlloc()
		<-heard
		c.report(t, harmless)
	})
	return ctx
}

func (c *complaints) hear(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the browser has been closed
		}
		if m.IsException() || m.Type == "error" || m.Type == "warning" || m.Source == "security" {
			c.add("%s %s %s", m.Source, m, m.URL)
		}
	}
}

func (c *complaints) report(t *testing.T, harmless []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
next:
	for _, line := range c.list {
		for _, h := range harmless {
			if strings.Contains(line, h) {
				continue next
			}
		}
		t.Errorf("the browser complains: %s", line)
	}
}

func run(ctx context.Context, t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	read(ctx, t, chromedp.Steps(actions...))
}

func read[T any](ctx context.Context, t *testing.T, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// look returns what a script expression is.
func look[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	return read(ctx, t, chromedp.Evaluate[T](script))
}

// typed types into the first of sel. chromedp.SendKeys reads the node's attributes
// while events of the page write them, a race of v0.22.1.
func typed(ctx context.Context, t *testing.T, sel, text string) {
	t.Helper()
	run(ctx, t, chromedp.Focus(chromedp.CSS(sel)), chromedp.KeyEvent(text))
}

// see waits until the text of what sel selects contains want.
func see(ctx context.Context, t *testing.T, sel, want string) {
	t.Helper()
	var got string
	eventually(t, fmt.Sprintf("%s shows %q", sel, want), func() bool {
		got = look[string](ctx, t, fmt.Sprintf(
			`[...document.querySelectorAll(%q)].map(e => e.textContent.replace(/\s+/g, " ")).join("\n")`, sel))
		return strings.Contains(got, want)
	})
}

func count(ctx context.Context, t *testing.T, sel string) int {
	t.Helper()
	return look[int](ctx, t, fmt.Sprintf(`document.querySelectorAll(%q).length`, sel))
}

// waitReaders returns once n pages stream.
func waitReaders(ctx context.Context, t *testing.T) {
	t.Helper()
	see(ctx, t, "#connection", "connected")
}

func liveStream(w event.World) event.StreamState {
	now := time.Now().UTC()
	return event.StreamState{World: w, Health: event.StreamLive, Since: now.Add(-time.Hour), ReportedAt: now, LastEventAt: now}
}

func TestThePageShowsWhoComesAndFights(t *testing.T) {
	chromium(t)
	s := start(t, nil)
	s.store.change(func(m *memory) {
		m.streams = []event.StreamState{liveStream(1), {World: 10, Health: event.StreamSilent,
			Since: time.Now().Add(-time.Minute), ReportedAt: time.Now(), Reason: "nothing for 60 s"}}
		m.outfits = []event.Outfit{{ID: outfit, Tag: "ABC", Name: "Alphabet"}}
		m.players[alice] = event.Player{Character: event.Character{ID: alice, Name: "Alice", Faction: event.NC},
			Online: event.Online{Character: alice, Online: true, World: 1, Since: time.Now(), LastSeen: time.Now()}}
	})
	s.bus.publish(t, event.TopicFeed, event.FeedMessage{Stream: &s.store.streams[1]})
	ctx := open(t, "404")
	run(ctx, t, chromedp.Navigate(s.url+"/"))
	waitReaders(ctx, t)
	see(ctx, t, ".world[data-health=silent]", "Wainwright")
	see(ctx, t, ".world[data-health=silent]", "since")

	member := who(bob, `<img src=x onerror="alert(1)">`)
	member.Outfit = &event.WhoOutfit{ID: outfit, Tag: "ABC", Name: "Alphabet"}
	kill := item(1, "kill", 1, who(nobody, ""), member)
	kill.Detail = []byte(`{"weapon":{"id":"7214","name":"Gauss SAW"},"headshot":true}`)
	s.publish(t, item(0, "login", 1, who(alice, "Alice"), nil), kill)
	see(ctx, t, ".people .row", "Alice")
	see(ctx, t, ".fights .row", "Gauss SAW")
	see(ctx, t, ".fights .row", `[ABC]<img src=x onerror="alert(1)">`)
	see(ctx, t, ".fights .row", event.Placeholder(nobody))

	t.Run("names are repaired where they show", func(t *testing.T) {
		s.bus.publish(t, event.TopicNames, []event.Character{{ID: nobody, Name: "Nemo", Faction: event.TR}})
		see(ctx, t, ".fights .row [data-faction='3']", "Nemo")
	})
	t.Run("a filter by outfit hides the others and is in the address", func(t *testing.T) {
		typed(ctx, t, "input[name=who]", "abc\n")
		see(ctx, t, ".chip", "Alphabet")
		waitReaders(ctx, t)
		eventually(t, "the page streams with the filter", func() bool {
			s.publish(t, item(len(t.Name())+int(time.Now().UnixNano()%1e9), "kill", 1, who(alice, "Alice"), member))
			return count(ctx, t, ".fights .row") > 0
		})
		s.publish(t, item(5000, "kill", 1, who(alice, "Carol"), who(nobody, "Dave")), item(5001, "kill", 1, who(alice, "Erin"), member))
		see(ctx, t, ".fights .row", "Erin")
		text, search := read(ctx, t, chromedp.TextContent(chromedp.CSS(".fights"))), look[string](ctx, t, "location.search")
		if strings.Contains(text, "Carol") {
			t.Errorf("an event of nobody in the outfit shows: %s", text)
		}
		if search != "?outfit="+outfit.String() {
			t.Errorf("address %q", search)
		}
	})
	shoot(ctx, t, "filtered")
	t.Run("an outfit that is not there is said so", func(t *testing.T) {
		typed(ctx, t, "input[name=who]", "nope\n")
		see(ctx, t, "#trouble", "No outfit with the tag nope")
	})
	t.Run("pausing keeps the list still", func(t *testing.T) {
		run(ctx, t, chromedp.Click(chromedp.CSS(".pause")))
		s.publish(t, item(6000, "kill", 1, who(alice, "Late"), member))
		see(ctx, t, ".pause", "1 new")
		run(ctx, t, chromedp.Click(chromedp.CSS(".pause")))
		see(ctx, t, ".fights .row", "Late")
	})
}

func TestThePageSurvivesARestartOfTheServer(t *testing.T) {
	chromium(t)
	first := start(t, nil)
	addr := first.Addr()
	ctx := open(t, "ERR_", "503")
	run(ctx, t, chromedp.Navigate(first.url+"/"))
	waitReaders(ctx, t)
	first.publish(t, item(1, "kill", 1, who(alice, "Before"), who(bob, "Bob")))
	see(ctx, t, ".fights .row", "Before")
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	see(ctx, t, ".banner", "Disconnected since")
	shoot(ctx, t, "disconnected")

	second := start(t, func(c *notifier.Config) { c.Addr = addr })
	second.publish(t, item(1, "kill", 1, who(alice, "Before"), who(bob, "Bob")), item(2, "kill", 1, who(alice, "Meanwhile"), who(bob, "Bob")))
	see(ctx, t, ".fights .row", "Meanwhile")
	waitReaders(ctx, t)
	if n := count(ctx, t, ".banner"); n != 0 {
		t.Error("the banner stays")
	}
	second.publish(t, item(3, "kill", 1, who(alice, "After"), who(bob, "Bob")))
	see(ctx, t, ".fights .row", "After")
	if n := count(ctx, t, ".fights .row[data-kind=kill]"); n != 3 {
		t.Errorf("%d kills show, want 3: one was lost or doubled", n)
	}
}

// TestThePageFitsAPhone also writes screenshots of every page into
// MUSTER_TEST_SHOTS, if that names a directory, for a person to look at.
func TestThePageFitsAPhone(t *testing.T) {
	chromium(t)
	s := start(t, nil)
	furnish(t, s)
	ctx := open(t, "404")
	for _, path := range []string{"/", "/status", "/characters/" + alice.String(), "/outfits/ABC", "/no/such/page"} {
		for _, on := range screens {
			run(ctx, t, on.apply(), chromedp.Navigate(s.url+path))
			if path == "/" {
				waitReaders(ctx, t)
				battle(t, s)
				see(ctx, t, ".fights .row", "Indar")
			}
			if width := look[int64](ctx, t, "document.documentElement.scrollWidth"); width > on.width {
				t.Errorf("%s at %d px is %d px wide", path, on.width, width)
			}
			if path == "/" && on.width < 500 {
				shoot(ctx, t, "live-top-"+on.name)
				run(ctx, t, chromedp.ScrollIntoView(chromedp.CSS(".fights .row:nth-child(9)")))
			}
			shoot(ctx, t, strings.Trim(strings.ReplaceAll(path, "/", "-"), "-")+"-"+on.name)
		}
	}
}

func shoot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("MUSTER_TEST_SHOTS")
	if dir == "" {
		return
	}
	png := read(ctx, t, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
