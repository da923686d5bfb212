package notifier

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"muster/event"
	"muster/internal/problem"
)

// Bounds of what one answer lists.
const (
	maxOnline   = 500
	maxSessions = 20
	maxMembers  = 2000
	maxName     = 64 // bytes of a name or tag; the game's have 32 at most
)

// worldView is one world as pages show it.
type worldView struct {
	World       event.World       `json:"world"`
	Name        string            `json:"name"`
	Environment event.Environment `json:"environment,omitempty"`
	Online      int               `json:"online"`
	Stream      *streamView       `json:"stream"` // null: no listener has ever reported it
}

// worldViews returns every live world and every other of which there is news.
func (n *Notifier) worldViews(counts map[event.World]int, now time.Time) []worldView {
	byID := map[event.World]worldView{}
	view := func(w event.World) worldView {
		info, _ := w.Info()
		return worldView{World: w, Name: w.String(), Environment: info.Environment, Online: counts[w]}
	}
	for _, info := range event.Worlds() {
		if info.Live {
			byID[info.ID] = view(info.ID)
		}
	}
	for w, online := range counts {
		if online > 0 {
			byID[w] = view(w)
		}
	}
	for _, s := range n.hub.streamViews(now) {
		v := view(s.World)
		v.Stream = &s
		byID[s.World] = v
	}
	all := make([]worldView, 0, len(byID))
	for _, v := range byID {
		all = append(all, v)
	}
	slices.SortFunc(all, byEnvironment)
	return all
}

// byEnvironment sorts as event.Worlds does, unknown worlds last.
func byEnvironment(a, b worldView) int {
	place := func(v worldView) int {
		for i, info := range event.Worlds() {
			if info.ID == v.World {
				return i
			}
		}
		return len(event.Worlds())
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.World, b.World))
}

// statusAnswer is what GET /api/v1/status says.
type statusAnswer struct {
	Time     time.Time         `json:"time"`
	Worlds   []worldView       `json:"worlds"`
	Gaps     []gapView         `json:"gaps"` // of the last 24 h, newest first
	Versions map[string]string `json:"versions"`
}

type gapView struct {
	event.Gap
	Name string `json:"name"`
}

func (n *Notifier) status(w http.ResponseWriter, r *http.Request) {
	answer(n, w, r, "status", n.readStatus)
}

func (n *Notifier) readStatus(ctx context.Context) (statusAnswer, error) {
	now := time.Now().UTC()
	counts, err := n.cfg.Store.OnlineCount(ctx)
	if err != nil {
		return statusAnswer{}, err
	}
	gaps, err := n.cfg.Store.Gaps(ctx, now.Add(-24*time.Hour), now)
	if err != nil {
		return statusAnswer{}, err
	}
	s := statusAnswer{Time: now, Worlds: n.worldViews(counts, now), Gaps: []gapView{},
		Versions: map[string]string{"muster": n.cfg.Version, "go": runtime.Version()}}
	for _, g := range gaps {
		s.Gaps = append(s.Gaps, gapView{Gap: g, Name: g.World.String()})
	}
	slices.SortStableFunc(s.Gaps, func(a, b gapView) int { return b.From.Compare(a.From) })
	return s, nil
}

// playerView is a player as the API shows it.
type playerView struct {
	Character *event.Who  `json:"character"`
	Rank      int32       `json:"battle_rank,omitempty"`
	Online    bool        `json:"online"`
	Known     bool        `json:"presence_known"` // false: never seen, Online says nothing
	World     event.World `json:"world,omitempty"`
	WorldName string      `json:"world_name,omitempty"`
	Zone      event.Zone  `json:"zone,omitempty"`
	ZoneName  string      `json:"zone_name,omitempty"`
	Since     time.Time   `json:"since,omitzero"` // when Online began to be so
	LastSeen  time.Time   `json:"last_seen,omitzero"`
	OutfitIs  string      `json:"outfit_rank,omitempty"`
}

