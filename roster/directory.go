package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"muster/bus"
	"muster/census"
	"muster/event"
)

// A DirectoryStore is what the Directory needs from storage.
type DirectoryStore interface {
	FriendsStore
	PresenceStore
	characterReader
	// CharacterByName finds a stored character by its name in any case.
	CharacterByName(ctx context.Context, name string) (event.Character, bool, error)
	// OutfitsByTag finds stored outfits by their tag in any case.
	OutfitsByTag(ctx context.Context, tag string) ([]event.Outfit, error)
	SaveCharacters(ctx context.Context, characters []event.Character) error
	SaveOutfits(ctx context.Context, outfits []event.Outfit) error
	SaveMembers(ctx context.Context, outfit event.OutfitID, members []event.Member) error
}

// A DirectoryQuery is what the Directory needs from the game's query service;
// census.Query says what each means.
type DirectoryQuery interface {
	FriendsQuery
	CharacterByName(ctx context.Context, env event.Environment, name string) (event.Character, error)
	Characters(ctx context.Context, env event.Environment, ids []event.CharacterID) ([]event.Character, error)
	OutfitsByTag(ctx context.Context, env event.Environment, tag string) ([]event.Outfit, error)
	Members(ctx context.Context, env event.Environment, outfit event.OutfitID) ([]event.Member, error)
	Map(ctx context.Context, env event.Environment, world event.World) ([]event.Territory, error)
}

// A DirectoryConfig says what a Directory works with.
type DirectoryConfig struct {
	Store        DirectoryStore
	Query        DirectoryQuery
	Environments []event.Environment // asked in this order; at least one
	Log          *slog.Logger        // none: silent
	// Bus hears that names are wanted, so that the roster need not find out by
	// itself; none: it does.
	Bus Publisher
}

// A Publisher is the part of bus.Bus that sends.
type Publisher interface {
	Publish(ctx context.Context, topic string, messages ...bus.Message) error
}

// A Directory finds players and outfits that people name: in the store first,
// then at the game's query service, whose answers it saves. It works in every
// process, whoever holds the roster's lease, and is safe for concurrent use.
//
// Its errors wrap census.ErrNotFound when every environment answered and none
// knows the name, and otherwise what hindered the asking. It blocks no longer
// than its context.
type Directory struct {
	cfg         DirectoryConfig
	places      places
	territories territories
}

// NewDirectory returns a Directory.
func NewDirectory(cfg DirectoryConfig) *Directory {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Directory{cfg: cfg, places: places{cfg.Store, cfg.Environments}}
}

// FindCharacter returns the character called name, in any case.
func (d *Directory) FindCharacter(ctx context.Context, name string) (event.Character, error) {
	name = strings.TrimSpace(name)
	if !plausible(name, maxName) {
		return event.Character{}, fmt.Errorf("character %.40q: %w", name, census.ErrNotFound)
	}
	stored, ok, err := d.cfg.Store.CharacterByName(ctx, name)
	if err != nil {
		return event.Character{}, fmt.Errorf("find character: %w", err)
	}
	if ok && stored.Name != "" {
		return stored, nil
	}
	c, err := first(d.cfg.Environments, func(env event.Environment) (event.Character, error) {
		return d.cfg.Query.CharacterByName(ctx, env, name)
	})
	if err != nil {
		return event.Character{}, fmt.Errorf("find character: %w", err)
	}
	if err := d.cfg.Store.SaveCharacters(ctx, []event.Character{c}); err != nil {
		return event.Character{}, fmt.Errorf("save character: %w", err)
	}
	return c, nil
}

// FindOutfits returns the outfits with that tag, in any case: several are
// normal, old and empty ones keep theirs (census 5.4). The members of those that
// were not stored are read too, so that a watch knows them before they are first
// seen; without them the outfits are returned all the same.
func (d *Directory) FindOutfits(ctx context.Context, tag string) ([]event.Outfit, error) {
	tag = strings.TrimSpace(tag)
	if !plausible(tag, maxTag) {
		return nil, fmt.Errorf("outfit %.40q: %w", tag, census.ErrNotFound)
	}
	stored, err := d.cfg.Store.OutfitsByTag(ctx, tag)
	if err != nil {
		return nil, fmt.Errorf("find outfit: %w", err)
	}
	if len(stored) > 0 {
		return stored, nil
	}
	var where event.Environment
	found, err := first(d.cfg.Environments, func(env event.Environment) ([]event.Outfit, error) {
		where = env
		all, err := d.cfg.Query.OutfitsByTag(ctx, env, tag)
		if err == nil && len(all) == 0 {
			err = fmt.Errorf("outfit %.40q: %w", tag, census.ErrNotFound)
		}
		return all, err
	})
	if err != nil {
		return nil, fmt.Errorf("find outfit: %w", err)
	}
	if err := d.cfg.Store.SaveOutfits(ctx, found); err != nil {
		return nil, fmt.Errorf("save outfits: %w", err)
	}
	d.readMembers(ctx, where, found)
	return found, nil
}

