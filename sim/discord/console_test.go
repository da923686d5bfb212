package discord_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"muster/sim/discord"
)

// An action is a step in the browser.
type action = chromedp.Action[chromedp.Void]

// browser returns a context with a headless Chromium in it, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium on this machine")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits for it
		cancel()
		cancelAlloc()
	})
	return ctx
}

// do runs steps in the browser.
func do(ctx context.Context, t *testing.T, steps ...action) {
	t.Helper()
	for i, step := range steps {
		if err := chromedp.Do(ctx, step); err != nil {
			page, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("step %d: %v; the page shows:\n%s", i, err, page)
		}
	}
}

// shot writes a screenshot into MUSTER_SCREENSHOTS, where that is set.
func shot(name string, width, height int64, scheme string) action {
	dir := os.Getenv("MUSTER_SCREENSHOTS")
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if dir == "" {
			return nil
		}
		if _, err := chromedp.EmulateViewport(width, height)(ctx, target); err != nil {
			return err
		}
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, media); err != nil {
			return err
		}
		if _, err := chromedp.Sleep(300*time.Millisecond)(ctx, target); err != nil { // for pictures only
			return err
		}
		png, err := chromedp.CaptureScreenshot()(ctx, target)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+"-"+scheme+"-"+strconv.FormatInt(width, 10)+".png"), png, 0o644)
	})
}

// shots is shot at a desktop's and a phone's width, light and dark.
func shots(name string) action {
	return chromedp.Steps(shot(name, 390, 844, "dark"), shot(name, 390, 844, "light"), shot(name, 1440, 900, "dark"), shot(name, 1440, 900, "light"))
}

// until waits for a script to say true.
func until(script string) action {
	poll := chromedp.Poll[bool](script, chromedp.WithPollingTimeout(20*time.Second))
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		if _, err := poll(ctx, target); err != nil {
			return chromedp.Void{}, fmt.Errorf("wait for %s: %w", script, err)
		}
		return chromedp.Void{}, nil
	}
}

// has waits until the page shows text somewhere in sel.
func has(sel, text string) action {
	return until(fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))", sel, text))
}

// click presses the first of sel that shows text.
func click(sel, text string) action {
	return chromedp.Steps(has(sel, text), chromedp.Evaluate[chromedp.Void](
		fmt.Sprintf("[...document.querySelectorAll(%q)].find(e => e.textContent.includes(%q)).click()", sel, text)))
}

// keys types into the box.
func keys(text string) action { return typeInto("#text", text) }

// typeInto types into the first of sel. chromedp.SendKeys reads the node's attributes
// while events of the page write them, a race of v0.22.1.
func typeInto(sel, text string) action {
	return chromedp.Steps(until(fmt.Sprintf("document.querySelector(%q) !== null", sel)),
		chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).focus()", sel)), chromedp.KeyEvent(text))
}

