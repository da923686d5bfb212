package notifier

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"muster/event"
	"muster/internal/problem"
)

// characterAnswer is what GET /api/v1/characters/{id or name} says.
type characterAnswer struct {
	playerView
	Sessions []sessionView `json:"sessions"` // newest first, at most 20
}

type sessionView struct {
	World     event.World     `json:"world"`
	WorldName string          `json:"world_name"`
	StartedAt time.Time       `json:"started_at"`
	Inferred  bool            `json:"inferred"`          // no login was seen: it began no later than this
	EndedAt   time.Time       `json:"ended_at,omitzero"` // absent while it runs
	End       event.EndReason `json:"end,omitempty"`
}

// outfitAnswer is what GET /api/v1/outfits/{tag} says.
type outfitAnswer struct {
	ID      event.OutfitID `json:"id"`
	Tag     string         `json:"tag"`
	Name    string         `json:"name"`
	Faction event.Faction  `json:"faction,omitempty"`
	Members int            `json:"members,omitempty"` // by the query service
	// Others share the tag, which the game allows. Ask for them by id.
	Others []event.WhoOutfit `json:"others,omitempty"`
}

// rosterAnswer is what GET /api/v1/outfits/{tag}/roster says.
type rosterAnswer struct {
	Outfit  outfitAnswer `json:"outfit"`
	Online  int          `json:"online"`
	Members []playerView `json:"members"` // who is online first, then who was last; at most 2,000
	More    bool         `json:"more"`
}

// plausible reports whether a name or tag from a path is worth asking for.
func plausible(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0xfffd })
}

// missing says that a thing asked for is not there.
type missing string

func (m missing) Error() string { return string(m) }

// findCharacter finds by id or, case aside, by name. The error is a missing or
// the store's.
func (n *Notifier) findCharacter(ctx context.Context, who string) (characterAnswer, error) {
	const none = missing("no such character has been seen")
	if !plausible(who) {
		return characterAnswer{}, none
	}
	id, err := event.ParseCharacterID(who)
	if err != nil || !id.IsCharacter() {
		c, ok, err := n.cfg.Store.CharacterByName(ctx, who)
		if err != nil {
			return characterAnswer{}, err
		}
		if !ok {
			return characterAnswer{}, none
		}
		id = c.ID
	}
	p, ok, err := n.cfg.Store.Player(ctx, id)
	if err != nil {
		return characterAnswer{}, err
	}
	if !ok {
		return characterAnswer{}, none
	}
	sessions, err := n.cfg.Store.RecentSessions(ctx, id, maxSessions)
	if err != nil {
		return characterAnswer{}, err
	}
	a := characterAnswer{playerView: viewPlayer(p), Sessions: []sessionView{}}
	for _, s := range sessions {
		a.Sessions = append(a.Sessions, sessionView{World: s.World, WorldName: s.World.String(),
			StartedAt: s.StartedAt, Inferred: s.Inferred, EndedAt: s.EndedAt, End: s.End})
	}
	return a, nil
}

// outfitIDDigits is from how many digits on a number is an outfit's id and not a
// tag, which has four signs at most.
const outfitIDDigits = 8

// findOutfit finds by tag or id. Of several with one tag it takes the largest.
func (n *Notifier) findOutfit(ctx context.Context, tag string) (outfitAnswer, error) {
	const none = missing("no such outfit has been seen")
	if !plausible(tag) {
		return outfitAnswer{}, none
	}
	if id, err := event.ParseOutfitID(tag); err == nil && len(tag) >= outfitIDDigits {
		o, ok, err := n.cfg.Store.Outfit(ctx, id)
		if err == nil && !ok {
			err = none
		}
		return viewOutfit(o), err
	}
	all, err := n.cfg.Store.OutfitsByTag(ctx, tag)
	if err != nil {
		return outfitAnswer{}, err
	}
	if len(all) == 0 {
		return outfitAnswer{}, none
	}
	all = slices.SortedStableFunc(slices.Values(all), func(a, b event.Outfit) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(a.ID, b.ID))
	})
	a := viewOutfit(all[0])
	for _, o := range all[1:] {
		a.Others = append(a.Others, event.WhoOutfit{ID: o.ID, Tag: o.Tag, Name: o.Name})
	}
	return a, nil
}

func viewOutfit(o event.Outfit) outfitAnswer {
	return outfitAnswer{ID: o.ID, Tag: o.Tag, Name: o.Name, Faction: o.Faction, Members: o.Members}
}

func (n *Notifier) findRoster(ctx context.Context, tag string) (rosterAnswer, error) {
	o, err := n.findOutfit(ctx, tag)
	if err != nil {
		return rosterAnswer{}, err
	}
	players, err := n.cfg.Store.Members(ctx, o.ID, maxMembers+1)
	if err != nil {
		return rosterAnswer{}, err
	}
	a := rosterAnswer{Outfit: o, Members: []playerView{}}
	if a.More = len(players) > maxMembers; a.More {
		players = players[:maxMembers]
	}
	for _, p := range players {
		v := viewPlayer(p)
		a.Members = append(a.Members, v)
		if v.Online {
			a.Online++
		}
	}
	slices.SortStableFunc(a.Members, byPresence)
	return a, nil
}

// Ranks reports whether the rank of anybody is known.
func (a rosterAnswer) Ranks() bool {
	return slices.ContainsFunc(a.Members, func(v playerView) bool { return v.OutfitIs != "" })
}

// Unknown is how many members the outfit has beside those that are listed.
func (a rosterAnswer) Unknown() int {
	if a.More {
		return 0
	}
	return max(0, a.Outfit.Members-len(a.Members))
}

func byPresence(a, b playerView) int {
	if a.Online != b.Online {
		if a.Online {
			return -1
		}
		return 1
	}
	return b.LastSeen.Compare(a.LastSeen)
}

func (n *Notifier) character(w http.ResponseWriter, r *http.Request) {
	find(n, w, r, r.PathValue("who"), n.findCharacter)
}

func (n *Notifier) outfit(w http.ResponseWriter, r *http.Request) {
	find(n, w, r, r.PathValue("tag"), n.findOutfit)
}

func (n *Notifier) outfitRoster(w http.ResponseWriter, r *http.Request) {
	find(n, w, r, r.PathValue("tag"), n.findRoster)
}

// find answers with what is found under key, or with 404.
func find[T any](n *Notifier, w http.ResponseWriter, r *http.Request, key string, by func(context.Context, string) (T, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	v, err := by(ctx, key)
	switch none := missing(""); {
	case err == nil:
		writeJSON(w, http.StatusOK, v)
	case errors.As(err, &none):
		problem.Write(w, problem.New(http.StatusNotFound, none.Error()))
	default:
		n.unavailable(w, r, err)
	}
}

// DisplayName is the character's name, or its placeholder.
func (v playerView) DisplayName() string {
	if v.Character == nil {
		return ""
	}
	if v.Character.Name == "" {
		return event.Placeholder(v.Character.ID)
	}
	return v.Character.Name
}
