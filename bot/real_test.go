package bot

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/census"
	"muster/event"
	"muster/sim/discord"
	"muster/storage"
	"muster/storage/storagetest"
)

const mustOutfit = event.OutfitID(37500000000000004)

// newRealBench starts a bot on a real store, in which Kestrel has the friends Wren,
// who is on, and Lapwing.
func newRealBench(t *testing.T) (*bench, *storage.Store) {
	t.Helper()
	b := newBench(t, checked)
	s, err := storage.Open(t.Context(), storagetest.File(t), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	must := event.Outfit{ID: mustOutfit, Tag: "MUST", Name: "Outfit MUST", Faction: event.NC, Members: 2}
	now := time.Now().UTC()
	people := []event.Character{
		{ID: kesID, Name: "Kestrel", Faction: event.NC, World: 10, Outfit: must, ResolvedAt: now},
		{ID: friend, Name: "Wren", Faction: event.NC, World: 10, Outfit: must, ResolvedAt: now},
		{ID: other, Name: "Lapwing", Faction: event.TR, World: 10, ResolvedAt: now},
	}
	login := event.Event{Kind: event.Login, World: 10, At: now.Truncate(time.Second), ReceivedAt: now, Detail: event.Presence{Character: friend}}
	for _, step := range []func() error{
		func() error { return s.Migrate(ctx) },
		func() error { return s.SaveOutfits(ctx, []event.Outfit{must}) },
		func() error { return s.SaveCharacters(ctx, people) },
		func() error {
			_, err := s.Record(ctx, now, event.Record{Events: []event.Event{login}}, nil)
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	b.start(func(c *Config) {
		c.Store = s
		c.Directory = &realDirectory{store: s}
	})
	b.ready()
	return b, s
}

// realDirectory reads friends lists into a real store.
type realDirectory struct {
	store *storage.Store
	reads atomic.Int32
	down  atomic.Bool
}

func (d *realDirectory) FindCharacter(ctx context.Context, name string) (event.Character, error) {
	found, err := d.store.FindCharacters(ctx, name, 5)
	for _, c := range found {
		if strings.EqualFold(c.Name, name) {
			return c, err
		}
	}
	return event.Character{}, fmt.Errorf("character %q: %w", name, census.ErrNotFound)
}

func (d *realDirectory) FindOutfits(_ context.Context, tag string) ([]event.Outfit, error) {
	return nil, fmt.Errorf("outfit %q: %w", tag, census.ErrNotFound)
}

func (d *realDirectory) ReadFriends(ctx context.Context, owner event.CharacterID) (int, error) {
	if d.down.Load() {
		return 0, errDown
	}
	d.reads.Add(1)
	friends := []event.Friend{{Character: friend}, {Character: other}}
	return len(friends), d.store.SaveFriends(ctx, owner, friends, time.Now().UTC())
}

func (d *realDirectory) Territory(context.Context, event.World) ([]event.Territory, time.Time, error) {
	return nil, time.Time{}, errDown
}

// A conversation is one private answer that components change.
type conversation struct {
	b    *bench
	msg  discord.Message
	form string // title of the form that write filled in last
}

// talk types a command and keeps its answer.
func (b *bench) talk(text string) *conversation { b.t.Helper(); return b.talkIn("", text) }

// talkIn is talk in a channel.
func (b *bench) talkIn(where, text string) *conversation {
	b.t.Helper()
	a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Channel: where, Text: text})
	if err != nil || a.Message == nil {
		b.t.Fatalf("%s: %v\n%s", text, err, b.logs)
	}
	return &conversation{b: b, msg: *a.Message}
}

// id returns the custom id of the component with a label, an option or that id.
func (c *conversation) id(label string) string {
	c.b.t.Helper()
	for _, r := range c.msg.Components {
		for _, one := range r.Components {
			if one.CustomID == label || strings.Contains(one.Label, label) || strings.Contains(one.Placeholder, label) {
				return one.CustomID
			}
		}
	}
	c.b.t.Fatalf("no component %q in:\n%s\n%+v", label, readable(c.msg), c.msg.Components)
	return ""
}

// press uses a component, named by its label, placeholder or id.
func (c *conversation) press(label string, values ...string) string {
	c.b.t.Helper()
	a, err := c.b.sim.Press(c.b.ctx(), discord.PressInput{User: ana.String(), Message: c.msg.ID, CustomID: c.id(label), Values: values})
	if err != nil {
		c.b.t.Fatalf("%s: %v\n%s", label, err, c.b.logs)
	}
	return c.take(label, a)
}

// write fills in the form that a button opens.
func (c *conversation) write(label string, values map[string]string) string {
	c.b.t.Helper()
	a, err := c.b.sim.Press(c.b.ctx(), discord.PressInput{User: ana.String(), Message: c.msg.ID, CustomID: c.id(label)})
	if err != nil || a.Modal == nil {
		c.b.t.Fatalf("%s opens no form: %+v, %v\n%s", label, a, err, c.b.logs)
	}
	c.form = a.Modal.Title
	a, err = c.b.sim.SubmitModal(c.b.ctx(), discord.ModalInput{User: ana.String(), Interaction: a.InteractionID, Values: values})
	if err != nil {
		c.b.t.Fatalf("%s: %v\n%s", label, err, c.b.logs)
	}
	return c.take(label, a)
}

func (c *conversation) take(label string, a discord.Answer) string {
	c.b.t.Helper()
	if a.Message == nil {
		c.b.t.Fatalf("%s: no answer: %+v\n%s", label, a, c.b.logs)
	}
	c.msg = *a.Message
	return readable(c.msg)
}