// alert is a message such as a bot sends when a friend comes online.
func alert(t *testing.T, s *discord.Server, user string) {
	t.Helper()
	d := session(t, s)
	dm, err := d.UserChannelCreate(user)
	if err != nil {
		t.Fatal(err)
	}
	now := strconv.FormatInt(time.Now().Add(-90*time.Second).Unix(), 10)
	_, err = d.ChannelMessageSendComplex(dm.ID, &discordgo.MessageSend{
		Content: "**Kestrel** is online on **Osprey** · <t:" + now + ":R>", AllowedMentions: &discordgo.MessageAllowedMentions{},
		Embeds: []*discordgo.MessageEmbed{{
			Title: "[VCO] Kestrel", URL: "http://127.0.0.1/characters/Kestrel", Color: 0x4f8fe0,
			Description: "You watch this player since <t:1700000000:D>.\n*Last seen* `Indar`, ||near The Crown||.",
			Fields:      []*discordgo.MessageEmbedField{{Name: "Faction", Value: "NC", Inline: true}, {Name: "Battle rank", Value: "87", Inline: true}, {Name: "Outfit", Value: "Vanguard Company", Inline: true}},
			Footer:      &discordgo.MessageEmbedFooter{Text: "Muster"},
		}},
		Components: []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.Button{Label: "Mute 1 h", CustomID: "mute", Style: discordgo.SecondaryButton},
			discordgo.Button{Label: "Stop watching", CustomID: "stop", Style: discordgo.DangerButton},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPersonTypesACommandWithAutocompletePressesAndReadsInTheConsole(t *testing.T) {
	ctx := browser(t)
	s := running(t)
	do(ctx, t, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(s.URL()),
		has(".hello", "Type /link"), has("#status", "Bot connected"), shots("hello"),
		keys("/wa"), has("#options li", "/watch add"), shots("commands"),
		keys("\r"), has("#options li", "trel [VCO]"), keys("Kes"), has("#options li", "Kestrel [VCO]"), shots("autocomplete"),
		keys("\r"), until(`document.getElementById("text").value === "/watch add player:Kestrel [VCO] "`),
		keys("\r"), has(".msg .md", "watching 5428000000000000001"), has(".only", "Only you can see this"), shots("answer"),
		click(".btn", "Stop"), has(".msg .md", "pressed stop"),
		click(".only button", "Dismiss"), until(`!document.getElementById("log").textContent.includes("pressed stop")`),
		keys("/ping"), has("#options li", "/ping"), keys("\r"), until(`document.getElementById("text").value === "/ping "`), keys("\r"),
		has("#modal h2", "A form"), typeInto("#modal input", "hello form"), shots("form"),
		click("#modal button", "Submit"), has(".msg .md", "got hello form"))
	alert(t, s, ana)
	alert(t, s, "1200000000000000002")
	do(ctx, t, has(".embed h4", "Kestrel"), has("#people .count", "1"), shots("alert"),
		click("#people button", "Ben"), has("#room-note", "Ben"), has(".embed h4", "Kestrel"), has(".fresh", "New"),
		click("#faults-open", "Faults"), has("#stats dt", "IDENTIFY"), click(".presets button", "Half of all"), has("#faults-active li", "50 %"), shots("faults"),
		chromedp.Click(chromedp.CSS("#faults-close")), chromedp.EmulateViewport(390, 844), until(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`),
		chromedp.Click(chromedp.CSS("#menu")), until(`getComputedStyle(document.getElementById("side")).visibility === "visible"`),
		shot("side", 390, 844, "light"), shot("side", 390, 844, "dark"))
	s.ClearFault(0)
}

func TestTheConsoleShowsTheNamesOfThePersonsLanguage(t *testing.T) {
	ctx := browser(t)
	s := start(t, nil)
	call(t, s, "PUT", commandsPath, german())
	if _, err := s.Say(ana, "", "<t:1700000000:D>"); err != nil {
		t.Fatal(err)
	}
	choose := func(locale string) action {
		return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
			`(() => { const l = document.getElementById("locale"); l.value = %q; l.dispatchEvent(new Event("change")); })()`, locale))
	}
	do(ctx, t, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(s.URL()), until(`document.getElementById("locale").value === "en-US"`),
		has(".msg time", "November 14, 2023"), keys("/"), has("#options li", "/watch add"),
		// The box is emptied when the conversation has been opened anew.
		choose("de"), has(".msg time", "14. November 2023"), until(`document.getElementById("text").value === ""`), keys("/fol"), has("#options li", "/folgen hinzufügen"), shots("german"),
		click("#people button", "Ben"), has("#room-note", "Ben"), until(`document.getElementById("locale").value === "en-US"`), has(".chips button", "/watch add"),
		click("#people button", "Ana"), until(`document.getElementById("locale").value === "de"`))
	if err := s.SetLocale("ben", "de"); err != nil { // as a test does
		t.Fatal(err)
	}
	do(ctx, t, click("#people button", "Ben"), has(".hello", "Type /link"), has(".chips button", "/folgen hinzufügen"))
}