func viewPlayer(p event.Player) playerView {
	world := p.Online.World
	if world == 0 {
		world = p.Character.World
	}
	v := playerView{
		Character: event.NewWho(p.Character), Rank: p.Character.Rank,
		Online: p.Online.Online, Known: p.Online.Known(), World: world,
		Since: p.Online.Since, LastSeen: p.Online.LastSeen, OutfitIs: p.MembershipRank,
	}
	if world != 0 {
		v.WorldName = world.String()
	}
	if p.Online.Online {
		v.Zone, v.ZoneName = p.Online.Zone, p.Online.Zone.String()
	}
	return v
}

// snapshotAnswer is what a page begins with. Streaming on from LastID misses
// nothing and needs no more than what is here.
type snapshotAnswer struct {
	Epoch  string `json:"epoch"`
	LastID string `json:"last_id"`
	// RecentID is a little earlier: who streams on from it begins with the last
	// two minutes, or with some 150 events beside experience if that is less.
	RecentID string       `json:"recent_id"`
	Time     time.Time    `json:"time"`
	Worlds   []worldView  `json:"worlds"`
	Online   []playerView `json:"online"` // newest arrivals first; at most 500
	More     bool         `json:"more"`   // there are others
}

func (n *Notifier) snapshot(w http.ResponseWriter, r *http.Request) {
	var world event.World // all
	if text := r.URL.Query().Get("world"); text != "" {
		var ok bool
		if world, ok = parseWorld(text); !ok {
			problem.Write(w, problem.New(http.StatusBadRequest, "world is not known", worldIDs()...))
			return
		}
	}
	answer(n, w, r, "snapshot "+strconv.Itoa(int(world)), func(ctx context.Context) (snapshotAnswer, error) {
		return n.readSnapshot(ctx, world)
	})
}

func (n *Notifier) readSnapshot(ctx context.Context, world event.World) (snapshotAnswer, error) {
	now := time.Now().UTC()
	// The id comes first: what happens while the store is read is streamed too.
	s := snapshotAnswer{Epoch: n.hub.epoch, Time: now, Online: []playerView{}}
	s.LastID, s.RecentID = n.hub.ids(now)
	counts, err := n.cfg.Store.OnlineCount(ctx)
	if err != nil {
		return s, err
	}
	players, err := n.cfg.Store.OnlineNow(ctx, world, maxOnline+1)
	if err != nil {
		return s, err
	}
	if s.More = len(players) > maxOnline; s.More {
		players = players[:maxOnline]
	}
	var nameless []event.CharacterID
	for _, p := range players {
		s.Online = append(s.Online, viewPlayer(p))
		if p.Character.Name == "" {
			nameless = append(nameless, p.Character.ID)
		}
	}
	slices.SortStableFunc(s.Online, func(a, b playerView) int { return b.Since.Compare(a.Since) })
	n.hub.shown(nameless, now)
	s.Worlds = n.worldViews(counts, now)
	return s, nil
}

// answer writes what read returns, kept for a second under key. Without a store
// the answer is 503, for it may come back.
func answer[T any](n *Notifier, w http.ResponseWriter, r *http.Request, key string, read func(context.Context) (T, error)) {
	v, err := n.cache.get(key, func() (any, error) {
		// Not the request's context: others wait for the same answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
		defer cancel()
		return read(ctx)
	})
	if err != nil {
		n.unavailable(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, v)
}

// storeFailed notes that a request had no answer from the store. It is said once,
// not for each request: how many come is not ours to say.
func (n *Notifier) storeFailed(r *http.Request, err error) {
	n.store.Failed(r.Context(), fmt.Errorf("%s: %w", r.URL.Path, err))
}

func (n *Notifier) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	n.storeFailed(r, err)
	problem.RetryAfter(w.Header(), 5*time.Second)
	problem.Write(w, problem.New(http.StatusServiceUnavailable, "the store does not answer, try again"))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, problem.New(http.StatusInternalServerError, "the answer cannot be encoded"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store") // it is about now
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: nobody is left to tell
}

func (n *Notifier) notFound(w http.ResponseWriter, r *http.Request) {
	if wantsHTML(r) {
		n.errorPage(w, http.StatusNotFound, "There is no page here.")
		return
	}
	problem.Write(w, problem.New(http.StatusNotFound, "there is nothing at this address"))
}