// maxRosters is how many rosters are read for one tag.
const maxRosters = 3

// readMembers reads the rosters of the largest outfits that have members. It is
// done as well as can be: the roster learns of the others when they are seen.
func (d *Directory) readMembers(ctx context.Context, env event.Environment, outfits []event.Outfit) {
	for _, o := range outfits[:min(len(outfits), maxRosters)] {
		if o.Members == 0 {
			continue
		}
		members, err := d.cfg.Query.Members(ctx, env, o.ID)
		if err == nil && len(members) > 0 {
			err = d.cfg.Store.SaveMembers(ctx, o.ID, members)
		}
		if err != nil {
			d.cfg.Log.WarnContext(ctx, "members of an outfit not read", "outfit", o.ID, "err", err)
			return
		}
	}
}

// ReadFriends reads and saves the friends list of owner, and returns how many
// friends the answer had. A failed answer leaves what is stored, and so does an
// empty one until it has come often enough. Who is on already counts as on from then
// on, and is not announced. The
// names of the first friends are read too, so that whoever asked for the list can
// be shown it; the roster is told of the others.
func (d *Directory) ReadFriends(ctx context.Context, owner event.CharacterID) (int, error) {
	friends, env, readAt, err := readFriends(ctx, d.places, d.cfg.Query, d.cfg.Store, owner)
	if err != nil {
		return 0, err
	}
	if d.cfg.Bus != nil {
		if err := friendsOn(ctx, d.cfg.Store, d.cfg.Bus, owner, friends, readAt); err != nil {
			d.cfg.Log.DebugContext(ctx, "who of the friends is on already is not told", "err", err)
		}
	}
	if left := d.nameFriends(ctx, env, friends); left && d.cfg.Bus != nil {
		if err := d.cfg.Bus.Publish(ctx, event.TopicLookups, bus.Message{ID: "friends", Body: []byte("[]")}); err != nil {
			d.cfg.Log.DebugContext(ctx, "the roster is not told of new friends and finds them by itself", "err", err)
		}
	}
	return len(friends), nil
}

// maxNamed is how many names are read while somebody waits for a friends list.
const maxNamed = 2 * maxBatch

// nameFriends reads and saves the names of friends that have none yet, as well
// as can be, and reports whether some are left without one.
func (d *Directory) nameFriends(ctx context.Context, env event.Environment, friends []event.Friend) (left bool) {
	ids := make([]event.CharacterID, len(friends))
	for i, f := range friends {
		ids[i] = f.Character
	}
	stored, err := d.cfg.Store.Characters(ctx, ids)
	if err != nil {
		return true
	}
	ids = slices.DeleteFunc(ids, func(id event.CharacterID) bool { return stored[id].Name != "" || stored[id].Hidden })
	if len(ids) == 0 {
		return false
	}
	found, err := d.cfg.Query.Characters(ctx, env, ids[:min(len(ids), maxNamed)])
	if saveErr := d.cfg.Store.SaveCharacters(ctx, found); err != nil || saveErr != nil {
		d.cfg.Log.DebugContext(ctx, "names of friends not read, the roster tries again", "err", errors.Join(err, saveErr))
	}
	return len(found) < len(ids)
}

// first asks one environment after the other until one knows. That one of them
// could not be asked outweighs that another does not know.
func first[T any](environments []event.Environment, ask func(event.Environment) (T, error)) (T, error) {
	var hindered, unknown error
	for _, env := range environments {
		found, err := ask(env)
		switch {
		case err == nil:
			return found, nil
		case errors.Is(err, census.ErrNotFound):
			unknown = err
		default:
			hindered = err
		}
	}
	var none T
	if hindered != nil {
		return none, hindered
	}
	return none, unknown
}

// Longest name and tag that the game has.
const (
	maxName = 32
	maxTag  = 8 // new ones have 4 at most
)

// plausible reports whether s can be a name or tag of at most limit letters. The
// game's own are letters and digits; PS4's have "-" and "_" too.
func plausible(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '-' && r != '_'
	})
}
